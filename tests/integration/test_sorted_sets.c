// SPDX-License-Identifier: Apache-2.0
//
// Sorted sets against the real server: adding, single members, taking away, random members.
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

#define WRONG_TYPE  "-WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define NOT_FLOAT   "-ERR value is not a valid float"
#define SYNTAX      "-ERR syntax error"

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

// --- Adding ---

static void zadd_counts_the_new_members_and_orders_them_by_score(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z 2 b 1 a 3 c");
    expect_reply(client, "1", "ZADD z 0 c 4 d");
    expect_reply(client, "['c' '0' 'a' '1' 'b' '2' 'd' '4']", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "4", "ZCARD z");
    expect_reply(client, "zset", "TYPE z");
}

static void members_of_the_same_score_are_ordered_by_their_bytes(void **state) {
    (void)state;
    expect_reply(client, "4", "ZADD z 1 b 1 a 1 %b 1 %s", "\xff", (size_t)1, "");
    expect_reply(client, "['' 'a' 'b' '\xff']", "ZRANGE z 0 -1");
}

static void a_member_named_twice_counts_once_and_has_its_last_score(void **state) {
    (void)state;
    expect_reply(client, "1", "ZADD z 1 a 2 a 3 a");
    expect_reply(client, "['a' '3']", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "1", "ZREM z a a");
    expect_reply(client, "0", "EXISTS z");
}

static void nx_and_xx_choose_between_new_and_old_members(void **state) {
    (void)state;
    expect_reply(client, "0", "ZADD z XX 1 a");
    expect_reply(client, "0", "EXISTS z");
    expect_reply(client, "1", "ZADD z NX 1 a");
    expect_reply(client, "1", "ZADD z NX 2 a 2 b");
    expect_reply(client, "0", "ZADD z XX 5 a 5 c");
    expect_reply(client, "['b' '2' 'a' '5']", "ZRANGE z 0 -1 WITHSCORES");
}

static void gt_and_lt_let_scores_go_one_way_only(void **state) {
    (void)state;
    expect_reply(client, "1", "ZADD z GT 5 a");
    expect_reply(client, "0", "ZADD z GT CH 4 a");
    expect_reply(client, "0", "ZADD z GT CH 5 a");
    expect_reply(client, "1", "ZADD z GT CH 6 a");
    expect_reply(client, "0", "ZADD z LT CH 7 a");
    expect_reply(client, "2", "ZADD z LT CH 3 a 1 b");
    expect_reply(client, "0", "ZADD z XX LT 2 a 1 c");
    expect_reply(client, "['b' '1' 'a' '2']", "ZRANGE z 0 -1 WITHSCORES");
}

static void ch_counts_the_changed_ones_as_well(void **state) {
    (void)state;
    expect_reply(client, "2", "ZADD z CH 1 a 2 b");
    expect_reply(client, "2", "ZADD z CH 1 a 3 b 4 c");
}

static void incr_answers_the_new_score_or_null(void **state) {
    (void)state;
    expect_reply(client, "'5'", "ZADD z INCR 5 a");
    expect_reply(client, "'6.5'", "ZADD z INCR 1.5 a");
    expect_reply(client, "nil", "ZADD z NX INCR 1 a");
    expect_reply(client, "nil", "ZADD z XX INCR 1 b");
    expect_reply(client, "nil", "ZADD z GT INCR -1 a");
    expect_reply(client, "'5.5'", "ZADD z LT INCR -1 a");
    expect_reply(client, "nil", "ZADD none XX INCR 1 b");
    expect_reply(client, "'2.5'", "ZINCRBY z -3 a");
    expect_reply(client, "'-1'", "ZINCRBY z -1 new");
}

