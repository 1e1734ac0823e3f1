// SPDX-License-Identifier: Apache-2.0
//
// Commands that take away most of a big collection, or make a big one: they hold a portion of it at a time,
// and what goes beyond a portion is neither lost nor done twice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "long_replies.h"
#include "raw_client.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Some portions.
enum { MANY = 20000 };
static const int64_t mebibyte = 1 << 20;

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {
    {&server, "workers 1\nrocksdb.write_buffer_size 512", {&client}}};

static void expect_number(long long wanted, const redisReply *reply) {
    assert_non_null(reply);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != wanted)
        fail_msg("%lld '%s' instead of %lld", reply->integer, reply->str == NULL ? "" : reply->str, wanted);
}

// Runs the command, in a transaction that has changed something before, or alone.
static void expect_count(long long wanted, const char *text, bool in_multi) {
    redisReply *reply = NULL;
    if (!in_multi) {
        reply = redisCommand(client, text);
        expect_number(wanted, reply);
    } else {
        expect_text(client, "OK", "MULTI");
        expect_text(client, "QUEUED", "ZADD zset -5 added-before");
        expect_text(client, "QUEUED", "ZREM zset added-before");
        freeReplyObject(redisCommand(client, text));
        reply = command(client, "EXEC");
        assert_int_equal(reply->elements, 3);
        expect_number(wanted, reply->element[2]);
    }
    freeReplyObject(reply);
}

// --- Removing ---

static void removing_nearly_all_members_costs_little_memory(void **state) {
    (void)state;
    fill(&server, BIG_ZSET, ELEMENTS);
    int64_t before = resident_bytes(&server);
    expect_integer(client, ELEMENTS - 20, "ZREMRANGEBYRANK zset 10 -11");
    int64_t grown = resident_bytes(&server) - before;
    print_message("%lld KiB\n", (long long)grown >> 10);
    assert_true(IS_SANITIZED || grown < 8 * mebibyte);
    expect_integer(client, 20, "ZCARD zset");
}

static const char *const kinds[] = {"RANK", "SCORE", "LEX"};

// Removes all from one element to another, which are their ranks and scores, too.
static void remove_range(int kind, const char *key, int first, int last, bool in_multi) {
    char text[300];
    int length = snprintf(text, sizeof(text), "ZREMRANGEBY%s %s ", kinds[kind], key);
    (void)snprintf(text + length, sizeof(text) - (size_t)length, kind == 2 ? "[%0100d [%0100d" : "%d %d",
                   first, last);
    expect_count(last - first + 1, text, in_multi);
}

// By both of the orders in which a sorted set is kept.
static void expect_all_but(const char *key, int first, int last) {
    int left = MANY - (last - first + 1);
    expect_integer(client, left, "ZCARD %s", key);
    expect_integer(client, left, "ZCOUNT %s -inf +inf", key);
    expect_integer(client, left, "ZLEXCOUNT %s - +", key);
    expect_null(client, "ZSCORE %s %0100d", key, first);
    expect_null(client, "ZSCORE %s %0100d", key, last);
    expect_integer(client, 0, "ZCOUNT %s %d %d", key, first, last);
    expect_integer(client, 0, "ZLEXCOUNT %s [%0100d [%0100d", key, first, last);
    if (first > 0)
        expect_integer(client, first - 1, "ZRANK %s %0100d", key, first - 1);
    if (last < MANY - 1)
        expect_integer(client, first, "ZRANK %s %0100d", key, last + 1);
}

static void expect_expiry(const char *key) {
    redisReply *reply = command(client, "TTL %s", key);
    assert_in_range(reply->integer, 900, 1000);
    freeReplyObject(reply);
}

static void what_remains_is_what_was_not_in_the_range(void **state) {
    static const int ranges[][2] = {
        {0, MANY - 2}, {1, MANY - 1},           {100, MANY - 100},   // little remains
        {0, 9499},     {MANY - 9500, MANY - 1}, {5500, MANY - 5500}, // much remains
    };
    (void)state;
    fill(&server, BIG_ZSET, MANY);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (int kind = 0; kind < 3; kind++) {
            bool in_multi = (i + (size_t)kind) % 2 == 0;
            expect_integer(client, 1, "COPY zset rest REPLACE");
            expect_integer(client, 1, "EXPIRE rest 1000");
            remove_range(kind, "rest", ranges[i][0], ranges[i][1], in_multi);
            expect_all_but("rest", ranges[i][0], ranges[i][1]);
            expect_expiry("rest");
        }
    }
}

static void all_of_them_can_be_removed(void **state) {
    (void)state;
    fill(&server, BIG_ZSET, MANY);
    for (int kind = 0; kind < 3; kind++) {
        expect_integer(client, 1, "COPY zset rest REPLACE");
        remove_range(kind, "rest", 0, MANY - 1, kind == 1);
        expect_integer(client, 0, "EXISTS rest");
    }
}

static void popping_nearly_all_leaves_the_others(void **state) {
    (void)state;
    fill(&server, BIG_ZSET, MANY);
    for (int greatest = 0; greatest < 2; greatest++) {
        expect_integer(client, 1, "COPY zset rest REPLACE");
        redisReply *reply = command(client, "ZPOP%s rest %d", greatest ? "MAX" : "MIN", MANY - 5);
        assert_int_equal(reply->elements, 2 * (MANY - 5));
        freeReplyObject(reply);
        if (greatest)
            expect_all_but("rest", 5, MANY - 1);
        else
            expect_all_but("rest", 0, MANY - 6);
    }
}

