// SPDX-License-Identifier: Apache-2.0
//
// Lines of a configuration file, read and written. Uses: buffer, bytes.
#include "server/config_line.h"

// The escapes of quoted values: what follows the backslash, and what it stands for.
static const char escape_letters[] = "\\\"'trnvfb";
static const char escape_bytes[] = "\\\"'\t\r\n\v\f\b";

static bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static void skip_blanks(struct bytes *rest) {
    while (rest->length > 0 && is_blank(rest->data[0])) {
        rest->data++;
        rest->length--;
    }
}

bool config_next_line(struct bytes *rest, struct bytes *line) {
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->length);
    line->data = rest->data;
    line->length = end == NULL ? rest->length : (size_t)(end - rest->data);
    size_t taken = line->length + (end != NULL);
    rest->data += taken;
    rest->length -= taken;
    return true;
}

bool config_next_word(struct bytes *rest, struct bytes *word) {
    skip_blanks(rest);
    word->data = rest->data;
    word->length = 0;
    while (rest->length > 0 && !is_blank(rest->data[0])) {
        rest->data++;
        rest->length--;
        word->length++;
    }
    return word->length > 0;
}

// A backslash in front of any other byte is dropped and the byte too, as Kvrocks does it.
static void append_escaped(struct buffer *value, char letter) {
    const char *found = letter == '\0' ? NULL : strchr(escape_letters, letter);
    if (found != NULL)
        buffer_append(value, (struct bytes){&escape_bytes[found - escape_letters], 1});
}

// `rest` begins with the opening quote; afterwards it is what follows the closing one.
static const char *parse_quoted(struct bytes *rest, struct buffer *value) {
    char quote = rest->data[0];
    size_t i = 1;
    for (; i < rest->length && rest->data[i] != quote; i++) {
        if (rest->data[i] != '\\') {
            buffer_append(value, (struct bytes){rest->data + i, 1});
        } else if (++i < rest->length) {
            append_escaped(value, rest->data[i]);
        }
    }
    if (i >= rest->length)
        return "the line ends inside a quoted value";
    rest->data += i + 1;
    rest->length -= i + 1;
    skip_blanks(rest);
    if (rest->length > 0 && rest->data[0] != '#')
        return "there is text behind the closing quote";
    return NULL;
}

static void parse_unquoted(struct bytes rest, struct buffer *value) {
    const char *comment = memchr(rest.data, '#', rest.length);
    size_t length = comment == NULL ? rest.length : (size_t)(comment - rest.data);
    while (length > 0 && is_blank(rest.data[length - 1]))
        length--;
    buffer_append(value, (struct bytes){rest.data, length});
}

const char *config_line_parse(struct bytes line, struct config_line *out, struct buffer *value) {
    *out = (struct config_line){0};
    buffer_clear(value);
    if (line.length > 0 && memchr(line.data, '\0', line.length) != NULL)
        return "the line holds a NUL byte";
    skip_blanks(&line);
    out->name.data = line.data;
    while (line.length > 0 && !is_blank(line.data[0]) && line.data[0] != '#') {
        line.data++;
        line.length--;
        out->name.length++;
    }
    skip_blanks(&line);
    if (line.length == 0 || line.data[0] == '#' || out->name.length == 0)
        return NULL;
    if (line.data[0] == '"' || line.data[0] == '\'') {
        const char *problem = parse_quoted(&line, value);
        if (problem != NULL)
            return problem;
    } else {
        parse_unquoted(line, value);
    }
    out->has_value = value->length > 0;
    return NULL;
}

static bool needs_quotes(struct bytes value) {
    if (value.length == 0 || is_blank(value.data[0]) || is_blank(value.data[value.length - 1]))
        return true;
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (byte < ' ' || byte == '#' || byte == '"' || byte == '\'')
            return true;
    }
    return false;
}

void config_line_quote(struct bytes value, struct buffer *out) {
    if (!needs_quotes(value)) {
        buffer_append(out, value);
        return;
    }
    buffer_append_text(out, "\"");
    for (size_t i = 0; i < value.length; i++) {
        const char *found = value.data[i] == '\0' ? NULL : strchr(escape_bytes, value.data[i]);
        if (found != NULL)
            buffer_append(out, (struct bytes){(const char[]){'\\', escape_letters[found - escape_bytes]}, 2});
        else
            buffer_append(out, (struct bytes){value.data + i, 1});
    }
    buffer_append_text(out, "\"");
}
