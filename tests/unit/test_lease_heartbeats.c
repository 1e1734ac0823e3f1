// SPDX-License-Identifier: Apache-2.0
//
// What a heartbeat does, as functions of state, heartbeat and time: a test or two for each case of the table
// in lease/rules.c and for each way of counting from when a lease runs.
#include "lease/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

enum { VERSION = 7 };
#define MS UINT64_C(1000000)

static const boot_ns_t present = {1000 * 1000 * MS}; // 1000 seconds after boot

static boot_ns_t at_ms(uint64_t milliseconds) {
    return (boot_ns_t){milliseconds * MS};
}

// A master that had a lease of version 7 before, which was over at second 999.
static struct lease_state master_before(void) {
    return (struct lease_state){.election_version = VERSION,
                                .highest_version = VERSION,
                                .deadline = at_ms(999000),
                                .ever_held = true,
                                .is_expired = true};
}

// Half a second old, of 10 seconds.
static struct lease_heartbeat heartbeat_of(uint64_t version) {
    return (struct lease_heartbeat){.form = LEASE_FORM_NODE,
                                    .cluster_enabled = true,
                                    .for_this_node = true,
                                    .lease_ms = 10000,
                                    .version = version,
                                    .arrived = at_ms(999500)};
}

static struct lease_heartbeat heartbeat_since(uint64_t since_ms) {
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.has_since = true;
    heartbeat.since_ms = since_ms;
    return heartbeat;
}

static struct lease_decision decide(struct lease_state state, struct lease_heartbeat heartbeat) {
    return lease_decide(&state, &heartbeat, present);
}

static void assert_same_lease(const struct lease_state *a, const struct lease_state *b) {
    assert_int_equal(a->election_version, b->election_version);
    assert_int_equal(a->highest_version, b->highest_version);
    assert_int_equal(a->deadline.value, b->deadline.value);
    assert_int_equal(a->last_since_ms, b->last_since_ms);
    assert_int_equal(a->ever_held, b->ever_held);
    assert_int_equal(a->is_expired, b->is_expired);
    assert_int_equal(a->counters.renewals, b->counters.renewals);
}

// The outcome, and that the lease stays exactly as it is.
static struct lease_counters assert_no_change(struct lease_state state, struct lease_heartbeat heartbeat,
                                              enum lease_outcome outcome) {
    struct lease_decision decision = decide(state, heartbeat);
    assert_int_equal(decision.outcome, outcome);
    assert_false(decision.must_record);
    assert_same_lease(&decision.next, &state);
    assert_int_equal(decision.next.counters.expirations, state.counters.expirations);
    return decision.next.counters;
}

static struct lease_state assert_renewed(struct lease_state state, struct lease_heartbeat heartbeat,
                                         uint64_t deadline_ms) {
    struct lease_decision decision = decide(state, heartbeat);
    assert_int_equal(decision.outcome, LEASE_RENEWED);
    assert_false(decision.must_record);
    assert_int_equal(decision.next.deadline.value, deadline_ms * MS);
    assert_int_equal(decision.next.election_version, heartbeat.version);
    assert_int_equal(decision.next.counters.renewals, state.counters.renewals + 1);
    assert_false(decision.next.is_expired);
    return decision.next;
}

// --- Cluster mode off, the node form ---

static void without_cluster_mode_the_node_form_is_not_enabled(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.cluster_enabled = false;
    (void)assert_no_change(master_before(), heartbeat, LEASE_NOT_ENABLED);
    assert_non_null(strstr(lease_outcome_words(LEASE_NOT_ENABLED), "not enabled"));
}

static void without_cluster_mode_the_short_form_renews(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.form = LEASE_FORM_SHORT;
    heartbeat.cluster_enabled = false;
    heartbeat.for_this_node = false;
    (void)assert_renewed(master_before(), heartbeat, 1009500);
}

// --- lease_ms 0, or over the limit ---

static void a_lease_of_nothing_is_invalid(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.lease_ms = 0;
    (void)assert_no_change(master_before(), heartbeat, LEASE_INVALID_LENGTH);
    assert_non_null(strstr(lease_outcome_words(LEASE_INVALID_LENGTH), "invalid lease_ms"));
}

static void a_lease_of_more_than_a_day_is_invalid(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.lease_ms = 24 * 3600 * 1000 + 1;
    (void)assert_no_change(master_before(), heartbeat, LEASE_INVALID_LENGTH);
    heartbeat.lease_ms = UINT64_MAX;
    (void)assert_no_change(master_before(), heartbeat, LEASE_INVALID_LENGTH);
}

