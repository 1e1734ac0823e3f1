// SPDX-License-Identifier: Apache-2.0
//
// Clients that write all kinds of data, from the test's own place of the network, to whichever node is the
// master. Each of them also writes keys that it numbers, and remembers those of which it was told that they
// are stored, and whether WAIT said that a replica has them too. All functions are for the main thread.
// Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_CHAOS_LOAD_H
#define KVFENCE_TESTS_INTEGRATION_CHAOS_LOAD_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

struct chaos_load;

// Starts threads, which rest.
struct chaos_load *chaos_load_open(int clients, unsigned seed);
// Ends the threads.
void chaos_load_close(struct chaos_load *load);

// Where a node is to be found.
void chaos_load_know(struct chaos_load *load, int node, int port);
// The master from now on. What another one answers from here on does not count, and what a failed one alone
// may have had is forgotten: writes of which no replica is known to have them.
void chaos_load_aim(struct chaos_load *load, int node);
// Writes go on; and all clients have come to rest.
void chaos_load_go_on(struct chaos_load *load);
void chaos_load_rest(struct chaos_load *load);
// The master has been emptied: what was written before, and what is on the way, may be missing.
void chaos_load_forget(struct chaos_load *load);

struct chaos_load_counts {
    uint64_t commands;     // answered
    uint64_t acknowledged; // numbered keys of which the master said that it has them
    uint64_t replicated;   // those of which WAIT said that a replica has them
    uint64_t broken;       // connections that ended, or were given up
};
struct chaos_load_counts chaos_load_counts(struct chaos_load *load);
// A reply that no client should ever get, or NULL.
const char *chaos_load_complaint(struct chaos_load *load);

// How many of the remembered keys are not there; names some. *remembered (may be NULL): of how many.
size_t chaos_load_count_missing(struct chaos_load *load, redisContext *node, size_t *remembered);

#endif
