// SPDX-License-Identifier: Apache-2.0
//
// Ranges of sorted sets against the real server: answered, counted, stored, removed, combined.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define NOT_FLOAT   "-ERR min or max is not a float"
#define NOT_LEX     "-ERR min or max not valid string range item"
#define SYNTAX      "-ERR syntax error"

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

static void put_scores(void) {
    expect_reply(client, "5", "ZADD z -1 a 0 b 1 c 1 d 2.5 e");
}

static void put_members(void) {
    expect_reply(client, "5", "ZADD l 0 a 0 b 0 ba 0 c 0 d");
}

// --- By rank ---

static void ranks_count_from_either_end(void **state) {
    (void)state;
    put_scores();
    expect_reply(client, "['a' 'b']", "ZRANGE z 0 1");
    expect_reply(client, "['d' 'e']", "ZRANGE z -2 -1");
    expect_reply(client, "['c']", "ZRANGE z 2 -3");
    expect_reply(client, "['d' 'e']", "ZRANGE z 3 100");
    expect_reply(client, "['a' 'b' 'c' 'd' 'e']", "ZRANGE z -100 100");
    expect_reply(client, "[]", "ZRANGE z 5 9");
    expect_reply(client, "[]", "ZRANGE z 3 2");
    expect_reply(client, "[]", "ZRANGE z 0 -6");
    expect_reply(client, "[]", "ZRANGE none 0 -1");
    expect_reply(client, "['e' 'd']", "ZREVRANGE z 0 1");
    expect_reply(client, "['b' 'a']", "ZREVRANGE z -2 -1");
    expect_reply(client, "['a' '-1']", "ZREVRANGE z 4 4 WITHSCORES");
    expect_reply(client, "['c' '1' 'b' '0']", "ZRANGE z 2 3 REV WITHSCORES");
}

static void every_range_of_ranks_is_the_same_from_both_ends(void **state) {
    (void)state;
    enum { MEMBERS = 12 };
    for (int i = 0; i < MEMBERS; i++)
        expect_reply(client, "1", "ZADD z %d %b", i, (char[]){(char)('a' + i)}, (size_t)1);
    for (int from = 0; from < MEMBERS; from++) {
        for (int to = from; to < MEMBERS; to++) {
            redisReply *up = command(client, "ZRANGE z %d %d", from, to);
            redisReply *down = command(client, "ZREVRANGE z %d %d", MEMBERS - 1 - to, MEMBERS - 1 - from);
            assert_int_equal(up->elements, to - from + 1);
            assert_int_equal(down->elements, to - from + 1);
            for (int i = 0; i <= to - from; i++) {
                assert_int_equal(up->element[i]->str[0], 'a' + from + i);
                assert_string_equal(down->element[to - from - i]->str, up->element[i]->str);
            }
            freeReplyObject(up);
            freeReplyObject(down);
        }
    }
}

// --- By score ---

static void scores_are_ranged_over_with_and_without_their_bounds(void **state) {
    (void)state;
    put_scores();
    expect_reply(client, "['b' 'c' 'd']", "ZRANGEBYSCORE z 0 1");
    expect_reply(client, "['c' 'd']", "ZRANGEBYSCORE z (0 1");
    expect_reply(client, "['b']", "ZRANGEBYSCORE z 0 (1");
    expect_reply(client, "[]", "ZRANGEBYSCORE z (1 (1");
    expect_reply(client, "[]", "ZRANGEBYSCORE z 1 0");
    expect_reply(client, "['a' 'b' 'c' 'd' 'e']", "ZRANGEBYSCORE z -inf +inf");
    expect_reply(client, "['d' '1' 'c' '1' 'b' '0']", "ZREVRANGEBYSCORE z 1 0 WITHSCORES");
    expect_reply(client, "['b' 'a']", "ZREVRANGEBYSCORE z (1 -inf");
    expect_reply(client, "['e' 'd' 'c']", "ZREVRANGEBYSCORE z +inf (0");
    expect_reply(client, "['c' '1' 'd' '1']", "ZRANGE z 1 1 BYSCORE WITHSCORES");
    expect_reply(client, "['d' 'c' 'b']", "ZRANGE z (2.5 0 REV BYSCORE");
    expect_reply(client, "3", "ZCOUNT z 0 1");
    expect_reply(client, "2", "ZCOUNT z (0 1");
    expect_reply(client, "0", "ZCOUNT none 0 1");
}