static void options_that_exclude_each_other_are_refused(void **state) {
    (void)state;
    expect_reply(client, "-ERR XX and NX options at the same time are not compatible", "ZADD z NX XX 1 a");
    static const char compatible[] = "-ERR GT, LT, and/or NX options at the same time are not compatible";
    expect_reply(client, compatible, "ZADD z GT NX 1 a");
    expect_reply(client, compatible, "ZADD z LT NX 1 a");
    expect_reply(client, compatible, "ZADD z GT LT 1 a");
    expect_reply(client, "-ERR INCR option supports a single increment-element pair", "ZADD z INCR 1 a 2 b");
    expect_reply(client, SYNTAX, "ZADD z 1 a 2");
    expect_reply(client, SYNTAX, "ZADD z NX CH");
    expect_reply(client, SYNTAX, "ZINCRBY z nx a");
    expect_reply(client, "-ERR wrong number of arguments for 'zadd' command", "ZADD z 1");
    expect_reply(client, "0", "EXISTS z");
}

static void a_score_must_be_a_number_and_nothing_is_added_before_all_are(void **state) {
    (void)state;
    static const char *const wrong[] = {"x", "nan", "1x", "1e400", "1e-400", "1,5"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_reply(client, NOT_FLOAT, "ZADD z 1 a %s b", wrong[i]);
    expect_reply(client, NOT_FLOAT, "ZADD z %s b", "");
    expect_reply(client, NOT_FLOAT, "ZADD z %s b", " 1");
    expect_reply(client, NOT_FLOAT, "ZINCRBY z x b");
    expect_reply(client, "0", "EXISTS z");
}

static void infinite_scores_are_kept_and_never_become_nan(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z inf a -inf b +INF c");
    expect_reply(client, "['b' '-inf' 'a' 'inf' 'c' 'inf']", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "-ERR resulting score is not a number (NaN)", "ZINCRBY z -inf a");
    expect_reply(client, "'inf'", "ZINCRBY z inf a");
    expect_reply(client, "'inf'", "ZSCORE z a");
}

static void scores_are_written_with_the_digits_that_redis_writes(void **state) {
    (void)state;
    static const char *const scores[][2] = {{"0.1", "0.10000000000000001"},
                                            {"3", "3"},
                                            {"1e3", "1000"},
                                            {"0x10", "16"},
                                            {"1e16", "10000000000000000"},
                                            {"1e17", "1e+17"},
                                            {"-2.5", "-2.5"},
                                            {"5e-324", "4.9406564584124654e-324"}};
    for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof(wanted), "'%s'", scores[i][1]);
        expect_reply(client, "1", "ZADD z %s m%s", scores[i][0], scores[i][0]);
        expect_reply(client, wanted, "ZSCORE z m%s", scores[i][0]);
    }
}

static void minus_zero_is_zero(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z -0 b 0 a 0 c");
    expect_reply(client, "['a' 'b' 'c']", "ZRANGE z 0 -1");
    expect_reply(client, "'0'", "ZSCORE z b");
    expect_reply(client, "0", "ZADD z CH -0 a");
    expect_reply(client, "3", "ZCOUNT z -0 0");
    expect_reply(client, "3", "ZCOUNT z 0 -0");
    expect_reply(client, "0", "ZCOUNT z (-0 1");
    expect_reply(client, "3", "ZREMRANGEBYSCORE z 0 0");
}

// --- Single members ---

static void single_scores_and_ranks_are_told(void **state) {
    (void)state;
    expect_reply(client, "4", "ZADD z 1 a 2 b 2 c 9 d");
    expect_reply(client, "'2'", "ZSCORE z b");
    expect_reply(client, "['9' nil '1']", "ZMSCORE z d x a");
    expect_reply(client, "0", "ZRANK z a");
    expect_reply(client, "2", "ZRANK z c");
    expect_reply(client, "1", "ZREVRANK z c");
    expect_reply(client, "0", "ZREVRANK z d");
    expect_reply(client, "nil", "ZRANK z x");
    expect_reply(client, "-ERR wrong number of arguments for 'zrank' command", "ZRANK z a WITHSCORE");
}

static void ranks_are_found_from_either_end_of_a_long_set(void **state) {
    (void)state;
    enum { MEMBERS = 300 };
    for (int i = 0; i < MEMBERS; i++)
        expect_reply(client, "1", "ZADD z %d m%d", i, i);
    for (int i = 0; i < MEMBERS; i += 7) {
        assert_int_equal(reply_integer_of(client, "ZRANK z m%d", i), i);
        assert_int_equal(reply_integer_of(client, "ZREVRANK z m%d", i), MEMBERS - 1 - i);
    }
}

