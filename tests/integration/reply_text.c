// SPDX-License-Identifier: Apache-2.0
//
// Replies as text. Uses: hiredis, buffer.
#include "reply_text.h"

#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

// Elements are only simple replies and arrays of them in what the tests ask for, never deeper than a few
// levels. NOLINTNEXTLINE(misc-no-recursion)
static void append_reply(struct buffer *out, const redisReply *reply) {
    struct bytes text = {.data = reply->str, .length = reply->len};
    switch (reply->type) {
    case REDIS_REPLY_STATUS:
        buffer_append(out, text);
        return;
    case REDIS_REPLY_ERROR:
        buffer_append_text(out, "-");
        buffer_append(out, text);
        return;
    case REDIS_REPLY_INTEGER:
        buffer_append_format(out, "%lld", reply->integer);
        return;
    case REDIS_REPLY_STRING:
        buffer_append_text(out, "'");
        buffer_append(out, text);
        buffer_append_text(out, "'");
        return;
    case REDIS_REPLY_NIL:
        buffer_append_text(out, "nil");
        return;
    case REDIS_REPLY_ARRAY:
        buffer_append_text(out, "[");
        for (size_t i = 0; i < reply->elements; i++) {
            buffer_append_text(out, i == 0 ? "" : " ");
            append_reply(out, reply->element[i]);
        }
        buffer_append_text(out, "]");
        return;
    default:
        fail_msg("a reply of hiredis type %d, which has no text form", reply->type);
    }
}

static char *text_of(redisReply *reply) {
    struct buffer out = {0};
    if (reply == NULL)
        buffer_append_text(&out, "closed");
    else
        append_reply(&out, reply);
    buffer_append(&out, (struct bytes){.data = "", .length = 1});
    freeReplyObject(reply);
    return out.data;
}

void expect_reply(redisContext *connection, const char *wanted, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *got = text_of(redisvCommand(connection, format, arguments));
    va_end(arguments);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: expected %s, got %s", format, wanted, got);
    free(got);
}

void expect_coming(redisContext *connection, const char *wanted) {
    redisReply *reply = NULL;
    if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
        fail_msg("%s instead of %s", connection->errstr, wanted);
    char *got = text_of(reply);
    assert_string_equal(got, wanted);
    free(got);
}

char *reply_text(redisContext *connection, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *got = text_of(redisvCommand(connection, format, arguments));
    va_end(arguments);
    return got;
}

long long reply_integer_of(redisContext *connection, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(connection, format, arguments);
    va_end(arguments);
    bool is_integer = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    long long integer = is_integer ? reply->integer : 0;
    char *text = text_of(reply);
    if (!is_integer)
        fail_msg("%s: expected an integer, got %s", format, text);
    free(text);
    return integer;
}
