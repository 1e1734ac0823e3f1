// SPDX-License-Identifier: Apache-2.0
//
// What clients of an old and a new master may have been told during a failover, and what must be left of it.
// Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_FAILOVER_VERDICT_H
#define KVFENCE_TESTS_INTEGRATION_FAILOVER_VERDICT_H

#include "harness.h"
#include "writers.h"

// What happened, in CLOCK_BOOTTIME.
struct failover {
    const struct writer *writers;
    size_t count;
    int old_master, new_master; // nodes, which writers aim at
    uint64_t deadline_ns;       // the old master's lease was over, at the latest
    uint64_t stopped_ns;        // the old master's process was stopped; 0: it was not
};

struct verdict {
    size_t old_acknowledged, new_acknowledged, old_refused, unknown;
    // By the old master, of writes that were sent before its deadline. WAIT's are among the first.
    size_t lost, replicated, lost_replicated;
    size_t new_lost;
    // Acknowledged by the old master though sent after its deadline.
    size_t after_deadline;
    // Sent before, and acknowledged after it: before the new master's first acknowledgement, or after it.
    size_t late, overlapping;
    // The same, by a process that was stopped between its last look at the clock and sending what it had to
    // say.
    size_t on_the_lips;
};

// `master` and `replica` are the nodes afterwards, which must have the same data.
struct verdict failover_judge(const struct failover *failover, redisContext *master, redisContext *replica);
void verdict_add(struct verdict *sum, const struct verdict *verdict);
void verdict_print(const char *title, const struct verdict *verdict);
// What no failover may do.
void verdict_expect_sound(const struct verdict *verdict);

#endif