static void infinite_scores_are_within_infinite_bounds(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z -inf a 0 b inf c");
    expect_reply(client, "['a' 'b' 'c']", "ZRANGEBYSCORE z -inf inf");
    expect_reply(client, "['b']", "ZRANGEBYSCORE z (-inf (inf");
    expect_reply(client, "['c' 'b']", "ZREVRANGEBYSCORE z 1e400 (-inf");
    expect_reply(client, "['b']", "ZREVRANGEBYSCORE z (inf (-inf");
}

static void members_without_bytes_are_within_their_bounds(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z 1 %s 2 x2 0 a", "");
    expect_reply(client, "['a' '']", "ZRANGEBYSCORE z 0 1");
    expect_reply(client, "['a']", "ZRANGEBYSCORE z 0 (1");
    expect_reply(client, "['a']", "ZREVRANGEBYSCORE z (1 0");
    expect_reply(client, "['' 'a']", "ZREVRANGEBYSCORE z (2 0");
    expect_reply(client, "['x2']", "ZRANGEBYSCORE z (1 2");
    expect_reply(client, "['']", "ZRANGEBYLEX z - (a");
    expect_reply(client, "['']", "ZREVRANGEBYLEX z (a [");
}

static void limits_skip_and_stop(void **state) {
    (void)state;
    put_scores();
    expect_reply(client, "['b' 'c']", "ZRANGEBYSCORE z -inf inf LIMIT 1 2");
    expect_reply(client, "['d' 'e']", "ZRANGEBYSCORE z -inf inf LIMIT 3 -1");
    expect_reply(client, "[]", "ZRANGEBYSCORE z -inf inf LIMIT 1 0");
    expect_reply(client, "[]", "ZRANGEBYSCORE z -inf inf LIMIT 5 1");
    expect_reply(client, "[]", "ZRANGEBYSCORE z -inf inf LIMIT -1 1");
    expect_reply(client, "['d' '1' 'c' '1']", "ZREVRANGEBYSCORE z inf 0 LIMIT 1 2 WITHSCORES");
    expect_reply(client, "['c']", "ZRANGE z 0 inf BYSCORE LIMIT 1 1");
    expect_reply(client, "['a' 'b']", "ZRANGE z 0 1 LIMIT 3 -1");
    expect_reply(client, NOT_INTEGER, "ZRANGEBYSCORE z 0 1 LIMIT x 1");
    expect_reply(client, SYNTAX, "ZRANGEBYSCORE z 0 1 LIMIT 1");
    expect_reply(client,
                 "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
                 "ZRANGE z 0 1 LIMIT 0 1");
}

// --- By member ---

static void members_are_ranged_over_by_their_bytes(void **state) {
    (void)state;
    put_members();
    expect_reply(client, "['a' 'b' 'ba' 'c' 'd']", "ZRANGEBYLEX l - +");
    expect_reply(client, "['b' 'ba']", "ZRANGEBYLEX l [b (c");
    expect_reply(client, "['ba' 'c']", "ZRANGEBYLEX l (b [c");
    expect_reply(client, "[]", "ZRANGEBYLEX l + -");
    expect_reply(client, "[]", "ZRANGEBYLEX l (b (b");
    expect_reply(client, "[]", "ZRANGEBYLEX l [c [b");
    expect_reply(client, "[]", "ZRANGE l [bb [bb BYLEX");
}

