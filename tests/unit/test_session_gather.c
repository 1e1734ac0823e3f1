// SPDX-License-Identifier: Apache-2.0
//
// What a session stages for several commands before it commits: what these see of each other, and others of
// them, and when it has to end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include <stdio.h>

static void stage_text(struct store_session *session, const char *key, const char *value) {
    struct bytes text = bytes_from_text(value);
    stage_string(session, bytes_from_text(key), 0, &text, 1);
}

static void begin_to_gather(struct store_session *session, const char *key) {
    struct bytes name = bytes_from_text(key);
    session_write_begin(session, &name, 1);
    session_gather_begin(session);
}

static void gathered_commands_see_each_others_changes_and_others_do_not(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    struct bytes more = BYTES_LITERAL("more");
    uint64_t commits = store_counters_now(fixture->store).commits;
    begin_to_gather(session, "key");
    stage_text(session, "key", "1");
    assert_true(store_fixture_has(session, "key", "1"));
    assert_true(session_gather_more(session, &more, 1));
    stage_text(session, "more", "2");
    assert_true(store_fixture_has(session, "more", "2"));
    assert_true(store_fixture_has(fixture->sessions[1], "key", NULL));
    stage_delete(session, BYTES_LITERAL("key"));
    assert_true(store_fixture_has(session, "key", NULL));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_true(store_fixture_has(fixture->sessions[1], "key", NULL));
    assert_true(store_fixture_has(fixture->sessions[1], "more", "2"));
    assert_int_equal(store_counters_now(fixture->store).commits, commits + 1);
}

static void what_is_gathered_hides_what_is_cached(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    assert_int_equal(store_fixture_set(session, "key", "old"), STORE_OK);
    assert_true(store_fixture_has(session, "key", "old"));
    assert_true(store_fixture_has(session, "key", "old")); // from the cache
    begin_to_gather(session, "key");
    assert_true(store_fixture_has(session, "key", "old"));
    stage_text(session, "key", "new");
    assert_true(store_fixture_has(session, "key", "new"));
    assert_true(store_fixture_has(fixture->sessions[1], "key", "old"));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "new"));
}

static void a_gathered_command_is_taken_back_alone(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    begin_to_gather(session, "key");
    session_savepoint(session);
    stage_text(session, "key", "kept");
    session_savepoint(session);
    stage_text(session, "key", "dropped");
    stage_text(session, "other", "dropped");
    session_rollback_to_savepoint(session);
    assert_true(store_fixture_has(session, "key", "kept"));
    session_savepoint(session);
    stage_text(session, "last", "kept");
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_true(store_fixture_has(session, "key", "kept"));
    assert_true(store_fixture_has(session, "other", NULL));
    assert_true(store_fixture_has(session, "last", "kept"));
}

static void what_was_gathered_and_not_committed_is_forgotten(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    begin_to_gather(session, "key");
    stage_text(session, "key", "value");
    session_write_end(session);
    assert_true(store_fixture_has(session, "key", NULL));
    begin_to_gather(session, "other");
    stage_text(session, "other", "value");
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_true(store_fixture_has(session, "key", NULL));
    assert_true(store_fixture_has(session, "other", "value"));
}

static void a_key_that_another_session_has_locked_is_not_gathered(void **state) {
    struct store_fixture *fixture = *state;
    struct bytes key = BYTES_LITERAL("key");
    session_write_begin(fixture->sessions[1], &key, 1);
    begin_to_gather(fixture->sessions[0], "mine");
    assert_false(session_gather_more(fixture->sessions[0], &key, 1));
    session_write_end(fixture->sessions[1]);
    assert_true(session_gather_more(fixture->sessions[0], &key, 1));
    session_write_end(fixture->sessions[0]);
}

static void there_is_an_end_to_what_can_be_gathered(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    enum { FAR_TOO_MANY = 10000 };
    char name[24];
    int count = 0;
    begin_to_gather(session, "key");
    for (; !session_gather_is_full(session); count++) {
        assert_in_range(count, 0, FAR_TOO_MANY);
        (void)snprintf(name, sizeof(name), "key-%d", count);
        stage_text(session, name, "");
    }
    assert_true(count > 100);
    session_write_end(session);
    assert_false(session_gather_is_full(session));
}

static void reading_and_locking_much_is_an_end_to_gathering_too(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    enum { FAR_TOO_MANY = 10000 };
    char name[24] = "";
    int count = 0;
    begin_to_gather(session, "key");
    for (; !session_gather_is_full(session); count++) {
        assert_in_range(count, 0, FAR_TOO_MANY);
        assert_int_equal(store_exists(session, BYTES_LITERAL("key"), 0), STORE_NOT_FOUND);
    }
    assert_true(count > 100);
    session_write_end(session);
    begin_to_gather(session, "key");
    for (count = 0; !session_gather_is_full(session); count++) {
        assert_in_range(count, 0, FAR_TOO_MANY);
        struct bytes key = {name, (size_t)snprintf(name, sizeof(name), "key-%d", count)};
        assert_true(session_gather_more(session, &key, 1));
    }
    assert_true(count > 50);
    session_write_end(session);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(gathered_commands_see_each_others_changes_and_others_do_not),
        WITH_STORE(what_is_gathered_hides_what_is_cached),
        WITH_STORE(a_gathered_command_is_taken_back_alone),
        WITH_STORE(what_was_gathered_and_not_committed_is_forgotten),
        WITH_STORE(a_key_that_another_session_has_locked_is_not_gathered),
        WITH_STORE(there_is_an_end_to_what_can_be_gathered),
        WITH_STORE(reading_and_locking_much_is_an_end_to_gathering_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
