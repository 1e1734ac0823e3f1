// SPDX-License-Identifier: Apache-2.0
//
// What the server puts into the maps once, when it attaches, and what it reads of them. Servers that share
// the maps take turns by a lock on the directory of the pins. Uses: the contract, libbpf, base.
#include "base/memory.h"
#include "fence/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

static bool failed(char reason[FENCE_TEXT_SIZE], const char *what, int problem) {
    (void)snprintf(reason, FENCE_TEXT_SIZE, "cannot %s: %s", what, strerror(problem));
    return false;
}

// --- The table of commands ---

// Whether any other port's entry is in use, or was when its server died.
static bool others_are_there(const struct fence_maps *maps, bool *others, char reason[FENCE_TEXT_SIZE]) {
    size_t size = FENCE_PORTS * sizeof(struct fence_lease);
    struct fence_lease *all = mmap(NULL, size, PROT_READ, MAP_SHARED, maps->lease, 0);
    if (all == MAP_FAILED)
        return failed(reason, "map fence_lease", errno);
    *others = false;
    for (size_t port = 1; port < FENCE_PORTS && !*others; port++)
        *others = port != maps->port && (all[port].deadline_ns != 0 || all[port].owner != 0);
    (void)munmap(all, size);
    return true;
}

static bool is_among(const struct fence_command_name *name, const struct fence_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (memcmp(name, &entries[i].name, sizeof(*name)) == 0)
            return true;
    }
    return false;
}

// Removes names that a server before this one has left behind.
static bool remove_strangers(int commands, const struct fence_entry *entries, size_t count,
                             char reason[FENCE_TEXT_SIZE]) {
    struct fence_command_name name, next;
    bool more = bpf_map_get_next_key(commands, NULL, &next) == 0;
    while (more) {
        name = next;
        // The next one is asked for first: from a key that is gone the walk would begin anew.
        more = bpf_map_get_next_key(commands, &name, &next) == 0;
        if (!is_among(&name, entries, count) && bpf_map_delete_elem(commands, &name) != 0 && errno != ENOENT)
            return failed(reason, "remove a name from fence_commands", errno);
    }
    return true;
}

static bool put(int commands, const struct fence_entry *entry, bool merge, char reason[FENCE_TEXT_SIZE]) {
    struct fence_command command = entry->command, present;
    if (merge && bpf_map_lookup_elem(commands, &entry->name, &present) == 0)
        command = fence_command_merge(&command, &present);
    if (bpf_map_update_elem(commands, &entry->name, &command, BPF_ANY) == 0)
        return true;
    if (errno == E2BIG)
        (void)snprintf(reason, FENCE_TEXT_SIZE, "fence_commands is full: it holds %d names",
                       FENCE_COMMANDS_MAX);
    else
        (void)failed(reason, "write into fence_commands", errno);
    return false;
}

static bool fill(const struct fence_maps *maps, const struct fence_entry *entries, size_t count,
                 char reason[FENCE_TEXT_SIZE]) {
    bool others = false;
    if (!others_are_there(maps, &others, reason) ||
        (!others && !remove_strangers(maps->commands, entries, count, reason)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!put(maps->commands, &entries[i], others, reason))
            return false;
    }
    return true;
}

bool fence_maps_claim(const struct fence_maps *maps, uint64_t terms, const struct fence_entry *entries,
                      size_t count, char reason[FENCE_TEXT_SIZE]) {
    // Not waited for: a server that holds it may have been stopped.
    if (flock(maps->directory, LOCK_EX | LOCK_NB) != 0)
        return failed(reason, "lock the directory of the maps, another server is just attaching", errno);
    bool filled = fill(maps, entries, count, reason);
    if (filled) {
        atomic_store_explicit(&maps->entry->deadline_ns, 0, memory_order_release);
        atomic_store_explicit(&maps->entry->terms, terms, memory_order_release);
    }
    (void)flock(maps->directory, LOCK_UN);
    return filled;
}

// --- Counters ---

static void add(struct fence_stats *sum, const struct fence_stats *one) {
    sum->inspected += one->inspected;
    sum->unparsed += one->unparsed;
    sum->dropped += one->dropped;
    sum->would_drop += one->would_drop;
    sum->undecided += one->undecided;
    sum->events += one->events;
    sum->events_suppressed += one->events_suppressed;
}

bool fence_maps_count(const struct fence_maps *maps, struct fence_stats *sum) {
    _Static_assert(sizeof(struct fence_stats) % 8 == 0,
                   "the kernel lays the processors' values side by side");
    const __u32 port = maps->port;
    int processors = libbpf_num_possible_cpus();
    *sum = (struct fence_stats){0};
    if (processors <= 0)
        return false;
    struct fence_stats *each = memory_allocate_zeroed((size_t)processors, sizeof(*each));
    bool found = bpf_map_lookup_elem(maps->stats, &port, each) == 0;
    int problem = errno;
    for (int i = 0; found && i < processors; i++)
        add(sum, &each[i]);
    free(each);
    return found || problem == ENOENT;
}