static void members_are_ranged_over_backwards(void **state) {
    (void)state;
    put_members();
    expect_reply(client, "['d' 'c' 'ba' 'b' 'a']", "ZREVRANGEBYLEX l + -");
    expect_reply(client, "['ba' 'b']", "ZREVRANGEBYLEX l (c [b");
    expect_reply(client, "['ba']", "ZRANGE l [bb (b BYLEX REV");
    expect_reply(client, "['c' 'ba']", "ZREVRANGEBYLEX l + - LIMIT 1 2");
    expect_reply(client, "[]", "ZREVRANGEBYLEX l - +");
    expect_reply(client, "[]", "ZREVRANGEBYLEX l (a -");
    expect_reply(client, "3", "ZLEXCOUNT l [b [c");
    expect_reply(client, "5", "ZLEXCOUNT l - +");
    expect_reply(client, "0", "ZLEXCOUNT none - +");
}

static void bounds_that_are_none_are_refused(void **state) {
    (void)state;
    put_scores();
    static const char *const members[] = {"a", "+a", "-a", "x["};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        expect_reply(client, NOT_LEX, "ZRANGEBYLEX z - %s", members[i]);
        expect_reply(client, NOT_LEX, "ZLEXCOUNT z %s +", members[i]);
    }
    expect_reply(client, NOT_LEX, "ZREMRANGEBYLEX z - %s", "");
    expect_reply(client, NOT_FLOAT, "ZRANGEBYSCORE z 0 x");
    expect_reply(client, NOT_FLOAT, "ZCOUNT z (nan 1");
    expect_reply(client, NOT_FLOAT, "ZREMRANGEBYSCORE z ((1 2");
    expect_reply(client, NOT_INTEGER, "ZRANGE z a 1");
    expect_reply(client, NOT_INTEGER, "ZREMRANGEBYRANK z 0 (1");
    // As in Redis, nothing is 0.
    expect_reply(client, "['b']", "ZRANGEBYSCORE z %s %s", "", "");
}

static void options_that_do_not_fit_are_refused(void **state) {
    (void)state;
    put_scores();
    expect_reply(client, "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
                 "ZRANGE z - + BYLEX WITHSCORES");
    expect_reply(client, "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
                 "ZRANGEBYLEX z - + WITHSCORES");
    expect_reply(client, SYNTAX, "ZRANGE z 0 1 BYLEX BYSCORE");
    expect_reply(client, SYNTAX, "ZRANGE z 0 1 REV REV");
    expect_reply(client, SYNTAX, "ZRANGE z 0 1 junk");
    expect_reply(client, SYNTAX, "ZREVRANGE z 0 1 REV");
    expect_reply(client, SYNTAX, "ZRANGEBYSCORE z 0 1 BYSCORE");
    expect_reply(client, SYNTAX, "ZRANGESTORE d z 0 1 WITHSCORES");
}

// --- Stored and removed ---

static void zrangestore_replaces_whatever_was_there(void **state) {
    (void)state;
    put_scores();
    expect_reply(client, "OK", "SET d text");
    expect_reply(client, "2", "ZRANGESTORE d z 0 1");
    expect_reply(client, "['a' '-1' 'b' '0']", "ZRANGE d 0 -1 WITHSCORES");
    expect_reply(client, "3", "ZRANGESTORE d z inf 1 BYSCORE REV");
    expect_reply(client, "['c' 'd' 'e']", "ZRANGE d 0 -1");
    expect_reply(client, "2", "ZRANGESTORE z z [b [c BYLEX");
    expect_reply(client, "['b' '0' 'c' '1']", "ZRANGE z 0 -1 WITHSCORES");
    expect_reply(client, "0", "ZRANGESTORE d z 5 9");
    expect_reply(client, "0", "EXISTS d");
    expect_reply(client, "0", "ZRANGESTORE z none 0 -1");
    expect_reply(client, "0", "EXISTS z");
}

