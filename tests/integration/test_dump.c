// SPDX-License-Identifier: Apache-2.0
//
// DUMP and RESTORE: with their options and errors, and in exchange with Debian's redis-server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keyspace.h"
#include "redis_server.h"
#include "reply_text.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

static redisReply *dump(redisContext *from, const char *key) {
    redisReply *reply = command(from, "DUMP %s", key);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    return reply;
}

// The string "x" as Redis 7.0 dumps it.
#define DUMPED_X "\x00\x01\x78\x0a\x00\x22\x80\x86\x5f\xbd\xe8\x48\xd0"

enum { BIG = 2000 };

// One key of each type and size.
static void fill(redisContext *to) {
    expect_reply(to, "OK", "SET string %b", "\0binary\r\n", (size_t)9);
    expect_reply(to, "OK", "SET empty %b", "", (size_t)0);
    expect_reply(to, "OK", "SET number -1234567");
    expect_reply(to, "1", "SETRANGE zeros 0 %b", "\0", (size_t)1);
    expect_reply(to, "20001", "SETRANGE zeros 20000 x");
    expect_reply(to, "2", "HSET hash f v %b w", "\0", (size_t)1);
    expect_reply(to, "3", "RPUSH list a %b 12", "", (size_t)0);
    expect_reply(to, "3", "SADD set a b %b", "\xff\x00", (size_t)2);
    expect_reply(to, "3", "SADD integers -5 70000 5000000000");
    expect_reply(to, "4", "ZADD zset 1 a 2.5 b -inf c +inf d");
    for (int i = 0; i < BIG; i++) {
        freeReplyObject(command(to, "HSET big-hash field:%d value:%d", i, i));
        freeReplyObject(command(to, "RPUSH big-list %d", i * 37));
        freeReplyObject(command(to, "SADD big-set member:%d", i));
        freeReplyObject(command(to, "ZADD big-zset %d.5 member:%d", i % 17, i));
    }
}

static const char *const keys[] = {"string",   "empty", "number",   "zeros",    "hash",    "list",    "set",
                                   "integers", "zset",  "big-hash", "big-list", "big-set", "big-zset"};

// What a key but a hash holds, whatever the order in which its server keeps it.
static void expect_same_content(redisContext *one, redisContext *other, const char *key) {
    static const struct {
        const char *type, *read;
    } readers[] = {{"string", "GET %s"},
                   {"list", "LRANGE %s 0 -1"},
                   {"set", "SORT %s ALPHA"},
                   {"zset", "ZRANGE %s 0 -1 WITHSCORES"}};
    char *type = reply_text(one, "TYPE %s", key);
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (strcmp(readers[i].type, type) != 0)
            continue;
        char *first = reply_text(one, readers[i].read, key);
        char *second = reply_text(other, readers[i].read, key);
        assert_string_equal(first, second);
        free(first);
        free(second);
    }
    expect_reply(other, type, "TYPE %s", key);
    free(type);
}

static void expect_same_fields(redisContext *one, redisContext *other, const char *key) {
    redisReply *all = command(one, "HGETALL %s", key);
    long long fields = reply_integer_of(other, "HLEN %s", key);
    assert_int_equal(fields * 2, all->elements);
    for (size_t i = 0; i < all->elements; i += 2) {
        redisReply *value =
            redisCommand(other, "HGET %s %b", key, all->element[i]->str, all->element[i]->len);
        assert_non_null(value);
        assert_int_equal(value->len, all->element[i + 1]->len);
        assert_memory_equal(value->str, all->element[i + 1]->str, value->len);
        freeReplyObject(value);
    }
    freeReplyObject(all);
}

// Every key goes from one server to the other, and is there what it was.
static void exchange(redisContext *from, redisContext *to) {
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        redisReply *payload = dump(from, keys[i]);
        expect_reply(to, "OK", "RESTORE %s 0 %b", keys[i], payload->str, payload->len);
        freeReplyObject(payload);
        expect_same_content(from, to, keys[i]);
    }
    expect_same_fields(from, to, "hash");
    expect_same_fields(from, to, "big-hash");
}

static void redis_restores_what_is_dumped_here(void **state) {
    (void)state;
    struct redis_server redis;
    redis_server_start(&redis);
    fill(client);
    exchange(client, redis.client);
    redis_server_stop(&redis);
}

static void what_redis_dumps_is_restored_here(void **state) {
    (void)state;
    struct redis_server redis;
    redis_server_start(&redis);
    fill(redis.client);
    exchange(redis.client, client);
    redis_server_stop(&redis);
}

