// SPDX-License-Identifier: Apache-2.0
//
// The live lease with many threads: checks, heartbeats, modes and the timer at once. What must hold is
// checked by those who run against each other, and ThreadSanitizer looks on.
#include "lease/lease.h"
#include "lease/state_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, CHECKS = 20000, RENEWALS = 5000, NEW_VERSIONS = 60 };

struct crowd {
    struct lease_fixture *fixture;
    atomic_bool stop;
    atomic_int wrong;           // what must not be and was
    atomic_uint seeds;          // the next thread's
    _Atomic uint64_t granted;   // a moment after which no heartbeat sent so far lets writes pass
    _Atomic uint64_t renewed;   // the highest version known to be renewed
    _Atomic uint64_t kernel_ns; // what the mirror was told last
};

static void start(pthread_t *thread, void *(*run)(void *), struct crowd *crowd) {
    assert_int_equal(pthread_create(thread, NULL, run, crowd), 0);
}

static void finish(pthread_t thread) {
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static uint64_t clock_of(struct crowd *crowd) {
    return atomic_load(&crowd->fixture->clock_ns);
}

static struct lease_heartbeat heartbeat_now(struct crowd *crowd, uint64_t version) {
    return (struct lease_heartbeat){
        .form = LEASE_FORM_SHORT, .lease_ms = 1000, .version = version, .arrived = {clock_of(crowd)}};
}

// --- Counting ---

static void *check_many_times(void *argument) {
    struct crowd *crowd = argument;
    for (int check = 0; check < CHECKS; check++)
        (void)lease_check_commit(crowd->fixture->lease, 1);
    return NULL;
}

static void *call_the_timer(void *argument) {
    struct crowd *crowd = argument;
    while (!atomic_load(&crowd->stop)) {
        lease_on_timer(crowd->fixture->lease);
        lease_fixture_advance_ms(crowd->fixture, 1);
    }
    return NULL;
}

static void check_in_many_threads(struct crowd *crowd) {
    pthread_t checkers[THREADS];
    pthread_t timer;
    start(&timer, call_the_timer, crowd);
    for (size_t i = 0; i < THREADS; i++)
        start(&checkers[i], check_many_times, crowd);
    for (size_t i = 0; i < THREADS; i++)
        finish(checkers[i]);
    atomic_store(&crowd->stop, true);
    finish(timer);
}

// The sum of the numbers in the lines about writes without a lease.
static uint64_t writes_in_log(struct lease_fixture *fixture) {
    static const char before[] = "master lease expired, and ";
    uint64_t sum = 0;
    for (const char *at = lease_fixture_log(fixture); (at = strstr(at, before)) != NULL;) {
        at += strlen(before);
        sum += strtoull(at, NULL, 10);
    }
    return sum;
}

static void no_write_is_missing_from_the_log_in_log_only(void **state) {
    struct crowd crowd = {.fixture = lease_fixture_open_expired(*state, LEASE_LOG_ONLY)};
    check_in_many_threads(&crowd);
    assert_int_equal(lease_view(crowd.fixture->lease).writes_logged, THREADS * CHECKS);
    lease_fixture_shut(crowd.fixture);
    assert_int_equal(writes_in_log(crowd.fixture), THREADS * CHECKS);
}

static void no_refused_write_is_missing_from_the_count(void **state) {
    struct crowd crowd = {.fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE)};
    check_in_many_threads(&crowd);
    assert_int_equal(lease_view(crowd.fixture->lease).writes_refused, THREADS * CHECKS);
    assert_int_equal(lease_view(crowd.fixture->lease).counters.expirations, 1);
}

// --- Checks against renewals ---

static void *move_the_clock(void *argument) {
    struct crowd *crowd = argument;
    while (!atomic_load(&crowd->stop))
        lease_fixture_advance_ms(crowd->fixture, 1);
    return NULL;
}

static void *renew(void *argument) {
    struct crowd *crowd = argument;
    struct lease_answer answer;
    for (int renewal = 0; renewal < RENEWALS; renewal++) {
        struct lease_heartbeat heartbeat = heartbeat_now(crowd, 5);
        heartbeat.lease_ms = 1 + (uint64_t)renewal % 3;
        atomic_store(&crowd->granted, heartbeat.arrived.value + 3000000);
        lease_heartbeat(crowd->fixture->lease, &heartbeat, &answer);
    }
    atomic_store(&crowd->stop, true);
    return NULL;
}

