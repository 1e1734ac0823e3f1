// SPDX-License-Identifier: Apache-2.0
//
// Drawing entries at random: that all are equally likely, with names of every kind, in the memory table and
// in files. Kernel randomness is not seeded: the limits are such that a right generator fails one run in
// millions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "store/entry_draws.h"
#include "store/store_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 50 };

// --- Names ---

typedef void name_function(unsigned number, struct buffer *out);

static void with_zeros(unsigned number, struct buffer *out) {
    buffer_append_format(out, "member:%06u", number);
}

static void decimal(unsigned number, struct buffer *out) {
    buffer_append_format(out, "%u", number + 1);
}

static uint64_t scrambled(unsigned number) {
    uint64_t word = (number + 1) * 0x9e3779b97f4a7c15;
    word = (word ^ word >> 31) * 0xbf58476d1ce4e5b9;
    return word ^ word >> 29;
}

static void hexadecimal(unsigned number, struct buffer *out) {
    buffer_append_format(out, "%016llx%016llx", (unsigned long long)scrambled(number),
                         (unsigned long long)scrambled(~number));
}

static void binary(unsigned number, struct buffer *out) {
    uint64_t word = scrambled(number);
    buffer_append(out, (struct bytes){(const char *)&word, sizeof(word)});
}

// Many under one name, some under others, and a few for themselves.
static void mixed(unsigned number, struct buffer *out) {
    if (number % 1000 == 0)
        buffer_append_format(out, "%c", 'a' + (int)(number / 1000 % 26));
    if (number % 10 == 1)
        buffer_append_format(out, "session:%08llx", (unsigned long long)scrambled(number) & 0xffffffff);
    else
        buffer_append_format(out, "user:%u:name", number);
}

// Each is the beginning of the next one, as far as names may grow here.
static void nested(unsigned number, struct buffer *out) {
    for (unsigned i = 0; i < number; i++)
        buffer_append(out, BYTES_LITERAL("a"));
}

// --- Entries ---

static void put_all(struct store_session *session, struct bytes prefix, name_function *name, unsigned size) {
    struct buffer key = {0};
    session_write_begin(session, &prefix, 1);
    for (unsigned i = 0; i < size; i++) {
        buffer_clear(&key);
        buffer_append(&key, prefix);
        name(i, &key);
        stage_raw_put(session, FAMILY_DEFAULT, buffer_bytes(&key), (struct bytes){0});
    }
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    buffer_release(&key);
}

static rocksdb_iterator_t *iterate(struct store *store) {
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_iterator_t *entries =
        rocksdb_create_iterator_cf(store->database, options, store->families[FAMILY_DEFAULT]);
    rocksdb_readoptions_destroy(options);
    return entries;
}

// The keys with a prefix one after the other in order, to find out ranks.
struct keys {
    struct buffer text;
    struct bytes *keys;
    size_t count;
};

