// SPDX-License-Identifier: Apache-2.0
//
// The life of a node: what starts, restarts, changes of role, pauses and clocks do to the lease of a live
// object, row by row of the table.
#include "base/clock.h"
#include "lease/lease.h"
#include "lease/state_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

static enum lease_status status_of(struct lease_fixture *fixture) {
    return lease_view(fixture->lease).status;
}

// The data directory of a node that had a lease under `version` and whose process has ended.
static void leave_a_lease_behind(struct lease_fixture *fixture, uint64_t version) {
    lease_fixture_open(fixture);
    assert_int_equal(lease_fixture_heartbeat(fixture, version, 60000), LEASE_RENEWED);
    lease_fixture_shut(fixture);
}

// --- First start of an empty data directory ---

static void a_first_start_with_cold_start_allow_lets_writes_pass(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    assert_int_equal(status_of(fixture), LEASE_NONE);
    assert_true(lease_fixture_passes(fixture));
    lease_fixture_advance_ms(fixture, 1000L * 3600 * 24 * 365);
    lease_on_timer(fixture->lease);
    assert_true(lease_fixture_passes(fixture));
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 0);
}

static void a_first_start_with_cold_start_fence_refuses_until_the_first_heartbeat(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.cold_start = LEASE_COLD_START_FENCE;
    lease_fixture_open(fixture);
    assert_int_equal(status_of(fixture), LEASE_EXPIRED);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(lease_fixture_logged(fixture, "master-lease-cold-start is fence"), 1);
    assert_int_equal(lease_fixture_heartbeat(fixture, 1, 1000), LEASE_RENEWED);
    assert_true(lease_fixture_passes(fixture));
}

static void a_first_start_writes_nothing_and_asks_for_no_timer(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.cold_start = LEASE_COLD_START_FENCE;
    fixture->config.directory = "/nonexistent/of/a/first/start";
    lease_fixture_open(fixture);
    lease_on_timer(fixture->lease);
    assert_int_equal(fixture->armed_times, 0);
}

static void cold_start_can_be_changed_while_there_has_been_no_lease(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    lease_set_cold_start(fixture->lease, LEASE_COLD_START_FENCE);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(lease_view(fixture->lease).cold_start, LEASE_COLD_START_FENCE);
    lease_set_cold_start(fixture->lease, LEASE_COLD_START_ALLOW);
    assert_true(lease_fixture_passes(fixture));
    assert_int_equal(status_of(fixture), LEASE_NONE);
}

static void cold_start_says_nothing_about_a_node_that_had_a_lease(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 1, 1000);
    lease_set_cold_start(fixture->lease, LEASE_COLD_START_FENCE);
    assert_true(lease_fixture_passes(fixture));
    lease_fixture_advance_ms(fixture, 1001);
    lease_set_cold_start(fixture->lease, LEASE_COLD_START_ALLOW);
    assert_false(lease_fixture_passes(fixture));
}

static void cold_start_says_nothing_about_a_replica(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.is_replica = true;
    lease_fixture_open(fixture);
    lease_set_cold_start(fixture->lease, LEASE_COLD_START_FENCE);
    assert_int_equal(status_of(fixture), LEASE_NONE);
}

// --- Restart of a data directory that ever had a lease ---

static void a_restart_is_fenced_whatever_cold_start_says(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    for (int cold_start = LEASE_COLD_START_ALLOW; cold_start <= LEASE_COLD_START_FENCE; cold_start++) {
        fixture->config.cold_start = (enum lease_cold_start)cold_start;
        lease_fixture_restart(fixture);
        assert_int_equal(status_of(fixture), LEASE_EXPIRED);
        assert_false(lease_fixture_passes(fixture));
    }
    assert_int_equal(lease_fixture_logged(fixture, "this data directory has had a lease before"), 2);
}

static void a_restart_within_the_lease_is_fenced_too(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    lease_fixture_restart(fixture);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 0);
}

