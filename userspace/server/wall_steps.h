// SPDX-License-Identifier: Apache-2.0
//
// Notices when the wall clock is stepped, so that a wall time of the kernel's can be turned into boot time by
// its age. Between steps the two clocks run at the same speed, whatever NTP does. Thread-safe. May use: base.
#ifndef KVFENCE_SERVER_WALL_STEPS_H
#define KVFENCE_SERVER_WALL_STEPS_H

#include "base/clock.h"

struct wall_steps;

struct wall_steps *wall_steps_open(void);
void wall_steps_close(struct wall_steps *steps);

// Both clocks at one moment: `boot` was read just before `wall_ns` (nanoseconds since the Unix epoch). The
// wall clock has not been stepped between `steady_since` and now.
struct wall_reading {
    boot_ns_t boot;
    int64_t wall_ns;
    boot_ns_t steady_since;
};
struct wall_reading wall_steps_read(struct wall_steps *steps);

#endif
