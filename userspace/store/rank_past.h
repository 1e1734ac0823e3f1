// SPDX-License-Identifier: Apache-2.0
//
// The last changes of a set whose ranks are indexed. Who reads does so in a snapshot, and by the time that it
// asks for a rank others may have written to the set. What they have changed since can be taken off the
// index's counts with this, so that the answer is that of the snapshot's moment. Only some hundred changes
// are remembered: who comes with an older snapshot has to take another one. Not thread-safe. May use: base.
#ifndef KVFENCE_STORE_RANK_PAST_H
#define KVFENCE_STORE_RANK_PAST_H

#include "base/bytes.h"

#include <stdint.h>

// A moment: everything that was written up to the one sequence number had become visible, and nothing behind
// the other one.
struct rank_moment {
    uint64_t has;
    uint64_t may_have;
};

struct rank_past_change;

// Zero-initialised is empty and valid.
struct rank_past {
    uint64_t begin;                   // a sequence number: nothing from before it is remembered
    struct rank_past_change *changes; // a ring
    size_t first, count, room;
    size_t memory;
};

// Nothing is remembered any more, and moments before this sequence number are out of reach.
void rank_past_begin(struct rank_past *past, uint64_t sequence);
// A sub-key came or went with the write that ended with this sequence number. At most so many are remembered.
void rank_past_add(struct rank_past *past, uint64_t sequence, struct bytes sub_key, bool has_come,
                   size_t most);
void rank_past_release(struct rank_past *past);

// True if everything is known that has changed since.
bool rank_past_reaches(const struct rank_past *past, const struct rank_moment *moment);
// By how many sub-keys less than this one (NULL: by how many altogether) the set has grown since.
int64_t rank_past_growth(const struct rank_past *past, const struct rank_moment *moment,
                         const struct bytes *below);

#endif