static void a_sorted_set_that_is_missing_is_empty(void **state) {
    (void)state;
    expect_reply(client, "0", "ZCARD z");
    expect_reply(client, "nil", "ZSCORE z a");
    expect_reply(client, "[nil nil]", "ZMSCORE z a b");
    expect_reply(client, "nil", "ZRANK z a");
    expect_reply(client, "nil", "ZREVRANK z a");
    expect_reply(client, "0", "ZREM z a");
    expect_reply(client, "[]", "ZPOPMIN z");
    expect_reply(client, "[]", "ZPOPMAX z 3");
    expect_reply(client, "nil", "ZMPOP 2 z y MIN");
    expect_reply(client, "nil", "ZRANDMEMBER z");
    expect_reply(client, "[]", "ZRANDMEMBER z 3");
    expect_reply(client, "['0' []]", "ZSCAN z 0");
}

static void the_last_member_takes_the_set_with_it(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z 1 a 2 b 3 c");
    expect_reply(client, "2", "ZREM z a x c");
    expect_reply(client, "['b' '2']", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "1", "ZREM z b");
    expect_reply(client, "none", "TYPE z");
    expect_reply(client, "1", "ZADD z 7 b");
    expect_reply(client, "['b' '7']", "ZRANGE z 0 -1 WITHSCORES");
}

static void members_keep_every_byte(void **state) {
    (void)state;
    static const char odd[] = "a\0b\r\n\xff";
    size_t length = sizeof(odd) - 1;
    expect_reply(client, "1", "ZADD z 1 %b", odd, length);
    expect_reply(client, "'1'", "ZSCORE z %b", odd, length);
    expect_reply(client, "nil", "ZSCORE z a");
    redisReply *reply = redisCommand(client, "ZRANGE z 0 -1");
    assert_non_null(reply);
    assert_int_equal(reply->elements, 1);
    assert_int_equal(reply->element[0]->len, length);
    assert_memory_equal(reply->element[0]->str, odd, length);
    freeReplyObject(reply);
}

// --- Taking away ---

static void pops_take_the_lowest_or_the_highest(void **state) {
    (void)state;
    expect_reply(client, "5", "ZADD z 1 a 2 b 3 c 4 d 5 e");
    expect_reply(client, "['a' '1']", "ZPOPMIN z");
    expect_reply(client, "['e' '5' 'd' '4']", "ZPOPMAX z 2");
    expect_reply(client, "[]", "ZPOPMIN z 0");
    expect_reply(client, "['b' '2' 'c' '3']", "ZPOPMIN z 10");
    expect_reply(client, "0", "EXISTS z");
    static const char range[] = "-ERR value is out of range, must be positive";
    expect_reply(client, range, "ZPOPMIN z -1");
    expect_reply(client, range, "ZPOPMAX z x");
    expect_reply(client, SYNTAX, "ZPOPMIN z 1 2");
}

static void zmpop_takes_from_the_first_set_that_there_is(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z 1 a 2 b 3 c");
    expect_reply(client, "1", "ZADD y 9 d");
    expect_reply(client, "['z' [['c' '3']]]", "ZMPOP 3 none z y MAX");
    expect_reply(client, "['z' [['a' '1'] ['b' '2']]]", "ZMPOP 2 z y MIN COUNT 5");
    expect_reply(client, "['y' [['d' '9']]]", "ZMPOP 2 z y min count 1");
    expect_reply(client, "-ERR numkeys should be greater than 0", "ZMPOP 0 z MIN");
    expect_reply(client, "-ERR numkeys should be greater than 0", "ZMPOP x z MIN");
    expect_reply(client, "-ERR count should be greater than 0", "ZMPOP 1 z MIN COUNT 0");
    expect_reply(client, SYNTAX, "ZMPOP 2 z MIN");
    expect_reply(client, SYNTAX, "ZMPOP 9223372036854775807 z MIN");
    expect_reply(client, SYNTAX, "ZMPOP 1 z MEAN");
    expect_reply(client, SYNTAX, "ZMPOP 1 z MIN COUNT");
    expect_reply(client, SYNTAX, "ZMPOP 1 z MIN COUNT 1 COUNT 2");
    expect_reply(client, "OK", "SET k text");
    expect_reply(client, WRONG_TYPE, "ZMPOP 2 k z MIN");
}

