// SPDX-License-Identifier: Apache-2.0
//
// How sorted sets lie in the database: both halves in step whatever is done to them, entries of Kvrocks' that
// this server does not write, damaged ones; and RESP3's form of the replies.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"
#include "commands/handlers.h"
#include "commands/zset_elements.h"
#include "store/session_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAMAGED "-ERR the stored sorted set is damaged: elements are missing, or their scores are\r\n"

// --- Both halves ---

static struct collection open_set(struct command_fixture *fixture, const char *key) {
    struct collection set;
    assert_int_equal(collection_open(fixture->session, bytes_from_text(key), VALUE_ZSET, FIXTURE_TIME, &set),
                     STORE_OK);
    return set;
}

// Every element of the order is a member with that score, and there are as many as the metadata says.
static void assert_in_step(struct command_fixture *fixture, const char *key) {
    static const enum column_family families[] = {FAMILY_DEFAULT, FAMILY_ZSET_SCORE};
    struct collection set = open_set(fixture, key);
    for (size_t i = 0; i < 2; i++) {
        struct collection_iterator *iterator = collection_iterator_open(&set, families[i]);
        struct bytes sub_key;
        struct bytes value;
        uint64_t count = 0;
        collection_iterator_seek(iterator, (struct bytes){0});
        for (; collection_iterator_next(iterator, &sub_key, &value); count++) {
            struct store_value score;
            if (families[i] == FAMILY_DEFAULT) {
                assert_int_equal(value.length, ENCODED_DOUBLE_SIZE);
                continue;
            }
            assert_int_equal(value.length, 0);
            struct bytes member = {sub_key.data + ENCODED_DOUBLE_SIZE, sub_key.length - ENCODED_DOUBLE_SIZE};
            assert_int_equal(collection_get(&set, member, &score), STORE_OK);
            assert_memory_equal(score.payload.data, sub_key.data, ENCODED_DOUBLE_SIZE);
            store_value_release(&score);
        }
        assert_int_equal(count, set.metadata.size);
        collection_iterator_close(iterator);
    }
}

static void a_member_lies_in_both_families_as_kvrocks_puts_it(void **state) {
    struct command_fixture *fixture = *state;
    assert_string_equal(fixture_run(fixture, command_zadd, "zadd", "z", "1", "a"), ":1\r\n");
    struct collection set = open_set(fixture, "z");
    struct store_value value;
    assert_int_equal(set.metadata.size, 1);
    assert_int_equal(collection_get(&set, BYTES_LITERAL("a"), &value), STORE_OK);
    assert_true(bytes_equal(value.payload, BYTES_LITERAL("\xbf\xf0\0\0\0\0\0\0")));
    store_value_release(&value);
    assert_int_equal(store_read_sub_key(fixture->session, FAMILY_ZSET_SCORE, BYTES_LITERAL("z"),
                                        set.metadata.version, BYTES_LITERAL("\xbf\xf0\0\0\0\0\0\0a"), &value),
                     STORE_OK);
    assert_int_equal(value.payload.length, 0);
    store_value_release(&value);
}

static void both_halves_stay_in_step_whatever_is_done(void **state) {
    struct command_fixture *fixture = *state;
    const char *given = getenv("SEED");
    unsigned short seed[3] = {(unsigned short)(given != NULL ? strtol(given, NULL, 10) : time(NULL)), 1, 2};
    print_message("seed %u\n", seed[0]);
    assert_string_equal(fixture_run(fixture, command_zadd, "zadd", "z", "9", "stays"), ":1\r\n");
    for (int i = 0; i < 1500; i++) {
        char member[8];
        char score[16];
        char rank[8];
        (void)snprintf(member, sizeof(member), "m%ld", nrand48(seed) % 20);
        (void)snprintf(score, sizeof(score), "%ld", nrand48(seed) % 9 - 4);
        (void)snprintf(rank, sizeof(rank), "%ld", 1 + nrand48(seed) % 20);
        switch (nrand48(seed) % 8) {
        case 0:
            (void)fixture_run(fixture, command_zrem, "zrem", "z", member, "none", member);
            break;
        case 1:
            (void)fixture_run(fixture, command_zincrby, "zincrby", "z", score, member);
            break;
        case 2:
            (void)fixture_run(fixture, command_zremrangebyrank, "zremrangebyrank", "z", rank, rank);
            break;
        case 3:
            (void)fixture_run(fixture, command_zpopmin, "zpopmin", "z");
            (void)fixture_run(fixture, command_zadd, "zadd", "z", "9", "stays");
            break;
        default:
            (void)fixture_run(fixture, command_zadd, "zadd", "z", score, member, "-0", "m0", score, "m0");
        }
        if (i % 16 == 0)
            assert_in_step(fixture, "z");
    }
    assert_in_step(fixture, "z");
    (void)fixture_run(fixture, command_zunionstore, "zunionstore", "u", "1", "z", "WEIGHTS", "-1");
    assert_in_step(fixture, "u");
    (void)fixture_run(fixture, command_zrangestore, "zrangestore", "r", "z", "0", "-1");
    assert_in_step(fixture, "r");
}

