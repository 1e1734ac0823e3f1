// SPDX-License-Identifier: Apache-2.0
//
// The longest common subsequence: known answers, and random strings against a check of what the words mean.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/lcs.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void assert_lcs(const char *a, const char *b, const char *expected) {
    char text[64] = "";
    struct lcs *lcs = lcs_open(bytes_from_text(a), bytes_from_text(b));
    assert_non_null(lcs);
    assert_int_equal(lcs_length(lcs), strlen(expected));
    lcs_text(lcs, text);
    assert_string_equal(text, expected);
    lcs_close(lcs);
}

static void finds_the_subsequence_that_redis_documents(void **state) {
    (void)state;
    assert_lcs("ohmytext", "mynewtext", "mytext");
}

static void of_equally_long_ones_finds_the_one_that_redis_finds(void **state) {
    (void)state;
    assert_lcs("ab", "ba", "b");
    assert_lcs("ba", "ab", "a");
    assert_lcs("abcbdab", "bdcaba", "bdab");
    assert_lcs("abcabba", "cbabac", "cbba");
}

static void has_nothing_in_common_with_an_empty_string(void **state) {
    (void)state;
    assert_lcs("", "", "");
    assert_lcs("abc", "", "");
    assert_lcs("", "abc", "");
    assert_lcs("abc", "def", "");
}

static void is_the_string_itself_for_equal_strings(void **state) {
    (void)state;
    assert_lcs("a", "a", "a");
    assert_lcs("hello world", "hello world", "hello world");
}

static void tells_the_matches_from_the_end(void **state) {
    (void)state;
    struct lcs *lcs = lcs_open(BYTES_LITERAL("ohmytext"), BYTES_LITERAL("mynewtext"));
    struct lcs_match match;
    assert_true(lcs_next_match(lcs, &match));
    assert_int_equal(match.a_first, 4);
    assert_int_equal(match.a_last, 7);
    assert_int_equal(match.b_first, 5);
    assert_int_equal(match.b_last, 8);
    assert_true(lcs_next_match(lcs, &match));
    assert_int_equal(match.a_first, 2);
    assert_int_equal(match.a_last, 3);
    assert_int_equal(match.b_first, 0);
    assert_int_equal(match.b_last, 1);
    assert_false(lcs_next_match(lcs, &match));
    assert_false(lcs_next_match(lcs, &match));
    lcs_close(lcs);
}

static void goes_through_the_matches_again_after_a_rewind(void **state) {
    (void)state;
    struct lcs *lcs = lcs_open(BYTES_LITERAL("xa"), BYTES_LITERAL("ya"));
    struct lcs_match match;
    assert_true(lcs_next_match(lcs, &match));
    assert_false(lcs_next_match(lcs, &match));
    lcs_rewind(lcs);
    assert_true(lcs_next_match(lcs, &match));
    assert_int_equal(match.a_first, 1);
    lcs_close(lcs);
}

static void counts_the_bytes_of_its_table(void **state) {
    (void)state;
    assert_int_equal(lcs_table_size(0, 0), 4);
    assert_int_equal(lcs_table_size(3, 4), 80);
    assert_int_equal(lcs_table_size(UINT32_MAX, 1), UINT64_MAX);
    assert_int_equal(lcs_table_size(1, UINT32_MAX), UINT64_MAX);
    assert_int_equal(lcs_table_size(UINT32_MAX - 1, UINT32_MAX - 1), UINT64_MAX);
}

static void refuses_strings_whose_table_cannot_be_counted(void **state) {
    (void)state;
    struct bytes huge = {"", UINT32_MAX};
    assert_null(lcs_open(huge, huge));
    lcs_close(NULL);
}

// By the definition, without a table: exponential, for short strings.
static size_t longest(const char *a, const char *b) {
    if (*a == '\0' || *b == '\0')
        return 0;
    if (*a == *b)
        return 1 + longest(a + 1, b + 1);
    size_t without_a = longest(a + 1, b);
    size_t without_b = longest(a, b + 1);
    return without_a > without_b ? without_a : without_b;
}

static bool is_subsequence(const char *part, const char *whole) {
    for (; *whole != '\0'; whole++)
        part += *part == *whole && *part != '\0';
    return *part == '\0';
}

static void random_text(char *out, size_t longest_text, unsigned *seed) {
    size_t length = (size_t)rand_r(seed) % (longest_text + 1);
    for (size_t i = 0; i < length; i++)
        out[i] = "abc"[rand_r(seed) % 3];
    out[length] = '\0';
}

static void assert_matches_cover_the_subsequence(struct lcs *lcs, const char *a, const char *b) {
    struct lcs_match match;
    uint32_t total = 0;
    lcs_rewind(lcs);
    while (lcs_next_match(lcs, &match)) {
        size_t length = match.a_last - match.a_first + 1;
        assert_int_equal(length, match.b_last - match.b_first + 1);
        assert_memory_equal(a + match.a_first, b + match.b_first, length);
        total += (uint32_t)length;
    }
    assert_int_equal(total, lcs_length(lcs));
}

static void random_strings_have_the_length_that_the_definition_gives(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    for (int round = 0; round < 300; round++) {
        char a[10];
        char b[10];
        char text[10] = "";
        random_text(a, 9, &seed);
        random_text(b, 9, &seed);
        struct lcs *lcs = lcs_open(bytes_from_text(a), bytes_from_text(b));
        assert_int_equal(lcs_length(lcs), longest(a, b));
        lcs_text(lcs, text);
        assert_int_equal(strlen(text), lcs_length(lcs));
        assert_true(is_subsequence(text, a) && is_subsequence(text, b));
        assert_matches_cover_the_subsequence(lcs, a, b);
        lcs_close(lcs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_subsequence_that_redis_documents),
        cmocka_unit_test(of_equally_long_ones_finds_the_one_that_redis_finds),
        cmocka_unit_test(has_nothing_in_common_with_an_empty_string),
        cmocka_unit_test(is_the_string_itself_for_equal_strings),
        cmocka_unit_test(tells_the_matches_from_the_end),
        cmocka_unit_test(goes_through_the_matches_again_after_a_rewind),
        cmocka_unit_test(counts_the_bytes_of_its_table),
        cmocka_unit_test(refuses_strings_whose_table_cannot_be_counted),
        cmocka_unit_test(random_strings_have_the_length_that_the_definition_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
