// SPDX-License-Identifier: Apache-2.0
//
// Watching the wall clock in two ways. A timer that the kernel cancels when the clock is set tells of every
// step, also of two that undo each other; the clock's distance to boot time tells of those that the kernel
// has not announced, which only a clock that somebody fakes does. Uses: base.
#include "server/wall_steps.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

// Wall time less boot time lies between the two: the clocks cannot be read at exactly the same moment.
struct distance {
    int64_t low_ns, high_ns;
};

struct wall_steps {
    pthread_mutex_t lock;
    int timer; // -1: not to be had, the distance alone tells
    struct distance distance;
    boot_ns_t steady_since;
};

// Both clocks are rounded on their own.
enum { ROUNDING_NS = 100 };

static struct wall_reading read_both(struct distance *distance) {
    struct wall_reading reading = {.boot = clock_boot(), .wall_ns = clock_wall_ns()};
    boot_ns_t after = clock_boot();
    distance->low_ns = reading.wall_ns - (int64_t)after.value - ROUNDING_NS;
    distance->high_ns = reading.wall_ns - (int64_t)reading.boot.value + ROUNDING_NS;
    return reading;
}

static bool was_set(const struct wall_steps *steps) {
    uint64_t expirations = 0;
    return steps->timer >= 0 && read(steps->timer, &expirations, sizeof(expirations)) < 0 &&
           errno == ECANCELED;
}

static int open_timer(void) {
    const struct itimerspec never = {.it_value = {.tv_sec = 9000000000}}; // the year 2255
    int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer >= 0 && timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0)
        return timer;
    log_warning("the kernel does not tell of steps of the wall clock: %s", strerror(errno));
    if (timer >= 0)
        (void)close(timer);
    return -1;
}

struct wall_steps *wall_steps_open(void) {
    struct wall_steps *steps = memory_allocate_zeroed(1, sizeof(*steps));
    pthread_mutex_init(&steps->lock, NULL);
    steps->timer = open_timer();
    (void)read_both(&steps->distance);
    steps->steady_since = clock_boot();
    return steps;
}

void wall_steps_close(struct wall_steps *steps) {
    if (steps == NULL)
        return;
    if (steps->timer >= 0)
        (void)close(steps->timer);
    pthread_mutex_destroy(&steps->lock);
    free(steps);
}

struct wall_reading wall_steps_read(struct wall_steps *steps) {
    struct distance distance;
    pthread_mutex_lock(&steps->lock);
    struct wall_reading reading = read_both(&distance);
    // Asked after the clocks were read: a step before that is found by one or the other.
    bool stepped = was_set(steps) || distance.low_ns > steps->distance.high_ns ||
                   distance.high_ns < steps->distance.low_ns;
    if (stepped) {
        log_warning("the wall clock was stepped: receive timestamps from before now are not used");
        reading = read_both(&steps->distance);
        steps->steady_since = clock_boot();
    } else {
        if (distance.low_ns > steps->distance.low_ns)
            steps->distance.low_ns = distance.low_ns;
        if (distance.high_ns < steps->distance.high_ns)
            steps->distance.high_ns = distance.high_ns;
    }
    reading.steady_since = steps->steady_since;
    pthread_mutex_unlock(&steps->lock);
    return reading;
}