static void a_lease_of_a_day_or_of_a_millisecond_is_valid(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.lease_ms = 24 * 3600 * 1000;
    (void)assert_renewed(master_before(), heartbeat, 999500 + 24 * 3600 * 1000);
    heartbeat.lease_ms = 1;
    heartbeat.arrived = present;
    (void)assert_renewed(master_before(), heartbeat, 1000001);
}

static void an_invalid_length_of_a_higher_version_records_nothing(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION + 1);
    heartbeat.lease_ms = 0;
    (void)assert_no_change(master_before(), heartbeat, LEASE_INVALID_LENGTH);
}

// --- node_id is not this node's ---

static void a_heartbeat_for_another_node_changes_nothing_and_is_no_error(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION + 1);
    heartbeat.for_this_node = false;
    (void)assert_no_change(master_before(), heartbeat, LEASE_NOT_THIS_NODE);
    assert_false(lease_outcome_is_error(LEASE_NOT_THIS_NODE));
}

static void a_stale_heartbeat_for_another_node_is_no_error_either(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION - 1);
    heartbeat.for_this_node = false;
    struct lease_counters counters = assert_no_change(master_before(), heartbeat, LEASE_NOT_THIS_NODE);
    assert_int_equal(counters.stale, 0);
}

// --- This node is a replica ---

static void a_replica_is_not_given_a_lease_in_either_form(void **state) {
    (void)state;
    struct lease_state replica = {.highest_version = VERSION, .ever_held = true, .is_replica = true};
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION + 1);
    (void)assert_no_change(replica, heartbeat, LEASE_NOT_MASTER);
    heartbeat.form = LEASE_FORM_SHORT;
    (void)assert_no_change(replica, heartbeat, LEASE_NOT_MASTER);
    assert_false(lease_outcome_is_error(LEASE_NOT_MASTER));
}

// --- election_version lower than highest_version ---

static void a_lower_version_is_refused_and_counted(void **state) {
    (void)state;
    struct lease_counters counters =
        assert_no_change(master_before(), heartbeat_of(VERSION - 1), LEASE_STALE_VERSION);
    assert_int_equal(counters.stale, 1);
    assert_int_equal(counters.late, 0);
    assert_true(lease_outcome_is_error(LEASE_STALE_VERSION));
    assert_non_null(strstr(lease_outcome_words(LEASE_STALE_VERSION), "election version mismatch"));
}

static void a_version_is_compared_with_the_highest_seen_and_not_with_the_last_granted(void **state) {
    (void)state;
    struct lease_state restarted = master_before();
    restarted.election_version = 0;
    (void)assert_no_change(restarted, heartbeat_of(VERSION - 1), LEASE_STALE_VERSION);
}

// --- equal ---

static void an_equal_version_sets_the_deadline_from_the_arrival(void **state) {
    (void)state;
    struct lease_state next = assert_renewed(master_before(), heartbeat_of(VERSION), 999500 + 10000);
    assert_int_equal(next.highest_version, VERSION);
}

static void the_latest_heartbeat_wins_also_when_it_shortens(void **state) {
    (void)state;
    struct lease_state long_lease = master_before();
    long_lease.deadline = at_ms(1060000);
    long_lease.is_expired = false;
    (void)assert_renewed(long_lease, heartbeat_of(VERSION), 1009500);
}

static void version_0_can_be_granted(void **state) {
    (void)state;
    struct lease_state fresh = {.ever_held = true};
    struct lease_state next = assert_renewed(fresh, heartbeat_of(0), 1009500);
    assert_int_equal(next.highest_version, 0);
}

static void the_highest_possible_version_can_be_granted(void **state) {
    (void)state;
    struct lease_state last = master_before();
    last.highest_version = UINT64_MAX;
    (void)assert_renewed(last, heartbeat_of(UINT64_MAX), 1009500);
    (void)assert_no_change(last, heartbeat_of(UINT64_MAX - 1), LEASE_STALE_VERSION);
}

// --- higher ---

static void a_higher_version_takes_effect_only_when_it_is_recorded(void **state) {
    (void)state;
    struct lease_state before = master_before();
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION + 3);
    struct lease_decision decision = decide(before, heartbeat);
    assert_true(decision.must_record);
    assert_int_equal(decision.record.highest_version, VERSION + 3);
    assert_true(decision.record.ever_held);
    assert_same_lease(&decision.next, &before);

    lease_recorded(&before, decision.record);
    assert_int_equal(before.highest_version, VERSION + 3);
    assert_int_equal(before.election_version, VERSION);
    (void)assert_renewed(before, heartbeat, 1009500);
}

