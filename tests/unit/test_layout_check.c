// SPDX-License-Identifier: Apache-2.0
//
// A database opens only in the mode in which its keys were written; and in cluster mode, the keys of a slot
// are found by it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char error[STORE_ERROR_SIZE];

static bool open_in_mode(struct store_fixture *fixture, bool with_slot) {
    const struct store_config config = {.directory = fixture->directory,
                                        .layout = {.name_space = DEFAULT_NAMESPACE, .with_slot = with_slot},
                                        .tuning = store_tuning_default(),
                                        .sessions = 2};
    if (!store_open(&config, &fixture->store, error))
        return false;
    fixture->sessions[0] = session_open(fixture->store, 0);
    fixture->sessions[1] = session_open(fixture->store, 1);
    return true;
}

static bool reopen(struct store_fixture *fixture, bool with_slot) {
    store_fixture_shut(fixture);
    return open_in_mode(fixture, with_slot);
}

static int open_store(void **state) {
    static struct store_fixture fixture;
    log_set_level(LOG_FATAL);
    store_fixture_open(&fixture, NULL);
    *state = &fixture;
    return 0;
}

static int close_store(void **state) {
    store_fixture_close(*state);
    return 0;
}

static void set(struct store_fixture *fixture, const char *key) {
    assert_int_equal(store_fixture_set(fixture->sessions[0], key, "value"), STORE_OK);
}

// Raw bytes as a key of the other mode.
static void set_raw(struct store_fixture *fixture, struct bytes key) {
    struct bytes part = BYTES_LITERAL("value");
    session_write_begin(fixture->sessions[0], &key, 1);
    stage_string(fixture->sessions[0], key, 0, &part, 1);
    assert_int_equal(store_commit(fixture->sessions[0]), STORE_OK);
    session_write_end(fixture->sessions[0]);
}

static void an_empty_database_opens_in_either_mode(void **state) {
    assert_true(reopen(*state, true));
    assert_true(reopen(*state, false));
}

static void keys_of_a_single_server_are_not_opened_in_cluster_mode(void **state) {
    struct store_fixture *fixture = *state;
    set(fixture, "key");
    assert_false(reopen(fixture, true));
    assert_non_null(strstr(error, fixture->directory));
    assert_non_null(strstr(error, "was not written in cluster mode"));
    assert_non_null(strstr(error, "cluster-enabled no"));
    assert_true(open_in_mode(fixture, false));
    assert_true(store_fixture_has(fixture->sessions[0], "key", "value"));
}

static void keys_of_a_cluster_are_not_opened_outside_it(void **state) {
    struct store_fixture *fixture = *state;
    assert_true(reopen(fixture, true));
    set(fixture, "key");
    assert_false(reopen(fixture, false));
    assert_non_null(strstr(error, "was written in cluster mode"));
    assert_non_null(strstr(error, "cluster-enabled yes"));
    assert_true(open_in_mode(fixture, true));
    assert_true(store_fixture_has(fixture->sessions[0], "key", "value"));
}

static void many_keys_of_either_mode_open_in_their_own(void **state) {
    struct store_fixture *fixture = *state;
    for (int with_slot = 0; with_slot < 2; with_slot++) {
        session_write_begin_exclusive(fixture->sessions[0]);
        assert_int_equal(stage_delete_all(fixture->sessions[0]), STORE_OK);
        assert_int_equal(store_commit(fixture->sessions[0]), STORE_OK);
        session_write_end(fixture->sessions[0]);
        assert_true(reopen(fixture, with_slot != 0));
        for (int i = 0; i < 200; i++) {
            char key[32];
            (void)snprintf(key, sizeof(key), "%d{%d}", i, i % 7);
            set(fixture, key);
        }
        assert_true(reopen(fixture, with_slot != 0));
    }
}

// Among keys that start with anything, one that starts with its own slot does not make a cluster.
static void a_key_that_looks_like_one_of_a_cluster_does_not_decide_among_others(void **state) {
    struct store_fixture *fixture = *state;
    char key[8] = {0, 0, 'a', 'b', 'c'};
    unsigned slot = key_slot(BYTES_LITERAL("abc"));
    key[0] = (char)(slot >> 8);
    key[1] = (char)(slot & 0xff);
    set_raw(fixture, (struct bytes){key, 5});
    set(fixture, "short");
    set(fixture, "x");
    assert_true(reopen(fixture, false));
    assert_false(reopen(fixture, true));
    assert_true(open_in_mode(fixture, false));
}

// --- The keys of a slot ---

static size_t count_in_slot(struct store_fixture *fixture, uint16_t slot) {
    struct key_iterator *iterator = key_iterator_open(fixture->sessions[0], 0);
    struct metadata metadata;
    struct bytes key;
    size_t count = 0;
    key_iterator_seek_slot(iterator, slot);
    while (key_iterator_next(iterator, &key, &metadata, NULL) && key_slot(key) == slot)
        count++;
    assert_int_equal(key_iterator_status(iterator), STORE_OK);
    key_iterator_close(iterator);
    return count;
}

static void every_key_is_found_in_its_slot_and_nowhere_else(void **state) {
    struct store_fixture *fixture = *state;
    size_t total = 0;
    assert_true(reopen(fixture, true));
    for (int i = 0; i < 300; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%d{%d}", i, i % 3);
        set(fixture, key);
    }
    set(fixture, "foo"); // slot 12182
    assert_int_equal(count_in_slot(fixture, key_slot(BYTES_LITERAL("0"))), 100);
    assert_int_equal(count_in_slot(fixture, 12182), 1);
    for (unsigned slot = 0; slot < 16384; slot += 1)
        total += count_in_slot(fixture, (uint16_t)slot);
    assert_int_equal(total, 301);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_empty_database_opens_in_either_mode),
        CASE(keys_of_a_single_server_are_not_opened_in_cluster_mode),
        CASE(keys_of_a_cluster_are_not_opened_outside_it),
        CASE(many_keys_of_either_mode_open_in_their_own),
        CASE(a_key_that_looks_like_one_of_a_cluster_does_not_decide_among_others),
        CASE(every_key_is_found_in_its_slot_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
