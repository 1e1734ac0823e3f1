// SPDX-License-Identifier: Apache-2.0
//
// The heap of walks, and what is walked over with it: unions of very many sets, of sets that are named twice,
// and of more than may be open at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"

#include "base/random.h"
#include "commands/handlers.h"
#include "commands/member_merge.h"

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

static void keys_that_are_named_again_lead_to_the_first_place(void **state) {
    (void)state;
    const struct bytes keys[] = {BYTES_LITERAL("b"),  BYTES_LITERAL("a"), BYTES_LITERAL("b"),
                                 BYTES_LITERAL("aa"), BYTES_LITERAL("b"), BYTES_LITERAL("a")};
    const size_t expected[] = {0, 1, 0, 3, 0, 1};
    size_t *places = member_merge_first_places(keys, 6);
    assert_memory_equal(places, expected, sizeof(expected));
    free(places);
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

static void more_sets_than_may_be_open_are_refused_and_missing_ones_are_none(void **state) {
    struct command_fixture *fixture = *state;
    struct words words = words_open(SETS);
    words_add(&words, "SUNION");
    for (size_t i = 0; i < SETS; i++) {
        (void)snprintf(words.numbers[i], NUMBER_SIZE, "%zu", i);
        words_add(&words, words.numbers[i]);
        if (i != 0)
            (void)fixture_run(fixture, command_sadd, "SADD", words.numbers[i], i % 2 == 0 ? "a" : "b");
    }
    const char *both = "*2\r\n$1\r\na\r\n$1\r\nb\r\n";
    assert_string_equal(run(fixture, command_sunion, &words), both);
    (void)fixture_run(fixture, command_sadd, "SADD", words.numbers[0], "a");
    assert_string_equal(run(fixture, command_sunion, &words), "-" MERGE_TOO_MANY "\r\n");
    words_close(&words);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_in_order_and_equal_ones_in_that_of_their_sources),
        cmocka_unit_test(keys_that_are_named_again_lead_to_the_first_place),
        cmocka_unit_test_setup_teardown(a_set_that_is_named_very_often_is_opened_once, command_fixture_open,
                                        command_fixture_close),
        cmocka_unit_test_setup_teardown(a_sorted_set_that_is_named_often_counts_as_often,
                                        command_fixture_open, command_fixture_close),
        cmocka_unit_test_setup_teardown(more_sets_than_may_be_open_are_refused_and_missing_ones_are_none,
                                        command_fixture_open, command_fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
