// SPDX-License-Identifier: Apache-2.0
//
// The only file that reads clocks. Three kinds of time that must not be mixed: boot time, on which leases are
// decided; wall time, on which keys expire and which can be stepped; and the duration clock for measuring.
// May use: the C library. Thread-safe throughout.
#ifndef KVFENCE_BASE_CLOCK_H
#define KVFENCE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

// CLOCK_BOOTTIME in nanoseconds: never stepped, goes on while the host is suspended, and is the clock that
// BPF programs read. A struct, so that the compiler refuses to mix it with wall time or a duration.
typedef struct boot_ns {
    uint64_t value;
} boot_ns_t;

// Milliseconds since the Unix epoch, CLOCK_REALTIME. Can jump when an operator or NTP steps the clock.
typedef int64_t wall_ms_t;

boot_ns_t clock_boot(void);
wall_ms_t clock_wall_ms(void);
int64_t clock_wall_us(void);
int64_t clock_wall_ns(void);

// CLOCK_MONOTONIC microseconds, only for differences: how long a command took.
uint64_t clock_duration_us(void);

// Wall time broken down in the local time zone.
struct tm clock_local_time(wall_ms_t wall);

#endif
