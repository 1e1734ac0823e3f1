// SPDX-License-Identifier: Apache-2.0
//
// Uses: cmocka, hiredis, buffer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keyspace.h"

#include <string.h>

// How the content of each type is read.
static const struct {
    const char *type, *command;
} readers[] = {
    {"string", "GET %b"},
    {"hash", "HGETALL %b"},
    {"list", "LRANGE %b 0 -1"},
    {"set", "SMEMBERS %b"},
    {"zset", "ZRANGE %b 0 -1 WITHSCORES"},
};

static redisReply *ask(redisContext *connection, const char *format, const redisReply *key) {
    redisReply *reply = redisCommand(connection, format, key->str, key->len);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply == NULL ? connection->errstr : reply->str);
    return reply;
}

// With its length in front, as it may hold anything.
static void append_bulk(struct buffer *out, const redisReply *bulk) {
    if (bulk->str == NULL) {
        buffer_append_text(out, " gone");
        return;
    }
    buffer_append_format(out, " %zu:", bulk->len);
    buffer_append(out, (struct bytes){.data = bulk->str, .length = bulk->len});
}

static const char *reader_of(const char *type) {
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (strcmp(readers[i].type, type) == 0)
            return readers[i].command;
    }
    fail_msg("a key of type %s, which cannot be read", type);
    return NULL;
}

static void append_content(redisContext *connection, struct buffer *out, const redisReply *key,
                           const char *type) {
    redisReply *content = ask(connection, reader_of(type), key);
    if (content->type != REDIS_REPLY_ARRAY)
        append_bulk(out, content);
    for (size_t i = 0; i < content->elements; i++)
        append_bulk(out, content->element[i]);
    freeReplyObject(content);
}

static void append_key(redisContext *connection, struct buffer *out, const redisReply *key) {
    redisReply *type = ask(connection, "TYPE %b", key);
    redisReply *expiry = ask(connection, "PEXPIRETIME %b", key);
    append_bulk(out, key);
    buffer_append_format(out, " %s %lld", type->str, expiry->integer);
    if (strcmp(type->str, "none") != 0) // it has expired since it was found
        append_content(connection, out, key, type->str);
    buffer_append_text(out, "\n");
    freeReplyObject(expiry);
    freeReplyObject(type);
}

void keyspace_describe(redisContext *connection, struct buffer *out) {
    keyspace_describe_matching(connection, "*", out);
}

void keyspace_describe_matching(redisContext *connection, const char *pattern, struct buffer *out) {
    char cursor[32] = "0";
    do {
        redisReply *page = redisCommand(connection, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        if (page == NULL || page->type != REDIS_REPLY_ARRAY || page->elements != 2)
            fail_msg("SCAN failed: %s", page == NULL ? connection->errstr : page->str);
        assert_true(page->element[0]->len < sizeof(cursor));
        memcpy(cursor, page->element[0]->str, page->element[0]->len + 1);
        for (size_t i = 0; i < page->element[1]->elements; i++)
            append_key(connection, out, page->element[1]->element[i]);
        freeReplyObject(page);
    } while (strcmp(cursor, "0") != 0);
}

void keyspace_expect(redisContext *connection, const struct buffer *wanted, const char *after_what) {
    struct buffer now = {0};
    keyspace_describe(connection, &now);
    if (!bytes_equal(buffer_bytes(&now), buffer_bytes(wanted)))
        fail_msg("after %s the keyspace was\n%.*s\ninstead of\n%.*s", after_what, (int)now.length,
                 now.data == NULL ? "" : now.data, (int)wanted->length,
                 wanted->data == NULL ? "" : wanted->data);
    buffer_release(&now);
}