static void the_first_lease_of_all_is_recorded_first_whatever_its_version(void **state) {
    (void)state;
    struct lease_decision decision = decide((struct lease_state){0}, heartbeat_of(0));
    assert_true(decision.must_record);
    assert_true(decision.record.ever_held);
    assert_int_equal(decision.next.deadline.value, 0);
}

static void a_record_never_lowers_the_version(void **state) {
    (void)state;
    struct lease_state before = master_before();
    lease_recorded(&before, (struct lease_record){.highest_version = VERSION - 1});
    assert_int_equal(before.highest_version, VERSION);
    assert_true(before.ever_held);
}

static void a_version_overtaken_while_it_was_recorded_is_refused(void **state) {
    (void)state;
    struct lease_state before = master_before();
    lease_recorded(&before, (struct lease_record){.highest_version = VERSION + 2, .ever_held = true});
    (void)assert_no_change(before, heartbeat_of(VERSION + 1), LEASE_STALE_VERSION);
}

// --- SINCE in the future ---

static void a_since_in_the_future_is_refused(void **state) {
    (void)state;
    (void)assert_no_change(master_before(), heartbeat_since(1000001), LEASE_INVALID_SINCE);
    (void)assert_no_change(master_before(), heartbeat_since(UINT64_MAX), LEASE_INVALID_SINCE);
    assert_true(lease_outcome_is_error(LEASE_INVALID_SINCE));
    assert_non_null(strstr(lease_outcome_words(LEASE_INVALID_SINCE), "invalid since"));
}

static void a_since_of_this_very_millisecond_is_valid(void **state) {
    (void)state;
    (void)assert_renewed(master_before(), heartbeat_since(1000000), 1010000);
}

static void a_since_in_the_future_of_a_higher_version_records_nothing(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_since(1000001);
    heartbeat.version = VERSION + 1;
    (void)assert_no_change(master_before(), heartbeat, LEASE_INVALID_SINCE);
}

// --- SINCE older than the newest seen ---

static void an_older_since_changes_nothing_and_is_counted_as_late(void **state) {
    (void)state;
    struct lease_state next = assert_renewed(master_before(), heartbeat_since(999800), 1009800);
    struct lease_counters counters = assert_no_change(next, heartbeat_since(999799), LEASE_OVERTAKEN);
    assert_int_equal(counters.late, 1);
    assert_int_equal(counters.stale, 0);
    assert_false(lease_outcome_is_error(LEASE_OVERTAKEN));
}

// --- SINCE of an earlier boot of the host ---

enum { BASE_MS = 7000000 };

static struct lease_heartbeat heartbeat_of_this_boot(uint64_t since_ms) {
    struct lease_heartbeat heartbeat = heartbeat_since(since_ms);
    heartbeat.clock_base_ms = BASE_MS;
    return heartbeat;
}

static void the_lease_counts_from_since_less_what_the_shown_clock_is_ahead(void **state) {
    (void)state;
    (void)assert_renewed(master_before(), heartbeat_of_this_boot(BASE_MS + 999800), 1009800);
    (void)assert_renewed(master_before(), heartbeat_of_this_boot(BASE_MS + 1000000), 1010000);
    (void)assert_no_change(master_before(), heartbeat_of_this_boot(BASE_MS + 1000001), LEASE_INVALID_SINCE);
}

// The uptime was the same when the reading was told, but of an earlier start of the host.
static void a_since_of_an_earlier_boot_changes_nothing(void **state) {
    (void)state;
    uint64_t earlier_base_ms = BASE_MS - 5000000;
    uint64_t later_base_ms = BASE_MS + 5000000;
    struct lease_counters counters =
        assert_no_change(master_before(), heartbeat_of_this_boot(earlier_base_ms + 999800), LEASE_OVERTAKEN);
    assert_int_equal(counters.late, 1);
    (void)assert_no_change(master_before(), heartbeat_of_this_boot(later_base_ms + 999800),
                           LEASE_INVALID_SINCE);
    (void)assert_no_change(master_before(), heartbeat_of_this_boot(BASE_MS - 1), LEASE_OVERTAKEN);
}

static void the_same_since_again_renews_to_the_same_deadline(void **state) {
    (void)state;
    struct lease_state next = assert_renewed(master_before(), heartbeat_since(999800), 1009800);
    (void)assert_renewed(next, heartbeat_since(999800), 1009800);
}

