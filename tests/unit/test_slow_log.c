// SPDX-License-Identifier: Apache-2.0
//
// The slow log: what is kept of an entry, which entries are kept, and many threads at once.
#include "server/slow_log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int open_log(void **state) {
    *state = slow_log_open();
    return 0;
}

static int close_log(void **state) {
    slow_log_close(*state);
    return 0;
}

// Copies of what slow_log_each() told.
enum { SHOWN_ENTRIES = 8, SHOWN_TEXT = 16384 };
struct shown {
    size_t count;
    uint64_t ids[SHOWN_ENTRIES];
    uint64_t microseconds[SHOWN_ENTRIES];
    int64_t when_seconds;
    size_t argument_count;
    char text[SHOWN_TEXT]; // the last entry's arguments, each followed by ';', then address and name
};

static void show(void *context, const struct slow_log_entry *entry) {
    struct shown *shown = context;
    shown->ids[shown->count] = entry->id;
    shown->microseconds[shown->count] = entry->microseconds;
    shown->count++;
    shown->when_seconds = entry->when_seconds;
    shown->argument_count = entry->count;
    size_t length = 0;
    for (size_t i = 0; i < entry->count; i++) {
        memcpy(shown->text + length, entry->arguments[i].data, entry->arguments[i].length);
        length += entry->arguments[i].length;
        shown->text[length++] = ';';
    }
    (void)snprintf(shown->text + length, SHOWN_TEXT - length, "%s;%s", entry->client_address,
                   entry->client_name);
}

static struct shown shown_of(void **state, size_t most) {
    struct shown shown = {0};
    slow_log_each(*state, most, show, &shown);
    return shown;
}

static void add(void **state, uint64_t microseconds, size_t max_length) {
    struct bytes arguments[] = {BYTES_LITERAL("get"), BYTES_LITERAL("key")};
    slow_log_add(*state, arguments, 2, microseconds, 1700000000999, "127.0.0.1:4711", "me", max_length);
}

static void an_entry_tells_what_was_slow_and_who_asked(void **state) {
    add(state, 12345, 10);
    struct shown shown = shown_of(state, 10);
    assert_int_equal(shown.count, 1);
    assert_int_equal(shown.ids[0], 0);
    assert_int_equal(shown.microseconds[0], 12345);
    assert_int_equal(shown.when_seconds, 1700000000);
    assert_string_equal(shown.text, "get;key;127.0.0.1:4711;me");
}

static void a_client_without_a_name_has_an_empty_one(void **state) {
    struct bytes argument = BYTES_LITERAL("ping");
    slow_log_add(*state, &argument, 1, 1, 0, "/socket:0", NULL, 10);
    assert_string_equal(shown_of(state, 1).text, "ping;/socket:0;");
}

static void an_entry_keeps_copies(void **state) {
    char text[] = "abc";
    struct bytes argument = bytes_from_text(text);
    char address[] = "address";
    slow_log_add(*state, &argument, 1, 1, 0, address, "", 10);
    memset(text, 'x', sizeof(text) - 1);
    memset(address, 'x', sizeof(address) - 1);
    assert_string_equal(shown_of(state, 1).text, "abc;address;");
}

static void long_arguments_are_cut_with_a_note(void **state) {
    char text[300];
    memset(text, 'a', sizeof(text));
    for (size_t length = 127; length <= 129; length++) {
        struct bytes argument = {.data = text, .length = length};
        slow_log_add(*state, &argument, 1, 1, 0, "", "", 1);
        struct shown shown = shown_of(state, 1);
        assert_int_equal(strspn(shown.text, "a"), length < 128 ? length : 128);
        assert_string_equal(shown.text + strspn(shown.text, "a"),
                            length == 129 ? "... (1 more bytes);;" : ";;");
    }
    struct bytes argument = {.data = text, .length = 300};
    slow_log_add(*state, &argument, 1, 1, 0, "", "", 1);
    assert_non_null(strstr(shown_of(state, 1).text, "a... (172 more bytes);"));
}

