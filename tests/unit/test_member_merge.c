// SPDX-License-Identifier: Apache-2.0
//
// The heap of walks, the table of members, and what is done with them: unions of very many sets, of sets that
// are named twice, and of more than may be open at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"

#include "base/random.h"
#include "commands/handlers.h"
#include "commands/member_merge.h"
#include "commands/member_table.h"
#include "commands/working_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void members_come_in_order_and_equal_ones_in_that_of_their_sources(void **state) {
    (void)state;
    enum { WALKS = 1000, NAMES = 60 };
    static char names[NAMES][8];
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : random_number();
    struct random_sequence random = {seed};
    struct member_merge merge;
    struct merge_entry last;
    struct merge_entry next;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    member_merge_open(&merge, WALKS);
    for (size_t i = 0; i < WALKS; i++) {
        size_t name = random_sequence_below(&random, NAMES);
        (void)snprintf(names[name], sizeof(names[name]), "%zu", name);
        member_merge_add(&merge, bytes_from_text(names[name]), i);
    }
    assert_true(member_merge_take(&merge, &last));
    for (size_t i = 1; i < WALKS; i++) {
        bool is_equal = member_merge_take_equal(&merge, last.member, &next);
        assert_true(is_equal || member_merge_take(&merge, &next));
        int order = bytes_compare(last.member, next.member);
        assert_true(is_equal ? order == 0 && last.source < next.source : order < 0);
        last = next;
    }
    assert_false(member_merge_take(&merge, &next));
    member_merge_close(&merge);
}

static void a_table_has_each_member_once_and_in_order_when_it_is_sorted(void **state) {
    (void)state;
    struct member_table table = {0};
    const struct table_entry *place = NULL;
    struct bytes member;
    bool is_new = false;
    double score = 0;
    assert_false(member_table_next(&table, &place, &member, &score));
    static const char *const added[] = {"b", "", "aa", "b", "a", "b", ""};
    for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
        *member_table_at(&table, bytes_from_text(added[i]), &is_new) += 1;
    assert_false(is_new);
    member_table_sort(&table);
    static const char *const wanted[] = {"", "a", "aa", "b"};
    static const double times[] = {2, 1, 1, 3};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_true(member_table_next(&table, &place, &member, &score));
        assert_true(bytes_equal(member, bytes_from_text(wanted[i])));
        assert_true(score == times[i]);
    }
    assert_false(member_table_next(&table, &place, &member, &score));
    member_table_release(&table);
    assert_null(table.entries);
}

static void a_table_is_too_big_where_what_any_command_holds_is(void **state) {
    (void)state;
    assert_false(member_table_is_too_big(&(struct member_table){.bytes = WORKING_SET_MAX}));
    assert_true(member_table_is_too_big(&(struct member_table){.bytes = (size_t)WORKING_SET_MAX + 1}));
}

// --- Unions of many ---

enum { MANY = 100000, SETS = MERGE_WALKS_MAX + 1, NUMBER_SIZE = 16 };

struct words {
    struct bytes *all;
    size_t count;
    char (*numbers)[NUMBER_SIZE];
};

static struct words words_open(size_t room) {
    struct words words = {.all = calloc(room + 4, sizeof(struct bytes)),
                          .numbers = calloc(room, NUMBER_SIZE)};
    assert_non_null(words.all);
    assert_non_null(words.numbers);
    return words;
}

static void words_add(struct words *words, const char *text) {
    words->all[words->count++] = bytes_from_text(text);
}

static void words_close(struct words *words) {
    free(words->all);
    free(words->numbers);
}

static const char *run(struct command_fixture *fixture, command_function *function,
                       const struct words *words) {
    return fixture_run_bytes(fixture, function, words->all, words->count);
}

