// SPDX-License-Identifier: Apache-2.0
//
// The set commands, and random fields of hashes, against the real server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

static void members_are_added_and_removed_once(void **state) {
    (void)state;
    expect_reply(client, "2", "SADD s a b a");
    expect_reply(client, "1", "SADD s b c");
    expect_reply(client, "3", "SCARD s");
    expect_reply(client, "['a' 'b' 'c']", "SMEMBERS s");
    expect_reply(client, "1", "SREM s a a x");
    expect_reply(client, "2", "SREM s b c");
    expect_reply(client, "none", "TYPE s");
}

static void membership_is_told(void **state) {
    (void)state;
    expect_reply(client, "2", "SADD s a b");
    expect_reply(client, "1", "SISMEMBER s a");
    expect_reply(client, "0", "SISMEMBER s x");
    expect_reply(client, "[1 0 1]", "SMISMEMBER s a x b");
    expect_reply(client, "[0 0]", "SMISMEMBER missing a b");
    expect_reply(client, "0", "SISMEMBER missing a");
    expect_reply(client, "[]", "SMEMBERS missing");
}

static void a_member_moves_from_set_to_set(void **state) {
    (void)state;
    expect_reply(client, "2", "SADD s a b");
    expect_reply(client, "1", "SADD t b");
    expect_reply(client, "1", "SMOVE s t a");
    expect_reply(client, "1", "SMOVE s t b");
    expect_reply(client, "0", "SMOVE s t b");
    expect_reply(client, "0", "EXISTS s");
    expect_reply(client, "['a' 'b']", "SMEMBERS t");
    expect_reply(client, "1", "SMOVE t t a");
    expect_reply(client, "0", "SMOVE t t x");
    expect_reply(client, "2", "SCARD t");
}

static void sets_are_combined(void **state) {
    (void)state;
    expect_reply(client, "4", "SADD a 1 2 3 4");
    expect_reply(client, "3", "SADD b 3 4 5");
    expect_reply(client, "2", "SADD c 4 6");
    expect_reply(client, "['4']", "SINTER a b c");
    expect_reply(client, "[]", "SINTER a b missing");
    expect_reply(client, "['1' '2' '3' '4' '5' '6']", "SUNION a missing b c");
    expect_reply(client, "['1' '2']", "SDIFF a b missing c");
    expect_reply(client, "[]", "SDIFF missing a");
    expect_reply(client, "['1' '2' '3' '4']", "SUNION a a");
    expect_reply(client, "[]", "SDIFF a a");
    expect_reply(client, "2", "SINTERCARD 2 a b");
    expect_reply(client, "1", "SINTERCARD 2 a b LIMIT 1");
    expect_reply(client, "2", "SINTERCARD 2 a b LIMIT 0");
}

static void what_is_combined_is_stored(void **state) {
    (void)state;
    expect_reply(client, "3", "SADD a 1 2 3");
    expect_reply(client, "2", "SADD b 2 3");
    expect_reply(client, "OK", "SET d text");
    expect_reply(client, "2", "SINTERSTORE d a b");
    expect_reply(client, "['2' '3']", "SMEMBERS d");
    expect_reply(client, "3", "SUNIONSTORE a a b");
    expect_reply(client, "1", "SDIFFSTORE a a b");
    expect_reply(client, "['1']", "SMEMBERS a");
    expect_reply(client, "0", "SDIFFSTORE d missing b");
    expect_reply(client, "0", "EXISTS d");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SADD a 9");
    expect_reply(client, "QUEUED", "SUNIONSTORE d a b");
    expect_reply(client, "QUEUED", "SMEMBERS d");
    expect_reply(client, "[1 4 ['1' '2' '3' '9']]", "EXEC");
}

static void sintercard_refuses_what_it_cannot_count(void **state) {
    (void)state;
    expect_reply(client, "-ERR numkeys should be greater than 0", "SINTERCARD 0 a");
    expect_reply(client, "-ERR numkeys should be greater than 0", "SINTERCARD x a");
    expect_reply(client, "-ERR Number of keys can't be greater than number of args", "SINTERCARD 2 a");
    expect_reply(client, "-ERR LIMIT can't be negative", "SINTERCARD 1 a LIMIT -1");
    expect_reply(client, "-ERR syntax error", "SINTERCARD 1 a b");
    expect_reply(client, "['a' 'b']", "COMMAND GETKEYS SINTERCARD 2 a b LIMIT 1");
}