static int compare(const void *a, const void *b) {
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void read_keys(rocksdb_iterator_t *entries, struct bytes prefix, struct keys *out) {
    *out = (struct keys){.keys = memory_allocate(200000 * sizeof(struct bytes))};
    rocksdb_iter_seek(entries, prefix.data, prefix.length);
    for (; rocksdb_iter_valid(entries); rocksdb_iter_next(entries)) {
        struct bytes key;
        key.data = rocksdb_iter_key(entries, &key.length);
        if (key.length < prefix.length || memcmp(key.data, prefix.data, prefix.length) != 0)
            break;
        buffer_append_counted(&out->text, key);
        out->count++;
    }
    struct bytes rest = buffer_bytes(&out->text);
    for (size_t i = 0; i < out->count; i++)
        out->keys[i] = bytes_take_counted(&rest);
}

// --- Even or not ---

// Chi-square over bins of neighbours, and how many different entries come: less if some are preferred.
static void expect_even_draws(rocksdb_iterator_t *entries, struct entry_draws *draws, const struct keys *keys,
                              unsigned count) {
    unsigned bins[BINS] = {0};
    bool *met = memory_allocate_zeroed(keys->count, sizeof(*met));
    double different = 0;
    double chi_square = 0;
    for (unsigned i = 0; i < count; i++) {
        assert_true(entry_draws_next(draws));
        struct bytes key;
        key.data = rocksdb_iter_key(entries, &key.length);
        const struct bytes *place = bsearch(&key, keys->keys, keys->count, sizeof(key), compare);
        assert_non_null(place);
        size_t rank = (size_t)(place - keys->keys);
        bins[rank * BINS / keys->count]++;
        different += !met[rank];
        met[rank] = true;
    }
    double wanted = (double)count / BINS;
    for (int i = 0; i < BINS; i++)
        chi_square += (bins[i] - wanted) * (bins[i] - wanted) / wanted;
    double size = (double)keys->count;
    double expected_different = size * (1 - exp(-(double)count / size));
    print_message("chi-square %.1f of %d bins, %.0f different of %u draws, expected %.0f\n", chi_square, BINS,
                  different, count, expected_different);
    free(met);
    assert_true(chi_square < 120); // 49 degrees of freedom: exceeded once in 10^7
    assert_true(different > expected_different - 6 * sqrt(count));
}

static void check_names(struct store_fixture *fixture, name_function *name, bool in_files) {
    enum { SIZE = 100000, DRAWS = 20000 };
    struct bytes prefix = BYTES_LITERAL("p\xff");
    put_all(fixture->sessions[0], BYTES_LITERAL("o"), with_zeros, 1000);
    put_all(fixture->sessions[0], prefix, name, SIZE);
    put_all(fixture->sessions[0], BYTES_LITERAL("q"), with_zeros, 1000);
    if (in_files)
        rocksdb_compact_range_cf(fixture->store->database, fixture->store->families[FAMILY_DEFAULT], NULL, 0,
                                 NULL, 0);
    rocksdb_iterator_t *entries = iterate(fixture->store);
    struct keys keys;
    read_keys(entries, prefix, &keys);
    struct entry_draws *draws = entry_draws_open(entries, prefix, keys.count, NULL, NULL);
    expect_even_draws(entries, draws, &keys, DRAWS);
    entry_draws_close(draws);
    rocksdb_iter_destroy(entries);
    buffer_release(&keys.text);
    free(keys.keys);
}

static void numbers_with_zeros_are_drawn_evenly(void **state) {
    check_names(*state, with_zeros, false);
}

static void numbers_with_zeros_in_files_are_drawn_evenly(void **state) {
    check_names(*state, with_zeros, true);
}

static void numbers_are_drawn_evenly(void **state) {
    check_names(*state, decimal, false);
}

static void numbers_in_files_are_drawn_evenly(void **state) {
    check_names(*state, decimal, true);
}

static void hexadecimal_names_are_drawn_evenly(void **state) {
    check_names(*state, hexadecimal, false);
}

static void random_bytes_are_drawn_evenly(void **state) {
    check_names(*state, binary, false);
}

static void names_of_several_kinds_are_drawn_evenly(void **state) {
    check_names(*state, mixed, false);
}

// What one command does: nothing is known about the entries yet.
static void first_draws_are_even_too(void **state) {
    enum { SIZE = 30000, DRAWS = 2000 };
    struct store_fixture *fixture = *state;
    struct bytes prefix = BYTES_LITERAL("p");
    unsigned bins[BINS] = {0};
    double chi_square = 0;
    put_all(fixture->sessions[0], prefix, mixed, SIZE);
    rocksdb_iterator_t *entries = iterate(fixture->store);
    struct keys keys;
    read_keys(entries, prefix, &keys);
    if (keys.count == 0)
        fail_msg("nothing was put");
    for (unsigned i = 0; i < DRAWS; i++) {
        struct entry_draws *draws = entry_draws_open(entries, prefix, keys.count, NULL, NULL);
        assert_true(entry_draws_next(draws));
        struct bytes key;
        key.data = rocksdb_iter_key(entries, &key.length);
        const struct bytes *place = bsearch(&key, keys.keys, keys.count, sizeof(key), compare);
        assert_non_null(place);
        bins[(size_t)(place - keys.keys) * BINS / keys.count]++;
        entry_draws_close(draws);
    }
    for (int i = 0; i < BINS; i++)
        chi_square += pow(bins[i] - (double)DRAWS / BINS, 2) / ((double)DRAWS / BINS);
    print_message("chi-square %.1f of %d bins\n", chi_square, BINS);
    assert_true(chi_square < 120);
    rocksdb_iter_destroy(entries);
    buffer_release(&keys.text);
    free(keys.keys);
}

typedef bool draw_function(struct entry_draws *draws);

static bool draw_any(struct entry_draws *draws) {
    return entry_draws_any(draws, UINT64_MAX);
}

static bool draw_any_among_few(struct entry_draws *draws) {
    return entry_draws_any(draws, 1000);
}

static bool draws_once(struct store_fixture *fixture, draw_function *by, struct bytes prefix, uint64_t size,
                       entry_counts_function *counts, char last[2]) {
    rocksdb_iterator_t *entries = iterate(fixture->store);
    struct entry_draws *draws = entry_draws_open(entries, prefix, size, counts, NULL);
    bool drawn = by(draws);
    if (drawn) {
        size_t length = 0;
        const char *key = rocksdb_iter_key(entries, &length);
        last[0] = key[length - 1];
        last[1] = '\0';
    }
    entry_draws_close(draws);
    rocksdb_iter_destroy(entries);
    return drawn;
}

static void of_no_entries_none_is_drawn(void **state) {
    char last[2] = "";
    put_all(((struct store_fixture *)*state)->sessions[0], BYTES_LITERAL("o"), decimal, 3);
    assert_false(draws_once(*state, entry_draws_next, BYTES_LITERAL("p"), 0, NULL, last));
    assert_false(draws_once(*state, entry_draws_next, BYTES_LITERAL("p"), 100000, NULL, last));
    assert_false(draws_once(*state, entry_draws_next, BYTES_LITERAL("\xff\xff"), 10, NULL, last));
}

static void of_few_entries_each_is_drawn(void **state) {
    char last[2] = "";
    bool seen[3] = {false};
    put_all(((struct store_fixture *)*state)->sessions[0], BYTES_LITERAL("p"), decimal, 3);
    for (int i = 0; i < 200; i++) {
        assert_true(draws_once(*state, entry_draws_next, BYTES_LITERAL("p"), 3, NULL, last));
        seen[last[0] - '1'] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
}

static void fewer_or_more_entries_than_was_said_are_no_hindrance_if_it_need_not_be_even(void **state) {
    static const uint64_t said[] = {0, 100, 1000000};
    char last[2] = "";
    put_all(((struct store_fixture *)*state)->sessions[0], BYTES_LITERAL("p"), with_zeros, 5000);
    for (int i = 0; i < 30; i++)
        assert_true(draws_once(*state, draw_any, BYTES_LITERAL("p"), said[i % 3], NULL, last));
    assert_false(draws_once(*state, draw_any, BYTES_LITERAL("q"), 100, NULL, last));
}

static bool is_odd(void *context, struct bytes key, struct bytes value) {
    (void)context;
    (void)value;
    return (unsigned char)key.data[key.length - 1] % 2 == 1;
}

static void what_does_not_count_is_not_drawn(void **state) {
    char last[2] = "";
    put_all(((struct store_fixture *)*state)->sessions[0], BYTES_LITERAL("p"), with_zeros, 5000);
    for (int i = 0; i < 100; i++) {
        assert_true(draws_once(*state, entry_draws_next, BYTES_LITERAL("p"), 2500, is_odd, last));
        assert_true((last[0] - '0') % 2 == 1);
    }
}

static bool looks_like_none(void *looked_at, struct bytes key, struct bytes value) {
    (void)key;
    (void)value;
    ++*(uint64_t *)looked_at;
    return false;
}

static void what_does_not_count_is_looked_at_so_often_at_most(void **state) {
    enum { LEAF = 512 };
    struct store_fixture *fixture = *state;
    uint64_t looked_at = 0;
    put_all(fixture->sessions[0], BYTES_LITERAL("p"), with_zeros, 20000);
    rocksdb_iterator_t *entries = iterate(fixture->store);
    struct entry_draws *draws =
        entry_draws_open(entries, BYTES_LITERAL("p"), 20000, looks_like_none, &looked_at);
    assert_false(draw_any_among_few(draws));
    assert_in_range(looked_at, 1000, 1000 + 2 * LEAF);
    entry_draws_close(draws);
    rocksdb_iter_destroy(entries);
}

static void names_that_cannot_be_drawn_from_evenly_are_noticed(void **state) {
    char last[2] = "";
    put_all(((struct store_fixture *)*state)->sessions[0], BYTES_LITERAL("p"), nested, 3000);
    assert_false(draws_once(*state, entry_draws_next, BYTES_LITERAL("p"), 3000, NULL, last));
}

#define TEST(function)                                                                                       \
    cmocka_unit_test_setup_teardown(function, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(numbers_with_zeros_are_drawn_evenly),
        TEST(numbers_with_zeros_in_files_are_drawn_evenly),
        TEST(numbers_are_drawn_evenly),
        TEST(numbers_in_files_are_drawn_evenly),
        TEST(hexadecimal_names_are_drawn_evenly),
        TEST(random_bytes_are_drawn_evenly),
        TEST(names_of_several_kinds_are_drawn_evenly),
        TEST(first_draws_are_even_too),
        TEST(of_no_entries_none_is_drawn),
        TEST(of_few_entries_each_is_drawn),
        TEST(fewer_or_more_entries_than_was_said_are_no_hindrance_if_it_need_not_be_even),
        TEST(what_does_not_count_is_not_drawn),
        TEST(what_does_not_count_is_looked_at_so_often_at_most),
        TEST(names_that_cannot_be_drawn_from_evenly_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