static void *expect_no_pass_without_a_grant(void *argument) {
    struct crowd *crowd = argument;
    while (!atomic_load(&crowd->stop)) {
        uint64_t before = clock_of(crowd);
        bool passes = lease_check_commit(crowd->fixture->lease, 1) == NULL;
        if (passes && before > atomic_load(&crowd->granted))
            atomic_fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

static void a_check_passes_only_within_a_lease_that_was_granted(void **state) {
    struct crowd crowd = {.fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE)};
    pthread_t threads[4];
    lease_fixture_advance_ms(crowd.fixture, 1001);
    start(&threads[0], expect_no_pass_without_a_grant, &crowd);
    start(&threads[1], expect_no_pass_without_a_grant, &crowd);
    start(&threads[2], move_the_clock, &crowd);
    start(&threads[3], renew, &crowd);
    for (size_t i = 0; i < 4; i++)
        finish(threads[i]);
    assert_int_equal(crowd.wrong, 0);
    struct lease_counters counters = lease_view(crowd.fixture->lease).counters;
    assert_int_equal(counters.renewals + counters.late, RENEWALS + 1);
}

// --- The kernel's half against renewals ---

static void tell_kernel(void *context, boot_ns_t deadline, enum lease_mode mode) {
    struct crowd *crowd = context;
    (void)mode;
    atomic_store_explicit(&crowd->kernel_ns, deadline.value, memory_order_release);
}

// Deadlines only grow here: a kernel's half that drops, and has not moved while the server was asked, would
// have dropped what the server accepted.
static void *expect_no_wrong_drop(void *argument) {
    struct crowd *crowd = argument;
    while (!atomic_load(&crowd->stop)) {
        uint64_t before = atomic_load(&crowd->kernel_ns);
        bool drops = clock_of(crowd) > before;
        bool passes = lease_check_commit(crowd->fixture->lease, 1) == NULL;
        if (drops && passes && atomic_load(&crowd->kernel_ns) == before)
            atomic_fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

static void *renew_after_expiry(void *argument) {
    struct crowd *crowd = argument;
    struct lease_answer answer;
    for (int renewal = 0; renewal < RENEWALS; renewal++) {
        lease_fixture_advance_ms(crowd->fixture, 2);
        struct lease_heartbeat heartbeat = heartbeat_now(crowd, 5);
        heartbeat.lease_ms = 1;
        lease_heartbeat(crowd->fixture->lease, &heartbeat, &answer);
    }
    atomic_store(&crowd->stop, true);
    return NULL;
}

static void the_kernel_never_drops_what_the_server_accepts(void **state) {
    struct crowd crowd = {.fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE)};
    pthread_t threads[3];
    lease_fixture_advance_ms(crowd.fixture, 1001);
    lease_set_mirror(crowd.fixture->lease, &(struct lease_mirror){.publish = tell_kernel, .context = &crowd});
    start(&threads[0], expect_no_wrong_drop, &crowd);
    start(&threads[1], expect_no_wrong_drop, &crowd);
    start(&threads[2], renew_after_expiry, &crowd);
    for (size_t i = 0; i < 3; i++)
        finish(threads[i]);
    assert_int_equal(crowd.wrong, 0);
    lease_set_mirror(crowd.fixture->lease, NULL);
}

// --- Versions ---

static void raise_to(_Atomic uint64_t *highest, uint64_t version) {
    uint64_t seen = atomic_load(highest);
    while (seen < version && !atomic_compare_exchange_weak(highest, &seen, version))
        ;
}

static void *send_versions(void *argument) {
    struct crowd *crowd = argument;
    unsigned seed = atomic_fetch_add(&crowd->seeds, 1);
    struct lease_answer answer;
    for (int heartbeats = 0; heartbeats < NEW_VERSIONS; heartbeats++) {
        uint64_t before = atomic_load(&crowd->renewed);
        struct lease_heartbeat heartbeat = heartbeat_now(crowd, before + (uint64_t)(rand_r(&seed) % 4));
        lease_heartbeat(crowd->fixture->lease, &heartbeat, &answer);
        if (answer.outcome != LEASE_RENEWED)
            continue;
        // What a restart would find now must not be lower than what was renewed.
        if (heartbeat.version < before ||
            lease_fixture_record(crowd->fixture).highest_version < heartbeat.version)
            atomic_fetch_add(&crowd->wrong, 1);
        raise_to(&crowd->renewed, heartbeat.version);
    }
    return NULL;
}

static void *change_what_can_be_changed(void *argument) {
    struct crowd *crowd = argument;
    unsigned seed = atomic_fetch_add(&crowd->seeds, 1);
    while (!atomic_load(&crowd->stop)) {
        lease_set_mode(crowd->fixture->lease, (enum lease_mode)(rand_r(&seed) % 3));
        if (rand_r(&seed) % 8 == 0)
            lease_become_replica(crowd->fixture->lease);
        else
            lease_become_master(crowd->fixture->lease);
        struct lease_view view = lease_view(crowd->fixture->lease);
        if (view.election_version > view.highest_version || (view.is_replica && view.status != LEASE_NONE))
            atomic_fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

static void versions_never_go_back_and_are_durable_when_they_are_renewed(void **state) {
    struct crowd crowd = {.fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE), .renewed = 5};
    pthread_t senders[THREADS];
    pthread_t changer;
    start(&changer, change_what_can_be_changed, &crowd);
    for (size_t i = 0; i < THREADS; i++)
        start(&senders[i], send_versions, &crowd);
    for (size_t i = 0; i < THREADS; i++)
        finish(senders[i]);
    atomic_store(&crowd.stop, true);
    finish(changer);
    assert_int_equal(crowd.wrong, 0);
    struct lease_view view = lease_view(crowd.fixture->lease);
    assert_true(view.highest_version >= crowd.renewed && crowd.renewed > 5);
    assert_int_equal(lease_fixture_record(crowd.fixture).highest_version, view.highest_version);
}

#define THREAD_TEST(test) cmocka_unit_test_setup_teardown(test, lease_fixture_set_up, lease_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        THREAD_TEST(no_write_is_missing_from_the_log_in_log_only),
        THREAD_TEST(no_refused_write_is_missing_from_the_count),
        THREAD_TEST(a_check_passes_only_within_a_lease_that_was_granted),
        THREAD_TEST(the_kernel_never_drops_what_the_server_accepts),
        THREAD_TEST(versions_never_go_back_and_are_durable_when_they_are_renewed),
    };
    return cmocka_run_group_tests_name("lease_threads", tests, NULL, NULL);
}