// --- What others have written ---

static void put_raw(struct command_fixture *fixture, enum column_family family, uint64_t version,
                    struct bytes sub_key, struct bytes value) {
    struct bytes name = BYTES_LITERAL("z");
    struct buffer raw_key = {0};
    encode_sub_key(&raw_key, store_layout(fixture->server.store), name, version, sub_key);
    session_write_begin(fixture->session, &name, 1);
    stage_raw_put(fixture->session, family, buffer_bytes(&raw_key), value);
    assert_int_equal(store_commit(fixture->session), STORE_OK);
    session_write_end(fixture->session);
    buffer_release(&raw_key);
}

static void put_size(struct command_fixture *fixture, uint64_t size) {
    struct metadata metadata = {.type = VALUE_ZSET, .wide = true, .version = 7, .size = size};
    fixture_put_metadata(fixture, "z", &metadata);
}

#define MINUS_ZERO "\x7f\xff\xff\xff\xff\xff\xff\xff"

// Kvrocks keeps the sign of a zero.
static void a_stored_minus_zero_is_found_as_zero_and_goes_without_a_trace(void **state) {
    struct command_fixture *fixture = *state;
    put_size(fixture, 1);
    put_raw(fixture, FAMILY_DEFAULT, 7, BYTES_LITERAL("a"), BYTES_LITERAL(MINUS_ZERO));
    put_raw(fixture, FAMILY_ZSET_SCORE, 7, BYTES_LITERAL(MINUS_ZERO "a"), (struct bytes){0});
    assert_string_equal(fixture_run(fixture, command_zcount, "zcount", "z", "0", "0"), ":1\r\n");
    assert_string_equal(fixture_run(fixture, command_zcount, "zcount", "z", "(0", "1"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_zcount, "zcount", "z", "-1", "(0"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_zrevrangebyscore, "zrevrangebyscore", "z", "0", "0"),
                        "*1\r\n$1\r\na\r\n");
    assert_string_equal(fixture_run(fixture, command_zrank, "zrank", "z", "a"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_zincrby, "zincrby", "z", "2", "a"), "$1\r\n2\r\n");
    assert_in_step(fixture, "z");
}

static void a_member_without_a_score_is_an_error(void **state) {
    struct command_fixture *fixture = *state;
    put_size(fixture, 1);
    put_raw(fixture, FAMILY_DEFAULT, 7, BYTES_LITERAL("a"), BYTES_LITERAL("short"));
    assert_string_equal(fixture_run(fixture, command_zscore, "zscore", "z", "a"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zmscore, "zmscore", "z", "x", "a"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zadd, "zadd", "z", "1", "a"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zrangebylex, "zrangebylex", "z", "-", "+"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zunion, "zunion", "1", "z"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zinter, "zinter", "2", "z", "z"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zrandmember, "zrandmember", "z", "1", "withscores"),
                        DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zscan, "zscan", "z", "0"),
                        "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\nnan\r\n");
}

static void fewer_elements_than_the_size_says_are_an_error(void **state) {
    struct command_fixture *fixture = *state;
    put_size(fixture, 9);
    put_raw(fixture, FAMILY_DEFAULT, 7, BYTES_LITERAL("a"), BYTES_LITERAL("\xbf\xf0\0\0\0\0\0\0"));
    assert_string_equal(fixture_run(fixture, command_zrange, "zrange", "z", "0", "-1"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zrange, "zrange", "z", "-1", "-1"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zrevrange, "zrevrange", "z", "1", "1"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zpopmin, "zpopmin", "z"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zrank, "zrank", "z", "a"), DAMAGED);
    put_raw(fixture, FAMILY_ZSET_SCORE, 7, BYTES_LITERAL("short"), (struct bytes){0});
    assert_string_equal(fixture_run(fixture, command_zcount, "zcount", "z", "-inf", "inf"), DAMAGED);
    assert_string_equal(fixture_run(fixture, command_zremrangebyrank, "zremrangebyrank", "z", "0", "0"),
                        DAMAGED);
}

// --- RESP3 ---

