// SPDX-License-Identifier: Apache-2.0
//
// LATENCY: for each kind of event the spikes above latency-monitor-threshold, one a second at most, the last
// 160. Kinds: "command", "fast-command", "wal-flush". Also histograms of commands' times (LATENCY HISTOGRAM)
// are not kept here but by command. Thread-safe. May use: base.
#ifndef KVFENCE_SERVER_LATENCY_H
#define KVFENCE_SERVER_LATENCY_H

#include "base/bytes.h"
#include "base/clock.h"

#include <stdint.h>

struct latency;
struct latency *latency_open(void);
void latency_close(struct latency *latency);

void latency_add(struct latency *latency, const char *event, wall_ms_t when, uint64_t milliseconds);
struct latency_sample {
    int64_t when_seconds;
    uint64_t milliseconds;
};
struct latency_event {
    const char *name;
    struct latency_sample latest;
    uint64_t maximum_ms;
};
void latency_each_event(struct latency *latency,
                        void (*each)(void *context, const struct latency_event *event), void *context);
// Oldest first. Returns how many there are.
size_t latency_history(struct latency *latency, struct bytes event, struct latency_sample samples[160]);
size_t latency_reset(struct latency *latency,
                     struct bytes event); // empty: all; returns how many kinds were reset

#endif
