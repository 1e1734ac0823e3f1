// SPDX-License-Identifier: Apache-2.0
//
// SCAN against the real server: what a whole scan returns, and what its options and cursors mean.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 4", {&client}}};

static int start_empty(void **state) {
    (void)empty_database(state);
    expect_reply(client, "OK", "CONFIG SET redis-cursor-compatible yes");
    return 0;
}

static void make_keys(const char *prefix, int count) {
    for (int i = 0; i < count; i++)
        redisAppendCommand(client, "SET %s%d 1", prefix, i);
    for (int i = 0; i < count; i++) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(client, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

enum { CURSOR_SIZE = 128, CALLS_MAX = 100000 };

// One call with what follows the cursor. The caller frees the array; the next cursor is put into `cursor`.
static redisReply *scan_once(char cursor[CURSOR_SIZE], const char *options) {
    char command[2 * CURSOR_SIZE];
    (void)snprintf(command, sizeof(command), "SCAN %s %s", cursor, options);
    redisReply *reply = redisCommand(client, command);
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        (void)snprintf(cursor, CURSOR_SIZE, "%s", reply->element[0]->str);
        return reply;
    }
    fail_msg("%s: %s", command, reply == NULL ? "closed" : reply->str);
    return NULL;
}

// The number in a name "<prefix><number>", or -1.
static long number_in(const char *name, const char *prefix) {
    size_t length = strlen(prefix);
    char *end = NULL;
    if (strncmp(name, prefix, length) != 0)
        return -1;
    long number = strtol(name + length, &end, 10);
    return *end == '\0' ? number : -1;
}

// Scans to the end and counts in seen[] how often each key "<prefix><number below limit>" comes. Returns the
// number of all keys returned.
static size_t scan_all(const char *options, const char *prefix, int limit, int *seen) {
    char cursor[CURSOR_SIZE] = "0";
    size_t total = 0;
    int calls = 0;
    do {
        redisReply *reply = scan_once(cursor, options);
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; i < keys->elements; i++) {
            long number = number_in(keys->element[i]->str, prefix);
            if (number >= 0 && number < limit)
                seen[number]++;
        }
        total += keys->elements;
        freeReplyObject(reply);
        assert_true(++calls < CALLS_MAX);
    } while (strcmp(cursor, "0") != 0);
    return total;
}

static void assert_each_once(const int *seen, int count) {
    for (int i = 0; i < count; i++)
        assert_int_equal(seen[i], 1);
}

static void a_scan_of_nothing_ends_at_once(void **state) {
    (void)state;
    expect_reply(client, "['0' []]", "SCAN 0");
    expect_reply(client, "['0' []]", "SCAN 0 MATCH * COUNT 100 TYPE string");
}

static void a_whole_scan_returns_every_key_once(void **state) {
    (void)state;
    make_keys("key:", 500);
    for (int count = 1; count <= 1000; count *= 10) {
        char options[32];
        (void)snprintf(options, sizeof(options), "COUNT %d", count);
        int seen[500] = {0};
        assert_int_equal(scan_all(options, "key:", 500, seen), 500);
        assert_each_once(seen, 500);
    }
}

static void count_bounds_what_one_call_returns(void **state) {
    (void)state;
    make_keys("key:", 100);
    char cursor[CURSOR_SIZE] = "0";
    redisReply *reply = scan_once(cursor, "COUNT 7");
    assert_int_equal(reply->element[1]->elements, 7);
    freeReplyObject(reply);
    reply = scan_once(cursor, "");
    assert_int_equal(reply->element[1]->elements, 10);
    freeReplyObject(reply);
}

static void match_and_type_filter(void **state) {
    (void)state;
    make_keys("a:", 50);
    make_keys("b:", 50);
    int seen[50] = {0};
    assert_int_equal(scan_all("MATCH a:* COUNT 3", "a:", 50, seen), 50);
    assert_each_once(seen, 50);
    assert_int_equal(scan_all("MATCH *:1?", "a:", 50, seen), 20);
    assert_int_equal(scan_all("MATCH a:17", "a:", 50, seen), 1);
    assert_int_equal(scan_all("TYPE string", "a:", 50, seen), 100);
    assert_int_equal(scan_all("TYPE STRING MATCH b:*", "a:", 50, seen), 50);
    assert_int_equal(scan_all("TYPE hash", "a:", 50, seen), 0);
}

static void a_prefix_is_found_without_looking_at_other_keys(void **state) {
    (void)state;
    make_keys("a:", 300);
    make_keys("b:", 3);
    make_keys("c:", 300);
    expect_reply(client, "['0' ['b:0' 'b:1' 'b:2']]", "SCAN 0 MATCH b:* COUNT 10");
}

