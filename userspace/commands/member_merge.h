// SPDX-License-Identifier: Apache-2.0
//
// Walking over many sets at once, in the order of their members: a heap of the members at which the walks
// stand, so that each step costs the logarithm of their number.
// Not thread-safe. May use: base.
#ifndef KVFENCE_COMMANDS_MEMBER_MERGE_H
#define KVFENCE_COMMANDS_MEMBER_MERGE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct merge_entry {
    struct bytes member; // borrowed: valid while it is in the heap
    size_t source;       // of equal members the one of the lowest source is the least
};

struct member_merge {
    struct merge_entry *entries;
    size_t count;
};

// At most so many walks.
void member_merge_open(struct member_merge *merge, size_t walks);
void member_merge_close(struct member_merge *merge);
void member_merge_clear(struct member_merge *merge);
void member_merge_add(struct member_merge *merge, struct bytes member, size_t source);
// Takes the least entry out. False: there is none.
bool member_merge_take(struct member_merge *merge, struct merge_entry *least);
// The same if its member is this one.
bool member_merge_take_equal(struct member_merge *merge, struct bytes member, struct merge_entry *least);

// Walks that are open at once: each takes memory and holds on to files. Of more sets what they come to is
// gathered in a member_table.
enum { MERGE_WALKS_MAX = 4096 };

#endif
