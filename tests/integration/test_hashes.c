// SPDX-License-Identifier: Apache-2.0
//
// The hash commands against the real server: every option, and the error texts clients look for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <stdio.h>
#include <string.h>

#define WRONG_TYPE  "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INTEGER "-ERR value is not an integer or out of range"

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

static void hset_counts_the_new_fields(void **state) {
    (void)state;
    expect_reply(client, "2", "HSET h a 1 b 2");
    expect_reply(client, "1", "HSET h a 3 c 4");
    expect_reply(client, "['a' '3' 'b' '2' 'c' '4']", "HGETALL h");
}

static void a_field_named_twice_counts_once_and_its_last_value_stays(void **state) {
    (void)state;
    expect_reply(client, "1", "HSET h a 1 a 2");
    expect_reply(client, "1", "HLEN h");
    expect_reply(client, "'2'", "HGET h a");
    expect_reply(client, "1", "HDEL h a a");
    expect_reply(client, "0", "EXISTS h");
}

static void pairs_must_be_whole(void **state) {
    (void)state;
    expect_reply(client, "-ERR wrong number of arguments for 'hset' command", "HSET h a 1 b");
    expect_reply(client, "-ERR wrong number of arguments for 'hmset' command", "HMSET h a 1 b");
    expect_reply(client, "0", "EXISTS h");
}

static void hmset_answers_ok(void **state) {
    (void)state;
    expect_reply(client, "OK", "HMSET h a 1 b 2");
    expect_reply(client, "['2' nil '1']", "HMGET h b x a");
}

static void hsetnx_leaves_what_is_there(void **state) {
    (void)state;
    expect_reply(client, "1", "HSETNX h a 1");
    expect_reply(client, "0", "HSETNX h a 2");
    expect_reply(client, "'1'", "HGET h a");
}

static void fields_and_values_keep_every_byte(void **state) {
    (void)state;
    static const char odd[] = "a\0b\r\n\xff";
    expect_reply(client, "1", "HSET h %b %b", odd, sizeof(odd) - 1, odd, sizeof(odd) - 1);
    redisReply *reply = redisCommand(client, "HGET h %b", odd, sizeof(odd) - 1);
    assert_non_null(reply);
    assert_int_equal(reply->len, sizeof(odd) - 1);
    assert_memory_equal(reply->str, odd, sizeof(odd) - 1);
    freeReplyObject(reply);
    expect_reply(client, "1", "HSET h %s %s", "", "");
    expect_reply(client, "''", "HGET h %s", "");
}

static void a_hash_that_is_missing_is_empty(void **state) {
    (void)state;
    expect_reply(client, "nil", "HGET h a");
    expect_reply(client, "[nil nil]", "HMGET h a b");
    expect_reply(client, "0", "HLEN h");
    expect_reply(client, "0", "HSTRLEN h a");
    expect_reply(client, "0", "HEXISTS h a");
    expect_reply(client, "0", "HDEL h a");
    expect_reply(client, "[]", "HGETALL h");
    expect_reply(client, "[]", "HKEYS h");
    expect_reply(client, "[]", "HVALS h");
    expect_reply(client, "['0' []]", "HSCAN h 0");
}

static void the_last_field_takes_the_hash_with_it(void **state) {
    (void)state;
    expect_reply(client, "3", "HSET h a 1 b 2 c 3");
    expect_reply(client, "2", "HDEL h a x c");
    expect_reply(client, "['b']", "HKEYS h");
    expect_reply(client, "1", "HDEL h b");
    expect_reply(client, "none", "TYPE h");
}

static void fields_are_answered_in_a_range_by_their_bytes(void **state) {
    (void)state;
    expect_reply(client, "[]", "HRANGEBYLEX h - +");
    expect_reply(client, "6", "HSET h a 1 b 2 c %s k1 4 k10 5 k2 6", "");
    expect_reply(client, "['a' '1' 'b' '2' 'c' '' 'k1' '4' 'k10' '5' 'k2' '6']", "HRANGEBYLEX h - +");
    expect_reply(client, "['k2' '6' 'k10' '5' 'k1' '4']", "HRANGEBYLEX h + (c REV");
    expect_reply(client, "['k10' '5']", "HRANGEBYLEX h (k1 (k2");
    expect_reply(client, "['k1' '4' 'k10' '5' 'k2' '6']", "HRANGEBYLEX h [k1 [k2");
    expect_reply(client, "[]", "HRANGEBYLEX h [b [a");
    expect_reply(client, "[]", "HRANGEBYLEX h (a (a");
    expect_reply(client, "['b' '2' 'c' '']", "HRANGEBYLEX h [a [z LIMIT 1 2");
    expect_reply(client, "['k10' '5']", "HRANGEBYLEX h [z [a limit 1 1 rev");
    expect_reply(client, "['a' '1' 'b' '2']", "HRANGEBYLEX h - [b LIMIT -3 -7");
    expect_reply(client, "[]", "HRANGEBYLEX h - + LIMIT 0 0");
    expect_reply(client, "[]", "HRANGEBYLEX h - + LIMIT 1000 -1");
}

static void what_is_wrong_with_a_range_of_fields_is_told_as_kvrocks_does(void **state) {
    (void)state;
    expect_reply(client, "1", "HSET h a 1");
    expect_reply(client, "-ERR the min is illegal", "HRANGEBYLEX h a z");
    expect_reply(client, "-ERR the max is illegal", "HRANGEBYLEX h [a z");
    expect_reply(client, "-ERR the min is illegal", "HRANGEBYLEX h [a z REV");
    expect_reply(client, "-ERR min > max", "HRANGEBYLEX h + -");
    expect_reply(client, "-ERR min > max", "HRANGEBYLEX h - + REV");
    expect_reply(client, "-ERR syntax error", "HRANGEBYLEX h [a [z limitzz 0 1");
    expect_reply(client, "-ERR syntax error", "HRANGEBYLEX h [a [z LIMIT");
    expect_reply(client, "-ERR syntax error", "HRANGEBYLEX h [a [z LIMIT 0 1 1");
    expect_reply(client, NOT_INTEGER, "HRANGEBYLEX h [a [z LIMIT 0 x");
}

