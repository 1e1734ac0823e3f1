// SPDX-License-Identifier: Apache-2.0
//
// Writes MONITOR's lines. Arguments can be big and are mostly printable, so room for the worst case is made a
// step at a time. Uses: buffer.
#include "server/monitor_format.h"

#include <inttypes.h>

enum {
    LONGEST_ESCAPE = 4, // of one byte: \xff
    STEP_LENGTH = 1024
};

// The letter that stands for a byte behind a backslash, or 0.
static char escape_letter(unsigned char byte) {
    static const char letters[256] = {
        ['\\'] = '\\', ['"'] = '"', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['\a'] = 'a', ['\b'] = 'b'};
    return letters[byte];
}

static char *put_byte(char *to, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    char letter = escape_letter(byte);
    if (letter != 0) {
        *to++ = '\\';
        *to++ = letter;
    } else if (byte >= ' ' && byte <= '~') {
        *to++ = (char)byte;
    } else {
        *to++ = '\\';
        *to++ = 'x';
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    return to;
}

static void append_escaped(struct buffer *out, struct bytes bytes) {
    char *start = buffer_reserve(out, LONGEST_ESCAPE * bytes.length);
    char *to = start;
    for (size_t i = 0; i < bytes.length; i++)
        to = put_byte(to, (unsigned char)bytes.data[i]);
    out->length += (size_t)(to - start);
}

void monitor_format_quoted(struct buffer *out, struct bytes bytes) {
    buffer_append(out, BYTES_LITERAL("\""));
    while (bytes.length != 0) {
        size_t step = bytes.length < STEP_LENGTH ? bytes.length : STEP_LENGTH;
        append_escaped(out, (struct bytes){.data = bytes.data, .length = step});
        bytes.data += step;
        bytes.length -= step;
    }
    buffer_append(out, BYTES_LITERAL("\""));
}

void monitor_format(struct buffer *out, const struct monitor_line *line) {
    buffer_append_format(out, "+%" PRId64 ".%06" PRId64 " [%d %s%s]", line->wall_us / 1000000,
                         line->wall_us % 1000000, line->database, line->is_unix_socket ? "unix:" : "",
                         line->address);
    for (size_t i = 0; i < line->count; i++) {
        buffer_append(out, BYTES_LITERAL(" "));
        monitor_format_quoted(out, line->arguments[i]);
    }
    buffer_append(out, BYTES_LITERAL("\r\n"));
}