static void a_value_goes_through_a_dump_unchanged(void **state) {
    (void)state;
    struct buffer before = {0};
    fill(client);
    keyspace_describe(client, &before);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        redisReply *payload = dump(client, keys[i]);
        expect_reply(client, "1", "DEL %s", keys[i]);
        expect_reply(client, "OK", "RESTORE %s 0 %b", keys[i], payload->str, payload->len);
        freeReplyObject(payload);
    }
    keyspace_expect(client, &before, "DUMP, DEL and RESTORE");
    buffer_release(&before);
}

static void a_short_string_is_dumped_byte_for_byte_as_redis_does(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET s x");
    redisReply *payload = dump(client, "s");
    assert_int_equal(payload->len, sizeof(DUMPED_X) - 1);
    assert_memory_equal(payload->str, DUMPED_X, payload->len);
    freeReplyObject(payload);
}

static void what_is_missing_is_dumped_as_nothing(void **state) {
    (void)state;
    expect_reply(client, "nil", "DUMP missing");
    expect_reply(client, "-ERR wrong number of arguments for 'dump' command", "DUMP a b");
}

static void restored_collections_can_be_changed(void **state) {
    (void)state;
    fill(client);
    redisReply *payload = dump(client, "list");
    expect_reply(client, "OK", "RESTORE copy 0 %b", payload->str, payload->len);
    freeReplyObject(payload);
    expect_reply(client, "4", "LPUSH copy first");
    expect_reply(client, "5", "RPUSH copy last");
    expect_reply(client, "['first' 'a' '' '12' 'last']", "LRANGE copy 0 -1");
    payload = dump(client, "zset");
    expect_reply(client, "OK", "RESTORE scores 0 %b", payload->str, payload->len);
    freeReplyObject(payload);
    expect_reply(client, "'11'", "ZINCRBY scores 10 a");
    expect_reply(client, "['c' 'b' 'a' 'd']", "ZRANGE scores 0 -1");
    expect_reply(client, "4", "ZCARD scores");
}

static void a_key_that_is_there_is_replaced_only_if_asked(void **state) {
    (void)state;
    expect_reply(client, "2", "SADD k a b");
    expect_reply(client, "-BUSYKEY Target key name already exists.", "RESTORE k 0 %b", DUMPED_X,
                 sizeof(DUMPED_X) - 1);
    expect_reply(client, "['a' 'b']", "SMEMBERS k");
    expect_reply(client, "OK", "RESTORE k 0 %b replace", DUMPED_X, sizeof(DUMPED_X) - 1);
    expect_reply(client, "'x'", "GET k");
    expect_reply(client, "-1", "TTL k");
}

static void a_time_to_live_is_relative_or_absolute(void **state) {
    (void)state;
    const char *x = DUMPED_X;
    size_t length = sizeof(DUMPED_X) - 1;
    expect_reply(client, "OK", "RESTORE k 100000 %b", x, length);
    long long left = reply_integer_of(client, "PTTL k");
    assert_in_range(left, 1, 100000);
    expect_reply(client, "OK", "RESTORE k 99999999999999 %b ABSTTL REPLACE", x, length);
    expect_reply(client, "99999999999999", "PEXPIRETIME k");
    expect_reply(client, "OK", "RESTORE k 1 %b ABSTTL REPLACE", x, length); // long ago
    expect_reply(client, "0", "EXISTS k");
    expect_reply(client, "OK", "RESTORE new 1 %b ABSTTL", x, length);
    expect_reply(client, "0", "EXISTS new");
}

static void collections_get_their_time_to_live(void **state) {
    (void)state;
    expect_reply(client, "1", "HSET h f v");
    expect_reply(client, "1", "RPUSH l e");
    static const char *const names[] = {"h", "l"};
    for (size_t i = 0; i < 2; i++) {
        redisReply *payload = dump(client, names[i]);
        expect_reply(client, "OK", "RESTORE %s 99999999999999 %b ABSTTL REPLACE", names[i], payload->str,
                     payload->len);
        expect_reply(client, "99999999999999", "PEXPIRETIME %s", names[i]);
        freeReplyObject(payload);
    }
}

