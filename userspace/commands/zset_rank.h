// SPDX-License-Identifier: Apache-2.0
//
// What commands do about ranks in big sorted sets, which store/zset_ranks.h finds without walking far. The
// answer may be that the index is newer than the snapshot that a command reads in, for somebody has written
// to the set just now; then it begins anew with a new snapshot, and at last does without the index. May use:
// store/{collection,zset_ranks}, server/command.
#ifndef KVFENCE_COMMANDS_ZSET_RANK_H
#define KVFENCE_COMMANDS_ZSET_RANK_H

#include "server/command.h"
#include "store/collection.h"
#include "store/zset_ranks.h"

// Fewer elements are walked over without looking for a shorter way.
enum { ZSET_WALK_SHORT = 64 };

// How many elements are in front of this place in the order of the scores.
enum zset_ranks_answer zset_rank_of(const struct collection *set, struct bytes sub_key, uint64_t *rank);

// Whether another attempt is to use the index. `attempts` have been made.
static inline bool zset_rank_may_use_index(unsigned attempts) {
    enum { WITH_INDEX = 8 };
    return attempts < WITH_INDEX;
}

// Where a command begins anew: what it reads from here on is of now. For those that read in a snapshot.
void zset_rank_begin_anew(struct command_context *context);

#endif