static void a_key_of_another_type_is_refused(void **state) {
    (void)state;
    static const char *const commands[] = {
        "SADD k a",        "SREM k a",         "SCARD k",      "SISMEMBER k a", "SMISMEMBER k a",
        "SMEMBERS k",      "SMOVE k t a",      "SMOVE s k a",  "SPOP k",        "SRANDMEMBER k",
        "SSCAN k 0",       "SINTER s k",       "SUNION s k",   "SDIFF s k",     "SPOP k 2",
        "SRANDMEMBER k 2", "SINTERCARD 2 s k", "HRANDFIELD k", "HRANDFIELD k 2"};
    expect_reply(client, "OK", "SET k text");
    expect_reply(client, "1", "SADD s a");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        expect_reply(client, WRONG_TYPE, commands[i]);
}

static void spop_takes_members_away(void **state) {
    (void)state;
    expect_reply(client, "nil", "SPOP s");
    expect_reply(client, "[]", "SPOP s 3");
    expect_reply(client, "5", "SADD s a b c d e");
    redisReply *reply = command(client, "SPOP s 2");
    assert_int_equal(reply->elements, 2);
    assert_string_not_equal(reply->element[0]->str, reply->element[1]->str);
    freeReplyObject(reply);
    expect_reply(client, "3", "SCARD s");
    expect_reply(client, "[]", "SPOP s 0");
    reply = command(client, "SPOP s 100");
    assert_int_equal(reply->elements, 3);
    freeReplyObject(reply);
    expect_reply(client, "0", "EXISTS s");
    expect_reply(client, "-ERR value is out of range, must be positive", "SPOP s -1");
}

// Each of ten elements is expected a tenth of the time; six standard deviations are allowed.
static void assert_even_draws(const char *name, const char *key) {
    enum { ELEMENTS = 10, DRAWS = 5000, EXPECTED = DRAWS / ELEMENTS, ALLOWED = 130 };
    int drawn[ELEMENTS] = {0};
    redisReply *reply = command(client, "%s %s %d", name, key, -DRAWS);
    assert_int_equal(reply->elements, DRAWS);
    for (size_t i = 0; i < reply->elements; i++)
        drawn[atoi(reply->element[i]->str)]++;
    freeReplyObject(reply);
    for (int i = 0; i < ELEMENTS; i++)
        assert_in_range(drawn[i], EXPECTED - ALLOWED, EXPECTED + ALLOWED);
}

static void every_element_is_drawn_as_often_as_any_other(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        expect_reply(client, "1", "SADD s %d", i);
        expect_reply(client, "1", "HSET h %d value", i);
    }
    assert_even_draws("SRANDMEMBER", "s");
    assert_even_draws("HRANDFIELD", "h");
}

static void different_elements_are_drawn_by_a_positive_count(void **state) {
    (void)state;
    expect_reply(client, "3", "SADD s a b c");
    expect_reply(client, "['a' 'b' 'c']", "SRANDMEMBER s 10");
    expect_reply(client, "[]", "SRANDMEMBER s 0");
    expect_reply(client, "[]", "SRANDMEMBER missing 3");
    expect_reply(client, "[]", "SRANDMEMBER missing -3");
    expect_reply(client, "nil", "SRANDMEMBER missing");
    expect_reply(client, "1", "HSET h f v");
    expect_reply(client, "'f'", "HRANDFIELD h");
    expect_reply(client, "['f' 'v']", "HRANDFIELD h 5 WITHVALUES");
    expect_reply(client, "['f' 'v' 'f' 'v']", "HRANDFIELD h -2 withvalues");
    expect_reply(client, "-ERR syntax error", "HRANDFIELD h 1 VALUES");
    expect_reply(client, "nil", "HRANDFIELD missing");
}

static void a_scan_meets_every_member(void **state) {
    (void)state;
    enum { MEMBERS = 50 };
    char cursor[64] = "0";
    size_t seen = 0;
    for (int i = 0; i < MEMBERS; i++)
        expect_reply(client, "1", "SADD s m%d", i);
    do {
        redisReply *reply = command(client, "SSCAN s %s COUNT 7", cursor);
        seen += reply->element[1]->elements;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(seen, MEMBERS);
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(members_are_added_and_removed_once),
        TEST(membership_is_told),
        TEST(a_member_moves_from_set_to_set),
        TEST(sets_are_combined),
        TEST(what_is_combined_is_stored),
        TEST(sintercard_refuses_what_it_cannot_count),
        TEST(a_key_of_another_type_is_refused),
        TEST(spop_takes_members_away),
        TEST(every_element_is_drawn_as_often_as_any_other),
        TEST(different_elements_are_drawn_by_a_positive_count),
        TEST(a_scan_meets_every_member),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
