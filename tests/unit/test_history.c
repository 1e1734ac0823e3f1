// SPDX-License-Identifier: Apache-2.0
//
// Histories: what two databases share, and how a store begins a new one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"
#include "store/history.h"

#include <stdlib.h>
#include <string.h>

static const struct history both = {.entries = {{"AAAAAAAAAAAAAAAA", 1}, {"BBBBBBBBBBBBBBBB", 101}},
                                    .count = 2};
static const struct history other = {.entries = {{"AAAAAAAAAAAAAAAA", 1}, {"CCCCCCCCCCCCCCCC", 91}},
                                     .count = 2};

static bool common(const char *id, uint64_t sequence, uint64_t *out) {
    return history_common(&both, 200, bytes_from_text(id), sequence, out);
}

static void a_writer_is_shared_up_to_where_the_next_one_began(void **state) {
    (void)state;
    uint64_t shared = 0;
    assert_true(common("AAAAAAAAAAAAAAAA", 50, &shared));
    assert_int_equal(shared, 50);
    assert_true(common("AAAAAAAAAAAAAAAA", 101, &shared));
    assert_int_equal(shared, 100);
    assert_true(common("BBBBBBBBBBBBBBBB", 150, &shared));
    assert_int_equal(shared, 150);
    assert_true(common("BBBBBBBBBBBBBBBB", 201, &shared));
    assert_int_equal(shared, 200);
    assert_false(common("DDDDDDDDDDDDDDDD", 50, &shared));
    assert_false(common("A", 50, &shared));
}

static void parted_histories_share_what_came_before(void **state) {
    (void)state;
    const struct history stranger = {.entries = {{"EEEEEEEEEEEEEEEE", 1}}, .count = 1};
    assert_int_equal(history_last_shared(&both, 200, &other, 300), 90);
    assert_int_equal(history_last_shared(&other, 300, &both, 200), 90);
    assert_int_equal(history_last_shared(&both, 200, &both, 150), 150);
    assert_int_equal(history_last_shared(&both, 200, &stranger, 300), 0);
}

static void a_history_is_read_as_it_was_written(void **state) {
    (void)state;
    char text[256];
    struct history read;
    history_print(&both, text, sizeof(text));
    assert_true(history_parse(bytes_from_text(text), &read));
    assert_int_equal(read.count, 2);
    assert_string_equal(read.entries[1].id, both.entries[1].id);
    assert_int_equal(read.entries[1].first, 101);
    assert_true(history_parse((struct bytes){0}, &read));
    assert_int_equal(read.count, 0);
    assert_false(history_parse(bytes_from_text("AAAAAAAAAAAAAAAA 1"), &read));
    assert_false(history_parse(bytes_from_text("AAAA 1\n"), &read));
    assert_false(history_parse(bytes_from_text("AAAAAAAAAAAAAAAA x\n"), &read));
}

static struct history history_of(const struct store_fixture *fixture) {
    struct history history;
    char *error = NULL;
    assert_true(history_read(fixture->store, &history, &error));
    return history;
}

static void a_store_begins_its_own_with_its_first_write_and_once_only(void **state) {
    (void)state;
    struct store_fixture fixture = {0};
    store_fixture_open(&fixture, NULL);
    assert_int_equal(history_of(&fixture).count, 0);
    assert_int_equal(store_fixture_set(fixture.sessions[0], "a", "1"), STORE_OK);
    assert_int_equal(store_fixture_set(fixture.sessions[0], "b", "1"), STORE_OK);
    assert_int_equal(history_of(&fixture).count, 1);
    assert_int_equal(history_of(&fixture).entries[0].first, 1);
    uint64_t latest = store_latest_sequence(fixture.store);
    store_fixture_shut(&fixture);
    store_fixture_reopen(&fixture, NULL);
    assert_int_equal(history_of(&fixture).count, 1); // nothing has been written since
    assert_int_equal(store_fixture_set(fixture.sessions[0], "c", "1"), STORE_OK);
    struct history after = history_of(&fixture);
    assert_int_equal(after.count, 2);
    assert_int_equal(after.entries[1].first, latest + 1);
    assert_string_not_equal(after.entries[0].id, after.entries[1].id);
    store_fixture_close(&fixture);
}

static void a_write_that_is_refused_begins_nothing(void **state) {
    (void)state;
    struct store_fixture fixture = {0};
    struct check_double check = {{"READONLY not now", NULL}, {0}};
    store_fixture_open(&fixture, &check);
    assert_int_equal(store_fixture_set(fixture.sessions[0], "a", "1"), STORE_REFUSED);
    assert_int_equal(store_latest_sequence(fixture.store), 0);
    assert_int_equal(history_of(&fixture).count, 0);
    store_fixture_close(&fixture);
}

static void the_oldest_writers_are_forgotten_in_the_end(void **state) {
    (void)state;
    struct store_fixture fixture = {0};
    store_fixture_open(&fixture, NULL);
    assert_int_equal(store_fixture_set(fixture.sessions[0], "a", "1"), STORE_OK);
    struct history first = history_of(&fixture);
    for (int i = 0; i < HISTORY_MAX; i++) {
        history_begin_with_next_commit(fixture.store);
        assert_int_equal(store_fixture_set(fixture.sessions[0], "a", "1"), STORE_OK);
    }
    struct history last = history_of(&fixture);
    assert_int_equal(last.count, HISTORY_MAX);
    assert_string_not_equal(last.entries[0].id, first.entries[0].id);
    store_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_is_shared_up_to_where_the_next_one_began),
        cmocka_unit_test(parted_histories_share_what_came_before),
        cmocka_unit_test(a_history_is_read_as_it_was_written),
        cmocka_unit_test(a_store_begins_its_own_with_its_first_write_and_once_only),
        cmocka_unit_test(a_write_that_is_refused_begins_nothing),
        cmocka_unit_test(the_oldest_writers_are_forgotten_in_the_end),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
