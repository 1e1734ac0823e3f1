// SPDX-License-Identifier: Apache-2.0
//
// Lines of a configuration file: names, quotes, escapes, comments, and that what is quoted reads back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/config_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void assert_parses(const char *line, const char *name, const char *value) {
    struct config_line parsed;
    struct buffer found = {0};
    assert_null(config_line_parse(bytes_from_text(line), &parsed, &found));
    assert_true(bytes_equal(parsed.name, bytes_from_text(name)));
    assert_true(bytes_equal(buffer_bytes(&found), bytes_from_text(value)));
    assert_int_equal(parsed.has_value, value[0] != '\0');
    buffer_release(&found);
}

static void assert_wrong(struct bytes line, const char *problem) {
    struct config_line parsed;
    struct buffer found = {0};
    const char *words = config_line_parse(line, &parsed, &found);
    assert_non_null(words);
    assert_string_equal(words, problem);
    buffer_release(&found);
}

static void a_value_reaches_to_the_end_of_the_line_without_outer_blanks(void **state) {
    (void)state;
    assert_parses("bind 127.0.0.1 ::1", "bind", "127.0.0.1 ::1");
    assert_parses(" \t bind\t\t127.0.0.1   ::1 \t\r", "bind", "127.0.0.1   ::1");
}

static void blank_lines_and_comments_have_no_name(void **state) {
    (void)state;
    assert_parses("", "", "");
    assert_parses("  \t\r", "", "");
    assert_parses("# port 1", "", "");
    assert_parses("   # port 1", "", "");
}

static void a_comment_ends_names_and_unquoted_values(void **state) {
    (void)state;
    assert_parses("port 1 # the usual one", "port", "1");
    assert_parses("requirepass a#b", "requirepass", "a");
    assert_parses("port#1", "port", "");
    assert_parses("port # 1", "port", "");
    assert_parses("requirepass it's # \"quoted\"", "requirepass", "it's");
}

static void quotes_protect_blanks_and_comment_signs(void **state) {
    (void)state;
    assert_parses("requirepass \" a # b \"", "requirepass", " a # b ");
    assert_parses("requirepass 'a \"b\"' # comment", "requirepass", "a \"b\"");
    assert_parses("requirepass \"it's\"", "requirepass", "it's");
    assert_parses("requirepass ''", "requirepass", "");
}

static void escapes_are_read_in_quoted_values_only(void **state) {
    (void)state;
    assert_parses("dir \"\\\\ \\\" \\' \\t\\r\\n\\v\\f\\b\"", "dir", "\\ \" ' \t\r\n\v\f\b");
    assert_parses("dir \"a\\xb\"", "dir", "ab");
    assert_parses("dir a\\tb", "dir", "a\\tb");
}

static void broken_lines_are_told(void **state) {
    (void)state;
    assert_wrong(BYTES_LITERAL("dir \"abc"), "the line ends inside a quoted value");
    assert_wrong(BYTES_LITERAL("dir 'abc\""), "the line ends inside a quoted value");
    assert_wrong(BYTES_LITERAL("dir \"abc\\"), "the line ends inside a quoted value");
    assert_wrong(BYTES_LITERAL("dir \"abc\\\""), "the line ends inside a quoted value");
    assert_wrong(BYTES_LITERAL("dir \"abc\" d"), "there is text behind the closing quote");
    assert_wrong(BYTES_LITERAL("dir \"abc\"d"), "there is text behind the closing quote");
    assert_wrong(BYTES_LITERAL("dir a\0b"), "the line holds a NUL byte");
}

static void lines_end_at_line_feeds_and_at_the_end(void **state) {
    (void)state;
    struct bytes rest = BYTES_LITERAL("a\n\nb\r\nc");
    struct bytes line;
    const char *const expected[] = {"a", "", "b\r", "c"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(config_next_line(&rest, &line));
        assert_true(bytes_equal(line, bytes_from_text(expected[i])));
    }
    assert_false(config_next_line(&rest, &line));
}

static void words_stand_between_blanks(void **state) {
    (void)state;
    struct bytes rest = BYTES_LITERAL("  one\ttwo \n");
    struct bytes word;
    assert_true(config_next_word(&rest, &word));
    assert_true(bytes_equal(word, BYTES_LITERAL("one")));
    assert_true(config_next_word(&rest, &word));
    assert_true(bytes_equal(word, BYTES_LITERAL("two")));
    assert_false(config_next_word(&rest, &word));
}

static void assert_quoted(const char *value, const char *expected) {
    struct buffer out = {0};
    config_line_quote(bytes_from_text(value), &out);
    assert_true(bytes_equal(buffer_bytes(&out), bytes_from_text(expected)));
    buffer_release(&out);
}

static void values_are_quoted_only_where_they_must_be(void **state) {
    (void)state;
    assert_quoted("127.0.0.1 ::1", "127.0.0.1 ::1");
    assert_quoted("C:\\path", "C:\\path");
    assert_quoted("", "\"\"");
    assert_quoted(" a", "\" a\"");
    assert_quoted("a#b", "\"a#b\"");
    assert_quoted("GET \"\"", "\"GET \\\"\\\"\"");
    assert_quoted("a\nb", "\"a\\nb\"");
}

static void whatever_is_quoted_reads_back(void **state) {
    (void)state;
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("KVFENCE_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < 20000; round++) {
        static const char favourites[] = "\\\"'# \t\n\r\v\f\b";
        char value[24];
        size_t length = 1 + (size_t)random() % sizeof(value);
        for (size_t i = 0; i < length; i++)
            value[i] = (char)(random() % 2 == 0 ? favourites[(size_t)random() % (sizeof(favourites) - 1)]
                                                : 1 + random() % 255);
        struct buffer line = {0};
        struct buffer found = {0};
        struct config_line parsed;
        buffer_append_text(&line, "name ");
        config_line_quote((struct bytes){value, length}, &line);
        assert_null(config_line_parse(buffer_bytes(&line), &parsed, &found));
        assert_true(bytes_equal(buffer_bytes(&found), (struct bytes){value, length}));
        assert_true(memchr(line.data, '\n', line.length) == NULL);
        buffer_release(&line);
        buffer_release(&found);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_reaches_to_the_end_of_the_line_without_outer_blanks),
        cmocka_unit_test(blank_lines_and_comments_have_no_name),
        cmocka_unit_test(a_comment_ends_names_and_unquoted_values),
        cmocka_unit_test(quotes_protect_blanks_and_comment_signs),
        cmocka_unit_test(escapes_are_read_in_quoted_values_only),
        cmocka_unit_test(broken_lines_are_told),
        cmocka_unit_test(lines_end_at_line_feeds_and_at_the_end),
        cmocka_unit_test(words_stand_between_blanks),
        cmocka_unit_test(values_are_quoted_only_where_they_must_be),
        cmocka_unit_test(whatever_is_quoted_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
