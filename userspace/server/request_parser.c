// SPDX-License-Identifier: Apache-2.0
//
// Reads the request protocol: arrays of bulk strings, and inline commands. The bytes themselves are
// request_memory.c's business. Uses:
// base/{assert,memory,number}.
#include "server/request_parser_state.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/number.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

// What reading one part of a command came to.
enum step { STEP_DONE, STEP_INCOMPLETE, STEP_FAILED };

// The errors of a line that holds a number.
struct number_errors {
    const char *too_long;
    const char *invalid;
    const char *unauthenticated;
};
static const struct number_errors multibulk_errors = {
    "too big mbulk count string", "invalid multibulk length", "unauthenticated multibulk length"};
static const struct number_errors bulk_errors = {"too big bulk count string", "invalid bulk length",
                                                 "unauthenticated bulk length"};

__attribute__((format(printf, 2, 3), cold)) static enum step fail(struct request_parser *parser,
                                                                  const char *format, ...) {
    char text[128] = "ERR Protocol error: ";
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    parser->error = memory_copy_text(text);
    return STEP_FAILED;
}

__attribute__((cold)) static enum step fail_without_memory(struct request_parser *parser) {
    return fail(parser, "out of memory for the request");
}

// Looks for `end` from the position on. STEP_DONE: *line_length is how far away it is.
static enum step find_in_line(struct request_parser *parser, char end, uint64_t longest,
                              const char *error_if_longer, size_t *line_length) {
    const char *line = parser->data + parser->position;
    size_t available = parser->length - parser->position;
    size_t searchable = available > longest ? longest + 1 : available;
    const char *found = NULL;
    if (parser->searched < searchable)
        found = memchr(line + parser->searched, end, searchable - parser->searched);
    if (found != NULL) {
        *line_length = (size_t)(found - line);
        return STEP_DONE;
    }
    parser->searched = searchable;
    return available > longest ? fail(parser, "%s", error_if_longer) : STEP_INCOMPLETE;
}

static void advance(struct request_parser *parser, size_t count) {
    parser->position += count;
    parser->searched = 0;
}

// A line such as "*3" or "$-1", whatever its shape.
static enum step read_number_line(struct request_parser *parser, const struct request_limits *limits,
                                  const struct number_errors *errors, int64_t *value) {
    size_t length = 0;
    enum step step = find_in_line(parser, '\r', limits->inline_length, errors->too_long, &length);
    if (step != STEP_DONE)
        return step;
    const char *line = parser->data + parser->position;
    if (parser->length - parser->position < length + REQUEST_LINE_END) {
        parser->searched = length;
        return STEP_INCOMPLETE;
    }
    struct bytes digits = {.data = line + 1, .length = length - 1};
    if (line[length + 1] != '\n' || !number_read_integer(digits, value))
        return fail(parser, "%s", errors->invalid);
    advance(parser, length + REQUEST_LINE_END);
    return STEP_DONE;
}

// The same for the common case, a short number that is there whole. False: read_number_line() decides.
static inline bool read_short_number(struct request_parser *parser, int64_t *value) {
    const char *digits = parser->data + parser->position + 1;
    size_t available = parser->length - parser->position - 1;
    size_t most = available < 9 ? available : 9;
    size_t length = 0;
    unsigned number = 0;
    for (; length < most; length++) {
        unsigned digit = (unsigned)(unsigned char)digits[length] - '0';
        if (digit > 9)
            break;
        number = number * 10 + digit;
    }
    if (length == 0 || available - length < REQUEST_LINE_END || digits[length] != '\r' ||
        digits[length + 1] != '\n' || (digits[0] == '0' && length > 1))
        return false;
    *value = number;
    advance(parser, 1 + length + REQUEST_LINE_END);
    return true;
}

static inline enum step read_number(struct request_parser *parser, const struct request_limits *limits,
                                    const struct number_errors *errors, int64_t *value) {
    return read_short_number(parser, value) ? STEP_DONE : read_number_line(parser, limits, errors, value);
}

static enum step read_inline(struct request_parser *parser, const struct request_limits *limits) {
    size_t length = 0;
    enum step step = find_in_line(parser, '\n', limits->inline_length, "too big inline request", &length);
    if (step != STEP_DONE)
        return step;
    struct bytes line = {.data = parser->data + parser->position, .length = length};
    if (length > 0 && line.data[length - 1] == '\r')
        line.length--;
    int count = request_split_inline(line, &parser->words);
    if (count < 0)
        return fail(parser, "unbalanced quotes in request");
    advance(parser, length + 1);
    parser->found = (uint32_t)count;
    parser->ready = count > 0;
    if (count == 0)
        parser->start = parser->position;
    return STEP_DONE;
}