static void many_arguments_are_cut_with_a_note(void **state) {
    struct bytes arguments[100];
    for (size_t i = 0; i < 100; i++)
        arguments[i] = BYTES_LITERAL("a");
    slow_log_add(*state, arguments, 32, 1, 0, "", "", 1);
    struct shown shown = shown_of(state, 1);
    assert_int_equal(shown.argument_count, 32);
    assert_null(strstr(shown.text, "more"));
    slow_log_add(*state, arguments, 33, 1, 0, "", "", 1);
    shown = shown_of(state, 1);
    assert_int_equal(shown.argument_count, 32);
    assert_non_null(strstr(shown.text, "a;... (2 more arguments);"));
    slow_log_add(*state, arguments, 100, 1, 0, "", "", 1);
    assert_non_null(strstr(shown_of(state, 1).text, "... (69 more arguments);"));
}

static void the_newest_come_first_and_the_oldest_are_dropped(void **state) {
    for (uint64_t i = 0; i < 5; i++)
        add(state, 100 + i, 3);
    assert_int_equal(slow_log_length(*state), 3);
    struct shown shown = shown_of(state, 10);
    assert_int_equal(shown.count, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(shown.ids[i], 4 - i);
        assert_int_equal(shown.microseconds[i], 104 - i);
    }
}

static void no_more_entries_are_told_than_asked_for(void **state) {
    for (uint64_t i = 0; i < 5; i++)
        add(state, i, 10);
    assert_int_equal(shown_of(state, 0).count, 0);
    struct shown shown = shown_of(state, 2);
    assert_int_equal(shown.count, 2);
    assert_int_equal(shown.ids[1], 3);
}

static void a_shorter_limit_drops_at_the_next_entry(void **state) {
    for (uint64_t i = 0; i < 5; i++)
        add(state, i, 10);
    add(state, 5, 2);
    assert_int_equal(slow_log_length(*state), 2);
    assert_int_equal(shown_of(state, 8).ids[1], 4);
    add(state, 6, 0);
    assert_int_equal(slow_log_length(*state), 0);
    assert_int_equal(shown_of(state, 8).count, 0);
}

static void numbering_goes_on_after_a_reset(void **state) {
    add(state, 1, 10);
    add(state, 2, 10);
    slow_log_reset(*state);
    assert_int_equal(slow_log_length(*state), 0);
    add(state, 3, 10);
    struct shown shown = shown_of(state, 10);
    assert_int_equal(shown.count, 1);
    assert_int_equal(shown.ids[0], 2);
}

// --- Threads ---

enum { THREADS = 4, ROUNDS = 3000, MAX_LENGTH = 8 };

struct checker {
    uint64_t last_id;
    bool started;
    bool wrong;
};

// Ids fall by one from entry to entry, and each entry is whole.
static void check(void *context, const struct slow_log_entry *entry) {
    struct checker *checker = context;
    if (checker->started && entry->id + 1 != checker->last_id)
        checker->wrong = true;
    if (entry->count != 2 || !bytes_equal(entry->arguments[1], BYTES_LITERAL("key")))
        checker->wrong = true;
    checker->started = true;
    checker->last_id = entry->id;
}

static _Atomic unsigned wrong_reads;

static void *hammer(void *argument) {
    void *state = argument;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        add(&state, round, MAX_LENGTH);
        if (round % 8 == 0) {
            struct checker checker = {0};
            slow_log_each(state, SIZE_MAX, check, &checker);
            atomic_fetch_add(&wrong_reads, checker.wrong);
        }
        if (round % 100 == 0)
            slow_log_reset(state);
    }
    return NULL;
}

static void threads_may_add_read_and_reset_at_once(void **state) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, *state), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&wrong_reads), 0);
    assert_true(slow_log_length(*state) <= MAX_LENGTH);
    add(state, 1, MAX_LENGTH);
    assert_int_equal(shown_of(state, 1).ids[0], THREADS * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_entry_tells_what_was_slow_and_who_asked),
        TEST(a_client_without_a_name_has_an_empty_one),
        TEST(an_entry_keeps_copies),
        TEST(long_arguments_are_cut_with_a_note),
        TEST(many_arguments_are_cut_with_a_note),
        TEST(the_newest_come_first_and_the_oldest_are_dropped),
        TEST(no_more_entries_are_told_than_asked_for),
        TEST(a_shorter_limit_drops_at_the_next_entry),
        TEST(numbering_goes_on_after_a_reset),
        TEST(threads_may_add_read_and_reset_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
