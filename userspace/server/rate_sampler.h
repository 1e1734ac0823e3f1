// SPDX-License-Identifier: Apache-2.0
//
// How fast a counter grows, smoothed over the last 16 samples: INFO's instantaneous_ops_per_sec. Pure: it is
// handed the time. Not thread-safe: one sampler. May use: the C library.
#ifndef KVFENCE_SERVER_RATE_SAMPLER_H
#define KVFENCE_SERVER_RATE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RATE_SAMPLE_COUNT = 16 };

// Zero-initialised is valid: no samples.
struct rate_sampler {
    uint64_t per_second[RATE_SAMPLE_COUNT]; // a ring
    size_t count;
    size_t next;
    uint64_t last_us;
    uint64_t last_value;
    bool started;
};

// Tells the counter's value at `now_us` (clock_duration_us()). A value lower than before means that the
// counter was reset: it counts from zero. Without time having passed nothing is sampled.
void rate_sampler_add(struct rate_sampler *sampler, uint64_t now_us, uint64_t value);
// The average of the samples there are, per second; 0 without any.
uint64_t rate_sampler_rate(const struct rate_sampler *sampler);

#endif
