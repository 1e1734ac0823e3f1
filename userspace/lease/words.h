// SPDX-License-Identifier: Apache-2.0
//
// What the lease says: the error replies to heartbeats, and the log lines about its changes, which an
// operator reads at night: what happened, what it means, what to do. Thread-safe; called without the lease's
// lock, because a log may be slow. May use: lease/lease, lease/rules, base.
#ifndef KVFENCE_LEASE_WORDS_H
#define KVFENCE_LEASE_WORDS_H

#include "lease/lease.h"

#include <stddef.h>

// The error reply to a heartbeat, without its leading '-', or an empty text if the outcome is no error.
void lease_words_error(enum lease_outcome outcome, const struct lease_heartbeat *heartbeat,
                       const struct lease_state *state, boot_ns_t now, char *text, size_t size);

// One step of the lease, whatever made it.
struct lease_step {
    struct lease_state before, after;
    enum lease_mode mode;
    boot_ns_t now;
    uint64_t refused; // writes refused since the lease was held last
};

// Logs what the step changed: an expiry, a lease held again, another election version. A renewal that changes
// nothing of these is silent.
void lease_words_step(const struct lease_step *step);
// Logs the state that a node starts with, or gets as it becomes a master, and what that means for writes.
void lease_words_start(const struct lease_state *state, enum lease_mode mode, const char *event);
void lease_words_replica(const struct lease_step *step);
void lease_words_mode(const struct lease_step *step, enum lease_mode before);

#endif