static void options_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *options, *wanted;
    } rows[] = {
        {"0 %b IDLETIME 10", "OK"},
        {"0 %b REPLACE FREQ 255", "OK"},
        {"0 %b REPLACE FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255"},
        {"0 %b REPLACE FREQ -1", "-ERR Invalid FREQ value, must be >= 0 and <= 255"},
        {"0 %b REPLACE IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0"},
        {"0 %b REPLACE IDLETIME x", "-ERR value is not an integer or out of range"},
        {"0 %b REPLACE IDLETIME", "-ERR syntax error"},
        {"0 %b REPLACE IDLETIME 1 FREQ 1", "-ERR syntax error"},
        {"0 %b REPLACE FREQ 1 IDLETIME 1", "-ERR syntax error"},
        {"0 %b REPLACE nonsense", "-ERR syntax error"},
        {"-1 %b REPLACE", "-ERR Invalid TTL value, must be >= 0"},
        {"x %b REPLACE", "-ERR value is not an integer or out of range"},
        {"9223372036854775807 %b REPLACE", "-ERR Invalid TTL value, must be >= 0"},
        {"x %b", "-BUSYKEY Target key name already exists."},
        {"0", "-ERR wrong number of arguments for 'restore' command"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char format[64];
        (void)snprintf(format, sizeof(format), "RESTORE k %s", rows[i].options);
        expect_reply(client, rows[i].wanted, format, DUMPED_X, sizeof(DUMPED_X) - 1);
    }
    expect_reply(client, "'x'", "GET k");
}

static void a_bad_payload_changes_nothing(void **state) {
    (void)state;
    struct buffer before = {0};
    expect_reply(client, "OK", "SET k old EX 1000");
    keyspace_describe(client, &before);
    static const char wrong[] = "-ERR DUMP payload version or checksum are wrong";
    expect_reply(client, wrong, "RESTORE k 0 short REPLACE");
    expect_reply(client, wrong, "RESTORE k 0 %b REPLACE", "", (size_t)0);
    expect_reply(client, wrong, "RESTORE k 0 %b REPLACE", DUMPED_X, sizeof(DUMPED_X) - 2);
    // An empty list, with the right checksum.
    expect_reply(client, "-ERR Bad data format", "RESTORE k 0 %b REPLACE",
                 "\x01\x00\x0a\x00\x5b\xf8\x25\xcc\x6c\x17\x43\x56", (size_t)12);
    keyspace_expect(client, &before, "bad payloads");
    buffer_release(&before);
}

static void dumps_work_in_transactions(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "RESTORE a 0 %b", DUMPED_X, sizeof(DUMPED_X) - 1);
    expect_reply(client, "QUEUED", "RESTORE a 0 %b", DUMPED_X, sizeof(DUMPED_X) - 1);
    expect_reply(client, "QUEUED", "GET a");
    expect_reply(client, "[OK -BUSYKEY Target key name already exists. 'x']", "EXEC");
}

// Compressed as Redis does it, a payload may be far smaller than what it stands for.
static void a_string_that_is_too_long_is_not_restored(void **state) {
    (void)state;
    struct redis_server redis;
    redis_server_start(&redis);
    expect_reply(redis.client, "1500001", "SETRANGE long 1500000 x");
    redisReply *payload = dump(redis.client, "long");
    assert_true(payload->len < 1 << 20);
    expect_reply(client, "OK", "CONFIG SET proto-max-bulk-len 1mb");
    expect_reply(client, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)", "RESTORE copy 0 %b",
                 payload->str, payload->len);
    expect_reply(client, "0", "EXISTS copy");
    expect_reply(client, "OK", "CONFIG SET proto-max-bulk-len 512mb");
    expect_reply(client, "OK", "RESTORE copy 0 %b", payload->str, payload->len);
    freeReplyObject(payload);
    redis_server_stop(&redis);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(redis_restores_what_is_dumped_here, empty_database),
        cmocka_unit_test_setup(what_redis_dumps_is_restored_here, empty_database),
        cmocka_unit_test_setup(a_value_goes_through_a_dump_unchanged, empty_database),
        cmocka_unit_test_setup(a_short_string_is_dumped_byte_for_byte_as_redis_does, empty_database),
        cmocka_unit_test_setup(what_is_missing_is_dumped_as_nothing, empty_database),
        cmocka_unit_test_setup(restored_collections_can_be_changed, empty_database),
        cmocka_unit_test_setup(a_key_that_is_there_is_replaced_only_if_asked, empty_database),
        cmocka_unit_test_setup(a_time_to_live_is_relative_or_absolute, empty_database),
        cmocka_unit_test_setup(collections_get_their_time_to_live, empty_database),
        cmocka_unit_test_setup(options_are_checked, empty_database),
        cmocka_unit_test_setup(a_bad_payload_changes_nothing, empty_database),
        cmocka_unit_test_setup(a_string_that_is_too_long_is_not_restored, empty_database),
        cmocka_unit_test_setup(dumps_work_in_transactions, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
