// SPDX-License-Identifier: Apache-2.0
#include "base/glob.h"
#include "commands/scan_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct scan_range range_of(const char *pattern, bool keys_with_slots) {
    return scan_range_of(bytes_from_text(pattern), keys_with_slots);
}

static bool covers(struct scan_range range, const char *key) {
    return scan_range_covers(&range, bytes_from_text(key));
}

static void a_pattern_that_begins_with_a_star_may_match_any_key(void **state) {
    (void)state;
    struct scan_range range = range_of("*foo", false);
    assert_int_equal(range.kind, SCAN_ALL_KEYS);
    assert_int_equal(range.start.length, 0);
    assert_true(covers(range, "anything"));
    assert_true(covers(range, ""));
}

static void no_pattern_covers_all_keys(void **state) {
    (void)state;
    struct scan_range range = scan_range_of((struct bytes){0}, false);
    assert_int_equal(range.kind, SCAN_ALL_KEYS);
    assert_true(covers(range, ""));
}

static void a_pattern_with_a_literal_beginning_covers_the_keys_that_begin_so(void **state) {
    (void)state;
    struct scan_range range = range_of("user:*:name", false);
    assert_int_equal(range.kind, SCAN_PREFIX);
    assert_true(bytes_equal(range.start, BYTES_LITERAL("user:")));
    assert_true(covers(range, "user:1:name"));
    assert_true(covers(range, "user:"));
    assert_false(covers(range, "user"));
    assert_false(covers(range, "user;"));
    assert_false(covers(range, ""));
}

static void a_pattern_without_special_characters_covers_one_key(void **state) {
    (void)state;
    for (int with_slots = 0; with_slots < 2; with_slots++) {
        struct scan_range range = range_of("foo", with_slots != 0);
        assert_int_equal(range.kind, SCAN_ONE_KEY);
        assert_true(covers(range, "foo"));
        assert_false(covers(range, "foobar"));
        assert_false(covers(range, "fo"));
    }
}

static void with_slots_a_prefix_is_scattered_unless_it_holds_a_whole_hash_tag(void **state) {
    (void)state;
    assert_int_equal(range_of("user:*", true).kind, SCAN_ALL_KEYS);
    assert_int_equal(range_of("{user*", true).kind, SCAN_ALL_KEYS);
    assert_int_equal(range_of("{}user*", true).kind, SCAN_ALL_KEYS);
    assert_int_equal(range_of("}{user*", true).kind, SCAN_ALL_KEYS);
    assert_int_equal(range_of("a{user}*", true).kind, SCAN_PREFIX);
    assert_int_equal(range_of("{user}:*", true).kind, SCAN_PREFIX);
}

// A number below `limit`, by xorshift.
static size_t random_below(uint64_t *seed, size_t limit) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (size_t)(*seed >> 32) % limit;
}

static void fill_from(uint64_t *seed, char *text, size_t size, const char *alphabet) {
    size_t length = random_below(seed, size);
    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[random_below(seed, strlen(alphabet))];
    text[length] = '\0';
}

// Both halves of what KEYS relies on: a match is covered and, where keys have slots, lies in the one slot in
// which the search begins.
static void every_key_that_matches_is_covered(void **state) {
    (void)state;
    const char *given = getenv("TEST_SEED");
    uint64_t seed = (given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL)) | 1;
    print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
    size_t matches = 0;
    for (int round = 0; round < 200000; round++) {
        char pattern[7], key[7];
        fill_from(&seed, pattern, sizeof(pattern), "ab{}*?\\[]");
        fill_from(&seed, key, sizeof(key), "ab{}");
        if (!glob_match(bytes_from_text(pattern), bytes_from_text(key), false))
            continue;
        matches++;
        bool with_slots = random_below(&seed, 2) == 0;
        struct scan_range range = range_of(pattern, with_slots);
        if (!covers(range, key))
            fail_msg("pattern '%s' matches '%s', which is not covered", pattern, key);
        if (with_slots && range.kind != SCAN_ALL_KEYS)
            assert_int_equal(key_slot(range.start), key_slot(bytes_from_text(key)));
        if (!with_slots)
            assert_true(bytes_compare(range.start, bytes_from_text(key)) <= 0);
    }
    assert_true(matches > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_that_begins_with_a_star_may_match_any_key),
        cmocka_unit_test(no_pattern_covers_all_keys),
        cmocka_unit_test(a_pattern_with_a_literal_beginning_covers_the_keys_that_begin_so),
        cmocka_unit_test(a_pattern_without_special_characters_covers_one_key),
        cmocka_unit_test(with_slots_a_prefix_is_scattered_unless_it_holds_a_whole_hash_tag),
        cmocka_unit_test(every_key_that_matches_is_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
