// SPDX-License-Identifier: Apache-2.0
//
// From one store's log into another store: what the tail delivers, what it withholds, and what is applied.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"
#include "store/apply.h"
#include "store/digest.h"
#include "store/log_tail.h"
#include "store/write_batch.h"

#include <stdio.h>
#include <string.h>

struct stores {
    struct store_fixture from, to;
};

static int open_stores(void **state) {
    static struct stores stores;
    store_fixture_open(&stores.from, NULL);
    store_fixture_open(&stores.to, NULL);
    *state = &stores;
    return 0;
}

static int close_stores(void **state) {
    struct stores *stores = *state;
    store_fixture_close(&stores->from);
    store_fixture_close(&stores->to);
    return 0;
}

static void set(struct stores *stores, const char *key, const char *value) {
    assert_int_equal(store_fixture_set(stores->from.sessions[0], key, value), STORE_OK);
}

static void settle(struct stores *stores) {
    assert_int_equal(store_settle(stores->from.sessions[0]), SETTLED);
}

static enum apply_result apply(struct stores *stores, struct bytes batch) {
    char error[STORE_ERROR_SIZE];
    struct store_session *session = stores->to.sessions[0];
    session_write_begin(session, NULL, 0);
    enum apply_result result = store_apply(session, batch, error);
    session_write_end(session);
    return result;
}

static size_t apply_all(struct stores *stores, struct log_tail *tail) {
    struct bytes batch;
    size_t count = 0;
    enum log_tail_result result;
    while ((result = log_tail_next(tail, &batch)) == LOG_TAIL_BATCH) {
        assert_int_equal(apply(stores, batch), APPLIED);
        count++;
    }
    assert_int_equal(result, LOG_TAIL_NOTHING_YET);
    return count;
}

static void what_is_not_flushed_is_withheld(void **state) {
    struct stores *stores = *state;
    struct log_tail *tail = log_tail_open(stores->from.store, 1);
    set(stores, "a", "1");
    assert_int_equal(apply_all(stores, tail), 0);
    settle(stores);
    assert_int_equal(apply_all(stores, tail), 2); // the new id is a batch of its own
    assert_true(store_fixture_has(stores->to.sessions[0], "a", "1"));
    assert_int_equal(store_latest_sequence(stores->to.store), store_latest_sequence(stores->from.store));
    log_tail_close(tail);
}

static void a_tail_goes_on_across_many_files_and_half_flushed_ends(void **state) {
    enum { ROUNDS = 300 };
    struct stores *stores = *state;
    struct log_tail *tail = log_tail_open(stores->from.store, 1);
    static char value[40000];
    char here[DIGEST_TEXT_SIZE], there[DIGEST_TEXT_SIZE];
    for (int round = 0; round < ROUNDS; round++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key:%d", round % 50);
        memset(value, 'a' + round % 26, sizeof(value) - 1);
        value[(size_t)round * 131] = '\0'; // of every length, so that blocks of the log end everywhere
        set(stores, key, value);
        if (round % 3 == 0)
            settle(stores);
        if (round % 50 == 49)
            assert_null(store_flush_memtables(stores->from.store));
        (void)apply_all(stores, tail);
    }
    settle(stores);
    (void)apply_all(stores, tail);
    assert_int_equal(store_digest(stores->from.sessions[0], 0, here), STORE_OK);
    assert_int_equal(store_digest(stores->to.sessions[0], 0, there), STORE_OK);
    assert_string_equal(here, there);
    log_tail_close(tail);
}

static void a_tail_begins_where_a_batch_begins_and_nowhere_else(void **state) {
    struct stores *stores = *state;
    set(stores, "a", "1"); // 1 and 2: the new id; 3
    set(stores, "b", "1"); // 4
    settle(stores);
    assert_true(log_tail_is_available(stores->from.store, 1));
    assert_false(log_tail_is_available(stores->from.store, 2));
    assert_true(log_tail_is_available(stores->from.store, 3));
    assert_true(log_tail_is_available(stores->from.store, 5));
    assert_false(log_tail_is_available(stores->from.store, 6));
}

static void a_batch_out_of_step_or_damaged_is_not_applied(void **state) {
    struct stores *stores = *state;
    struct log_tail *tail = log_tail_open(stores->from.store, 1);
    struct bytes batch;
    set(stores, "a", "1");
    settle(stores);
    assert_int_equal(log_tail_next(tail, &batch), LOG_TAIL_BATCH);
    assert_int_equal(apply(stores, (struct bytes){batch.data, batch.length - 1}), APPLY_DAMAGED);
    assert_int_equal(apply(stores, (struct bytes){batch.data, 5}), APPLY_DAMAGED);
    assert_int_equal(apply(stores, batch), APPLIED);
    assert_int_equal(apply(stores, batch), APPLY_OUT_OF_STEP);
    assert_int_equal(store_latest_sequence(stores->to.store), 2);
    log_tail_close(tail);
}

// RocksDB itself would not take another write after it.
static void a_change_of_an_unknown_family_is_refused_and_harms_nothing(void **state) {
    static const char unknown[] = "\x01\0\0\0\0\0\0\0\x01\0\0\0\x05\x21\x01k\x01v";
    struct stores *stores = *state;
    assert_int_equal(apply(stores, (struct bytes){unknown, sizeof(unknown) - 1}), APPLY_DAMAGED);
    struct log_tail *tail = log_tail_open(stores->from.store, 1);
    struct bytes batch;
    set(stores, "a", "1");
    settle(stores);
    assert_int_equal(log_tail_next(tail, &batch), LOG_TAIL_BATCH);
    assert_int_equal(apply(stores, batch), APPLIED);
    log_tail_close(tail);
}

static void every_cut_of_a_batch_is_unsound(void **state) {
    struct stores *stores = *state;
    struct log_tail *tail = log_tail_open(stores->from.store, 1);
    struct bytes batch;
    set(stores, "a", "a longer value than most");
    settle(stores);
    assert_int_equal(log_tail_next(tail, &batch), LOG_TAIL_BATCH);
    assert_int_equal(log_tail_next(tail, &batch), LOG_TAIL_BATCH);
    assert_true(write_batch_is_sound(batch, FAMILY_COUNT));
    for (size_t length = 0; length < batch.length; length++)
        assert_false(write_batch_is_sound((struct bytes){batch.data, length}, FAMILY_COUNT));
    log_tail_close(tail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_STORES(test) cmocka_unit_test_setup_teardown(test, open_stores, close_stores)
        WITH_STORES(what_is_not_flushed_is_withheld),
        WITH_STORES(a_tail_goes_on_across_many_files_and_half_flushed_ends),
        WITH_STORES(a_tail_begins_where_a_batch_begins_and_nowhere_else),
        WITH_STORES(a_batch_out_of_step_or_damaged_is_not_applied),
        WITH_STORES(a_change_of_an_unknown_family_is_refused_and_harms_nothing),
        WITH_STORES(every_cut_of_a_batch_is_unsound),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