static void a_restarted_node_goes_on_with_its_next_heartbeat(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    lease_fixture_restart(fixture);
    assert_int_equal(lease_fixture_heartbeat(fixture, 5, 1000), LEASE_RENEWED);
    assert_true(lease_fixture_passes(fixture));
}

static void a_restart_remembers_the_highest_version(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    lease_fixture_restart(fixture);
    struct lease_view view = lease_view(fixture->lease);
    assert_int_equal(view.highest_version, 5);
    assert_int_equal(view.election_version, 0);
    assert_true(view.ever_held);
    assert_int_equal(lease_fixture_heartbeat(fixture, 4, 1000), LEASE_STALE_VERSION);
    assert_false(lease_fixture_passes(fixture));
}

static void a_restart_after_a_lease_of_version_0_is_fenced(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 0);
    lease_fixture_restart(fixture);
    assert_false(lease_fixture_passes(fixture));
}

static void a_restart_after_a_lease_in_mode_disabled_is_fenced_once_the_mode_is_on(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.mode = LEASE_DISABLED;
    leave_a_lease_behind(fixture, 5);
    lease_fixture_restart(fixture);
    assert_true(lease_fixture_passes(fixture));
    lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
    assert_false(lease_fixture_passes(fixture));
}

static void a_restart_on_a_host_that_has_just_booted_is_fenced(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    atomic_store(&fixture->clock_ns, 2);
    lease_fixture_restart(fixture);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(status_of(fixture), LEASE_EXPIRED);
}

// --- The host is started anew ---

static struct lease_heartbeat heartbeat_with_reading(const struct lease_fixture *fixture) {
    return (struct lease_heartbeat){.form = LEASE_FORM_SHORT,
                                    .version = 5,
                                    .lease_ms = 1000,
                                    .has_since = true,
                                    .since_ms = lease_view(fixture->lease).clock_ms};
}

static void a_reading_told_before_the_host_was_started_renews_nothing_at_the_same_uptime(void **state) {
    struct lease_fixture *fixture = *state;
    struct lease_answer answer;
    fixture->config.clock_base_ms = 4000000;
    lease_fixture_open(fixture);
    struct lease_heartbeat heartbeat = heartbeat_with_reading(fixture);
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    assert_int_equal(answer.outcome, LEASE_RENEWED);
    assert_int_equal(lease_view(fixture->lease).deadline_ms, 1000);
    fixture->config.clock_base_ms = 9000000; // and the fixture's clock has not moved on
    lease_fixture_restart(fixture);
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    assert_int_equal(answer.outcome, LEASE_OVERTAKEN);
    assert_false(lease_fixture_passes(fixture));
    heartbeat = heartbeat_with_reading(fixture);
    heartbeat.since_ms++;
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    assert_string_equal(
        answer.error, "ERR invalid since: 10000001 is in the future of this node's lease_clock_ms, 10000000");
}

// --- Becomes a replica ---

static void becoming_a_replica_resets_the_lease_and_keeps_the_highest_version(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    lease_become_replica(fixture->lease);
    struct lease_view view = lease_view(fixture->lease);
    assert_true(view.is_replica);
    assert_int_equal(view.status, LEASE_NONE);
    assert_int_equal(view.deadline.value, 0);
    assert_int_equal(view.election_version, 0);
    assert_int_equal(view.highest_version, 5);
    assert_int_equal(fixture->armed.value, 0);
}

static void a_replica_is_asked_nothing_and_expires_nothing(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    lease_become_replica(fixture->lease);
    lease_fixture_advance_ms(fixture, 5000);
    lease_on_timer(fixture->lease);
    assert_true(lease_fixture_passes(fixture));
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 0);
    assert_int_equal(lease_fixture_heartbeat(fixture, 6, 1000), LEASE_NOT_MASTER);
    assert_int_equal(lease_view(fixture->lease).highest_version, 5);
}

