// SPDX-License-Identifier: Apache-2.0
//
// Replies in RESP2 and RESP3. Every command ends here, so the short ones are written in place, into the
// output's last block. Uses: base/{memory,number}, server/output_block.
#include "server/reply.h"

#include "base/memory.h"
#include "base/number.h"
#include "server/output_block.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER_SIZE = 1 + NUMBER_INTEGER_SIZE + 2, // a type, a number, a line end
    SHORT_TEXT = OUTPUT_RESERVE_MAXIMUM - HEADER_SIZE - 2,
    REFERRED_LENGTH = 16 * 1024 // shorter values are cheaper to copy than to refer to
};

static inline char *write_line_end(char *to) {
    to[0] = '\r';
    to[1] = '\n';
    return to + 2;
}

// Writes "<type><number>\r\n"; returns its end. Most numbers here have one or two digits.
static inline char *write_header(char *to, char type, int64_t number) {
    *to++ = type;
    if (number < 0 || number >= 100) {
        to += number_write_integer(to, number);
        return write_line_end(to);
    }
    if (number >= 10)
        *to++ = (char)('0' + number / 10);
    *to++ = (char)('0' + number % 10);
    return write_line_end(to);
}

static inline void append_header(struct reply *reply, char type, int64_t number) {
    char *begin = output_reserve(&reply->output, HEADER_SIZE);
    output_advance(&reply->output, (size_t)(write_header(begin, type, number) - begin));
}

static inline void append_short(struct reply *reply, const char *text, size_t length) {
    memcpy(output_reserve(&reply->output, length), text, length);
    output_advance(&reply->output, length);
}

// Appends "<type><text>\r\n".
static void append_line(struct reply *reply, char type, struct bytes text) {
    if (text.length > SHORT_TEXT) {
        append_short(reply, &type, 1);
        output_append(&reply->output, text);
        append_short(reply, "\r\n", 2);
        return;
    }
    char *begin = output_reserve(&reply->output, 1 + text.length + 2);
    begin[0] = type;
    memcpy(begin + 1, text.data, text.length);
    (void)write_line_end(begin + 1 + text.length);
    output_advance(&reply->output, 1 + text.length + 2);
}

void reply_status(struct reply *reply, const char *text) {
    append_line(reply, '+', bytes_from_text(text));
}

void reply_ok(struct reply *reply) {
    append_short(reply, "+OK\r\n", 5);
}

static void remember_code(struct reply *reply, struct bytes error) {
    size_t length = 0;
    while (length < error.length && length < sizeof(reply->last_error_code) - 1 && error.data[length] != ' ')
        length++;
    memcpy(reply->last_error_code, error.data, length);
    reply->last_error_code[length] = '\0';
    reply->errors++;
}

// Control bytes would end the line early, or garble a terminal.
static void clean(char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
            text[i] = ' ';
    }
}

void reply_error(struct reply *reply, const char *text) {
    reply_error_format(reply, "%s", text);
}

