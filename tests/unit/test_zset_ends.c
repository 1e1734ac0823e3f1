// SPDX-License-Identifier: Apache-2.0
//
// The bounds of sorted sets that are remembered.
#include "store/zset_ends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_ends(void **state) {
    *state = zset_ends_open();
    return 0;
}

static int close_ends(void **state) {
    zset_ends_close(*state);
    return 0;
}

// NULL: it is not known.
static void expect_bound(struct zset_ends *ends, const char *set, enum zset_end end, const char *expected) {
    struct buffer found = {0};
    bool is_known = zset_ends_find(ends, bytes_from_text(set), end, UINT64_MAX, &found);
    assert_int_equal(is_known, expected != NULL);
    if (expected != NULL)
        assert_true(bytes_equal(buffer_bytes(&found), bytes_from_text(expected)));
    buffer_release(&found);
}

static void learn(struct zset_ends *ends, const char *set, enum zset_end end, const char *sub_key) {
    zset_ends_learn(ends, bytes_from_text(set), end, zset_ends_generation(ends), 1, bytes_from_text(sub_key));
}

static void what_was_learned_is_found_for_this_set_and_end_alone(void **state) {
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    learn(*state, "set", ZSET_FIRST, "f");
    expect_bound(*state, "set", ZSET_FIRST, "f");
    expect_bound(*state, "set", ZSET_LAST, NULL);
    expect_bound(*state, "se", ZSET_FIRST, NULL);
    expect_bound(*state, "sets", ZSET_FIRST, NULL);
    learn(*state, "set", ZSET_LAST, "p");
    learn(*state, "set", ZSET_FIRST, "g");
    expect_bound(*state, "set", ZSET_FIRST, "g");
    expect_bound(*state, "set", ZSET_LAST, "p");
}

static void elements_beyond_the_bounds_widen_them(void **state) {
    learn(*state, "set", ZSET_FIRST, "f");
    learn(*state, "set", ZSET_LAST, "p");
    zset_ends_widen(*state, bytes_from_text("set"), bytes_from_text("m"));
    zset_ends_widen(*state, bytes_from_text("other"), bytes_from_text("a"));
    expect_bound(*state, "set", ZSET_FIRST, "f");
    expect_bound(*state, "set", ZSET_LAST, "p");
    zset_ends_widen(*state, bytes_from_text("set"), bytes_from_text("ez"));
    zset_ends_widen(*state, bytes_from_text("set"), bytes_from_text("pa"));
    expect_bound(*state, "set", ZSET_FIRST, "ez");
    expect_bound(*state, "set", ZSET_LAST, "pa");
}

static void a_bound_that_is_too_long_is_not_known_any_more(void **state) {
    char text[1000];
    learn(*state, "set", ZSET_FIRST, "f");
    memset(text, 'a', sizeof(text));
    zset_ends_widen(*state, bytes_from_text("set"), (struct bytes){text, sizeof(text)});
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    memset(text, 'z', sizeof(text));
    zset_ends_learn(*state, bytes_from_text("set"), ZSET_LAST, zset_ends_generation(*state), 1,
                    (struct bytes){text, sizeof(text)});
    expect_bound(*state, "set", ZSET_LAST, NULL);
}

static void all_is_forgotten_at_once(void **state) {
    learn(*state, "set", ZSET_FIRST, "f");
    learn(*state, "other", ZSET_LAST, "f");
    zset_ends_change_begin(*state);
    zset_ends_change_end(*state);
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    expect_bound(*state, "other", ZSET_LAST, NULL);
    learn(*state, "set", ZSET_FIRST, "g");
    expect_bound(*state, "set", ZSET_FIRST, "g");
    expect_bound(*state, "set", ZSET_LAST, NULL);
}

static void of_more_sets_than_there_are_places_none_gets_anothers_bounds(void **state) {
    enum { SETS = 20000 };
    int known = 0;
    char name[32];
    for (int i = 0; i < SETS; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        learn(*state, name, ZSET_FIRST, name);
    }
    for (int i = 0; i < SETS; i++) {
        struct buffer found = {0};
        (void)snprintf(name, sizeof(name), "%d", i);
        if (zset_ends_find(*state, bytes_from_text(name), ZSET_FIRST, UINT64_MAX, &found)) {
            assert_true(bytes_equal(buffer_bytes(&found), bytes_from_text(name)));
            known++;
        }
        buffer_release(&found);
    }
    assert_in_range(known, 1, SETS - 1);
}

// --- Moments ---

static void learn_at(struct zset_ends *ends, uint64_t sequence, const char *sub_key) {
    zset_ends_learn(ends, BYTES_LITERAL("set"), ZSET_FIRST, zset_ends_generation(ends), sequence,
                    bytes_from_text(sub_key));
}

