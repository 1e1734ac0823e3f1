// SPDX-License-Identifier: Apache-2.0
//
// The rules of the lease: what a heartbeat, a deadline, a restart and a change of role make of its state.
// Functions of (state, input, now) that read no clock, take no lock and touch no file, so that tests and
// models drive them directly; lease/lease.h is the live object around them. May use: base.
#ifndef KVFENCE_LEASE_RULES_H
#define KVFENCE_LEASE_RULES_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

// Longer leases are refused: a day of writes that nobody can stop is a mistake in somebody's units.
#define LEASE_MS_MAX UINT64_C(86400000)

enum lease_cold_start { LEASE_COLD_START_ALLOW, LEASE_COLD_START_FENCE };

struct lease_counters {
    uint64_t renewals;    // heartbeats that moved the deadline to a moment yet to come
    uint64_t stale;       // heartbeats of an election version lower than the highest
    uint64_t late;        // heartbeats whose SINCE was overtaken, or whose lease was over when they were read
    uint64_t expirations; // times that a lease ran out; starting fenced is none
};

// What the data directory remembers (lease/state_file.h).
struct lease_record {
    uint64_t highest_version;
    bool ever_held;
};

struct lease_state {
    uint64_t election_version; // under which the lease was last granted; 0: never since start or reset
    uint64_t highest_version;  // ever seen by this data directory, and durable; never goes down
    boot_ns_t deadline;     // the last nanosecond at which writes may pass; 0: no lease, nothing to enforce
    uint64_t last_since_ms; // of the newest heartbeat that carried SINCE; 0: none
    bool ever_held;         // this data directory ever had a lease, and that is durable
    bool is_replica;
    bool is_expired; // the end of the present deadline has been noticed
    struct lease_counters counters;
};

// LEASE_FORM_NODE: CLUSTERX HEARTBEAT <node_id> <lease_ms> <election_version> [SINCE <clock_ms>]
// LEASE_FORM_SHORT: CLUSTERX HEARTBEAT <election_version> <ttl_ms>, always meant for this node
enum lease_form { LEASE_FORM_NODE, LEASE_FORM_SHORT };

struct lease_heartbeat {
    enum lease_form form;
    bool cluster_enabled; // not looked at in the short form
    bool for_this_node;   // node_id is this node's; not looked at in the short form
    // If not NULL, the live lease asks for for_this_node whenever it decides, while nothing else can change
    // the lease: who changes the node's id and then gives the lease up takes with it what the id before was
    // granted. Must be quick and not call back. The rules do not look at it.
    bool (*is_for_this_node)(void *context);
    void *context;
    uint64_t lease_ms;
    uint64_t version;
    bool has_since;
    uint64_t since_ms; // a lease_clock_ms that this node told the sender
    // What lease_clock_ms shows at the moment that boot time counts from. It differs from one boot of the
    // host to the next, so that what was told in an earlier one is recognised. Set by the live lease.
    uint64_t clock_base_ms;
    boot_ns_t arrived; // when its bytes had reached this host, or any moment before; not looked at with SINCE
};

enum lease_outcome {
    LEASE_RENEWED,
    LEASE_LATE,           // the lease was over before it was read: the node is fenced
    LEASE_OVERTAKEN,      // a heartbeat with a newer SINCE was here before, or the host was started since
    LEASE_NOT_THIS_NODE,  // meant for another node
    LEASE_NOT_MASTER,     // this node is a replica
    LEASE_NOT_ENABLED,    // from here on errors: the node form without cluster mode
    LEASE_INVALID_LENGTH, // lease_ms is 0 or over LEASE_MS_MAX
    LEASE_STALE_VERSION,  // lower than the highest election version
    LEASE_INVALID_SINCE,  // in the future of this node's clock
    LEASE_NOT_DURABLE,    // the version could not be made durable; never decided here
    LEASE_OUTCOMES
};

// The errors' words begin the error reply.
const char *lease_outcome_words(enum lease_outcome outcome);

// The table of who gets an error reply; the others get the reply with the node's state.
bool lease_outcome_is_error(enum lease_outcome outcome);

struct lease_decision {
    enum lease_outcome outcome;
    // True: nothing is decided yet and `next` is the state as it was. Make `record` durable, tell the state
    // by lease_recorded(), and decide again with the time and the state of then.
    bool must_record;
    struct lease_record record;
    struct lease_state next;
};

struct lease_decision lease_decide(const struct lease_state *state, const struct lease_heartbeat *heartbeat,
                                   boot_ns_t now);

// `record` is durable. Versions that are higher already stay.
void lease_recorded(struct lease_state *state, struct lease_record record);

// A process starts on a data directory.
struct lease_state lease_start(struct lease_record record, bool is_replica, enum lease_cold_start cold_start,
                               boot_ns_t now);

// Changes of role. Becoming what the node is already changes nothing.
void lease_turn_replica(struct lease_state *state);
void lease_turn_master(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now);

// A master is left as one that has only just become it. A replica has nothing to give up.
void lease_drop(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now);

// The setting was changed: decides anew for a master that never had a lease.
void lease_apply_cold_start(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now);

// Notices that the deadline has passed, once. Returns true if that was now.
bool lease_note_expiry(struct lease_state *state, boot_ns_t now);

// Whether a write may pass: the deadline itself still belongs to the lease, here as in the kernel's half.
static inline bool lease_allows(boot_ns_t deadline, boot_ns_t now) {
    return deadline.value == 0 || now.value <= deadline.value;
}

#endif
