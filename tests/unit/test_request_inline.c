// SPDX-License-Identifier: Apache-2.0
//
// The quoting of inline commands.
#include "base/buffer.h"
#include "server/request_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

// Each word in brackets; "unbalanced" where the line is refused.
static struct buffer split(struct bytes line) {
    // A copy without a byte to spare, so that a sanitizer sees any reading beyond it.
    char *copy = malloc(line.length == 0 ? 1 : line.length);
    assert_non_null(copy);
    memcpy(copy, line.data, line.length);
    struct bytes *words = NULL;
    int count = request_split_inline((struct bytes){.data = copy, .length = line.length}, &words);
    free(copy);
    struct buffer text = {0};
    buffer_append_text(&text, count < 0 ? "unbalanced" : "");
    for (int i = 0; i < count; i++) {
        buffer_append_text(&text, "[");
        buffer_append(&text, words[i]);
        buffer_append_text(&text, "]");
    }
    if (count <= 0)
        assert_null(words);
    free(words);
    return text;
}

struct example {
    struct bytes line;
    struct bytes words;
};
#define EXAMPLE(line, words)                                                                                 \
    {                                                                                                        \
        {(line), sizeof(line) - 1}, {                                                                        \
            (words), sizeof(words) - 1                                                                       \
        }                                                                                                    \
    }

static void check(const struct example *examples, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct buffer words = split(examples[i].line);
        if (!bytes_equal(buffer_bytes(&words), examples[i].words))
            fail_msg("<%.*s> became <%.*s>, not <%.*s>", (int)examples[i].line.length, examples[i].line.data,
                     (int)words.length, words.data, (int)examples[i].words.length, examples[i].words.data);
        buffer_release(&words);
    }
}
#define CHECK(examples) check((examples), sizeof(examples) / sizeof((examples)[0]))

static void words_are_separated_by_blanks(void **state) {
    (void)state;
    static const struct example examples[] = {
        EXAMPLE("", ""),
        EXAMPLE("   ", ""),
        EXAMPLE(" \t\r\n\v\f", ""),
        EXAMPLE("PING", "[PING]"),
        EXAMPLE("set key value", "[set][key][value]"),
        EXAMPLE("  set \t key\rvalue \n", "[set][key][value]"),
        EXAMPLE("a\vb\fc", "[a\vb\fc]"),
        EXAMPLE("a\0b c", "[a\0b][c]"),
        EXAMPLE("back\\slash", "[back\\slash]"),
    };
    CHECK(examples);
}

static void double_quotes_know_escapes(void **state) {
    (void)state;
    static const struct example examples[] = {
        EXAMPLE("\"\"", "[]"),
        EXAMPLE("set \"a b\" c", "[set][a b][c]"),
        EXAMPLE("\"\\n\\r\\t\\b\\a\"", "[\n\r\t\b\a]"),
        EXAMPLE("\"\\x41\\xfF\\x00\"", "[A\xff\0]"),
        EXAMPLE("\"\\xg1\\x4\"", "[xg1x4]"),
        EXAMPLE("\"\\\"\\\\\\q\"", "[\"\\q]"),
        EXAMPLE("\"it's\"", "[it's]"),
        EXAMPLE("begin\"of a word\"", "[beginof a word]"),
    };
    CHECK(examples);
}

static void single_quotes_know_only_their_own_escape(void **state) {
    (void)state;
    static const struct example examples[] = {
        EXAMPLE("''", "[]"),
        EXAMPLE("'a b' c", "[a b][c]"),
        EXAMPLE("'it\\'s'", "[it's]"),
        EXAMPLE("'\\n\\x41\"'", "[\\n\\x41\"]"),
    };
    CHECK(examples);
}

static void unbalanced_quotes_are_refused(void **state) {
    (void)state;
    static const struct example examples[] = {
        EXAMPLE("\"", "unbalanced"),         EXAMPLE("'", "unbalanced"),
        EXAMPLE("set \"a b", "unbalanced"),  EXAMPLE("set 'a b", "unbalanced"),
        EXAMPLE("\"a\"b", "unbalanced"),     EXAMPLE("'a'b", "unbalanced"),
        EXAMPLE("\"a\"\"b\"", "unbalanced"), EXAMPLE("\"a\\", "unbalanced"),
        EXAMPLE("\"a\\\"", "unbalanced"),    EXAMPLE("'a\\'", "unbalanced"),
        EXAMPLE("\"\\x", "unbalanced"),      EXAMPLE("\"\\x4", "unbalanced"),
    };
    CHECK(examples);
}

static void one_release_frees_many_words(void **state) {
    (void)state;
    enum { WORDS = 10000 };
    struct buffer line = {0};
    for (int i = 0; i < WORDS; i++)
        buffer_append_format(&line, "\"word %d\" ", i);
    struct bytes *words = NULL;
    assert_int_equal(request_split_inline(buffer_bytes(&line), &words), WORDS);
    for (int i = 0; i < WORDS; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "word %d", i);
        assert_true(bytes_equal(words[i], bytes_from_text(expected)));
    }
    free(words);
    buffer_release(&line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_separated_by_blanks),
        cmocka_unit_test(double_quotes_know_escapes),
        cmocka_unit_test(single_quotes_know_only_their_own_escape),
        cmocka_unit_test(unbalanced_quotes_are_refused),
        cmocka_unit_test(one_release_frees_many_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
