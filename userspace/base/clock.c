// SPDX-License-Identifier: Apache-2.0
//
// The clocks. Uses nothing else of the project but assert.
#include "base/clock.h"

#include "base/assert.h"

static struct timespec read_clock(clockid_t id) {
    struct timespec now;
    always_assert(clock_gettime(id, &now) == 0, "the kernel has the clocks that the server needs");
    return now;
}

boot_ns_t clock_boot(void) {
    struct timespec now = read_clock(CLOCK_BOOTTIME);
    return (boot_ns_t){(uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec};
}

wall_ms_t clock_wall_ms(void) {
    return clock_wall_us() / 1000;
}

int64_t clock_wall_us(void) {
    return clock_wall_ns() / 1000;
}

int64_t clock_wall_ns(void) {
    struct timespec now = read_clock(CLOCK_REALTIME);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t clock_duration_us(void) {
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

struct tm clock_local_time(wall_ms_t wall) {
    time_t seconds = (time_t)(wall / 1000);
    struct tm broken_down = {0};
    (void)localtime_r(&seconds, &broken_down);
    return broken_down;
}