static void a_set_that_is_named_very_often_is_opened_once(void **state) {
    struct command_fixture *fixture = *state;
    struct words words = words_open(MANY);
    (void)fixture_run(fixture, command_sadd, "SADD", "s", "a", "b");
    words_add(&words, "SUNION");
    for (size_t i = 0; i < MANY; i++)
        words_add(&words, "s");
    uint64_t reads = session_reads(fixture->session);
    assert_string_equal(run(fixture, command_sunion, &words), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_string_equal(run(fixture, command_sinter, &words), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_string_equal(run(fixture, command_sdiff, &words), "*0\r\n");
    assert_in_range(session_reads(fixture->session) - reads, 1, 30);
    words_close(&words);
}

static void a_sorted_set_that_is_named_often_counts_as_often(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_zadd, "ZADD", "z", "1", "a", "2", "b");
    (void)fixture_run(fixture, command_zadd, "ZADD", "y", "10", "a");
    uint64_t reads = session_reads(fixture->session);
    assert_string_equal(fixture_run(fixture, command_zunion, "ZUNION", "5", "z", "z", "y", "z", "none",
                                    "WEIGHTS", "1", "2", "1", "3", "1", "WITHSCORES"),
                        "*4\r\n$1\r\nb\r\n$2\r\n12\r\n$1\r\na\r\n$2\r\n16\r\n");
    assert_in_range(session_reads(fixture->session) - reads, 1, 5);
    assert_string_equal(fixture_run(fixture, command_zunion, "ZUNION", "3", "z", "y", "z", "WEIGHTS", "inf",
                                    "-inf", "1", "WITHSCORES"),
                        "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\ninf\r\n");
}

#define EMPTY_ARRAY "*0\r\n"
#define ALL_THREE   "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"

// `words` with numbers for keys; all but the first one exist.
static void add_sets(struct command_fixture *fixture, struct words *words) {
    for (size_t i = 0; i < SETS; i++) {
        (void)snprintf(words->numbers[i], NUMBER_SIZE, "%zu", i);
        words_add(words, words->numbers[i]);
        if (i != 0)
            (void)fixture_run(fixture, command_sadd, "SADD", words->numbers[i], "c", i % 2 == 0 ? "a" : "b");
    }
}

// As many as may be open, and one more.
static void the_number_of_sets_makes_no_difference(void **state) {
    struct command_fixture *fixture = *state;
    struct words words = words_open(SETS);
    words_add(&words, "COMMAND");
    add_sets(fixture, &words);
    assert_string_equal(run(fixture, command_sunion, &words), ALL_THREE);
    assert_string_equal(run(fixture, command_sinter, &words), EMPTY_ARRAY);
    assert_string_equal(run(fixture, command_sdiff, &words), EMPTY_ARRAY);
    (void)fixture_run(fixture, command_sadd, "SADD", words.numbers[0], "c", "x", "y");
    assert_string_equal(run(fixture, command_sunion, &words),
                        "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nx\r\n$1\r\ny\r\n");
    assert_string_equal(run(fixture, command_sinter, &words), "*1\r\n$1\r\nc\r\n");
    assert_string_equal(run(fixture, command_sdiff, &words), "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    memmove(&words.all[2], &words.all[1], SETS * sizeof(words.all[0]));
    words.all[1] = BYTES_LITERAL("into");
    words.count++;
    assert_string_equal(run(fixture, command_sunionstore, &words), ":5\r\n");
    assert_string_equal(fixture_run(fixture, command_scard, "SCARD", "into"), ":5\r\n");
    words_close(&words);
}

// A portion of what is stored is about a megabyte.
static void of_very_many_sets_big_results_are_stored_whole(void **state) {
    enum { LENGTH = 1 << 19, BIG = 5 };
    struct command_fixture *fixture = *state;
    struct words words = words_open(SETS + 2);
    char *text = calloc(1, LENGTH);
    char number[NUMBER_SIZE];
    assert_non_null(text);
    (void)snprintf(number, sizeof(number), "%d", SETS);
    words_add(&words, "COMMAND");
    words_add(&words, "into");
    add_sets(fixture, &words);
    for (int i = 0; i < BIG; i++) {
        memset(text, 'd' + i, LENGTH - 1);
        (void)fixture_run(fixture, command_sadd, "SADD", words.numbers[0], text);
    }
    assert_string_equal(run(fixture, command_sunionstore, &words), ":8\r\n");
    memmove(&words.all[3], &words.all[2], SETS * sizeof(words.all[0]));
    words.all[2] = bytes_from_text(number);
    words.count++;
    assert_string_equal(run(fixture, command_zunionstore, &words), ":8\r\n");
    assert_string_equal(fixture_run(fixture, command_zscore, "ZSCORE", "into", text), "$1\r\n1\r\n");
    assert_string_equal(fixture_run(fixture, command_zcount, "ZCOUNT", "into", "1", "1"), ":5\r\n");
    free(text);
    words_close(&words);
}

static void the_number_of_sorted_sets_makes_no_difference(void **state) {
    struct command_fixture *fixture = *state;
    struct words words = words_open(SETS);
    char number[NUMBER_SIZE];
    (void)snprintf(number, sizeof(number), "%d", SETS);
    words_add(&words, "ZUNION");
    words_add(&words, number);
    add_sets(fixture, &words);
    words_add(&words, "WITHSCORES");
    assert_string_equal(run(fixture, command_zunion, &words),
                        "*6\r\n$1\r\na\r\n$4\r\n2048\r\n$1\r\nb\r\n$4\r\n2048\r\n$1\r\nc\r\n$4\r\n4096\r\n");
    (void)fixture_run(fixture, command_zadd, "ZADD", words.numbers[0], "0.5", "c", "-inf", "x");
    assert_string_equal(
        run(fixture, command_zunion, &words),
        "*8\r\n$1\r\nx\r\n$4\r\n-inf\r\n$1\r\na\r\n$4\r\n2048\r\n$1\r\nb\r\n$4\r\n2048\r\n$1\r\nc\r\n"
        "$6\r\n4096.5\r\n");
    words_close(&words);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_in_order_and_equal_ones_in_that_of_their_sources),
        cmocka_unit_test(a_table_has_each_member_once_and_in_order_when_it_is_sorted),
        cmocka_unit_test(a_table_is_too_big_where_what_any_command_holds_is),
        cmocka_unit_test_setup_teardown(a_set_that_is_named_very_often_is_opened_once, command_fixture_open,
                                        command_fixture_close),
        cmocka_unit_test_setup_teardown(a_sorted_set_that_is_named_often_counts_as_often,
                                        command_fixture_open, command_fixture_close),
        cmocka_unit_test_setup_teardown(the_number_of_sets_makes_no_difference, command_fixture_open,
                                        command_fixture_close),
        cmocka_unit_test_setup_teardown(of_very_many_sets_big_results_are_stored_whole, command_fixture_open,
                                        command_fixture_close),
        cmocka_unit_test_setup_teardown(the_number_of_sorted_sets_makes_no_difference, command_fixture_open,
                                        command_fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
