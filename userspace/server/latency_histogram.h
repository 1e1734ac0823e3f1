// SPDX-License-Identifier: Apache-2.0
//
// How long each command's runs took, in buckets of powers of two (LATENCY HISTOGRAM). Each worker has a set,
// written by its own thread with relaxed stores and read by whoever sums them. A command's buckets are made
// when it is first run. May use: base, server/stats.
#ifndef KVFENCE_SERVER_LATENCY_HISTOGRAM_H
#define KVFENCE_SERVER_LATENCY_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { LATENCY_BUCKETS = 32 };

struct latency_histograms;
struct latency_histograms *latency_histograms_open(size_t command_count);
void latency_histograms_close(struct latency_histograms *histograms);

// By struct command's index. On the one thread that writes.
void latency_histograms_add(struct latency_histograms *histograms, size_t command, uint64_t microseconds);
// Sets all counts to zero. On the one thread that writes.
void latency_histograms_reset(struct latency_histograms *histograms);

// Adds the command's counts to `sum`: call it for each worker. Thread-safe.
void latency_histograms_sum(const struct latency_histograms *histograms, size_t command,
                            uint64_t sum[LATENCY_BUCKETS]);

// The longest time in microseconds that falls into a bucket: 1, 2, 4, ... The last bucket also takes what is
// longer.
uint64_t latency_bucket_limit(size_t bucket);

#endif
