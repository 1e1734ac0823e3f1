// SPDX-License-Identifier: Apache-2.0
//
// Buckets of commands' times. Uses: memory, stats.
#include "server/latency_histogram.h"

#include "base/assert.h"
#include "base/memory.h"
#include "server/stats.h"

#include <stdlib.h>

struct histogram {
    _Atomic uint64_t counts[LATENCY_BUCKETS];
};

struct latency_histograms {
    size_t command_count;
    _Atomic(struct histogram *) commands[]; // NULL: never run
};

struct latency_histograms *latency_histograms_open(size_t command_count) {
    struct latency_histograms *histograms =
        memory_allocate_zeroed(1, sizeof(*histograms) + command_count * sizeof(histograms->commands[0]));
    histograms->command_count = command_count;
    return histograms;
}

void latency_histograms_close(struct latency_histograms *histograms) {
    if (histograms == NULL)
        return;
    for (size_t i = 0; i < histograms->command_count; i++)
        free(atomic_load_explicit(&histograms->commands[i], memory_order_relaxed));
    free(histograms);
}

// The smallest bucket whose limit is not below the time.
static size_t bucket_of(uint64_t microseconds) {
    if (microseconds <= 1)
        return 0;
    size_t bucket = 64 - (size_t)__builtin_clzll(microseconds - 1);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static struct histogram *make_histogram(struct latency_histograms *histograms, size_t command) {
    struct histogram *histogram = memory_allocate_zeroed(1, sizeof(*histogram));
    // Released, so that a reader that sees it sees zeros and not what was in that memory before.
    atomic_store_explicit(&histograms->commands[command], histogram, memory_order_release);
    return histogram;
}

void latency_histograms_add(struct latency_histograms *histograms, size_t command, uint64_t microseconds) {
    always_assert(command < histograms->command_count, "a command's index lies inside the table");
    struct histogram *histogram = atomic_load_explicit(&histograms->commands[command], memory_order_relaxed);
    if (histogram == NULL)
        histogram = make_histogram(histograms, command);
    counter_add(&histogram->counts[bucket_of(microseconds)], 1);
}

void latency_histograms_reset(struct latency_histograms *histograms) {
    for (size_t i = 0; i < histograms->command_count; i++) {
        struct histogram *histogram = atomic_load_explicit(&histograms->commands[i], memory_order_relaxed);
        for (size_t bucket = 0; histogram != NULL && bucket < LATENCY_BUCKETS; bucket++)
            atomic_store_explicit(&histogram->counts[bucket], 0, memory_order_relaxed);
    }
}

void latency_histograms_sum(const struct latency_histograms *histograms, size_t command,
                            uint64_t sum[LATENCY_BUCKETS]) {
    always_assert(command < histograms->command_count, "a command's index lies inside the table");
    const struct histogram *histogram =
        atomic_load_explicit(&histograms->commands[command], memory_order_acquire);
    for (size_t bucket = 0; histogram != NULL && bucket < LATENCY_BUCKETS; bucket++)
        sum[bucket] += counter_read(&histogram->counts[bucket]);
}

uint64_t latency_bucket_limit(size_t bucket) {
    always_assert(bucket < LATENCY_BUCKETS, "a bucket's number lies inside the histogram");
    return (uint64_t)1 << bucket;
}
