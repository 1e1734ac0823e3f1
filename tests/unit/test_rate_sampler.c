// SPDX-License-Identifier: Apache-2.0
//
// Rates: the average of the last sixteen samples.
#include "server/rate_sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TICK_US = 100000 };

static void without_two_values_there_is_no_rate(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    assert_int_equal(rate_sampler_rate(&sampler), 0);
    rate_sampler_add(&sampler, 1000, 500);
    assert_int_equal(rate_sampler_rate(&sampler), 0);
}

static void a_steady_counter_has_its_rate_at_once(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    for (uint64_t tick = 1; tick < 100; tick++) {
        rate_sampler_add(&sampler, tick * TICK_US, tick * 50);
        assert_int_equal(rate_sampler_rate(&sampler), tick == 1 ? 0 : 500);
    }
}

static void uneven_ticks_do_not_change_the_rate(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    uint64_t now = 0;
    for (uint64_t tick = 0; tick < 50; tick++) {
        now += 1000 * (1 + tick % 7);
        rate_sampler_add(&sampler, now, now / 10);
    }
    assert_int_equal(rate_sampler_rate(&sampler), 100000);
}

static void a_burst_is_smoothed_and_forgotten_after_sixteen_samples(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    uint64_t tick = 1;
    for (; tick <= 17; tick++)
        rate_sampler_add(&sampler, tick * TICK_US, 0);
    rate_sampler_add(&sampler, tick * TICK_US, 1600);
    assert_int_equal(rate_sampler_rate(&sampler), 1000);
    for (size_t i = 0; i < 15; i++)
        rate_sampler_add(&sampler, ++tick * TICK_US, 1600);
    assert_int_equal(rate_sampler_rate(&sampler), 1000);
    rate_sampler_add(&sampler, ++tick * TICK_US, 1600);
    assert_int_equal(rate_sampler_rate(&sampler), 0);
}

static void a_counter_that_was_reset_counts_from_zero(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    rate_sampler_add(&sampler, 1 * TICK_US, 1000000);
    rate_sampler_add(&sampler, 2 * TICK_US, 7);
    assert_int_equal(rate_sampler_rate(&sampler), 70);
}

static void no_time_gives_no_sample(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    rate_sampler_add(&sampler, TICK_US, 0);
    rate_sampler_add(&sampler, TICK_US, 100);
    rate_sampler_add(&sampler, TICK_US - 1, 100);
    assert_int_equal(rate_sampler_rate(&sampler), 0);
    rate_sampler_add(&sampler, 2 * TICK_US, 100);
    assert_int_equal(rate_sampler_rate(&sampler), 1000);
}

static void huge_counters_do_not_overflow(void **state) {
    (void)state;
    struct rate_sampler sampler = {0};
    rate_sampler_add(&sampler, 0, 0);
    for (uint64_t second = 1; second <= 16; second++)
        rate_sampler_add(&sampler, second * 1000000, second * (UINT64_MAX / 16));
    assert_true(rate_sampler_rate(&sampler) == UINT64_MAX / 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_two_values_there_is_no_rate),
        cmocka_unit_test(a_steady_counter_has_its_rate_at_once),
        cmocka_unit_test(uneven_ticks_do_not_change_the_rate),
        cmocka_unit_test(a_burst_is_smoothed_and_forgotten_after_sixteen_samples),
        cmocka_unit_test(a_counter_that_was_reset_counts_from_zero),
        cmocka_unit_test(no_time_gives_no_sample),
        cmocka_unit_test(huge_counters_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