static void resp3_has_doubles_and_pairs(void **state) {
    struct command_fixture *fixture = *state;
    fixture->reply.protocol = 3;
    static const char pair[] = "*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n";
    (void)fixture_run(fixture, command_zadd, "zadd", "z", "1.5", "a", "inf", "b");
    assert_string_equal(fixture_run(fixture, command_zscore, "zscore", "z", "a"), ",1.5\r\n");
    assert_string_equal(fixture_run(fixture, command_zscore, "zscore", "z", "b"), ",inf\r\n");
    assert_string_equal(fixture_run(fixture, command_zscore, "zscore", "z", "c"), "_\r\n");
    assert_string_equal(fixture_run(fixture, command_zrange, "zrange", "z", "0", "0", "WITHSCORES"), pair);
    assert_string_equal(
        fixture_run(fixture, command_zrangebyscore, "zrangebyscore", "z", "0", "2", "WITHSCORES"), pair);
    assert_string_equal(
        fixture_run(fixture, command_zinter, "zinter", "1", "z", "WITHSCORES", "WEIGHTS", "2"),
        "*2\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nb\r\n,inf\r\n");
    assert_string_equal(fixture_run(fixture, command_zscan, "zscan", "z", "0", "MATCH", "a"),
                        "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n");
    assert_string_equal(fixture_run(fixture, command_zpopmax, "zpopmax", "z"), "*2\r\n$1\r\nb\r\n,inf\r\n");
    assert_string_equal(fixture_run(fixture, command_zrandmember, "zrandmember", "z", "1", "WITHSCORES"),
                        pair);
    assert_string_equal(fixture_run(fixture, command_zpopmin, "zpopmin", "z", "3"), pair);
    assert_string_equal(fixture_run(fixture, command_zmpop, "zmpop", "1", "z", "MIN"), "_\r\n");
}

// --- Lists of elements ---

static void elements_are_put_in_the_order_of_scores_then_members(void **state) {
    (void)state;
    static const struct zset_element unordered[] = {{{"b", 1}, 1}, {{"", 0}, 1},    {{"z", 1}, -HUGE_VAL},
                                                    {{"a", 1}, 2}, {{"a\0", 2}, 1}, {{"a", 1}, 1}};
    static const char *const ordered[] = {"z", "", "a", "a", "b", "a"};
    struct zset_elements elements = {0};
    zset_elements_sort(&elements);
    for (size_t i = 0; i < 6; i++)
        zset_elements_add(&elements, &unordered[i]);
    zset_elements_sort(&elements);
    for (size_t i = 0; i < 6; i++) {
        struct zset_element element = zset_elements_at(&elements, i);
        assert_int_equal(element.member.length, i == 3 ? 2 : strlen(ordered[i]));
        if (element.member.length != 0)
            assert_memory_equal(element.member.data, ordered[i], strlen(ordered[i]));
    }
    zset_elements_release(&elements);
    assert_int_equal(elements.count, 0);
}

// --- Much of it ---

static void add_long_members(struct command_fixture *fixture, const char *key, int count) {
    char score[16];
    char member[501];
    for (int i = 0; i < count; i++) {
        (void)snprintf(score, sizeof(score), "%d", i);
        (void)snprintf(member, sizeof(member), "%0500d", i);
        assert_string_equal(fixture_run(fixture, command_zadd, "ZADD", key, score, member), ":1\r\n");
    }
}

// The other part would be more changes than may be staged.
static void of_what_goes_and_what_stays_the_smaller_is_staged(void **state) {
    enum { MEMBERS = 5000, STAGED_MOST = 2 << 20 };
    struct command_fixture *fixture = *state;
    add_long_members(fixture, "z", MEMBERS);
    fixture->session->staged_most = STAGED_MOST;
    assert_string_equal(
        fixture_run(fixture, command_zremrangebyscore, "ZREMRANGEBYSCORE", "z", "500", "(1500"), ":1000\r\n");
    assert_in_step(fixture, "z");
    assert_string_equal(fixture_run(fixture, command_zremrangebyrank, "ZREMRANGEBYRANK", "z", "500", "-501"),
                        ":3000\r\n");
    assert_in_step(fixture, "z");
    assert_int_equal(fixture_metadata(fixture, "z").size, 1000);
    assert_memory_equal(fixture_run(fixture, command_zpopmax, "ZPOPMAX", "z", "990"), "*1980\r\n", 7);
    assert_in_step(fixture, "z");
    assert_int_equal(fixture_metadata(fixture, "z").size, 10);
    assert_string_equal(fixture_run(fixture, command_zcount, "ZCOUNT", "z", "0", "9"), ":10\r\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, command_fixture_open, command_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_member_lies_in_both_families_as_kvrocks_puts_it),
        TEST(both_halves_stay_in_step_whatever_is_done),
        TEST(a_stored_minus_zero_is_found_as_zero_and_goes_without_a_trace),
        TEST(a_member_without_a_score_is_an_error),
        TEST(fewer_elements_than_the_size_says_are_an_error),
        TEST(resp3_has_doubles_and_pairs),
        TEST(of_what_goes_and_what_stays_the_smaller_is_staged),
        cmocka_unit_test(elements_are_put_in_the_order_of_scores_then_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