static bool is_known_to(struct zset_ends *ends, uint64_t sequence, struct buffer *found) {
    buffer_clear(found);
    return zset_ends_find(ends, BYTES_LITERAL("set"), ZSET_FIRST, sequence, found);
}

// Of bounds 0, 1, ... at the moments 0, 1, ...
static void who_sees_an_older_moment_gets_no_newer_bound(void **state) {
    enum { MOMENTS = 1000 };
    struct buffer found = {0};
    char sub_key[16];
    for (unsigned now = 0; now < MOMENTS; now++) {
        (void)snprintf(sub_key, sizeof(sub_key), "%06u", now);
        learn_at(*state, now, sub_key);
        for (unsigned age = 0; age < 100 && age <= now; age++) {
            bool is_known = is_known_to(*state, now - age, &found);
            buffer_append(&found, (struct bytes){"", 1});
            if (is_known)
                assert_true(strtoul(found.data, NULL, 10) <= now - age);
            else
                assert_true(age > 16 || now < 48); // some are kept for those who are a little late
        }
    }
    buffer_release(&found);
}

static void what_was_met_before_a_change_without_locks_is_not_learned_after_it(void **state) {
    uint64_t generation = zset_ends_generation(*state);
    learn(*state, "set", ZSET_FIRST, "f");
    zset_ends_change_begin(*state);
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    learn(*state, "set", ZSET_FIRST, "f");
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    zset_ends_change_end(*state);
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    zset_ends_learn(*state, BYTES_LITERAL("set"), ZSET_FIRST, generation, 1, BYTES_LITERAL("f"));
    expect_bound(*state, "set", ZSET_FIRST, NULL);
}

// --- Watches ---

static void watch_with(struct zset_ends *ends, enum zset_end end, const char *staged, const char *met) {
    struct bytes set = BYTES_LITERAL("set");
    uint64_t watch = zset_ends_watch_begin(ends, set, end);
    assert_int_not_equal(watch, 0);
    for (const char *letter = staged; *letter != '\0'; letter++)
        zset_ends_widen(ends, set, (struct bytes){letter, 1});
    zset_ends_watch_end(ends, watch, set, 1, bytes_from_text(met));
}

static void a_watch_learns_what_is_farthest_out_of_the_met_and_the_staged(void **state) {
    watch_with(*state, ZSET_FIRST, "", "f");
    expect_bound(*state, "set", ZSET_FIRST, "f");
    watch_with(*state, ZSET_FIRST, "xkz", "h");
    expect_bound(*state, "set", ZSET_FIRST, "h");
    watch_with(*state, ZSET_FIRST, "xkz", "p");
    expect_bound(*state, "set", ZSET_FIRST, "k");
    watch_with(*state, ZSET_LAST, "akc", "p");
    expect_bound(*state, "set", ZSET_LAST, "p");
    watch_with(*state, ZSET_LAST, "arc", "p");
    expect_bound(*state, "set", ZSET_LAST, "r");
}

static void a_watch_that_meets_nothing_or_misses_something_learns_nothing(void **state) {
    struct bytes set = BYTES_LITERAL("set");
    char text[1000];
    watch_with(*state, ZSET_FIRST, "c", "");
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    memset(text, 'a', sizeof(text));
    uint64_t watch = zset_ends_watch_begin(*state, set, ZSET_FIRST);
    assert_int_equal(zset_ends_watch_begin(*state, set, ZSET_FIRST), 0); // one at a time
    zset_ends_widen(*state, set, (struct bytes){text, sizeof(text)});
    zset_ends_watch_end(*state, watch, set, 1, BYTES_LITERAL("f"));
    expect_bound(*state, "set", ZSET_FIRST, NULL);
    watch = zset_ends_watch_begin(*state, set, ZSET_FIRST);
    zset_ends_change_begin(*state);
    zset_ends_change_end(*state);
    zset_ends_watch_end(*state, watch, set, 1, BYTES_LITERAL("f"));
    expect_bound(*state, "set", ZSET_FIRST, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_ends, close_ends)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_learned_is_found_for_this_set_and_end_alone),
        TEST(elements_beyond_the_bounds_widen_them),
        TEST(a_bound_that_is_too_long_is_not_known_any_more),
        TEST(all_is_forgotten_at_once),
        TEST(who_sees_an_older_moment_gets_no_newer_bound),
        TEST(what_was_met_before_a_change_without_locks_is_not_learned_after_it),
        TEST(a_watch_learns_what_is_farthest_out_of_the_met_and_the_staged),
        TEST(a_watch_that_meets_nothing_or_misses_something_learns_nothing),
        TEST(of_more_sets_than_there_are_places_none_gets_anothers_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
