// SPDX-License-Identifier: Apache-2.0
//
// Steps of the wall clock, which the test fakes by standing before the C library's function: the real one is
// not ours to set. The kernel's own announcement of a step is faked in the same way.
#include "server/wall_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static int64_t step_ns;
static bool announced;

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
    if (syscall(SYS_clock_gettime, clock_id, tp) != 0)
        return -1;
    if (clock_id == CLOCK_REALTIME) {
        int64_t now = (int64_t)tp->tv_sec * 1000000000 + tp->tv_nsec + step_ns;
        *tp = (struct timespec){.tv_sec = now / 1000000000, .tv_nsec = now % 1000000000};
    }
    return 0;
}

ssize_t read(int fd, void *buf, size_t nbytes) {
    if (!announced)
        return syscall(SYS_read, fd, buf, nbytes);
    announced = false;
    errno = ECANCELED;
    return -1;
}

static int start(void **state) {
    step_ns = 0;
    announced = false;
    *state = wall_steps_open();
    return 0;
}

static int stop(void **state) {
    wall_steps_close(*state);
    return 0;
}

static void a_clock_that_runs_is_steady_since_the_beginning(void **state) {
    struct wall_reading first = wall_steps_read(*state);
    for (int i = 0; i < 100000; i++) {
        struct wall_reading next = wall_steps_read(*state);
        assert_int_equal(next.steady_since.value, first.steady_since.value);
        assert_true(next.boot.value >= first.boot.value);
    }
}

static void both_clocks_are_read_at_one_moment(void **state) {
    uint64_t boot = clock_boot().value;
    int64_t wall = clock_wall_ns();
    struct wall_reading reading = wall_steps_read(*state);
    assert_in_range(reading.boot.value, boot, clock_boot().value);
    assert_true(reading.wall_ns >= wall && reading.wall_ns <= clock_wall_ns());
}

static void expect_step(struct wall_steps *steps, uint64_t before) {
    struct wall_reading reading = wall_steps_read(steps);
    assert_in_range(reading.steady_since.value, before, clock_boot().value);
    assert_true(reading.steady_since.value >= reading.boot.value);
    assert_int_equal(wall_steps_read(steps).steady_since.value, reading.steady_since.value);
}

static void steps_in_both_directions_are_noticed_once_each(void **state) {
    static const int64_t steps[] = {3600000000000, -7200000000000, 50000000, -50000000};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        (void)wall_steps_read(*state);
        uint64_t before = clock_boot().value;
        step_ns += steps[i];
        expect_step(*state, before);
    }
}

static void a_step_that_was_undone_is_noticed_because_the_kernel_announced_it(void **state) {
    (void)wall_steps_read(*state);
    uint64_t before = clock_boot().value;
    announced = true;
    expect_step(*state, before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_clock_that_runs_is_steady_since_the_beginning, start, stop),
        cmocka_unit_test_setup_teardown(both_clocks_are_read_at_one_moment, start, stop),
        cmocka_unit_test_setup_teardown(steps_in_both_directions_are_noticed_once_each, start, stop),
        cmocka_unit_test_setup_teardown(a_step_that_was_undone_is_noticed_because_the_kernel_announced_it,
                                        start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
