// SPDX-License-Identifier: Apache-2.0
//
// When keys die, against the real server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, NULL, {&client}}};

static void a_key_without_expiry_and_one_that_is_missing_are_told_apart(void **state) {
    (void)state;
    static const char *const commands[] = {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"};
    expect_reply(client, "OK", "SET a 1");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        expect_reply(client, "-1", "%s a", commands[i]);
        expect_reply(client, "-2", "%s missing", commands[i]);
    }
}

static void all_four_units_mean_the_same_moment(void **state) {
    (void)state;
    long long now = (long long)time(NULL);
    expect_reply(client, "OK", "MSET a 1 b 2 c 3 d 4");
    expect_reply(client, "1", "EXPIRE a 1000");
    expect_reply(client, "1", "PEXPIRE b 1000000");
    expect_reply(client, "1", "EXPIREAT c %lld", now + 1000);
    expect_reply(client, "1", "PEXPIREAT d %lld", (now + 1000) * 1000);
    expect_reply(client, "OK", "SET limit 1 EX 1000");
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *key = keys[i];
        long long at = reply_integer_of(client, "EXPIRETIME %s", key);
        assert_in_range(at, now + 1000, now + 1030);
        assert_in_range(reply_integer_of(client, "PEXPIRETIME %s", key), at * 1000 - 500, at * 1000 + 500);
        assert_in_range(reply_integer_of(client, "TTL %s", key), 970, 1001);
        assert_in_range(reply_integer_of(client, "PTTL %s", key), 970000, 1001000);
    }
}

static void seconds_are_rounded_to_the_nearest(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "1", "PEXPIREAT a 4000000000499");
    expect_reply(client, "4000000000", "EXPIRETIME a");
    expect_reply(client, "1", "PEXPIREAT a 4000000000500");
    expect_reply(client, "4000000001", "EXPIRETIME a");
    expect_reply(client, "4000000000500", "PEXPIRETIME a");
}

// What the conditions make of a key that lives for ever, or until 4000000000, when it is asked to live until
// `wanted`.
static void conditions_decide(void **state) {
    (void)state;
    static const struct {
        const char *conditions;
        bool lives_for_ever;
        long long wanted;
        const char *reply;
    } cases[] = {
        {"NX", true, 4000000001, "1"},     {"NX", false, 4000000001, "0"},
        {"XX", true, 4000000001, "0"},     {"XX", false, 4000000001, "1"},
        {"GT", true, 4000000001, "0"},     {"GT", false, 3999999999, "0"},
        {"GT", false, 4000000000, "0"},    {"GT", false, 4000000001, "1"},
        {"LT", true, 4000000001, "1"},     {"LT", false, 3999999999, "1"},
        {"LT", false, 4000000000, "0"},    {"LT", false, 4000000001, "0"},
        {"XX GT", false, 4000000001, "1"}, {"XX LT", true, 3999999999, "0"},
        {"xx lt", false, 3999999999, "1"}, {"NX NX", true, 4000000001, "1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_reply(client, "OK", "SET a 1");
        if (!cases[i].lives_for_ever)
            expect_reply(client, "1", "EXPIREAT a 4000000000");
        char command[128];
        (void)snprintf(command, sizeof(command), "EXPIREAT a %lld %s", cases[i].wanted, cases[i].conditions);
        expect_reply(client, cases[i].reply, command);
        long long before = cases[i].lives_for_ever ? -1 : 4000000000;
        long long after = cases[i].reply[0] == '1' ? cases[i].wanted : before;
        assert_int_equal(reply_integer_of(client, "EXPIRETIME a"), after);
    }
}

static void conditions_that_exclude_each_other_are_refused(void **state) {
    (void)state;
    static const char nx_error[] = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, nx_error, "EXPIRE a 100 NX XX");
    expect_reply(client, nx_error, "EXPIRE a 100 GT NX");
    expect_reply(client, nx_error, "EXPIRE a 100 NX LT");
    expect_reply(client, "-ERR GT and LT options at the same time are not compatible", "EXPIRE a 100 GT LT");
    expect_reply(client, "-ERR Unsupported option nonsense", "EXPIRE a 100 nonsense");
    expect_reply(client, "-ERR Unsupported option nonsense", "EXPIRE missing x NX nonsense");
    expect_reply(client, "-1", "TTL a");
}

