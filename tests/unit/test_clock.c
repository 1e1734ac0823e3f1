// SPDX-License-Identifier: Apache-2.0
//
// The clocks, against the kernel's own.
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

static uint64_t kernel_ns(clockid_t id) {
    struct timespec now;
    assert_int_equal(clock_gettime(id, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static bool is_between(uint64_t low, uint64_t value, uint64_t high) {
    return low <= value && value <= high;
}

static void boot_time_is_the_clock_of_the_kernel_in_nanoseconds(void **state) {
    (void)state;
    uint64_t before = kernel_ns(CLOCK_BOOTTIME);
    boot_ns_t now = clock_boot();
    assert_true(is_between(before, now.value, kernel_ns(CLOCK_BOOTTIME)));
}

static void boot_time_never_goes_back(void **state) {
    (void)state;
    boot_ns_t last = clock_boot();
    for (int i = 0; i < 100000; i++) {
        boot_ns_t now = clock_boot();
        assert_true(now.value >= last.value);
        last = now;
    }
}

static void wall_time_counts_from_the_epoch(void **state) {
    (void)state;
    uint64_t before = kernel_ns(CLOCK_REALTIME);
    int64_t us = clock_wall_us();
    wall_ms_t ms = clock_wall_ms();
    uint64_t after = kernel_ns(CLOCK_REALTIME);
    assert_true(is_between(before / 1000, (uint64_t)us, after / 1000));
    assert_true(is_between(before / 1000000, (uint64_t)ms, after / 1000000));
}

static void durations_are_in_microseconds(void **state) {
    (void)state;
    uint64_t before = kernel_ns(CLOCK_MONOTONIC);
    uint64_t us = clock_duration_us();
    assert_true(is_between(before / 1000, us, kernel_ns(CLOCK_MONOTONIC) / 1000));
}

static void local_time_follows_the_time_zone(void **state) {
    (void)state;
    assert_int_equal(setenv("TZ", "EAST-2", 1), 0);
    tzset();
    struct tm noon = clock_local_time(INT64_C(1700000000123)); // 2023-11-14 22:13:20 UTC
    assert_int_equal(noon.tm_year, 123);
    assert_int_equal(noon.tm_mon, 10);
    assert_int_equal(noon.tm_mday, 15);
    assert_int_equal(noon.tm_hour, 0);
    assert_int_equal(noon.tm_min, 13);
    assert_int_equal(noon.tm_sec, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_time_is_the_clock_of_the_kernel_in_nanoseconds),
        cmocka_unit_test(boot_time_never_goes_back),
        cmocka_unit_test(wall_time_counts_from_the_epoch),
        cmocka_unit_test(durations_are_in_microseconds),
        cmocka_unit_test(local_time_follows_the_time_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
