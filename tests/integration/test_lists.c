// SPDX-License-Identifier: Apache-2.0
//
// The list commands against the real server: what a reader should find by name. Their options in all
// combinations are compared with Redis in test_differential.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <stdlib.h>
#include <string.h>

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

static void elements_are_pushed_and_popped_at_both_ends(void **state) {
    (void)state;
    expect_reply(client, "3", "RPUSH l a b c");
    expect_reply(client, "5", "LPUSH l x y");
    expect_reply(client, "['y' 'x' 'a' 'b' 'c']", "LRANGE l 0 -1");
    expect_reply(client, "'y'", "LPOP l");
    expect_reply(client, "['c' 'b']", "RPOP l 2");
    expect_reply(client, "['x' 'a']", "LPOP l 10");
    expect_reply(client, "0", "EXISTS l");
    expect_reply(client, "nil", "LPOP l");
    expect_reply(client, "nil", "LPOP l 2");
    expect_reply(client, "0", "LPUSHX l a");
    expect_reply(client, "0", "RPUSHX l a");
}

static void elements_are_inserted_on_either_side_of_the_middle(void **state) {
    (void)state;
    expect_reply(client, "5", "RPUSH l a b c d e");
    expect_reply(client, "6", "LINSERT l AFTER a 1");
    expect_reply(client, "7", "LINSERT l BEFORE e 2");
    expect_reply(client, "8", "LINSERT l BEFORE a 0");
    expect_reply(client, "9", "LINSERT l AFTER e 3");
    expect_reply(client, "-1", "LINSERT l AFTER missing 3");
    expect_reply(client, "0", "LINSERT missing AFTER a 3");
    expect_reply(client, "['0' 'a' '1' 'b' 'c' 'd' '2' 'e' '3']", "LRANGE l 0 -1");
}

static void elements_are_removed_from_either_end_on(void **state) {
    (void)state;
    expect_reply(client, "7", "RPUSH l a x b x c x d");
    expect_reply(client, "1", "LREM l 1 x");
    expect_reply(client, "1", "LREM l -1 x");
    expect_reply(client, "['a' 'b' 'x' 'c' 'd']", "LRANGE l 0 -1");
    expect_reply(client, "1", "LREM l 0 x");
    expect_reply(client, "0", "LREM l 0 x");
    expect_reply(client, "'c'", "LINDEX l 2");
    expect_reply(client, "'d'", "LINDEX l -1");
}

static void a_list_of_which_nothing_is_left_is_gone(void **state) {
    (void)state;
    expect_reply(client, "2", "RPUSH l a a");
    expect_reply(client, "2", "LREM l 0 a");
    expect_reply(client, "0", "EXISTS l");
    expect_reply(client, "3", "RPUSH l a b c");
    expect_reply(client, "OK", "LTRIM l 1 1");
    expect_reply(client, "['b']", "LRANGE l 0 -1");
    expect_reply(client, "OK", "LTRIM l 5 9");
    expect_reply(client, "0", "EXISTS l");
}

static void an_element_goes_round_in_one_list_and_from_one_to_another(void **state) {
    (void)state;
    expect_reply(client, "3", "RPUSH l a b c");
    expect_reply(client, "'c'", "RPOPLPUSH l l");
    expect_reply(client, "['c' 'a' 'b']", "LRANGE l 0 -1");
    expect_reply(client, "'c'", "LMOVE l l LEFT LEFT");
    expect_reply(client, "'b'", "LMOVE l m RIGHT RIGHT");
    expect_reply(client, "'c'", "LMOVE l m LEFT LEFT");
    expect_reply(client, "['c' 'b']", "LRANGE m 0 -1");
    expect_reply(client, "nil", "LMOVE missing m LEFT LEFT");
    expect_reply(client, "OK", "SET text t");
    expect_reply(client, WRONG_TYPE, "LMOVE l text LEFT LEFT");
    expect_reply(client, "['a']", "LRANGE l 0 -1");
}

