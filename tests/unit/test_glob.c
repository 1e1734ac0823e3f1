// SPDX-License-Identifier: Apache-2.0
//
// Glob patterns: a table of Redis' answers, and a comparison with the plainest matcher there can be.
#include "base/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool matches(const char *pattern, const char *text) {
    return glob_match(bytes_from_text(pattern), bytes_from_text(text), false);
}

struct row {
    const char *pattern, *text;
    bool expected;
};

static void the_answers_are_those_of_redis(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"", "", true},           {"", "a", false},           {"a", "", false},
        {"*", "", true},          {"*", "anything", true},    {"***", "", true},
        {"a*", "a", true},        {"a*", "ba", false},        {"*a", "bca", true},
        {"*a", "ab", false},      {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false},
        {"?", "a", true},         {"?", "", false},           {"??", "a", false},
        {"h?llo", "hello", true}, {"[abc]", "b", true},       {"[abc]", "d", false},
        {"[^abc]", "d", true},    {"[^abc]", "a", false},     {"[a-c]", "b", true},
        {"[c-a]", "b", true},     {"[a-c]", "d", false},      {"[^a-c]", "b", false},
        {"[]", "a", false},       {"[^]", "a", true},         {"[abc", "b", true},
        {"[abc", "d", false},     {"[", "a", false},          {"[^", "a", true},
        {"[\\]]", "]", true},     {"[\\-]", "-", true},       {"[a-]", "]", true},
        {"[a-]x", "bx", false},   {"\\*", "*", true},         {"\\*", "a", false},
        {"\\", "\\", true},       {"a\\?", "a?", true},       {"a\\?", "ab", false},
        {"*[0-9]", "key7", true}, {"A", "a", false},          {"*b", "abab", true},
        {"*ab", "aab", true},     {"*?", "", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (matches(rows[i].pattern, rows[i].text) != rows[i].expected)
            fail_msg("pattern '%s', text '%s': expected %d", rows[i].pattern, rows[i].text, rows[i].expected);
    }
}

static void case_is_ignored_where_asked(void **state) {
    (void)state;
    assert_true(glob_match(BYTES_LITERAL("MAX*"), BYTES_LITERAL("maxclients"), true));
    assert_true(glob_match(BYTES_LITERAL("[A-C]x"), BYTES_LITERAL("bX"), true));
    assert_true(glob_match(BYTES_LITERAL("\\Q"), BYTES_LITERAL("q"), true));
    assert_false(glob_match(BYTES_LITERAL("[^A-C]"), BYTES_LITERAL("b"), true));
}

static void nul_bytes_match_like_others(void **state) {
    (void)state;
    assert_true(glob_match(BYTES_LITERAL("a\0*"), BYTES_LITERAL("a\0bc"), false));
    assert_true(glob_match(BYTES_LITERAL("?"), BYTES_LITERAL("\0"), false));
    assert_false(glob_match(BYTES_LITERAL("a"), BYTES_LITERAL("a\0"), false));
}

static void many_stars_do_not_stall(void **state) {
    (void)state;
    char pattern[2 * 1000 + 1];
    char text[20000];
    for (size_t i = 0; i < sizeof(pattern) - 1; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    pattern[sizeof(pattern) - 1] = 'b';
    memset(text, 'a', sizeof(text));
    assert_false(
        glob_match((struct bytes){pattern, sizeof(pattern)}, (struct bytes){text, sizeof(text)}, false));
}

static void the_literal_prefix_ends_at_the_first_special_character(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"user:*", "user:"}, {"plain", "plain"}, {"*", ""}, {"a?b", "a"},
        {"a[b]", "a"},       {"a\\*b", "a"},     {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes prefix = glob_literal_prefix(bytes_from_text(rows[i][0]));
        assert_true(bytes_equal(prefix, bytes_from_text(rows[i][1])));
    }
    assert_int_equal(glob_literal_prefix(BYTES_LITERAL("a\0b*")).length, 3);
}

// Stars and question marks by plain recursion.
static bool plain_match(const char *pattern, const char *text) {
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return plain_match(pattern + 1, text) || (*text != '\0' && plain_match(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) && plain_match(pattern + 1, text + 1);
}

static void fill(char *text, size_t size, const char *alphabet, unsigned short seed[3]) {
    size_t length = (size_t)nrand48(seed) % size;
    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[(size_t)nrand48(seed) % strlen(alphabet)];
    text[length] = '\0';
}

static void random_patterns_match_as_plain_recursion_says(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned short seed[3] = {(unsigned short)(given != NULL ? strtol(given, NULL, 10) : time(NULL)), 3, 4};
    print_message("seed %u\n", seed[0]);
    for (int i = 0; i < 100000; i++) {
        char pattern[8];
        char text[10];
        fill(pattern, sizeof(pattern), "ab*?", seed);
        fill(text, sizeof(text), "ab", seed);
        if (matches(pattern, text) != plain_match(pattern, text))
            fail_msg("pattern '%s', text '%s'", pattern, text);
        struct bytes prefix = glob_literal_prefix(bytes_from_text(pattern));
        if (matches(pattern, text))
            assert_int_equal(strncmp(text, pattern, prefix.length), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answers_are_those_of_redis),
        cmocka_unit_test(case_is_ignored_where_asked),
        cmocka_unit_test(nul_bytes_match_like_others),
        cmocka_unit_test(many_stars_do_not_stall),
        cmocka_unit_test(the_literal_prefix_ends_at_the_first_special_character),
        cmocka_unit_test(random_patterns_match_as_plain_recursion_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
