// SPDX-License-Identifier: Apache-2.0
//
// Members that are held in memory, each once and with a score: what very many sets have come to, which are
// walked over one after the other because all at once would take too much memory and too many files. Not
// thread-safe. May use: base, store/key_hash, server/hash_map, working_set.
#ifndef KVFENCE_COMMANDS_MEMBER_TABLE_H
#define KVFENCE_COMMANDS_MEMBER_TABLE_H

#include "base/bytes.h"
#include "store/key_hash.h"

#include <stdbool.h>
#include <stddef.h>

struct table_entry;

// Zero-initialised is empty and valid.
struct member_table {
    struct table_entry *entries;
    struct key_hash hash; // chosen with the first entry
    size_t bytes;         // that they take
};

void member_table_release(struct member_table *table);
// The place of the member's score, valid as long as the table. *is_new: it was not there, and is now, with 0.
double *member_table_at(struct member_table *table, struct bytes member, bool *is_new);
// True if they are more than a command may hold: WORKING_SET_TOO_BIG.
bool member_table_is_too_big(const struct member_table *table);
// Into the order of the members' bytes.
void member_table_sort(struct member_table *table);
// Goes through the members: *place is NULL for the first one, and is moved. False: there are no more.
bool member_table_next(const struct member_table *table, const struct table_entry **place,
                       struct bytes *member, double *score);

#endif