static void ranges_are_removed(void **state) {
    (void)state;
    put_scores();
    expect_reply(client, "2", "ZREMRANGEBYRANK z 0 1");
    expect_reply(client, "0", "ZREMRANGEBYRANK z 3 9");
    expect_reply(client, "2", "ZREMRANGEBYSCORE z (0 1");
    expect_reply(client, "['e']", "ZRANGE z 0 -1");
    expect_reply(client, "1", "ZREMRANGEBYSCORE z -inf +inf");
    expect_reply(client, "0", "EXISTS z");
    put_members();
    expect_reply(client, "3", "ZREMRANGEBYLEX l [b [c");
    expect_reply(client, "['a' 'd']", "ZRANGE l 0 -1");
    expect_reply(client, "2", "ZREMRANGEBYRANK l -100 -1");
    expect_reply(client, "0", "ZREMRANGEBYLEX l - +");
}

// --- Combined ---

static void put_two(void) {
    expect_reply(client, "3", "ZADD a 1 x 2 y 3 z");
    expect_reply(client, "3", "ZADD b 10 y 20 z 30 w");
}

static void unions_add_scores_up(void **state) {
    (void)state;
    put_two();
    expect_reply(client, "['x' '1' 'y' '12' 'z' '23' 'w' '30']", "ZUNION 2 a b WITHSCORES");
    expect_reply(client, "['x' 'y' 'z' 'w']", "ZUNION 3 a none b");
    expect_reply(client, "['w' '-30' 'z' '-14' 'y' '-6' 'x' '2']", "ZUNION 2 a b WEIGHTS 2 -1 WITHSCORES");
    expect_reply(client, "['x' '1' 'y' '2' 'z' '3' 'w' '30']", "ZUNION 2 a b AGGREGATE MIN WITHSCORES");
    expect_reply(client, "['x' '1' 'y' '10' 'z' '20' 'w' '30']", "ZUNION 2 b a WITHSCORES AGGREGATE max");
    expect_reply(client, "['x' '2' 'y' '4' 'z' '6']", "ZUNION 2 a a WITHSCORES");
    expect_reply(client, "[]", "ZUNION 1 none");
}

static void intersections_and_differences_find_their_members(void **state) {
    (void)state;
    put_two();
    expect_reply(client, "['y' '12' 'z' '23']", "ZINTER 2 a b WITHSCORES");
    expect_reply(client, "['y' '30' 'z' '60']", "ZINTER 2 a b WEIGHTS 0 3 AGGREGATE MAX WITHSCORES");
    expect_reply(client, "[]", "ZINTER 2 a none");
    expect_reply(client, "['x' '1']", "ZDIFF 2 a b WITHSCORES");
    expect_reply(client, "['w']", "ZDIFF 3 b none a");
    expect_reply(client, "[]", "ZDIFF 2 a a");
    expect_reply(client, "2", "ZINTERCARD 2 a b");
    expect_reply(client, "1", "ZINTERCARD 2 a b LIMIT 1");
    expect_reply(client, "2", "ZINTERCARD 2 a b LIMIT 0");
    expect_reply(client, "0", "ZINTERCARD 2 a none");
}

static void members_of_plain_sets_count_as_scored_one(void **state) {
    (void)state;
    put_two();
    expect_reply(client, "2", "SADD s x w");
    expect_reply(client, "['w' '1' 'x' '2' 'y' '2' 'z' '3']", "ZUNION 2 a s WITHSCORES");
    expect_reply(client, "['x' '11']", "ZINTER 2 s a WEIGHTS 10 1 WITHSCORES");
    expect_reply(client, "['w' '1']", "ZDIFF 2 s a WITHSCORES");
    expect_reply(client, "2", "ZUNIONSTORE s 1 s");
    expect_reply(client, "zset", "TYPE s");
}