static void a_heartbeat_without_since_leaves_the_newest_since(void **state) {
    (void)state;
    struct lease_state next = assert_renewed(master_before(), heartbeat_since(999800), 1009800);
    next = assert_renewed(next, heartbeat_of(VERSION), 1009500);
    assert_int_equal(next.last_since_ms, 999800);
    (void)assert_no_change(next, heartbeat_since(999799), LEASE_OVERTAKEN);
}

// --- start + lease already past ---

static void a_lease_that_is_over_fences_and_counts_as_late(void **state) {
    (void)state;
    struct lease_state held = master_before();
    held.deadline = at_ms(1005000);
    held.is_expired = false;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.arrived = at_ms(900000);
    struct lease_decision decision = decide(held, heartbeat);
    assert_int_equal(decision.outcome, LEASE_LATE);
    assert_int_equal(decision.next.deadline.value, 910000 * MS);
    assert_int_equal(decision.next.counters.late, 1);
    assert_int_equal(decision.next.counters.renewals, 0);
    assert_int_equal(decision.next.counters.expirations, 1);
    assert_true(decision.next.is_expired);
    assert_false(lease_outcome_is_error(LEASE_LATE));
}

static void a_late_heartbeat_after_an_expiry_does_not_count_it_again(void **state) {
    (void)state;
    struct lease_decision decision = decide(master_before(), heartbeat_since(900000));
    assert_int_equal(decision.outcome, LEASE_LATE);
    assert_int_equal(decision.next.counters.late, 1);
    assert_int_equal(decision.next.counters.expirations, 0);
}

static void a_late_heartbeat_after_an_expiry_that_nobody_noticed_counts_it_once(void **state) {
    (void)state;
    struct lease_state unnoticed = master_before();
    unnoticed.is_expired = false;
    struct lease_decision decision = decide(unnoticed, heartbeat_since(900000));
    assert_int_equal(decision.next.counters.expirations, 1);
}

static void a_first_heartbeat_that_is_late_fences_a_node_that_was_open(void **state) {
    (void)state;
    struct lease_state open = {.ever_held = true, .highest_version = VERSION};
    struct lease_decision decision = decide(open, heartbeat_since(0));
    assert_int_equal(decision.outcome, LEASE_LATE);
    assert_false(lease_allows(decision.next.deadline, present));
    assert_int_equal(decision.next.counters.expirations, 1);
}

static void a_lease_that_ends_at_this_very_nanosecond_is_not_over(void **state) {
    (void)state;
    (void)assert_renewed(master_before(), heartbeat_since(990000), 1000000);
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.arrived = (boot_ns_t){present.value - 10000 * MS - 1};
    assert_int_equal(decide(master_before(), heartbeat).outcome, LEASE_LATE);
}

// --- start ---

static void with_since_the_lease_counts_from_there_and_the_arrival_is_not_looked_at(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_since(995000);
    heartbeat.arrived = (boot_ns_t){0};
    (void)assert_renewed(master_before(), heartbeat, 1005000);
    heartbeat.arrived = present;
    (void)assert_renewed(master_before(), heartbeat, 1005000);
}

static void since_counts_from_the_start_of_its_millisecond(void **state) {
    (void)state;
    struct lease_state before = master_before();
    struct lease_heartbeat heartbeat = heartbeat_since(1000000);
    struct lease_decision decision = lease_decide(&before, &heartbeat, (boot_ns_t){present.value + MS - 1});
    assert_int_equal(decision.outcome, LEASE_RENEWED);
    assert_int_equal(decision.next.deadline.value, 1010000 * MS);
}

static void an_arrival_in_the_future_counts_as_now(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.arrived = at_ms(1000500);
    (void)assert_renewed(master_before(), heartbeat, 1010000);
    heartbeat.arrived = (boot_ns_t){UINT64_MAX};
    (void)assert_renewed(master_before(), heartbeat, 1010000);
}

static void an_arrival_that_nobody_knows_fences(void **state) {
    (void)state;
    struct lease_heartbeat heartbeat = heartbeat_of(VERSION);
    heartbeat.arrived = (boot_ns_t){0};
    assert_int_equal(decide(master_before(), heartbeat).outcome, LEASE_LATE);
}

// --- Expiry and counters ---

static void a_renewal_after_an_unnoticed_expiry_counts_both(void **state) {
    (void)state;
    struct lease_state unnoticed = master_before();
    unnoticed.is_expired = false;
    struct lease_state next = assert_renewed(unnoticed, heartbeat_of(VERSION), 1009500);
    assert_int_equal(next.counters.expirations, 1);
}