static void a_lease_that_ran_out_unnoticed_is_counted_before_it_is_dropped(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    lease_become_replica(fixture->lease);
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 1);
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired"), 1);
}

static void becoming_a_replica_twice_changes_nothing(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    lease_become_replica(fixture->lease);
    lease_become_replica(fixture->lease);
    assert_true(lease_view(fixture->lease).is_replica);
    assert_int_equal(lease_fixture_logged(fixture, "this node is a replica now"), 1);
}

static void a_start_as_a_replica_has_no_lease_even_if_there_was_one(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    fixture->config.is_replica = true;
    lease_fixture_restart(fixture);
    assert_int_equal(status_of(fixture), LEASE_NONE);
    assert_int_equal(lease_view(fixture->lease).highest_version, 5);
}

// --- Becomes a master again ---

static void a_master_again_is_fenced_until_a_heartbeat_if_it_ever_had_a_lease(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 60000);
    lease_become_replica(fixture->lease);
    lease_become_master(fixture->lease);
    assert_int_equal(status_of(fixture), LEASE_EXPIRED);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 0);
    assert_int_equal(lease_fixture_logged(fixture, "this node has become a master without a lease"), 1);
    assert_int_equal(lease_fixture_heartbeat(fixture, 4, 1000), LEASE_STALE_VERSION);
    assert_int_equal(lease_fixture_heartbeat(fixture, 5, 1000), LEASE_RENEWED);
    assert_true(lease_fixture_passes(fixture));
}

static void a_master_that_never_had_a_lease_begins_as_cold_start_says(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.is_replica = true;
    lease_fixture_open(fixture);
    lease_become_master(fixture->lease);
    assert_true(lease_fixture_passes(fixture));
    lease_become_replica(fixture->lease);
    lease_set_cold_start(fixture->lease, LEASE_COLD_START_FENCE);
    lease_become_master(fixture->lease);
    assert_false(lease_fixture_passes(fixture));
}

static void a_replica_that_restarts_and_becomes_a_master_is_fenced_if_it_ever_had_a_lease(void **state) {
    struct lease_fixture *fixture = *state;
    leave_a_lease_behind(fixture, 5);
    fixture->config.is_replica = true;
    lease_fixture_restart(fixture);
    lease_become_master(fixture->lease);
    assert_false(lease_fixture_passes(fixture));
}

static void a_master_that_is_told_to_be_one_keeps_its_lease(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    lease_become_master(fixture->lease);
    assert_int_equal(status_of(fixture), LEASE_HELD);
    assert_int_equal(lease_view(fixture->lease).election_version, 5);
}

static void an_overtaken_since_stays_overtaken_across_changes_of_role(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    struct lease_heartbeat heartbeat = {.form = LEASE_FORM_SHORT,
                                        .version = 5,
                                        .lease_ms = 60000,
                                        .has_since = true,
                                        .since_ms = lease_view(fixture->lease).clock_ms};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    lease_become_replica(fixture->lease);
    lease_become_master(fixture->lease);
    heartbeat.since_ms--;
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    assert_int_equal(answer.outcome, LEASE_OVERTAKEN);
    assert_false(lease_fixture_passes(fixture));
}

// --- Process stopped and continued, host suspended and resumed ---

static void after_a_pause_the_deadline_has_passed_or_it_has_not(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    lease_fixture_advance_ms(fixture, 1000);
    assert_true(lease_fixture_passes(fixture));
    atomic_fetch_add(&fixture->clock_ns, 1);
    assert_false(lease_fixture_passes(fixture)); // with nothing having noticed it
    assert_int_equal(status_of(fixture), LEASE_EXPIRED);
}

static void a_heartbeat_that_waited_out_a_pause_does_not_renew(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    struct lease_heartbeat waiting = {.form = LEASE_FORM_SHORT,
                                      .version = 5,
                                      .lease_ms = 1000,
                                      .arrived = {atomic_load(&fixture->clock_ns)}};
    lease_fixture_advance_ms(fixture, 10000);
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &waiting, &answer);
    assert_int_equal(answer.outcome, LEASE_LATE);
    assert_false(lease_fixture_passes(fixture));
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 1);
}