static void numbers_in_fields_are_added_to(void **state) {
    (void)state;
    expect_reply(client, "5", "HINCRBY h n 5");
    expect_reply(client, "-2", "HINCRBY h n -7");
    expect_reply(client, "1", "HLEN h");
    expect_reply(client, "'0.5'", "HINCRBYFLOAT h f 0.5");
    expect_reply(client, "'5000'", "HINCRBYFLOAT h g 5.0e3");
    expect_reply(client, "'-1.5'", "HINCRBYFLOAT h n 0.5");
    expect_reply(client, "-ERR hash value is not an integer", "HINCRBY h n 1");
    expect_reply(client, NOT_INTEGER, "HINCRBY h n x");
    expect_reply(client, "2", "HSET h t text m 9223372036854775807");
    expect_reply(client, "-ERR hash value is not a float", "HINCRBYFLOAT h t 1");
    expect_reply(client, "-ERR value is not a valid float", "HINCRBYFLOAT h f x");
    expect_reply(client, "-ERR value is NaN or Infinity", "HINCRBYFLOAT h f inf");
    expect_reply(client, "-ERR increment or decrement would overflow", "HINCRBY h m 1");
}

static void a_key_of_another_type_is_refused(void **state) {
    (void)state;
    static const char *const commands[] = {
        "HSET k a 1", "HSETNX k a 1",  "HGET k a",    "HMGET k a",          "HDEL k a",
        "HLEN k",     "HSTRLEN k a",   "HEXISTS k a", "HGETALL k",          "HKEYS k",
        "HVALS k",    "HINCRBY k a 1", "HSCAN k 0",   "HINCRBYFLOAT k a 1", "HRANGEBYLEX k - +"};
    expect_reply(client, "OK", "SET k text");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        expect_reply(client, WRONG_TYPE, commands[i]);
    expect_reply(client, "1", "HSET h a 1");
    expect_reply(client, WRONG_TYPE, "GET h");
}

static void a_hash_expires_and_comes_back_empty(void **state) {
    (void)state;
    expect_reply(client, "2", "HSET h a 1 b 2");
    expect_reply(client, "1", "PEXPIREAT h 1");
    expect_reply(client, "0", "HLEN h");
    expect_reply(client, "1", "HSET h c 3");
    expect_reply(client, "['c' '3']", "HGETALL h");
    expect_reply(client, "-1", "TTL h");
}

static void a_transaction_sees_its_own_fields(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "HSET h a 1 b 2");
    expect_reply(client, "QUEUED", "HDEL h a");
    expect_reply(client, "QUEUED", "HGETALL h");
    expect_reply(client, "QUEUED", "DEL h");
    expect_reply(client, "QUEUED", "HSET h c 3");
    expect_reply(client, "[2 1 ['b' '2'] 1 1]", "EXEC");
    expect_reply(client, "['c' '3']", "HGETALL h");
}

static void a_scan_meets_every_field_once_and_the_wanted_ones_only(void **state) {
    (void)state;
    enum { FIELDS = 100 };
    char cursor[64] = "0";
    int seen = 0;
    for (int i = 0; i < FIELDS; i++)
        expect_reply(client, "1", "HSET h f%d %d", i, i);
    do {
        redisReply *reply = command(client, "HSCAN h %s COUNT 7 MATCH f?*", cursor);
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        assert_true(reply->element[1]->elements <= 14);
        seen += (int)reply->element[1]->elements / 2;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(seen, FIELDS);
    expect_reply(client, "['0' ['f42' '42']]", "HSCAN h 0 MATCH f42 COUNT 1000");
    expect_reply(client, "-ERR syntax error", "HSCAN h 0 COUNT 0");
    expect_reply(client, "-ERR syntax error", "HSCAN h 0 TYPE hash");
    expect_reply(client, "-ERR invalid cursor", "HSCAN h x");
}

static void hashes_are_copied_and_renamed_with_their_fields(void **state) {
    (void)state;
    expect_reply(client, "2", "HSET h a 1 b 2");
    expect_reply(client, "1", "COPY h copy");
    expect_reply(client, "OK", "RENAME h moved");
    expect_reply(client, "1", "HSET copy c 3");
    expect_reply(client, "['a' '1' 'b' '2']", "HGETALL moved");
    expect_reply(client, "3", "HLEN copy");
    expect_reply(client, "0", "EXISTS h");
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(hset_counts_the_new_fields),
        TEST(a_field_named_twice_counts_once_and_its_last_value_stays),
        TEST(pairs_must_be_whole),
        TEST(hmset_answers_ok),
        TEST(hsetnx_leaves_what_is_there),
        TEST(fields_and_values_keep_every_byte),
        TEST(a_hash_that_is_missing_is_empty),
        TEST(fields_are_answered_in_a_range_by_their_bytes),
        TEST(what_is_wrong_with_a_range_of_fields_is_told_as_kvrocks_does),
        TEST(the_last_field_takes_the_hash_with_it),
        TEST(numbers_in_fields_are_added_to),
        TEST(a_key_of_another_type_is_refused),
        TEST(a_hash_expires_and_comes_back_empty),
        TEST(a_transaction_sees_its_own_fields),
        TEST(a_scan_meets_every_field_once_and_the_wanted_ones_only),
        TEST(hashes_are_copied_and_renamed_with_their_fields),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
