// SPDX-License-Identifier: Apache-2.0
//
// What a worker counts: written by its own thread with relaxed stores, summed by whoever asks. May use: base.
#ifndef KVFENCE_SERVER_STATS_H
#define KVFENCE_SERVER_STATS_H

#include "base/counter.h"

#include <stddef.h>
#include <stdint.h>

struct latency_histograms; // server/latency_histogram.h

struct command_stats {
    _Atomic uint64_t calls, microseconds, rejected, failed;
};

struct worker_stats {
    _Atomic uint64_t commands;
    _Atomic uint64_t input_bytes, output_bytes;
    _Atomic uint64_t protocol_errors;
    _Atomic uint64_t late_closed;  // connections closed because their write came too late
    _Atomic uint64_t limit_closed; // connections closed by client-output-buffer-limit
    _Atomic uint64_t streams;      // clients in the middle of a long reply, now: server/reply_stream.h
    _Atomic uint64_t timeout_closed;
    _Atomic uint64_t rounds;
    _Atomic uint64_t errors;
    struct command_stats *by_command; // by struct command's index
    struct latency_histograms *histograms;
};

#endif
