// SPDX-License-Identifier: Apache-2.0
//
// The mirror of the lease in the kernel: keeps this port's entry of the pinned map fence_lease as the lease
// says, so that the kernel drops writes once the deadline has passed, whatever this process is doing then.
// Attaches when the maps appear and lets go of them when they vanish; without them the server's own fence
// stands alone. Thread-safe where not said otherwise. May use: base, lease, the contract in bpf/.
#ifndef KVFENCE_FENCE_FENCE_H
#define KVFENCE_FENCE_FENCE_H

#include "fence/maps.h"
#include "lease/lease.h"

struct fence;

struct fence_config {
    const char *path; // the directory of the pins; copied. Empty: the kernel's half is not wanted
    uint16_t port;    // the server's TCP port; 0: it has none, and there is nothing to fence
    enum fence_policy policy;
    const struct fence_word *words; // the server's commands; only used while opening
    size_t word_count;
    struct lease *lease; // borrowed
};

// Attaches at once if the maps are there: do it before clients are let in, as an entry that an earlier server
// left behind may hold back what this one accepts. Never fails: what is wrong is logged and shown.
struct fence *fence_open(const struct fence_config *config);
// In good order: an entry that holds back writers stays as it is, so that they stay out until the next start;
// any other is reset. No client is served any more, and the lease is still open.
void fence_close(struct fence *fence);

// Looks about once a second whether the maps have appeared, vanished or been replaced. Call ten times a
// second, by one thread.
void fence_tick(struct fence *fence);

// At once.
void fence_set_policy(struct fence *fence, enum fence_policy policy);

// What the lease is given when the maps are attached; for tests, which put themselves in between.
struct lease_mirror fence_mirror(struct fence *fence);

struct fence_view {
    bool is_attached;
    enum fence_policy policy;
    char reason[FENCE_TEXT_SIZE]; // what is wrong; empty if nothing is
    struct fence_stats counters;  // of this port
};
struct fence_view fence_view(struct fence *fence);

// "writes", "strict".
const char *fence_policy_name(enum fence_policy policy);

#endif