static void infinities_that_cancel_out_are_zero(void **state) {
    (void)state;
    expect_reply(client, "2", "ZADD a inf x inf y");
    expect_reply(client, "2", "ZADD b -inf x 1 y");
    expect_reply(client, "['x' '0' 'y' 'inf']", "ZUNION 2 a b WITHSCORES");
    expect_reply(client, "['x' '0' 'y' 'inf']", "ZINTER 2 a b WITHSCORES");
    expect_reply(client, "['x' '0' 'y' '0']", "ZUNION 1 a WEIGHTS 0 WITHSCORES");
}

static void combinations_are_stored(void **state) {
    (void)state;
    put_two();
    expect_reply(client, "OK", "SET d text");
    expect_reply(client, "4", "ZUNIONSTORE d 2 a b WEIGHTS 1 2");
    expect_reply(client, "['x' '1' 'y' '22' 'z' '43' 'w' '60']", "ZRANGE d 0 -1 WITHSCORES");
    expect_reply(client, "2", "ZINTERSTORE a 2 a b AGGREGATE MIN");
    expect_reply(client, "['y' '2' 'z' '3']", "ZRANGE a 0 -1 WITHSCORES");
    expect_reply(client, "1", "ZDIFFSTORE b 2 b a");
    expect_reply(client, "['w' '30']", "ZRANGE b 0 -1 WITHSCORES");
    expect_reply(client, "0", "ZINTERSTORE d 2 a b");
    expect_reply(client, "0", "EXISTS d");
}

static void combinations_refuse_what_they_do_not_understand(void **state) {
    (void)state;
    put_two();
    expect_reply(client, "-ERR at least 1 input key is needed for 'zunion' command", "ZUNION 0 a");
    expect_reply(client, "-ERR at least 1 input key is needed for 'zdiffstore' command", "ZDIFFSTORE d -1 a");
    expect_reply(client, NOT_INTEGER, "ZINTER x a");
    expect_reply(client, SYNTAX, "ZINTER 3 a b");
    expect_reply(client, SYNTAX, "ZUNION 2 a b WEIGHTS 1");
    expect_reply(client, "-ERR weight value is not a float", "ZUNION 2 a b WEIGHTS 1 x");
    expect_reply(client, SYNTAX, "ZUNION 2 a b AGGREGATE");
    expect_reply(client, SYNTAX, "ZUNION 2 a b AGGREGATE mean");
    expect_reply(client, SYNTAX, "ZUNIONSTORE d 2 a b WITHSCORES");
    expect_reply(client, SYNTAX, "ZDIFF 2 a b WEIGHTS 1 2");
    expect_reply(client, SYNTAX, "ZDIFF 2 a b AGGREGATE SUM");
    expect_reply(client, SYNTAX, "ZINTERCARD 2 a b WITHSCORES");
    expect_reply(client, SYNTAX, "ZINTERCARD 2 a b LIMIT");
    expect_reply(client, "-ERR LIMIT can't be negative", "ZINTERCARD 2 a b LIMIT -1");
    expect_reply(client, "-ERR LIMIT can't be negative", "ZINTERCARD 2 a b LIMIT x");
    expect_reply(client, SYNTAX, "ZUNION 2 a b LIMIT 1");
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ranks_count_from_either_end),
        TEST(every_range_of_ranks_is_the_same_from_both_ends),
        TEST(scores_are_ranged_over_with_and_without_their_bounds),
        TEST(infinite_scores_are_within_infinite_bounds),
        TEST(members_without_bytes_are_within_their_bounds),
        TEST(limits_skip_and_stop),
        TEST(members_are_ranged_over_by_their_bytes),
        TEST(members_are_ranged_over_backwards),
        TEST(bounds_that_are_none_are_refused),
        TEST(options_that_do_not_fit_are_refused),
        TEST(zrangestore_replaces_whatever_was_there),
        TEST(ranges_are_removed),
        TEST(unions_add_scores_up),
        TEST(intersections_and_differences_find_their_members),
        TEST(members_of_plain_sets_count_as_scored_one),
        TEST(infinities_that_cancel_out_are_zero),
        TEST(combinations_are_stored),
        TEST(combinations_refuse_what_they_do_not_understand),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
