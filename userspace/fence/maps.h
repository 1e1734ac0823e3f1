// SPDX-License-Identifier: Apache-2.0
//
// The maps that the kernel's half has pinned: opened, checked against the contract, filled and read. Knows
// nothing of leases. Not thread-safe. May use: the contract in bpf/, libbpf.
#ifndef KVFENCE_FENCE_MAPS_H
#define KVFENCE_FENCE_MAPS_H

#include "fence/command_entries.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

// The entry of fence_lease as two words, each of which is written by one store: owner, abi, mode and policy
// are the halves and bytes of the second.
struct fence_words {
    _Atomic uint64_t deadline_ns;
    _Atomic uint64_t terms;
};

struct fence_maps {
    struct fence_words *entry;             // this port's, shared with the kernel
    void *page;                            // the mapping that it lies in
    int directory, lease, commands, stats; // descriptors
    uint16_t port;
    dev_t device; // of the pin of fence_lease, as the next
    ino_t inode;
};

enum { FENCE_TEXT_SIZE = 384 };

// False with a reason for the operator; *out must then not be used. *missing is true if there are just no
// maps.
bool fence_maps_open(const char *path, uint16_t port, struct fence_maps *out, bool *missing,
                     char reason[FENCE_TEXT_SIZE]);
void fence_maps_close(struct fence_maps *maps);

enum fence_pins { FENCE_PINS_SAME, FENCE_PINS_GONE, FENCE_PINS_REPLACED };
// Whether the maps at the path are still those that were opened. One system call.
enum fence_pins fence_maps_look(const struct fence_maps *maps, const char *path);

// Takes this port's entry for the server, not fencing yet and with these terms, and puts the commands into
// the kernel's table. If no other port is in use, the table then holds these commands and no others; else
// they are merged with what is there. False with a reason.
bool fence_maps_claim(const struct fence_maps *maps, uint64_t terms, const struct fence_entry *entries,
                      size_t count, char reason[FENCE_TEXT_SIZE]);

// The port's counters, summed up over the processors; all 0 while nothing was counted. False if they cannot
// be read.
bool fence_maps_count(const struct fence_maps *maps, struct fence_stats *sum);

#endif
