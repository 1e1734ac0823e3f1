// SPDX-License-Identifier: Apache-2.0
//
// The two gates: what passes, what is refused, what is late, and what has reached the disk when replies may
// leave.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void reopen_with(struct store_fixture *fixture, struct check_double *check) {
    store_fixture_shut(fixture);
    store_fixture_reopen(fixture, check);
}

static void a_committed_write_is_visible_at_once_to_every_session(void **state) {
    struct store_fixture *fixture = *state;
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "value"), STORE_OK);
    assert_true(store_fixture_has(fixture->sessions[0], "key", "value"));
    assert_true(store_fixture_has(fixture->sessions[1], "key", "value"));
}

static void a_refused_write_changes_nothing_and_carries_the_refusal(void **state) {
    struct store_fixture *fixture = *state;
    struct check_double check = {{"READONLY not now", NULL}, {0}};
    reopen_with(fixture, &check);
    uint64_t sequence = store_latest_sequence(fixture->store);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "value"), STORE_REFUSED);
    assert_string_equal(session_error(fixture->sessions[0], STORE_REFUSED), "READONLY not now");
    assert_true(store_fixture_has(fixture->sessions[0], "key", NULL));
    assert_int_equal(store_latest_sequence(fixture->store), sequence);
    assert_int_equal(store_counters_now(fixture->store).refused, 1);
    assert_false(session_round_wrote(fixture->sessions[0]));
}

static void a_write_after_a_refused_one_is_not_mixed_with_it(void **state) {
    struct store_fixture *fixture = *state;
    struct check_double check = {{"READONLY not now", NULL}, {0}};
    reopen_with(fixture, &check);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "refused", "value"), STORE_REFUSED);
    check.answers[STORE_GATE_COMMIT] = NULL;
    assert_int_equal(store_fixture_set(fixture->sessions[0], "accepted", "value"), STORE_OK);
    assert_true(store_fixture_has(fixture->sessions[0], "refused", NULL));
    assert_true(store_fixture_has(fixture->sessions[0], "accepted", "value"));
}

static void settling_a_round_asks_again_and_reports_it_late(void **state) {
    struct store_fixture *fixture = *state;
    struct check_double check = {{NULL, "READONLY too late"}, {0}};
    reopen_with(fixture, &check);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "value"), STORE_OK);
    assert_int_equal(store_settle(fixture->sessions[0]), SETTLE_LATE);
    assert_string_equal(session_settle_error(fixture->sessions[0]), "READONLY too late");
    assert_int_equal(store_counters_now(fixture->store).late, 1);
    assert_true(store_fixture_has(fixture->sessions[0], "key", "value"));
}

// Asked at settle, tells how often the log had been flushed by then.
struct flush_witness {
    const struct store_fixture *fixture;
    uint64_t flushes_when_asked;
};

static const char *witness_flushes(void *context, enum store_gate gate, uint64_t writes) {
    (void)writes;
    struct flush_witness *witness = context;
    if (gate == STORE_GATE_SETTLE)
        witness->flushes_when_asked = store_counters_now(witness->fixture->store).wal_flushes;
    return NULL;
}

static void the_check_at_settle_comes_after_the_flush(void **state) {
    struct store_fixture *fixture = *state;
    struct flush_witness witness = {.fixture = fixture};
    store_fixture_shut(fixture);
    store_fixture_reopen_with(fixture, witness_flushes, &witness);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "value"), STORE_OK);
    assert_int_equal(store_counters_now(fixture->store).wal_flushes, 0);
    assert_int_equal(store_settle(fixture->sessions[0]), SETTLED);
    assert_int_equal(witness.flushes_when_asked, 1);
}

static void a_round_without_writes_is_never_late(void **state) {
    struct store_fixture *fixture = *state;
    struct check_double check = {{NULL, "READONLY too late"}, {0}};
    reopen_with(fixture, &check);
    assert_true(store_fixture_has(fixture->sessions[0], "key", NULL));
    assert_int_equal(store_settle(fixture->sessions[0]), SETTLED);
    assert_int_equal(check.asked[STORE_GATE_SETTLE], 0);
}

static void a_command_that_stages_nothing_is_not_asked_about(void **state) {
    struct store_fixture *fixture = *state;
    struct check_double check = {{"READONLY not now", NULL}, {0}};
    reopen_with(fixture, &check);
    struct bytes key = BYTES_LITERAL("key");
    session_write_begin(fixture->sessions[0], &key, 1);
    assert_int_equal(store_commit(fixture->sessions[0]), STORE_OK);
    session_write_end(fixture->sessions[0]);
    assert_int_equal(check.asked[STORE_GATE_COMMIT], 0);
}

static void what_is_staged_and_not_committed_is_dropped(void **state) {
    struct store_fixture *fixture = *state;
    struct bytes key = BYTES_LITERAL("key");
    session_write_begin(fixture->sessions[0], &key, 1);
    stage_string(fixture->sessions[0], key, 0, &key, 1);
    session_write_end(fixture->sessions[0]);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "other", "value"), STORE_OK);
    assert_true(store_fixture_has(fixture->sessions[0], "key", NULL));
}

