// SPDX-License-Identifier: Apache-2.0
//
// Ranges of big sorted sets by the index of their ranks: how many elements are in one, and where a walk
// begins that would have to pass over many. Ranks are those of the order by scores; of elements that all have
// the same score, as ranges by member are meant for, this is the order by members too. May use: zset_range,
// zset_rank.
#ifndef KVFENCE_COMMANDS_ZSET_JUMP_H
#define KVFENCE_COMMANDS_ZSET_JUMP_H

#include "commands/zset_range.h"

// The place in the order of the scores in front of the first element of a range by score; or behind the last
// one.
void zset_score_edge(const struct zset_range *range, bool last, char out[ENCODED_DOUBLE_SIZE]);

// True if the elements of the range follow each other as their ranks do.
bool zset_range_has_ranks(const struct collection *set, const struct zset_range *range);
// How many elements are in a range that is not by rank, if that can be told without walking over them.
enum zset_ranks_answer zset_range_count(const struct collection *set, const struct zset_range *range,
                                        uint64_t *count);

// Finds where the walk is to jump to, which is not positioned yet, and would have to be walked so far.
void zset_jump_prepare(struct zset_walk *walk, const struct collection *set, uint64_t way);
// Positions a walk that jumps.
void zset_jump(struct zset_walk *walk);

#endif