// --- Random members and scanning ---

static void random_members_are_members(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z 1 a 2 b 3 c");
    for (int i = 0; i < 20; i++) {
        char *one = reply_text(client, "ZRANDMEMBER z");
        assert_true(strcmp(one, "'a'") == 0 || strcmp(one, "'b'") == 0 || strcmp(one, "'c'") == 0);
        free(one);
    }
    expect_reply(client, "['a' 'b' 'c']", "ZRANDMEMBER z 10");
    expect_reply(client, "['a' '1' 'b' '2' 'c' '3']", "ZRANDMEMBER z 3 WITHSCORES");
    expect_reply(client, "[]", "ZRANDMEMBER z 0");
    expect_reply(client, "1", "ZADD single 1.5 a");
    expect_reply(client, "['a' '1.5' 'a' '1.5']", "ZRANDMEMBER single -2 WITHSCORES");
    expect_reply(client, SYNTAX, "ZRANDMEMBER z 1 WITHVALUES");
    expect_reply(client, SYNTAX, "ZRANDMEMBER z 1 WITHSCORES x");
    expect_reply(client, NOT_INTEGER, "ZRANDMEMBER z x");
    expect_reply(client, "-ERR value is out of range", "ZRANDMEMBER z -9223372036854775807 WITHSCORES");
    expect_reply(client,
                 "-ERR value is out of range, value must between -9223372036854775807 and "
                 "9223372036854775807",
                 "ZRANDMEMBER z -9223372036854775808");
}

static void a_scan_meets_every_member_once_with_its_score(void **state) {
    (void)state;
    enum { MEMBERS = 100 };
    char cursor[64] = "0";
    int seen = 0;
    for (int i = 0; i < MEMBERS; i++)
        expect_reply(client, "1", "ZADD z %d m%d", i, i);
    do {
        redisReply *reply = command(client, "ZSCAN z %s COUNT 7", cursor);
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        const redisReply *page = reply->element[1];
        for (size_t i = 0; i < page->elements; i += 2)
            assert_string_equal(page->element[i]->str + 1, page->element[i + 1]->str);
        seen += (int)page->elements / 2;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(seen, MEMBERS);
    expect_reply(client, "['0' ['m42' '42']]", "ZSCAN z 0 MATCH m42 COUNT 1000");
}

// --- Keys ---

static void a_key_of_another_type_is_refused(void **state) {
    (void)state;
    static const char *const commands[] = {"ZADD k 1 a",
                                           "ZINCRBY k 1 a",
                                           "ZREM k a",
                                           "ZCARD k",
                                           "ZSCORE k a",
                                           "ZMSCORE k a",
                                           "ZRANK k a",
                                           "ZREVRANK k a",
                                           "ZSCAN k 0",
                                           "ZPOPMIN k",
                                           "ZPOPMAX k 0",
                                           "ZRANDMEMBER k",
                                           "ZRANDMEMBER k 1",
                                           "ZMPOP 1 k MIN",
                                           "ZCOUNT k 0 1",
                                           "ZLEXCOUNT k - +",
                                           "ZRANGE k 0 1",
                                           "ZREVRANGE k 0 1",
                                           "ZRANGESTORE d k 0 1",
                                           "ZRANGEBYSCORE k 0 1",
                                           "ZREVRANGEBYSCORE k 0 1",
                                           "ZRANGEBYLEX k - +",
                                           "ZREVRANGEBYLEX k + -",
                                           "ZREMRANGEBYRANK k 0 1",
                                           "ZREMRANGEBYSCORE k 0 1",
                                           "ZREMRANGEBYLEX k - +",
                                           "ZUNION 1 k",
                                           "ZINTER 1 k",
                                           "ZDIFF 1 k",
                                           "ZUNIONSTORE d 1 k",
                                           "ZINTERSTORE d 1 k",
                                           "ZDIFFSTORE d 1 k",
                                           "ZINTERCARD 1 k"};
    expect_reply(client, "OK", "SET k text");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        expect_reply(client, WRONG_TYPE, commands[i]);
    expect_reply(client, "1", "ZADD z 1 a");
    expect_reply(client, WRONG_TYPE, "GET z");
    expect_reply(client, WRONG_TYPE, "HGET z a");
}

static void a_sorted_set_expires_and_comes_back_empty(void **state) {
    (void)state;
    expect_reply(client, "2", "ZADD z 1 a 2 b");
    expect_reply(client, "1", "PEXPIREAT z 1");
    expect_reply(client, "0", "ZCARD z");
    expect_reply(client, "1", "ZADD z 3 c");
    expect_reply(client, "['c' '3']", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "-1", "TTL z");
}

static void a_transaction_sees_its_own_members(void **state) {
    (void)state;
    expect_reply(client, "2", "ZADD z 1 a 5 e");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "ZADD z 2 b 3 c");
    expect_reply(client, "QUEUED", "ZADD z 9 a");
    expect_reply(client, "QUEUED", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "QUEUED", "ZREVRANGE z 0 1");
    expect_reply(client, "QUEUED", "ZPOPMIN z");
    expect_reply(client, "QUEUED", "ZRANK z a");
    expect_reply(client, "QUEUED", "ZREMRANGEBYSCORE z 5 9");
    expect_reply(client, "[2 0 ['b' '2' 'c' '3' 'e' '5' 'a' '9'] ['a' 'e'] ['b' '2'] 2 2]", "EXEC");
    expect_reply(client, "['c' '3']", "ZRANGE z 0 -1 WITHSCORES");
}