static void another_pattern_in_the_middle_of_a_scan_is_taken_for_what_is_left(void **state) {
    (void)state;
    make_keys("a:", 9);
    make_keys("aa:", 9);
    make_keys("b:", 9);
    char cursor[CURSOR_SIZE] = "0";
    freeReplyObject(scan_once(cursor, "COUNT 9")); // stands on a:8
    redisReply *reply = scan_once(cursor, "MATCH b:* COUNT 100");
    assert_int_equal(reply->element[1]->elements, 9);
    freeReplyObject(reply);
    assert_string_equal(cursor, "0");
}

static void a_cursor_can_be_used_twice(void **state) {
    (void)state;
    make_keys("key:", 50);
    char first[CURSOR_SIZE] = "0";
    freeReplyObject(scan_once(first, "COUNT 20"));
    char second[CURSOR_SIZE];
    memcpy(second, first, sizeof(second));
    redisReply *one = scan_once(first, "COUNT 5");
    redisReply *other = scan_once(second, "COUNT 5");
    assert_int_equal(one->element[1]->elements, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(one->element[1]->element[i]->str, other->element[1]->element[i]->str);
    freeReplyObject(one);
    freeReplyObject(other);
}

static void a_scan_goes_on_after_its_last_key_was_deleted(void **state) {
    (void)state;
    make_keys("key:", 9);
    char cursor[CURSOR_SIZE] = "0";
    redisReply *reply = scan_once(cursor, "COUNT 4");
    expect_reply(client, "1", "DEL %s", reply->element[1]->element[3]->str);
    freeReplyObject(reply);
    reply = scan_once(cursor, "COUNT 100");
    assert_int_equal(reply->element[1]->elements, 5);
    freeReplyObject(reply);
}

static void cursors_that_were_never_given_out_are_refused(void **state) {
    (void)state;
    static const char *const cursors[] = {"1", "12345", "18446744073709551615", "x", "-1", "0x10"};
    make_keys("key:", 20);
    for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++)
        expect_reply(client, "-ERR invalid cursor", "SCAN %s", cursors[i]);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *command;
        const char *reply;
    } cases[] = {
        {"SCAN 0 COUNT 0", "-ERR syntax error"},
        {"SCAN 0 COUNT -5", "-ERR syntax error"},
        {"SCAN 0 COUNT x", "-ERR value is not an integer or out of range"},
        {"SCAN 0 COUNT", "-ERR syntax error"},
        {"SCAN 0 MATCH", "-ERR syntax error"},
        {"SCAN 0 nonsense 1", "-ERR syntax error"},
        {"SCAN", "-ERR wrong number of arguments for 'scan' command"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_reply(client, cases[i].reply, cases[i].command);
}

static void cursors_are_keys_when_they_need_not_be_numbers(void **state) {
    (void)state;
    expect_reply(client, "OK", "CONFIG SET redis-cursor-compatible no");
    expect_reply(client, "OK", "MSET a 1 b 2 c 3");
    expect_reply(client, "['_b' ['a' 'b']]", "SCAN 0 COUNT 2");
    expect_reply(client, "['0' ['c']]", "SCAN _b");
    int seen[300] = {0};
    make_keys("key:", 300);
    assert_int_equal(scan_all("", "key:", 300, seen), 303);
    assert_each_once(seen, 300);
}

static void a_scan_survives_a_change_of_the_kind_of_cursor(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2 c 3 d 4");
    char cursor[CURSOR_SIZE] = "0";
    freeReplyObject(scan_once(cursor, "COUNT 2"));
    expect_reply(client, "OK", "CONFIG SET redis-cursor-compatible no");
    expect_reply(client, "['_c' ['c']]", "SCAN %s COUNT 1", cursor);
    expect_reply(client, "OK", "CONFIG SET redis-cursor-compatible yes");
    expect_reply(client, "['0' ['d']]", "SCAN _c");
}

// As a condition to wait for: the key named by `name` is gone, which its expiry alone can bring about.
static bool is_gone(void *name) {
    return reply_integer_of(client, "PTTL %s", (const char *)name) == -2;
}

static void dead_keys_count_as_looked_at_and_are_not_returned(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET z alive");
    for (int i = 0; i < 100; i++)
        expect_reply(client, "OK", "SET dead:%d 1 PX 1", i);
    char name[] = "dead:99";
    wait_until(is_gone, name, 10, "the last key to expire");
    expect_reply(client, "OK", "CONFIG SET redis-cursor-compatible no");
    char cursor[CURSOR_SIZE] = "0";
    redisReply *reply = scan_once(cursor, "COUNT 10");
    assert_int_equal(reply->element[1]->elements, 0);
    assert_string_not_equal(cursor, "0");
    freeReplyObject(reply);
    int seen[1] = {0};
    assert_int_equal(scan_all("COUNT 10", "dead:", 1, seen), 1);
    assert_int_equal(seen[0], 0);
}

static void a_scan_of_a_prefix_ends_behind_it_even_among_dead_keys(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET b:0 1 b:1 1");
    for (int i = 0; i < 50; i++)
        expect_reply(client, "OK", "SET c:%d 1 PX 1", i);
    char name[] = "c:49";
    wait_until(is_gone, name, 10, "the last key to expire");
    expect_reply(client, "['0' ['b:0' 'b:1']]", "SCAN 0 MATCH b:* COUNT 10");
}

// Others make, delete and change keys all around and between those that stay.
struct disturbance {
    atomic_bool stop;
    int offset;
    size_t errors;
    size_t writes;
};

static void *disturb(void *argument) {
    struct disturbance *disturbance = argument;
    redisContext *own = server_connect(&server);
    unsigned random = (unsigned)disturbance->offset;
    while (!atomic_load(&disturbance->stop)) {
        random = random * 1664525U + 1013904223U;
        unsigned number = random >> 16;
        static const char *const commands[] = {"SET key:%u:passing 1", "DEL key:%u:passing", "SET key:%u 2",
                                               "EXPIRE key:%u 1000"};
        bool stays = number % 4 >= 2;
        redisReply *reply = redisCommand(own, commands[number % 4], stays ? number % 1000 : number % 3000);
        disturbance->errors += reply == NULL || reply->type == REDIS_REPLY_ERROR;
        disturbance->writes++;
        freeReplyObject(reply);
    }
    redisFree(own);
    return NULL;
}

static void a_key_that_lives_through_the_scan_is_returned_whatever_others_do(void **state) {
    (void)state;
    enum { STAYING = 1000, WRITERS = 3, SCANS = 10 };
    make_keys("key:", STAYING);
    struct disturbance disturbances[WRITERS] = {0};
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        disturbances[i].offset = (int)time(NULL) + i;
        assert_int_equal(pthread_create(&threads[i], NULL, disturb, &disturbances[i]), 0);
    }
    bool complete = true;
    for (int scan = 0; scan < SCANS; scan++) {
        int seen[STAYING] = {0};
        (void)scan_all("COUNT 20", "key:", STAYING, seen);
        for (int i = 0; i < STAYING; i++)
            complete = complete && seen[i] >= 1;
    }
    for (int i = 0; i < WRITERS; i++) {
        atomic_store(&disturbances[i].stop, true);
        pthread_join(threads[i], NULL);
        assert_int_equal(disturbances[i].errors, 0);
        assert_true(disturbances[i].writes > 0);
    }
    assert_true(complete);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_scan_of_nothing_ends_at_once, start_empty),
        cmocka_unit_test_setup(a_whole_scan_returns_every_key_once, start_empty),
        cmocka_unit_test_setup(count_bounds_what_one_call_returns, start_empty),
        cmocka_unit_test_setup(match_and_type_filter, start_empty),
        cmocka_unit_test_setup(a_prefix_is_found_without_looking_at_other_keys, start_empty),
        cmocka_unit_test_setup(another_pattern_in_the_middle_of_a_scan_is_taken_for_what_is_left,
                               start_empty),
        cmocka_unit_test_setup(a_cursor_can_be_used_twice, start_empty),
        cmocka_unit_test_setup(a_scan_goes_on_after_its_last_key_was_deleted, start_empty),
        cmocka_unit_test_setup(cursors_that_were_never_given_out_are_refused, start_empty),
        cmocka_unit_test_setup(nonsense_is_refused, start_empty),
        cmocka_unit_test_setup(cursors_are_keys_when_they_need_not_be_numbers, start_empty),
        cmocka_unit_test_setup(a_scan_survives_a_change_of_the_kind_of_cursor, start_empty),
        cmocka_unit_test_setup(a_scan_of_a_prefix_ends_behind_it_even_among_dead_keys, start_empty),
        cmocka_unit_test_setup(dead_keys_count_as_looked_at_and_are_not_returned, start_empty),
        cmocka_unit_test_setup(a_key_that_lives_through_the_scan_is_returned_whatever_others_do, start_empty),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