void reply_error_format(struct reply *reply, const char *format, ...) {
    char small[512];
    char *text = small;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    if (length < 0) // more than INT_MAX bytes, for example
        length = snprintf(small, sizeof(small), "ERR the error's text cannot be formatted");
    if ((size_t)length >= sizeof(small)) {
        text = memory_allocate((size_t)length + 1);
        va_start(arguments, format);
        (void)vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    clean(text, (size_t)length);
    struct bytes error = {.data = text, .length = (size_t)length};
    remember_code(reply, error);
    append_line(reply, '-', error);
    if (text != small)
        free(text);
}

void reply_integer(struct reply *reply, int64_t value) {
    append_header(reply, ':', value);
}

void reply_bulk(struct reply *reply, struct bytes bytes) {
    if (bytes.length > SHORT_TEXT) {
        append_header(reply, '$', (int64_t)bytes.length);
        output_append(&reply->output, bytes);
        append_short(reply, "\r\n", 2);
        return;
    }
    char *begin = output_reserve(&reply->output, HEADER_SIZE + bytes.length + 2);
    char *end = write_header(begin, '$', (int64_t)bytes.length);
    if (bytes.length != 0)
        memcpy(end, bytes.data, bytes.length);
    end = write_line_end(end + bytes.length);
    output_advance(&reply->output, (size_t)(end - begin));
}

void reply_bulk_text(struct reply *reply, const char *text) {
    reply_bulk(reply, bytes_from_text(text));
}

void reply_bulk_integer(struct reply *reply, int64_t value) {
    char text[NUMBER_INTEGER_SIZE];
    reply_bulk(reply, (struct bytes){.data = text, .length = number_write_integer(text, value)});
}

void reply_bulk_owned(struct reply *reply, struct bytes bytes, void (*release)(void *owner), void *owner) {
    if (bytes.length < REFERRED_LENGTH) {
        reply_bulk(reply, bytes);
        release(owner);
        return;
    }
    append_header(reply, '$', (int64_t)bytes.length);
    output_append_reference(&reply->output, bytes, release, owner);
    append_short(reply, "\r\n", 2);
}

void reply_null(struct reply *reply) {
    if (reply->protocol == 3)
        append_short(reply, "_\r\n", 3);
    else
        append_short(reply, "$-1\r\n", 5);
}

void reply_null_array(struct reply *reply) {
    if (reply->protocol == 3)
        append_short(reply, "_\r\n", 3);
    else
        append_short(reply, "*-1\r\n", 5);
}

// How an aggregate's header begins in RESP3, and how many elements one of its items stands for in RESP2,
// where all of them are arrays.
struct aggregate {
    char type;
    uint8_t elements;
};
static const struct aggregate array = {'*', 1};
static const struct aggregate map = {'%', 2};
static const struct aggregate set = {'~', 1};
static const struct aggregate push = {'>', 1};

static inline char *write_aggregate(const struct reply *reply, char *to, struct aggregate kind,
                                    size_t count) {
    if (reply->protocol == 3)
        return write_header(to, kind.type, (int64_t)count);
    return write_header(to, '*', (int64_t)(count * kind.elements));
}

static inline void append_aggregate(struct reply *reply, struct aggregate kind, size_t count) {
    char *begin = output_reserve(&reply->output, HEADER_SIZE);
    output_advance(&reply->output, (size_t)(write_aggregate(reply, begin, kind, count) - begin));
}

void reply_array(struct reply *reply, size_t count) {
    append_aggregate(reply, array, count);
}

void reply_map(struct reply *reply, size_t pairs) {
    append_aggregate(reply, map, pairs);
}

void reply_set(struct reply *reply, size_t count) {
    append_aggregate(reply, set, count);
}

void reply_push(struct reply *reply, size_t count) {
    append_aggregate(reply, push, count);
}

void reply_boolean(struct reply *reply, bool value) {
    if (reply->protocol == 3)
        append_short(reply, value ? "#t\r\n" : "#f\r\n", 4);
    else
        append_short(reply, value ? ":1\r\n" : ":0\r\n", 4);
}

void reply_double(struct reply *reply, double value) {
    char digits[NUMBER_FLOAT_SIZE];
    struct bytes text = {.data = digits, .length = number_write_double(digits, value)};
    if (reply->protocol == 3)
        append_line(reply, ',', text);
    else
        reply_bulk(reply, text);
}

void reply_verbatim(struct reply *reply, const char *format3, struct bytes text) {
    if (reply->protocol != 3) {
        reply_bulk(reply, text);
        return;
    }
    append_header(reply, '=', (int64_t)(text.length + 4));
    append_short(reply, format3, 3);
    append_short(reply, ":", 1);
    output_append(&reply->output, text);
    append_short(reply, "\r\n", 2);
}

struct output_block *reply_deferred_begin(struct reply *reply) {
    return output_defer(&reply->output);
}

static void fill(struct reply *reply, struct output_block *deferred, struct aggregate kind, size_t count) {
    char header[HEADER_SIZE];
    size_t length = (size_t)(write_aggregate(reply, header, kind, count) - header);
    output_fill_deferred(&reply->output, deferred, (struct bytes){.data = header, .length = length});
}

void reply_array_end(struct reply *reply, struct output_block *deferred, size_t count) {
    fill(reply, deferred, array, count);
}

void reply_map_end(struct reply *reply, struct output_block *deferred, size_t pairs) {
    fill(reply, deferred, map, pairs);
}

void reply_set_end(struct reply *reply, struct output_block *deferred, size_t count) {
    fill(reply, deferred, set, count);
}
