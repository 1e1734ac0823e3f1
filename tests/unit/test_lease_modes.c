// SPDX-License-Identifier: Apache-2.0
//
// The three modes after the deadline, and switching between them.
#include "lease/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

#include <string.h>

// --- disabled ---

static void disabled_lets_writes_pass_after_the_deadline_and_counts_none(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_DISABLED);
    assert_null(lease_check_commit(fixture->lease, 1));
    assert_null(lease_check_settle(fixture->lease));
    struct lease_view view = lease_view(fixture->lease);
    assert_int_equal(view.writes_refused + view.writes_logged + view.late_commits, 0);
}

static void disabled_records_heartbeats(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_DISABLED);
    struct lease_view view = lease_view(fixture->lease);
    assert_int_equal(view.status, LEASE_HELD);
    assert_int_equal(view.election_version, 5);
    assert_int_equal(view.deadline_ms, 1000);
    assert_int_equal(view.counters.renewals, 1);
    assert_int_equal(lease_fixture_record(fixture).highest_version, 5);
}

static boot_ns_t count_readings(void *context) {
    int *readings = context;
    ++*readings;
    return (boot_ns_t){UINT64_C(5000000000)};
}

static void without_something_to_enforce_a_check_reads_no_clock(void **state) {
    struct lease_fixture *fixture = *state;
    int readings = 0;
    fixture->config.now = count_readings;
    fixture->config.now_context = &readings;
    fixture->config.mode = LEASE_LOG_ONLY;
    lease_fixture_open(fixture);
    readings = 0;
    assert_null(lease_check_commit(fixture->lease, 1)); // no lease
    assert_int_equal(readings, 0);
    assert_int_equal(lease_fixture_heartbeat(fixture, 1, 10000), LEASE_RENEWED);
    readings = 0;
    assert_null(lease_check_commit(fixture->lease, 1));
    assert_int_equal(readings, 1);
    lease_set_mode(fixture->lease, LEASE_DISABLED);
    readings = 0;
    assert_null(lease_check_commit(fixture->lease, 1));
    assert_int_equal(readings, 0);
}

// --- log-only ---

static void log_only_lets_writes_pass_and_counts_each(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_LOG_ONLY);
    for (int write = 0; write < 7; write++) {
        assert_null(lease_check_commit(fixture->lease, 1));
        assert_null(lease_check_settle(fixture->lease));
    }
    struct lease_view view = lease_view(fixture->lease);
    assert_int_equal(view.writes_logged, 7);
    assert_int_equal(view.writes_refused, 0);
    assert_int_equal(view.late_commits, 0);
}

static void log_only_says_once_a_second_for_how_many_writes_a_line_stands(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_LOG_ONLY);
    for (int tick = 0; tick < 20; tick++) { // two seconds, three writes a tick
        for (int write = 0; write < 3; write++)
            assert_null(lease_check_commit(fixture->lease, 1));
        lease_on_timer(fixture->lease);
        lease_fixture_advance_ms(fixture, 100);
    }
    assert_int_equal(lease_fixture_logged(fixture, "writes went through without it"), 2);
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired, and 3 writes"), 1);
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired, and 30 writes"), 1);
    lease_on_timer(fixture->lease); // writing has stopped: the rest comes by the timer alone
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired, and 27 writes"), 1);
    lease_fixture_advance_ms(fixture, 5000);
    lease_on_timer(fixture->lease);
    assert_int_equal(lease_fixture_logged(fixture, "writes went through without it"), 3);
}

static void log_only_leaves_no_write_unlogged_at_the_end(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_LOG_ONLY);
    lease_on_timer(fixture->lease);
    assert_null(lease_check_commit(fixture->lease, 1));
    lease_on_timer(fixture->lease);
    assert_null(lease_check_commit(fixture->lease, 1));
    assert_null(lease_check_commit(fixture->lease, 1));
    lease_fixture_shut(fixture);
    assert_int_equal(lease_fixture_logged(fixture, "and 1 writes"), 1);
    assert_int_equal(lease_fixture_logged(fixture, "and 2 writes"), 1);
}

static void log_only_counts_nothing_before_the_deadline(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_LOG_ONLY);
    assert_null(lease_check_commit(fixture->lease, 1));
    lease_on_timer(fixture->lease);
    assert_int_equal(lease_view(fixture->lease).writes_logged, 0);
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired"), 0);
}

static void writes_of_one_batch_are_counted_one_by_one(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_LOG_ONLY);
    assert_null(lease_check_commit(fixture->lease, 16));
    assert_int_equal(lease_view(fixture->lease).writes_logged, 16);
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    assert_non_null(lease_check_commit(fixture->lease, 3));
    assert_int_equal(lease_view(fixture->lease).writes_refused, 3);
    lease_set_mode(fixture->lease, LEASE_DISABLED);
    assert_null(lease_check_commit(fixture->lease, 16));
    assert_int_equal(lease_view(fixture->lease).writes_logged, 16);
    assert_int_equal(lease_view(fixture->lease).writes_refused, 3);
}

// --- block-write ---

static void block_write_refuses_after_the_deadline(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    const char *error = lease_check_commit(fixture->lease, 1);
    assert_non_null(error);
    assert_memory_equal(error, "READONLY ", 9);
    assert_non_null(strstr(error, "master lease expired"));
    assert_int_equal(lease_view(fixture->lease).writes_refused, 1);
}

static void block_write_acknowledges_nothing_after_the_deadline(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    const char *error = lease_check_settle(fixture->lease);
    assert_non_null(error);
    assert_memory_equal(error, "READONLY ", 9);
    assert_non_null(strstr(error, "master lease expired"));
    struct lease_view view = lease_view(fixture->lease);
    assert_int_equal(view.late_commits, 1);
    assert_int_equal(view.writes_refused, 0);
}

