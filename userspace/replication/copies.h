// SPDX-License-Identifier: Apache-2.0
//
// The copies of the database that are made for replicas: hard links, each copy in a directory of its own
// below `checkpoint`. One serves all who ask while it is young. Once it is too old for the next one to ask,
// another is made beside it: who fetches the old one fetches it to its end, and never a file of the one and a
// file of the other. Thread-safe. May use: base, store.
#ifndef KVFENCE_REPLICATION_COPIES_H
#define KVFENCE_REPLICATION_COPIES_H

#include <stdbool.h>
#include <stdint.h>

struct copies;
struct copy;
struct store;

// `directory` is copied.
struct copies *copies_open(const char *directory);
void copies_close(struct copies *copies);

// By which it is asked for: no other copy ever has it.
uint64_t copy_number(const struct copy *copy);
const char *copy_directory(const struct copy *copy);

// A copy to be listed; if there is none that is useful it is made, for which others who want the same wait,
// and nobody else. `plain`: for a Kvrocks, whose requests for files name no copy. NULL: there is none
// (logged).
struct copy *copies_make(struct copies *copies, struct store *store, bool plain);
// The copy with this number; 0: that which was listed last for a Kvrocks. NULL: it is gone.
struct copy *copies_take(struct copies *copies, uint64_t number);
// Both were taken, and stay until they are given back.
void copies_give_back(struct copies *copies, struct copy *copy);

// Deletes those that nobody has asked for in a while. From one thread, often.
void copies_tick(struct copies *copies);
// Deletes all, and what an earlier process has left. Nobody may have taken one.
void copies_delete(struct copies *copies);

#endif