static enum step begin_command(struct request_parser *parser, const struct request_limits *limits) {
    if (parser->position == parser->length)
        return STEP_INCOMPLETE;
    if (parser->data[parser->position] != '*')
        return read_inline(parser, limits);
    int64_t count = 0;
    enum step step = read_number(parser, limits, &multibulk_errors, &count);
    if (step != STEP_DONE)
        return step;
    if (count <= 0) {
        parser->start = parser->position;
        return STEP_DONE;
    }
    if (count > INT_MAX || (uint64_t)count > limits->arguments)
        return fail(parser, "%s",
                    limits->before_authentication && count <= INT_MAX ? multibulk_errors.unauthenticated
                                                                      : multibulk_errors.invalid);
    parser->expected = (uint32_t)count;
    return STEP_DONE;
}

static inline enum step begin_bulk(struct request_parser *parser, const struct request_limits *limits) {
    if (parser->position == parser->length)
        return STEP_INCOMPLETE;
    char type = parser->data[parser->position];
    if (type != '$')
        return fail(parser, "expected '$', got '%c'", type == '\0' ? ' ' : type);
    int64_t length = 0;
    enum step step = read_number(parser, limits, &bulk_errors, &length);
    if (step != STEP_DONE)
        return step;
    if (length < 0 || (uint64_t)length > limits->bulk_length)
        return fail(parser, "%s",
                    limits->before_authentication && length >= 0 ? bulk_errors.unauthenticated
                                                                 : bulk_errors.invalid);
    uint64_t held = parser->position - parser->start + parser->big_size;
    if (held > limits->total_length || (uint64_t)length > limits->total_length - held)
        return fail(parser, "too big command, more than %llu bytes",
                    (unsigned long long)limits->total_length);
    parser->bulk_length = (size_t)length;
    parser->bulk_begun = true;
    return STEP_DONE;
}

static inline enum step add_argument(struct request_parser *parser, const char *data) {
    size_t length = parser->bulk_length;
    if (data[length] != '\r' || data[length + 1] != '\n')
        return fail(parser, "expected CRLF after bulk string");
    if (parser->found == parser->capacity && !request_grow_arguments(parser))
        return fail_without_memory(parser);
    parser->arguments[parser->found++] = (struct bytes){.data = data, .length = length};
    parser->bulk_begun = false;
    return STEP_DONE;
}

static enum step read_big_bulk(struct request_parser *parser) {
    if (parser->big->filled < parser->big->size)
        return STEP_INCOMPLETE;
    parser->bulk_is_big = false;
    return add_argument(parser, parser->big->data);
}

static inline enum step read_bulk(struct request_parser *parser) {
    if (parser->bulk_is_big)
        return read_big_bulk(parser);
    size_t available = parser->length - parser->position;
    if (available < REQUEST_LINE_END || available - REQUEST_LINE_END < parser->bulk_length) {
        if (parser->bulk_length >= REQUEST_BIG_BULK && !request_begin_big_bulk(parser))
            return fail_without_memory(parser);
        return STEP_INCOMPLETE;
    }
    const char *data = parser->data + parser->position;
    parser->position += parser->bulk_length + REQUEST_LINE_END;
    return add_argument(parser, data);
}

static enum step read_arguments(struct request_parser *parser, const struct request_limits *limits) {
    while (parser->found < parser->expected) {
        enum step step = parser->bulk_begun ? STEP_DONE : begin_bulk(parser, limits);
        if (step == STEP_DONE)
            step = read_bulk(parser);
        if (step != STEP_DONE)
            return step;
    }
    parser->ready = true;
    return STEP_DONE;
}

enum request_result request_parser_next(struct request_parser *parser, const struct request_limits *limits,
                                        const struct bytes **arguments, size_t *count, const char **error) {
    while (!parser->ready && parser->error == NULL) {
        enum step step =
            parser->expected != 0 ? read_arguments(parser, limits) : begin_command(parser, limits);
        if (step == STEP_INCOMPLETE)
            return REQUEST_INCOMPLETE;
    }
    if (parser->error != NULL) {
        *error = parser->error;
        return REQUEST_INVALID;
    }
    *arguments = parser->words != NULL ? parser->words : parser->arguments;
    *count = parser->found;
    return REQUEST_READY;
}

void request_parser_consume(struct request_parser *parser) {
    always_assert(parser->ready, "a command is consumed once");
    parser->start = parser->position;
    parser->ready = false;
    parser->expected = 0;
    parser->found = 0;
    if (parser->big != NULL || parser->words != NULL || parser->capacity > REQUEST_KEPT_ARGUMENTS)
        request_release_extras(parser);
}