static void block_write_acknowledges_nothing_of_an_earlier_era(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    uint64_t era = lease_era(fixture->lease);
    assert_int_equal(lease_fixture_heartbeat(fixture, 6, 1000), LEASE_RENEWED);
    assert_int_equal(lease_era(fixture->lease), era); // a heartbeat begins none
    lease_become_replica(fixture->lease);
    assert_true(lease_era(fixture->lease) > era);
    era = lease_era(fixture->lease);
    lease_become_master(fixture->lease);
    assert_true(lease_era(fixture->lease) > era);
    era = lease_era(fixture->lease);
    lease_give_up(fixture->lease);
    assert_true(lease_era(fixture->lease) > era);
    assert_int_equal(lease_fixture_heartbeat(fixture, 7, 1000), LEASE_RENEWED);
    assert_null(lease_check_settle(fixture->lease));
    const char *error = lease_check_settle_later(fixture->lease);
    assert_non_null(error);
    assert_memory_equal(error, "READONLY ", 9);
    assert_int_equal(lease_view(fixture->lease).late_commits, 1);
}

static void other_modes_acknowledge_what_is_of_an_earlier_era(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_LOG_ONLY);
    assert_null(lease_check_settle_later(fixture->lease));
    lease_set_mode(fixture->lease, LEASE_DISABLED);
    assert_null(lease_check_settle_later(fixture->lease));
    assert_int_equal(lease_view(fixture->lease).late_commits, 0);
}

static void block_write_lets_writes_pass_up_to_the_deadline_itself(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    lease_fixture_advance_ms(fixture, 1000);
    assert_null(lease_check_commit(fixture->lease, 1));
    assert_null(lease_check_settle(fixture->lease));
    atomic_fetch_add(&fixture->clock_ns, 1);
    assert_non_null(lease_check_commit(fixture->lease, 1));
    assert_non_null(lease_check_settle(fixture->lease));
}

static void a_heartbeat_lets_writes_pass_again(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(lease_fixture_heartbeat(fixture, 5, 1000), LEASE_RENEWED);
    assert_true(lease_fixture_passes(fixture));
    assert_null(lease_check_settle(fixture->lease));
}

// --- Switching ---

static void switching_takes_effect_at_once_and_keeps_the_lease(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_DISABLED);
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    assert_false(lease_fixture_passes(fixture));
    lease_set_mode(fixture->lease, LEASE_LOG_ONLY);
    assert_true(lease_fixture_passes(fixture));
    lease_set_mode(fixture->lease, LEASE_DISABLED);
    assert_true(lease_fixture_passes(fixture));
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    assert_false(lease_fixture_passes(fixture));
    struct lease_view view = lease_view(fixture->lease);
    assert_int_equal(view.election_version, 5);
    assert_int_equal(view.deadline_ms, -1000);
    assert_int_equal(view.counters.expirations, 1);
}

static void switching_while_the_lease_is_held_lets_writes_pass_throughout(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_DISABLED);
    for (int mode = LEASE_DISABLED; mode <= LEASE_BLOCK_WRITE; mode++) {
        lease_set_mode(fixture->lease, (enum lease_mode)mode);
        assert_true(lease_fixture_passes(fixture));
        assert_int_equal(lease_view(fixture->lease).mode, mode);
        assert_int_equal(lease_view(fixture->lease).deadline_ms, 1000);
    }
}

static void switching_without_a_lease_lets_writes_pass(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.mode = LEASE_DISABLED;
    lease_fixture_open(fixture);
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    assert_true(lease_fixture_passes(fixture));
}

static void a_switch_is_logged_with_what_it_means_and_only_if_it_is_one(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_LOG_ONLY);
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    assert_int_equal(lease_fixture_logged(fixture, "master-lease-mode is block-write now (before: log-only)"),
                     1);
    assert_int_equal(lease_fixture_logged(fixture, "master-lease-mode is"), 1);
    assert_int_equal(lease_fixture_logged(fixture, "writes are refused until a heartbeat"), 1);
}

#define MODE_TEST(test) cmocka_unit_test_setup_teardown(test, lease_fixture_set_up, lease_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MODE_TEST(disabled_lets_writes_pass_after_the_deadline_and_counts_none),
        MODE_TEST(disabled_records_heartbeats),
        MODE_TEST(without_something_to_enforce_a_check_reads_no_clock),
        MODE_TEST(log_only_lets_writes_pass_and_counts_each),
        MODE_TEST(log_only_says_once_a_second_for_how_many_writes_a_line_stands),
        MODE_TEST(log_only_leaves_no_write_unlogged_at_the_end),
        MODE_TEST(log_only_counts_nothing_before_the_deadline),
        MODE_TEST(writes_of_one_batch_are_counted_one_by_one),
        MODE_TEST(block_write_refuses_after_the_deadline),
        MODE_TEST(block_write_acknowledges_nothing_after_the_deadline),
        MODE_TEST(block_write_acknowledges_nothing_of_an_earlier_era),
        MODE_TEST(other_modes_acknowledge_what_is_of_an_earlier_era),
        MODE_TEST(block_write_lets_writes_pass_up_to_the_deadline_itself),
        MODE_TEST(a_heartbeat_lets_writes_pass_again),
        MODE_TEST(switching_takes_effect_at_once_and_keeps_the_lease),
        MODE_TEST(switching_while_the_lease_is_held_lets_writes_pass_throughout),
        MODE_TEST(switching_without_a_lease_lets_writes_pass),
        MODE_TEST(a_switch_is_logged_with_what_it_means_and_only_if_it_is_one),
    };
    return cmocka_run_group_tests_name("lease_%s", tests, NULL, NULL);
}
