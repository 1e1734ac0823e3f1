// SPDX-License-Identifier: Apache-2.0
//
// The order in which the server's and the kernel's half are moved: at any instant the kernel drops only what
// the server refuses.
#include "lease/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

#include <stdlib.h>
#include <time.h>

static const struct lease_mirror_step *only_step(const struct lease_fixture *fixture) {
    assert_int_equal(fixture->step_count, 1);
    return &fixture->steps[0];
}

static void an_attached_mirror_is_told_the_present_state(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    assert_false(lease_view(fixture->lease).is_mirrored);
    lease_fixture_attach(fixture);
    assert_int_equal(fixture->kernel_deadline.value, lease_view(fixture->lease).deadline.value);
    assert_int_equal(fixture->kernel_mode, LEASE_BLOCK_WRITE);
    assert_true(lease_view(fixture->lease).is_mirrored);
    lease_set_mirror(fixture->lease, NULL);
    assert_false(lease_view(fixture->lease).is_mirrored);
    (void)lease_fixture_heartbeat(fixture, 5, 2000);
    assert_int_equal(fixture->step_count, 0);
}

static void a_renewal_moves_the_kernels_deadline_first(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    lease_fixture_attach(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    const struct lease_mirror_step *step = only_step(fixture);
    assert_true(step->kernel_drops_before);
    assert_false(step->kernel_drops_after);
    assert_true(step->server_refuses); // still, as the kernel lets pass already
    assert_int_equal(step->deadline.value, lease_view(fixture->lease).deadline.value);
}

static void a_shortening_moves_the_servers_deadline_first(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    lease_fixture_attach(fixture);
    struct lease_heartbeat shorter = {.form = LEASE_FORM_SHORT, .version = 5, .lease_ms = 1};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &shorter, &answer);
    assert_int_equal(answer.outcome, LEASE_LATE);
    const struct lease_mirror_step *step = only_step(fixture);
    assert_false(step->kernel_drops_before);
    assert_true(step->kernel_drops_after);
    assert_true(step->server_refuses); // already
}

static void a_reset_towards_refusal_moves_the_server_first(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    lease_become_replica(fixture->lease);
    lease_fixture_attach(fixture);
    lease_become_master(fixture->lease);
    const struct lease_mirror_step *step = only_step(fixture);
    assert_true(step->kernel_drops_after);
    assert_true(step->server_refuses);
}

static void a_reset_of_a_new_replica_moves_the_kernel_first(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    lease_fixture_attach(fixture);
    lease_become_replica(fixture->lease);
    const struct lease_mirror_step *step = only_step(fixture);
    assert_int_equal(step->deadline.value, 0);
    assert_true(step->kernel_drops_before);
    assert_false(step->kernel_drops_after);
    assert_true(step->server_refuses);
}

static void a_switch_to_block_write_moves_the_server_first(void **state) {
    for (int mode = LEASE_DISABLED; mode <= LEASE_LOG_ONLY; mode++) {
        struct lease_fixture *fixture = lease_fixture_open_expired(*state, (enum lease_mode)mode);
        lease_fixture_attach(fixture);
        lease_set_mode(fixture->lease, LEASE_BLOCK_WRITE);
        const struct lease_mirror_step *step = only_step(fixture);
        assert_false(step->kernel_drops_before);
        assert_true(step->kernel_drops_after);
        assert_true(step->server_refuses);
        lease_fixture_shut(fixture);
    }
}

static void a_switch_away_from_block_write_moves_the_kernel_first(void **state) {
    for (int mode = LEASE_DISABLED; mode <= LEASE_LOG_ONLY; mode++) {
        struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
        lease_fixture_attach(fixture);
        lease_set_mode(fixture->lease, (enum lease_mode)mode);
        const struct lease_mirror_step *step = only_step(fixture);
        assert_true(step->kernel_drops_before);
        assert_false(step->kernel_drops_after);
        assert_true(step->server_refuses);
        lease_fixture_shut(fixture);
    }
}

static void in_mode_disabled_the_kernel_has_nothing_to_enforce(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_expired(*state, LEASE_BLOCK_WRITE);
    lease_fixture_attach(fixture);
    lease_set_mode(fixture->lease, LEASE_DISABLED);
    assert_int_equal(fixture->kernel_deadline.value, 0);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    assert_int_equal(fixture->step_count, 1);
}

static void the_kernel_is_told_of_a_mode_without_a_lease(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    lease_fixture_attach(fixture);
    lease_set_mode(fixture->lease, LEASE_LOG_ONLY);
    assert_int_equal(only_step(fixture)->mode, LEASE_LOG_ONLY);
    assert_int_equal(only_step(fixture)->deadline.value, 0);
}

// Every change after every other, at random: the kernel never drops what the server accepts.
static void in_no_order_of_changes_the_kernel_drops_what_the_server_accepts(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed: KVFENCE_SEED=%u\n", seed);
    lease_fixture_attach(fixture);
    for (int change = 0; change < 20000; change++) {
        int what = rand_r(&seed) % 8;
        if (what < 3)
            lease_set_mode(fixture->lease, (enum lease_mode)what);
        else if (what == 3)
            lease_become_replica(fixture->lease);
        else if (what == 4)
            lease_become_master(fixture->lease);
        else
            (void)lease_fixture_heartbeat(fixture, 5, 1 + (uint64_t)(rand_r(&seed) % 50));
        lease_fixture_advance_ms(fixture, (uint64_t)(rand_r(&seed) % 40));
        assert_int_equal(lease_fixture_wrong_drops(fixture), 0);
        fixture->step_count = 0;
    }
}

#define MIRROR_TEST(test) cmocka_unit_test_setup_teardown(test, lease_fixture_set_up, lease_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MIRROR_TEST(an_attached_mirror_is_told_the_present_state),
        MIRROR_TEST(a_renewal_moves_the_kernels_deadline_first),
        MIRROR_TEST(a_shortening_moves_the_servers_deadline_first),
        MIRROR_TEST(a_reset_towards_refusal_moves_the_server_first),
        MIRROR_TEST(a_reset_of_a_new_replica_moves_the_kernel_first),
        MIRROR_TEST(a_switch_to_block_write_moves_the_server_first),
        MIRROR_TEST(a_switch_away_from_block_write_moves_the_kernel_first),
        MIRROR_TEST(in_mode_disabled_the_kernel_has_nothing_to_enforce),
        MIRROR_TEST(the_kernel_is_told_of_a_mode_without_a_lease),
        MIRROR_TEST(in_no_order_of_changes_the_kernel_drops_what_the_server_accepts),
    };
    return cmocka_run_group_tests_name("lease_%s", tests, NULL, NULL);
}