// --- Wall clock stepped ---

// The server's clock is the boot clock: nothing else is read on the way to a decision.
static void without_a_clock_of_its_own_the_lease_runs_on_the_boot_clock(void **state) {
    struct lease_fixture *fixture = *state;
    fixture->config.now = NULL;
    lease_fixture_open(fixture);
    boot_ns_t before = clock_boot();
    struct lease_view view = lease_view(fixture->lease);
    boot_ns_t after = clock_boot();
    assert_true(before.value <= view.now.value && view.now.value <= after.value);
    assert_int_equal(view.clock_ms, view.now.value / 1000000);
    struct lease_heartbeat heartbeat = {
        .form = LEASE_FORM_SHORT, .version = 1, .lease_ms = LEASE_MS_MAX, .arrived = before};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    assert_int_equal(lease_view(fixture->lease).deadline.value, before.value + LEASE_MS_MAX * 1000000);
    assert_true(lease_fixture_passes(fixture));
}

#define LIFE_TEST(test) cmocka_unit_test_setup_teardown(test, lease_fixture_set_up, lease_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LIFE_TEST(a_first_start_with_cold_start_allow_lets_writes_pass),
        LIFE_TEST(a_first_start_with_cold_start_fence_refuses_until_the_first_heartbeat),
        LIFE_TEST(a_first_start_writes_nothing_and_asks_for_no_timer),
        LIFE_TEST(cold_start_can_be_changed_while_there_has_been_no_lease),
        LIFE_TEST(cold_start_says_nothing_about_a_node_that_had_a_lease),
        LIFE_TEST(cold_start_says_nothing_about_a_replica),
        LIFE_TEST(a_restart_is_fenced_whatever_cold_start_says),
        LIFE_TEST(a_restart_within_the_lease_is_fenced_too),
        LIFE_TEST(a_restarted_node_goes_on_with_its_next_heartbeat),
        LIFE_TEST(a_restart_remembers_the_highest_version),
        LIFE_TEST(a_restart_after_a_lease_of_version_0_is_fenced),
        LIFE_TEST(a_restart_after_a_lease_in_mode_disabled_is_fenced_once_the_mode_is_on),
        LIFE_TEST(a_restart_on_a_host_that_has_just_booted_is_fenced),
        LIFE_TEST(a_reading_told_before_the_host_was_started_renews_nothing_at_the_same_uptime),
        LIFE_TEST(becoming_a_replica_resets_the_lease_and_keeps_the_highest_version),
        LIFE_TEST(a_replica_is_asked_nothing_and_expires_nothing),
        LIFE_TEST(a_lease_that_ran_out_unnoticed_is_counted_before_it_is_dropped),
        LIFE_TEST(becoming_a_replica_twice_changes_nothing),
        LIFE_TEST(a_start_as_a_replica_has_no_lease_even_if_there_was_one),
        LIFE_TEST(a_master_again_is_fenced_until_a_heartbeat_if_it_ever_had_a_lease),
        LIFE_TEST(a_master_that_never_had_a_lease_begins_as_cold_start_says),
        LIFE_TEST(a_replica_that_restarts_and_becomes_a_master_is_fenced_if_it_ever_had_a_lease),
        LIFE_TEST(a_master_that_is_told_to_be_one_keeps_its_lease),
        LIFE_TEST(an_overtaken_since_stays_overtaken_across_changes_of_role),
        LIFE_TEST(after_a_pause_the_deadline_has_passed_or_it_has_not),
        LIFE_TEST(a_heartbeat_that_waited_out_a_pause_does_not_renew),
        LIFE_TEST(without_a_clock_of_its_own_the_lease_runs_on_the_boot_clock),
    };
    return cmocka_run_group_tests_name("lease_life", tests, NULL, NULL);
}