static void big_elements_are_copied_whole(void **state) {
    enum { BIG = 300000, ELEMENTS_OF_LIST = 12 };
    (void)state;
    char *text = malloc(BIG + 1);
    assert_non_null(text);
    memset(text, 'x', BIG);
    text[BIG] = '\0';
    for (int i = 0; i < ELEMENTS_OF_LIST; i++) {
        text[0] = (char)('a' + i);
        expect_integer(client, i + 1, "RPUSH list %s", text);
    }
    expect_integer(client, 1, "COPY list copy");
    for (int i = 0; i < ELEMENTS_OF_LIST; i++) {
        text[0] = (char)('a' + i);
        expect_text(client, text, "LINDEX copy %d", i);
    }
    free(text);
}

// --- Making ---

static void sets_that_are_combined_are_whole(void **state) {
    (void)state;
    fill(&server, BIG_SET, MANY);
    fill(&server, SMALL_SET, FILL_BATCH);
    expect_integer(client, 2, "SADD small other more");
    for (int in_multi = 0; in_multi < 2; in_multi++) {
        expect_count(MANY + 2, "SUNIONSTORE made set small set missing", in_multi);
        expect_integer(client, MANY, "SINTERCARD 2 made set");
        expect_count(MANY, "SINTERSTORE made set set made", in_multi);
        expect_integer(client, MANY, "SINTERCARD 2 made set");
        expect_count(MANY - FILL_BATCH, "SDIFFSTORE made set small missing", in_multi);
        expect_integer(client, 0, "SINTERCARD 2 made small");
        expect_count(MANY + 2, "SUNIONSTORE made made small set", in_multi);
        expect_count(0, "SDIFFSTORE made set set", in_multi);
        expect_integer(client, 0, "EXISTS made");
    }
}

static void expect_score(const char *score, const char *key, int element) {
    expect_text(client, score, "ZSCORE %s %0100d", key, element);
}

static void sorted_sets_that_are_combined_are_whole(void **state) {
    (void)state;
    fill(&server, BIG_ZSET, MANY);
    fill(&server, BIG_SET, MANY);
    fill(&server, SMALL_SET, FILL_BATCH);
    for (int in_multi = 0; in_multi < 2; in_multi++) {
        expect_count(MANY, "ZUNIONSTORE made 3 zset zset set WEIGHTS 2 1 1", in_multi);
        expect_score("59998", "made", MANY - 1); // 3 * 19999 + 1
        expect_score("1", "made", 0);
        expect_integer(client, MANY, "ZCOUNT made -inf +inf");
        expect_count(MANY, "ZINTERSTORE made 2 zset made AGGREGATE MIN", in_multi);
        expect_score("19999", "made", MANY - 1);
        expect_count(MANY - FILL_BATCH, "ZDIFFSTORE made 2 made small", in_multi);
        expect_integer(client, MANY - FILL_BATCH, "ZLEXCOUNT made - +");
        expect_null(client, "ZSCORE made %0100d", FILL_BATCH - 1);
        expect_count(0, "ZDIFFSTORE made 2 made zset", in_multi);
        expect_integer(client, 0, "EXISTS made");
    }
}

static void ranges_that_are_stored_are_whole(void **state) {
    (void)state;
    fill(&server, BIG_ZSET, MANY);
    for (int in_multi = 0; in_multi < 2; in_multi++) {
        expect_count(MANY, "ZRANGESTORE made zset 0 -1", in_multi);
        expect_integer(client, MANY, "ZINTERCARD 2 made zset");
        expect_count(MANY - 100, "ZRANGESTORE made made 50 -51 REV", in_multi);
        expect_score("50", "made", 50);
        expect_null(client, "ZSCORE made %0100d", 49);
        expect_count(18000, "ZRANGESTORE made zset +inf -inf BYSCORE REV LIMIT 10 18000", in_multi);
        expect_integer(client, 0, "ZRANK made %0100d", MANY - 10 - 18000);
        expect_integer(client, 17999, "ZRANK made %0100d", MANY - 11);
        expect_count(18000, "ZRANGESTORE made zset - + BYLEX LIMIT 10 18000", in_multi);
        expect_integer(client, 0, "ZRANK made %0100d", 10);
        expect_integer(client, 17999, "ZRANK made %0100d", 18009);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        // First, as later ones leave memory behind that it could take.
        cmocka_unit_test_setup(removing_nearly_all_members_costs_little_memory, empty_database),
        cmocka_unit_test_setup(what_remains_is_what_was_not_in_the_range, empty_database),
        cmocka_unit_test_setup(all_of_them_can_be_removed, empty_database),
        cmocka_unit_test_setup(popping_nearly_all_leaves_the_others, empty_database),
        cmocka_unit_test_setup(big_elements_are_copied_whole, empty_database),
        cmocka_unit_test_setup(sets_that_are_combined_are_whole, empty_database),
        cmocka_unit_test_setup(sorted_sets_that_are_combined_are_whole, empty_database),
        cmocka_unit_test_setup(ranges_that_are_stored_are_whole, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
