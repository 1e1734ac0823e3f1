// SPDX-License-Identifier: Apache-2.0
//
// Sorted sets as queues: how many elements that were taken before RocksDB passes, by its own count, when more
// are taken from an end, or an end is read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zset_ranks_fixture.h"

#include "base/log.h"

#include <rocksdb/c.h>

enum { TAKEN = NUMBERS / 2 };

// --- Counting ---

static rocksdb_perfcontext_t *count_begin(void) {
    rocksdb_set_perf_level(rocksdb_enable_count);
    rocksdb_perfcontext_t *counters = rocksdb_perfcontext_create();
    rocksdb_perfcontext_reset(counters);
    return counters;
}

static uint64_t count_end(rocksdb_perfcontext_t *counters) {
    uint64_t passed = rocksdb_perfcontext_metric(counters, rocksdb_internal_delete_skipped_count);
    rocksdb_perfcontext_destroy(counters);
    session_prepare_thread();
    return passed;
}

// --- Walking ---

// The element at this end, which is there.
static void expect_end(const struct collection *set, bool is_last, bool is_locked, uint64_t number) {
    char text[NUMBER_TEXT];
    struct bytes found;
    struct collection_iterator *iterator = collection_iterator_open(set, FAMILY_ZSET_SCORE);
    collection_iterator_use_ends(iterator, set, is_locked);
    if (is_last) {
        collection_iterator_seek_last(iterator);
        assert_true(collection_iterator_previous(iterator, &found, NULL));
    } else {
        collection_iterator_seek(iterator, (struct bytes){0});
        assert_true(collection_iterator_next(iterator, &found, NULL));
    }
    assert_true(bytes_equal(found, numbers_sub_key(number, text)));
    collection_iterator_close(iterator);
}

static void pop(struct numbers *numbers, bool is_last, uint64_t number) {
    struct numbers_write write;
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    expect_end(&write.set, is_last, true, number);
    numbers_take(numbers, &write, number);
    numbers_write_end(&write);
}

static uint64_t place(bool is_last, uint64_t i) {
    return is_last ? NUMBERS - 1 - i : i;
}

// Without bounds each would pass all that were taken before: four and a half millions together.
static void popping_passes_few_of_those_that_were_popped(void **state) {
    struct numbers *numbers = *state;
    for (int is_last = 0; is_last < 2; is_last++) {
        numbers_fill(numbers, 1);
        rocksdb_perfcontext_t *counters = count_begin();
        for (uint64_t i = 0; i < TAKEN; i++)
            pop(numbers, is_last != 0, place(is_last != 0, i));
        assert_in_range(count_end(counters), 1, 4 * TAKEN);
    }
}

static void take_many(struct numbers *numbers, bool is_last) {
    struct numbers_write write;
    for (uint64_t i = 0; i < TAKEN; i++) {
        numbers_write_begin(numbers, &write, NUMBERS_ALONE);
        numbers_take(numbers, &write, place(is_last, i));
        numbers_write_end(&write);
    }
}

static uint64_t passed_by_reading(struct numbers *numbers, bool is_last) {
    rocksdb_perfcontext_t *counters = count_begin();
    struct collection set = numbers_read(numbers->fixture.sessions[1], numbers->key);
    expect_end(&set, is_last, false, place(is_last, TAKEN));
    session_snapshot_end(numbers->fixture.sessions[1]);
    return count_end(counters);
}

// Those who come first pass all, and who has passed enough remembers where the end is.
static void reading_an_end_again_and_again_soon_passes_few_of_those_that_were_taken(void **state) {
    struct numbers *numbers = *state;
    enum { FIRST_ONES = 20, FEW = 4 };
    for (int is_last = 0; is_last < 2; is_last++) {
        numbers_fill(numbers, 1);
        take_many(numbers, is_last != 0);
        assert_true(passed_by_reading(numbers, is_last != 0) >= TAKEN - FEW); // so this is counted
        for (int i = 0; i < FIRST_ONES; i++)
            (void)passed_by_reading(numbers, is_last != 0);
        assert_in_range(passed_by_reading(numbers, is_last != 0), 0, FEW);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, numbers_open, numbers_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(popping_passes_few_of_those_that_were_popped),
        TEST(reading_an_end_again_and_again_soon_passes_few_of_those_that_were_taken),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
