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
    bool is_known = zset_ends_find(ends, bytes_from_text(set), end, &found);
    assert_int_equal(is_known, expected != NULL);
    if (expected != NULL)
        assert_true(bytes_equal(buffer_bytes(&found), bytes_from_text(expected)));
    buffer_release(&found);
}

static void learn(struct zset_ends *ends, const char *set, enum zset_end end, const char *sub_key) {
    zset_ends_learn(ends, bytes_from_text(set), end, bytes_from_text(sub_key));
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
    zset_ends_learn(*state, bytes_from_text("set"), ZSET_LAST, (struct bytes){text, sizeof(text)});
    expect_bound(*state, "set", ZSET_LAST, NULL);
}

static void all_is_forgotten_at_once(void **state) {
    learn(*state, "set", ZSET_FIRST, "f");
    learn(*state, "other", ZSET_LAST, "f");
    zset_ends_forget(*state);
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
        if (zset_ends_find(*state, bytes_from_text(name), ZSET_FIRST, &found)) {
            assert_true(bytes_equal(buffer_bytes(&found), bytes_from_text(name)));
            known++;
        }
        buffer_release(&found);
    }
    assert_in_range(known, 1, SETS - 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_ends, close_ends)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_learned_is_found_for_this_set_and_end_alone),
        TEST(elements_beyond_the_bounds_widen_them),
        TEST(a_bound_that_is_too_long_is_not_known_any_more),
        TEST(all_is_forgotten_at_once),
        TEST(of_more_sets_than_there_are_places_none_gets_anothers_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
