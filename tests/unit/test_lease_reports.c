// SPDX-License-Identifier: Apache-2.0
//
// What the timer, the log and operators are told of the lease.
#include "lease/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

// --- The timer and the log ---

static void the_timer_is_asked_for_the_moment_after_the_deadline(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_DISABLED);
    assert_int_equal(fixture->armed.value, lease_view(fixture->lease).deadline.value + 1);
    lease_fixture_advance_ms(fixture, 500);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    assert_int_equal(fixture->armed.value, lease_view(fixture->lease).deadline.value + 1);
    assert_int_equal(fixture->armed_times, 2);
    lease_fixture_advance_ms(fixture, 2000);
    lease_on_timer(fixture->lease);
    assert_int_equal(fixture->armed.value, 0);
}

static void an_expiry_is_noticed_logged_and_counted_once(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 0);
    for (int tick = 0; tick < 3; tick++)
        lease_on_timer(fixture->lease);
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 1);
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired 1000 ms ago (election version 5)"),
                     1);
    assert_int_equal(lease_fixture_logged(fixture, "[error]"), 1);
}

static void a_timer_that_comes_early_notices_nothing(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    lease_fixture_advance_ms(fixture, 1000);
    lease_on_timer(fixture->lease);
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 0);
    assert_int_not_equal(fixture->armed.value, 0);
}

static void every_expiry_is_counted_and_logged(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    for (int round = 0; round < 5; round++) {
        lease_fixture_advance_ms(fixture, 1500);
        if (round % 2 == 0) // in the other rounds the heartbeat comes before the timer
            lease_on_timer(fixture->lease);
        (void)lease_fixture_heartbeat(fixture, 5, 1000);
    }
    assert_int_equal(lease_view(fixture->lease).counters.expirations, 5);
    assert_int_equal(lease_fixture_logged(fixture, "master lease expired"), 5);
    assert_int_equal(lease_fixture_logged(fixture, "master lease held"), 6);
}

static void renewals_that_change_nothing_are_not_logged(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    for (int renewal = 0; renewal < 10; renewal++) {
        lease_fixture_advance_ms(fixture, 500);
        (void)lease_fixture_heartbeat(fixture, 5, 1000);
    }
    assert_int_equal(lease_fixture_logged(fixture, "lease"),
                     1 + 1); // held, and the name of the file beside it
    (void)lease_fixture_heartbeat(fixture, 6, 1000);
    assert_int_equal(lease_fixture_logged(fixture, "under election version 6 instead of 5"), 1);
    assert_int_equal(lease_view(fixture->lease).counters.renewals, 12);
}

static void a_lease_held_again_says_how_many_writes_were_refused(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    for (int write = 0; write < 4; write++)
        assert_false(lease_fixture_passes(fixture));
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    assert_int_equal(lease_fixture_logged(fixture, "4 were refused"), 1);
    lease_fixture_advance_ms(fixture, 2000);
    assert_false(lease_fixture_passes(fixture));
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    assert_int_equal(lease_fixture_logged(fixture, " 1 were refused"), 1);
}

// --- What operators see ---

static void deadlines_are_shown_in_milliseconds_from_now_rounded_down(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    assert_int_equal(lease_view(fixture->lease).deadline_ms, 1000);
    atomic_fetch_add(&fixture->clock_ns, 1);
    assert_int_equal(lease_view(fixture->lease).deadline_ms, 999);
    lease_fixture_advance_ms(fixture, 1000);
    assert_int_equal(lease_view(fixture->lease).deadline_ms, -1);
    assert_int_equal(lease_view(fixture->lease).status, LEASE_EXPIRED);
}

static void the_answers_to_heartbeats_name_what_was_wrong(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    static const struct {
        struct lease_heartbeat heartbeat;
        const char *error;
    } cases[] = {
        {{.form = LEASE_FORM_NODE, .lease_ms = 1, .version = 5}, "ERR Cluster mode is not enabled"},
        {{.form = LEASE_FORM_SHORT, .lease_ms = 0, .version = 5},
         "ERR invalid lease_ms: must be greater than 0"},
        {{.form = LEASE_FORM_SHORT, .lease_ms = 86400001, .version = 5},
         "ERR invalid lease_ms: 86400001 is more than 86400000, one day"},
        {{.form = LEASE_FORM_SHORT, .lease_ms = 1, .version = 4},
         "ERR election version mismatch: local=5, received=4"},
        {{.form = LEASE_FORM_SHORT, .lease_ms = 1, .version = 5, .has_since = true, .since_ms = 1000001},
         "ERR invalid since: 1000001 is in the future of this node's lease_clock_ms, 1000000"},
        {{.form = LEASE_FORM_NODE, .cluster_enabled = true, .lease_ms = 1}, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lease_answer answer;
        lease_heartbeat(fixture->lease, &cases[i].heartbeat, &answer);
        assert_string_equal(answer.error, cases[i].error);
    }
}

static void modes_and_states_have_the_names_of_the_configuration(void **state) {
    (void)state;
    assert_string_equal(lease_mode_name(LEASE_DISABLED), "disabled");
    assert_string_equal(lease_mode_name(LEASE_LOG_ONLY), "log-only");
    assert_string_equal(lease_mode_name(LEASE_BLOCK_WRITE), "block-write");
    assert_string_equal(lease_status_name(LEASE_NONE), "none");
    assert_string_equal(lease_status_name(LEASE_HELD), "held");
    assert_string_equal(lease_status_name(LEASE_EXPIRED), "expired");
}

#define REPORT_TEST(test) cmocka_unit_test_setup_teardown(test, lease_fixture_set_up, lease_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        REPORT_TEST(the_timer_is_asked_for_the_moment_after_the_deadline),
        REPORT_TEST(an_expiry_is_noticed_logged_and_counted_once),
        REPORT_TEST(a_timer_that_comes_early_notices_nothing),
        REPORT_TEST(every_expiry_is_counted_and_logged),
        REPORT_TEST(renewals_that_change_nothing_are_not_logged),
        REPORT_TEST(a_lease_held_again_says_how_many_writes_were_refused),
        REPORT_TEST(deadlines_are_shown_in_milliseconds_from_now_rounded_down),
        REPORT_TEST(the_answers_to_heartbeats_name_what_was_wrong),
        REPORT_TEST(modes_and_states_have_the_names_of_the_configuration),
    };
    return cmocka_run_group_tests_name("lease_%s", tests, NULL, NULL);
}