static void sorted_sets_are_copied_and_renamed_with_their_order(void **state) {
    (void)state;
    expect_reply(client, "2", "ZADD z 2 a 1 b");
    expect_reply(client, "1", "COPY z copy");
    expect_reply(client, "OK", "RENAME z moved");
    expect_reply(client, "1", "ZADD copy 0 c");
    expect_reply(client, "['b' 'a']", "ZRANGE moved 0 -1");
    expect_reply(client, "['c' 'b' 'a']", "ZRANGE copy 0 -1");
    expect_reply(client, "0", "EXISTS z");
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(zadd_counts_the_new_members_and_orders_them_by_score),
        TEST(members_of_the_same_score_are_ordered_by_their_bytes),
        TEST(a_member_named_twice_counts_once_and_has_its_last_score),
        TEST(nx_and_xx_choose_between_new_and_old_members),
        TEST(gt_and_lt_let_scores_go_one_way_only),
        TEST(ch_counts_the_changed_ones_as_well),
        TEST(incr_answers_the_new_score_or_null),
        TEST(options_that_exclude_each_other_are_refused),
        TEST(a_score_must_be_a_number_and_nothing_is_added_before_all_are),
        TEST(infinite_scores_are_kept_and_never_become_nan),
        TEST(scores_are_written_with_the_digits_that_redis_writes),
        TEST(minus_zero_is_zero),
        TEST(single_scores_and_ranks_are_told),
        TEST(ranks_are_found_from_either_end_of_a_long_set),
        TEST(a_sorted_set_that_is_missing_is_empty),
        TEST(the_last_member_takes_the_set_with_it),
        TEST(members_keep_every_byte),
        TEST(pops_take_the_lowest_or_the_highest),
        TEST(zmpop_takes_from_the_first_set_that_there_is),
        TEST(random_members_are_members),
        TEST(a_scan_meets_every_member_once_with_its_score),
        TEST(a_key_of_another_type_is_refused),
        TEST(a_sorted_set_expires_and_comes_back_empty),
        TEST(a_transaction_sees_its_own_members),
        TEST(sorted_sets_are_copied_and_renamed_with_their_order),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