static void lmpop_takes_from_the_first_list_that_has_elements(void **state) {
    (void)state;
    expect_reply(client, "3", "RPUSH l a b c");
    expect_reply(client, "['l' ['c' 'b']]", "LMPOP 2 missing l RIGHT COUNT 2");
    expect_reply(client, "['l' ['a']]", "LMPOP 2 missing l LEFT");
    expect_reply(client, "nil", "LMPOP 2 missing l LEFT");
    expect_reply(client, "['a' 'b']", "COMMAND GETKEYS LMPOP 2 a b LEFT");
}

static void a_transaction_sees_its_own_elements(void **state) {
    (void)state;
    expect_reply(client, "3", "RPUSH l a b c");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "LREM l 0 b");
    expect_reply(client, "QUEUED", "LINSERT l BEFORE a x");
    expect_reply(client, "QUEUED", "LPUSH l y");
    expect_reply(client, "QUEUED", "LTRIM l 0 2");
    expect_reply(client, "QUEUED", "LRANGE l 0 -1");
    expect_reply(client, "[1 3 4 OK ['y' 'x' 'a']]", "EXEC");
    expect_reply(client, "3", "LLEN l");
}

static void a_key_of_another_type_is_refused(void **state) {
    (void)state;
    static const char *const commands[] = {
        "LPUSH k a",  "RPUSHX k a",          "LPOP k",         "RPOP k 2",     "LLEN k",
        "LINDEX k 0", "LSET k 0 a",          "LRANGE k 0 1",   "LTRIM k 0 1",  "LREM k 0 a",
        "LPOS k a",   "LINSERT k AFTER a b", "LMPOP 1 k LEFT", "RPOPLPUSH k l"};
    expect_reply(client, "OK", "SET k text");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        expect_reply(client, WRONG_TYPE, commands[i]);
}

static void expect_rest(redisContext *connection, int count, const char *text) {
    for (int i = 0; i < count; i++)
        expect_next_text(connection, text);
}

// The list's only element is always the same, but its place changes all the time: what tells of the place
// must be as old as what is there. More readers than workers, so that not all of them are on the writer's.
static void an_element_is_found_while_another_client_moves_it_along(void **state) {
    (void)state;
    enum { ROUNDS = 4, READERS = 3, COMMANDS = 4000 };
    redisContext *readers[READERS];
    for (int reader = 0; reader < READERS; reader++)
        readers[reader] = server_connect(&server);
    expect_reply(client, "1", "RPUSH q e");
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COMMANDS; i++) {
            assert_int_equal(redisAppendCommand(client, "RPOPLPUSH q q"), REDIS_OK);
            for (int reader = 0; reader < READERS; reader++)
                assert_int_equal(redisAppendCommand(readers[reader], "LINDEX q 0"), REDIS_OK);
        }
        send_command(client, "PING");
        for (int reader = 0; reader < READERS; reader++)
            send_command(readers[reader], "LINDEX q -1");
        for (int reader = 0; reader < READERS; reader++)
            expect_rest(readers[reader], COMMANDS + 1, "e");
        expect_rest(client, COMMANDS, "e");
        expect_next_text(client, "PONG");
    }
    for (int reader = 0; reader < READERS; reader++)
        redisFree(readers[reader]);
}

// --- Big lists ---

enum { BIG = 1000 };

static void expect_next_integer(redisContext *connection, long long wanted) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    assert_int_equal(reply->integer, wanted);
    freeReplyObject(reply);
}

// Pushes BIG elements, of which every tenth is "x" and the others tell their places.
static void push_big(void) {
    for (int i = 0; i < BIG; i++)
        assert_int_equal(redisAppendCommand(client, i % 10 == 5 ? "RPUSH l x" : "RPUSH l %d", i), REDIS_OK);
    for (int i = 0; i < BIG; i++)
        expect_next_integer(client, i + 1);
}