// Runs `act` in a child that then dies without closing anything, as kill -9 does, and opens its store again.
static void die_after(struct store_fixture *fixture, void (*act)(struct store_fixture *fixture)) {
#ifdef __SANITIZE_THREAD__
    skip(); // ThreadSanitizer cannot follow a child that starts threads when its parent had some
#endif
    store_fixture_shut(fixture);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        store_fixture_reopen(fixture, NULL);
        act(fixture);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    store_fixture_reopen(fixture, NULL);
}

static void commit_without_settling(struct store_fixture *fixture) {
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "value"), STORE_OK);
}

static void commit_and_settle(struct store_fixture *fixture) {
    commit_without_settling(fixture);
    assert_int_equal(store_settle(fixture->sessions[0]), SETTLED);
}

static void commit_and_let_another_read_and_settle(struct store_fixture *fixture) {
    commit_without_settling(fixture);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "value"));
    assert_int_equal(store_settle(fixture->sessions[1]), SETTLED);
}

static void commit_and_let_another_settle_without_reading(struct store_fixture *fixture) {
    commit_without_settling(fixture);
    assert_int_equal(store_settle(fixture->sessions[1]), SETTLED);
}

static void a_settled_write_survives_the_death_of_the_process(void **state) {
    struct store_fixture *fixture = *state;
    die_after(fixture, commit_and_settle);
    assert_true(store_fixture_has(fixture->sessions[0], "key", "value"));
}

// The WAL is buffered between settles; without this the other tests would show nothing.
static void an_unsettled_write_dies_with_the_process(void **state) {
    struct store_fixture *fixture = *state;
    die_after(fixture, commit_without_settling);
    assert_true(store_fixture_has(fixture->sessions[0], "key", NULL));
}

static void who_has_read_an_unsettled_write_makes_it_durable_by_settling(void **state) {
    struct store_fixture *fixture = *state;
    die_after(fixture, commit_and_let_another_read_and_settle);
    assert_true(store_fixture_has(fixture->sessions[0], "key", "value"));
}

static void who_has_read_nothing_does_not_flush_for_others(void **state) {
    struct store_fixture *fixture = *state;
    die_after(fixture, commit_and_let_another_settle_without_reading);
    assert_true(store_fixture_has(fixture->sessions[0], "key", NULL));
}

static void one_flush_serves_every_write_before_it(void **state) {
    struct store_fixture *fixture = *state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_fixture_set(fixture->sessions[i % 2], "key", "value"), STORE_OK);
    assert_int_equal(store_settle(fixture->sessions[0]), SETTLED);
    assert_int_equal(store_settle(fixture->sessions[1]), SETTLED);
    assert_int_equal(store_counters_now(fixture->store).wal_flushes, 1);
}

static void a_second_opener_is_told_who_is_in_the_way(void **state) {
    struct store_fixture *fixture = *state;
    struct store_config config = {.directory = fixture->directory,
                                  .layout = {.name_space = DEFAULT_NAMESPACE},
                                  .tuning = store_tuning_default(),
                                  .sessions = 1};
    struct store *second = NULL;
    char error[STORE_ERROR_SIZE];
    assert_false(store_open(&config, &second, error));
    assert_non_null(strstr(error, "another process is using this data directory"));
    assert_null(second);
}

static void a_directory_that_cannot_be_made_is_named(void **state) {
    (void)state;
    struct store_config config = {.directory = "/proc/kvfence/db",
                                  .layout = {.name_space = DEFAULT_NAMESPACE},
                                  .tuning = store_tuning_default(),
                                  .sessions = 1};
    struct store *store = NULL;
    char error[STORE_ERROR_SIZE];
    assert_false(store_open(&config, &store, error));
    assert_non_null(strstr(error, "/proc/kvfence"));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_committed_write_is_visible_at_once_to_every_session),
        WITH_STORE(a_refused_write_changes_nothing_and_carries_the_refusal),
        WITH_STORE(a_write_after_a_refused_one_is_not_mixed_with_it),
        WITH_STORE(settling_a_round_asks_again_and_reports_it_late),
        WITH_STORE(the_check_at_settle_comes_after_the_flush),
        WITH_STORE(a_round_without_writes_is_never_late),
        WITH_STORE(a_command_that_stages_nothing_is_not_asked_about),
        WITH_STORE(what_is_staged_and_not_committed_is_dropped),
        WITH_STORE(a_settled_write_survives_the_death_of_the_process),
        WITH_STORE(an_unsettled_write_dies_with_the_process),
        WITH_STORE(who_has_read_an_unsettled_write_makes_it_durable_by_settling),
        WITH_STORE(who_has_read_nothing_does_not_flush_for_others),
        WITH_STORE(one_flush_serves_every_write_before_it),
        WITH_STORE(a_second_opener_is_told_who_is_in_the_way),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