static void counters_go_on_beyond_32_bits(void **state) {
    (void)state;
    struct lease_state busy = master_before();
    busy.counters = (struct lease_counters){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    assert_true(decide(busy, heartbeat_of(VERSION)).next.counters.renewals == UINT64_C(1) << 32);
    assert_true(decide(busy, heartbeat_of(1)).next.counters.stale == UINT64_C(1) << 32);
    assert_true(decide(busy, heartbeat_since(0)).next.counters.late == UINT64_C(1) << 32);
}

static void every_outcome_has_words_and_errors_begin_with_their_code(void **state) {
    (void)state;
    for (int outcome = 0; outcome < LEASE_OUTCOMES; outcome++) {
        const char *words = lease_outcome_words((enum lease_outcome)outcome);
        assert_non_null(words);
        assert_int_equal(strncmp(words, "ERR ", 4) == 0, lease_outcome_is_error((enum lease_outcome)outcome));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_cluster_mode_the_node_form_is_not_enabled),
        cmocka_unit_test(without_cluster_mode_the_short_form_renews),
        cmocka_unit_test(a_lease_of_nothing_is_invalid),
        cmocka_unit_test(a_lease_of_more_than_a_day_is_invalid),
        cmocka_unit_test(a_lease_of_a_day_or_of_a_millisecond_is_valid),
        cmocka_unit_test(an_invalid_length_of_a_higher_version_records_nothing),
        cmocka_unit_test(a_heartbeat_for_another_node_changes_nothing_and_is_no_error),
        cmocka_unit_test(a_stale_heartbeat_for_another_node_is_no_error_either),
        cmocka_unit_test(a_replica_is_not_given_a_lease_in_either_form),
        cmocka_unit_test(a_lower_version_is_refused_and_counted),
        cmocka_unit_test(a_version_is_compared_with_the_highest_seen_and_not_with_the_last_granted),
        cmocka_unit_test(an_equal_version_sets_the_deadline_from_the_arrival),
        cmocka_unit_test(the_latest_heartbeat_wins_also_when_it_shortens),
        cmocka_unit_test(version_0_can_be_granted),
        cmocka_unit_test(the_highest_possible_version_can_be_granted),
        cmocka_unit_test(a_higher_version_takes_effect_only_when_it_is_recorded),
        cmocka_unit_test(the_first_lease_of_all_is_recorded_first_whatever_its_version),
        cmocka_unit_test(a_record_never_lowers_the_version),
        cmocka_unit_test(a_version_overtaken_while_it_was_recorded_is_refused),
        cmocka_unit_test(a_since_in_the_future_is_refused),
        cmocka_unit_test(a_since_of_this_very_millisecond_is_valid),
        cmocka_unit_test(a_since_in_the_future_of_a_higher_version_records_nothing),
        cmocka_unit_test(an_older_since_changes_nothing_and_is_counted_as_late),
        cmocka_unit_test(the_same_since_again_renews_to_the_same_deadline),
        cmocka_unit_test(the_lease_counts_from_since_less_what_the_shown_clock_is_ahead),
        cmocka_unit_test(a_since_of_an_earlier_boot_changes_nothing),
        cmocka_unit_test(a_heartbeat_without_since_leaves_the_newest_since),
        cmocka_unit_test(a_lease_that_is_over_fences_and_counts_as_late),
        cmocka_unit_test(a_late_heartbeat_after_an_expiry_does_not_count_it_again),
        cmocka_unit_test(a_late_heartbeat_after_an_expiry_that_nobody_noticed_counts_it_once),
        cmocka_unit_test(a_first_heartbeat_that_is_late_fences_a_node_that_was_open),
        cmocka_unit_test(a_lease_that_ends_at_this_very_nanosecond_is_not_over),
        cmocka_unit_test(with_since_the_lease_counts_from_there_and_the_arrival_is_not_looked_at),
        cmocka_unit_test(since_counts_from_the_start_of_its_millisecond),
        cmocka_unit_test(an_arrival_in_the_future_counts_as_now),
        cmocka_unit_test(an_arrival_that_nobody_knows_fences),
        cmocka_unit_test(a_renewal_after_an_unnoticed_expiry_counts_both),
        cmocka_unit_test(counters_go_on_beyond_32_bits),
        cmocka_unit_test(every_outcome_has_words_and_errors_begin_with_their_code),
    };
    return cmocka_run_group_tests_name("lease_heartbeats", tests, NULL, NULL);
}