static void a_time_in_the_past_deletes(void **state) {
    (void)state;
    static const char *const commands[] = {
        "EXPIRE a 0",   "EXPIRE a -1",   "PEXPIRE a 0",   "PEXPIRE a -9223372036854775808",
        "EXPIREAT a 1", "EXPIREAT a -1", "PEXPIREAT a 0", "EXPIRE a -1 LT"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        expect_reply(client, "OK", "SET a 1");
        expect_reply(client, "1", commands[i]);
        expect_reply(client, "0", "EXISTS a");
    }
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "0", "EXPIRE a -1 GT");
    expect_reply(client, "1", "EXISTS a");
    expect_reply(client, "0", "EXPIRE missing -1");
}

static void times_that_cannot_be_represented_are_refused(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "-ERR invalid expire time in 'expire' command", "EXPIRE a 9223372036854775");
    expect_reply(client, "-ERR invalid expire time in 'expire' command", "EXPIRE a -9223372036854776");
    expect_reply(client, "-ERR invalid expire time in 'pexpire' command", "PEXPIRE a 9223372036854775807");
    expect_reply(client, "-ERR invalid expire time in 'expireat' command", "EXPIREAT a 9223372036854776");
    expect_reply(client, "-ERR value is not an integer or out of range", "EXPIRE a 9223372036854775808");
    expect_reply(client, "-ERR value is not an integer or out of range", "EXPIRE a 1.5");
    expect_reply(client, "-1", "TTL a");
    expect_reply(client, "1", "PEXPIREAT a 9223372036854775807");
    expect_reply(client, "9223372036854775807", "PEXPIRETIME a");
}

static void persist_takes_the_expiry_away(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1 EX 1000");
    expect_reply(client, "1", "PERSIST a");
    expect_reply(client, "-1", "TTL a");
    expect_reply(client, "0", "PERSIST a");
    expect_reply(client, "0", "PERSIST missing");
    expect_reply(client, "'1'", "GET a");
}

static void expire_keeps_the_value(void **state) {
    (void)state;
    static const char value[] = "a\0b\r\n\xff";
    expect_reply(client, "OK", "SET a %b", value, sizeof(value) - 1);
    expect_reply(client, "1", "EXPIRE a 1000");
    redisReply *reply = redisCommand(client, "GET a");
    assert_non_null(reply);
    assert_int_equal(reply->len, sizeof(value) - 1);
    assert_memory_equal(reply->str, value, sizeof(value) - 1);
    freeReplyObject(reply);
}

// As a condition to wait for: the key named by `name` is gone, which its expiry alone can bring about.
static bool is_gone(void *name) {
    return reply_integer_of(client, "PTTL %s", (const char *)name) == -2;
}

static void an_expired_key_is_gone_for_every_command(void **state) {
    (void)state;
    static const struct {
        const char *command;
        const char *reply;
    } cases[] = {
        {"EXISTS a", "0"},     {"TYPE a", "none"},
        {"TTL a", "-2"},       {"GET a", "nil"},
        {"KEYS *", "[]"},      {"SCAN 0", "['0' []]"},
        {"DBSIZE", "0"},       {"RANDOMKEY", "nil"},
        {"TOUCH a", "0"},      {"PERSIST a", "0"},
        {"EXPIRE a 100", "0"}, {"RENAME a b", "-ERR no such key"},
        {"COPY a b", "0"},     {"OBJECT ENCODING a", "nil"},
        {"DEL a", "0"},
    };
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "1", "PEXPIRE a 20");
    char name[] = "a";
    wait_until(is_gone, name, 10, "the key to expire");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_reply(client, cases[i].reply, cases[i].command);
}

static void a_key_made_anew_has_no_expiry_left_over(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1 EX 1000");
    expect_reply(client, "1", "DEL a");
    expect_reply(client, "OK", "SET a 2");
    expect_reply(client, "-1", "TTL a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_key_without_expiry_and_one_that_is_missing_are_told_apart, empty_database),
        cmocka_unit_test_setup(all_four_units_mean_the_same_moment, empty_database),
        cmocka_unit_test_setup(seconds_are_rounded_to_the_nearest, empty_database),
        cmocka_unit_test_setup(conditions_decide, empty_database),
        cmocka_unit_test_setup(conditions_that_exclude_each_other_are_refused, empty_database),
        cmocka_unit_test_setup(a_time_in_the_past_deletes, empty_database),
        cmocka_unit_test_setup(times_that_cannot_be_represented_are_refused, empty_database),
        cmocka_unit_test_setup(persist_takes_the_expiry_away, empty_database),
        cmocka_unit_test_setup(expire_keeps_the_value, empty_database),
        cmocka_unit_test_setup(an_expired_key_is_gone_for_every_command, empty_database),
        cmocka_unit_test_setup(a_key_made_anew_has_no_expiry_left_over, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