// The list that LREM must leave.
static void expect_removed(int count) {
    int gone[BIG] = {0};
    int left = count == 0 ? BIG : abs(count);
    for (int i = 0; i < BIG; i++) {
        int at = count < 0 ? BIG - 1 - i : i;
        gone[at] = at % 10 == 5 && left > 0;
        left -= gone[at];
    }
    redisReply *list = command(client, "LRANGE l 0 -1");
    size_t met = 0;
    for (int i = 0; i < BIG; i++) {
        if (gone[i])
            continue;
        assert_true(met < list->elements);
        const char *element = list->element[met++]->str;
        assert_true(i % 10 == 5 ? strcmp(element, "x") == 0 : strtol(element, NULL, 10) == i);
    }
    assert_int_equal(list->elements, met);
    freeReplyObject(list);
}

static long long sequence(void) {
    return server_info_number(client, "replication", "master_repl_offset");
}

static void removing_moves_the_shorter_side(void **state) {
    (void)state;
    static const int counts[] = {1, -1, 3, -3, 50, -50, 60, -60, 99, 0};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        expect_integer(client, i != 0, "DEL l");
        push_big();
        long long before = sequence();
        int removed = counts[i] == 0 ? BIG / 10 : abs(counts[i]);
        expect_integer(client, removed, "LREM l %d x", counts[i]);
        assert_true(sequence() - before < 12 * removed + 10);
        expect_removed(counts[i]);
    }
}

static void what_goes_as_a_whole_is_not_deleted_one_by_one(void **state) {
    (void)state;
    static const char *const ways[] = {"LTRIM l 5 1", "LPOP l 1000", "RPOP l 2000",
                                       "LMPOP 1 l LEFT COUNT 1000"};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        push_big();
        long long before = sequence();
        freeReplyObject(redisCommand(client, ways[i]));
        assert_true(sequence() - before < 5);
        expect_integer(client, 0, "EXISTS l");
    }
    for (int i = 0; i < BIG; i++)
        expect_integer(client, i + 1, "RPUSH l x");
    long long before = sequence();
    expect_integer(client, BIG, "LREM l 0 x");
    assert_true(sequence() - before < 5);
}

static void trimming_to_little_costs_little(void **state) {
    (void)state;
    push_big();
    expect_integer(client, 1, "EXPIRE l 1000");
    long long before = sequence();
    expect_text(client, "OK", "LTRIM l 990 -8");
    assert_true(sequence() - before < 10);
    expect_reply(client, "['990' '991' '992']", "LRANGE l 0 -1");
    expect_integer(client, 1000, "TTL l");
    expect_integer(client, 4, "RPUSH l y");
    expect_reply(client, "['990' '991' '992' 'y']", "LRANGE l 0 -1");
}

// The elements that are kept are too big to be held at once.
static void trimming_keeps_big_elements(void **state) {
    enum { ELEMENT = 1 << 20, ELEMENTS = 160, KEPT = 17 };
    (void)state;
    char *element = calloc(1, ELEMENT);
    assert_non_null(element);
    for (int i = 0; i < ELEMENTS; i++) {
        (void)snprintf(element, 16, "%d", i);
        const char *const words[] = {"RPUSH", "l", element};
        freeReplyObject(
            redisCommandArgv(client, 3, (const char **)(uintptr_t)words, (const size_t[]){5, 1, ELEMENT}));
    }
    expect_text(client, "OK", "LTRIM l %d -1", -KEPT);
    expect_integer(client, KEPT, "LLEN l");
    redisReply *first = command(client, "LINDEX l 0");
    assert_int_equal(first->len, ELEMENT);
    assert_string_equal(first->str, "143");
    freeReplyObject(first);
    free(element);
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(elements_are_pushed_and_popped_at_both_ends),
        TEST(elements_are_inserted_on_either_side_of_the_middle),
        TEST(elements_are_removed_from_either_end_on),
        TEST(a_list_of_which_nothing_is_left_is_gone),
        TEST(an_element_goes_round_in_one_list_and_from_one_to_another),
        TEST(lmpop_takes_from_the_first_list_that_has_elements),
        TEST(a_transaction_sees_its_own_elements),
        TEST(a_key_of_another_type_is_refused),
        TEST(removing_moves_the_shorter_side),
        TEST(what_goes_as_a_whole_is_not_deleted_one_by_one),
        TEST(trimming_to_little_costs_little),
        TEST(trimming_keeps_big_elements),
        TEST(an_element_is_found_while_another_client_moves_it_along),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
