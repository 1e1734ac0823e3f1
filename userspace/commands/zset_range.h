// SPDX-License-Identifier: Apache-2.0
//
// A range of a sorted set, by rank, score or member, and a walk over it in either direction. Ranges by score
// and by member seek to where they begin. Ranks are not stored: one is found by the set's index if it has one
// (zset_rank.h), else by walking to it from the nearer end. The fields of a hash can be walked over as well,
// by member. May use: base, store/collection, server/command, reply_walk, zset_rank, zset_value.
#ifndef KVFENCE_COMMANDS_ZSET_RANGE_H
#define KVFENCE_COMMANDS_ZSET_RANGE_H

#include "commands/reply_walk.h"
#include "commands/zset_rank.h"
#include "commands/zset_value.h"

enum zset_range_kind { ZSET_BY_RANK, ZSET_BY_SCORE, ZSET_BY_LEX };

enum zset_place { ZSET_PLACE_MEMBER, ZSET_PLACE_LEAST, ZSET_PLACE_GREATEST };

struct zset_bound {
    double score;          // by score
    enum zset_place place; // by member: "-" and "+" are the least and the greatest
    struct bytes member;
    bool is_excluded;
};

struct zset_range {
    enum zset_range_kind kind;
    bool is_reverse;
    int64_t start, stop;        // by rank, in the direction of the walk; negative: from the end of it
    struct zset_bound min, max; // by score and by member
    bool is_locked;             // the set's key is, for writing
    bool may_use_index;         // of ranks
    int64_t offset, limit;      // not by rank; a negative limit: none
};

// Reads the two bounds as range->kind says: the lower first, or the first rank. False: the error reply has
// been written.
bool zset_range_read(struct command_context *context, size_t min, size_t max, struct zset_range *range);

// One bound by member: "-", "+", "[member" or "(member". False: it is none of them.
bool zset_range_read_member(struct bytes text, struct zset_bound *out);

// Resolves the ranks against the size: false if there are none in the range, else they count from 0.
bool zset_range_resolve_ranks(struct zset_range *range, uint64_t size);

struct zset_walk {
    struct store_session *session;
    struct zset_range range;
    struct collection_iterator *iterator; // NULL: the range is empty
    uint64_t size;                        // of the set
    uint64_t left;                        // elements at most
    uint64_t skip;                        // elements to be passed over before the first one
    bool comes_from_behind;               // meanwhile it goes the other way, and then turns round
    bool jumps;                           // instead, to `target` elements from the set's beginning
    bool is_outdated; // it could jump if it were of now, so beginning anew is faster than going on
    uint64_t target;
    struct zset_rank_place from; // where it jumps to, if it does: at or before the target
    bool has_entered;            // is in the range or behind it
    bool is_damaged;
    bool is_hash;              // its fields are the members
    struct bytes field_value;  // of a hash: the element's
    struct bytes sub_key;      // of the element that was met last, until the next step
    char *kept_min, *kept_max; // bounds that are the walk's own; NULL: borrowed
};

// Borrows the range's bounds. Stage nothing until zset_walk_close().
void zset_walk_open(struct zset_walk *walk, const struct collection *set, const struct zset_range *range);
// The same for the rest of a range, `left` elements at most behind the one of this sub-key, which may be
// gone.
void zset_walk_open_behind(struct zset_walk *walk, const struct collection *set,
                           const struct zset_range *range, struct bytes sub_key, uint64_t left);
// Makes the bounds the walk's own.
void zset_walk_keep(struct zset_walk *walk);
// Goes back to the beginning of the range.
void zset_walk_rewind(struct zset_walk *walk);
// One step, which may be one over an element that is not shown. It is valid until the next call.
enum walk_step zset_walk_step(struct zset_walk *walk, struct zset_element *element);
// Steps until there is an element. False at the end, or on an error.
bool zset_walk_next(struct zset_walk *walk, struct zset_element *element);
// What is wrong with the walk so far, as an error reply; NULL: nothing.
const char *zset_walk_error(const struct zset_walk *walk);
void zset_walk_close(struct zset_walk *walk);
// Closes it. False if there was an error: everything that was replied since `before` is replaced by it.
bool zset_walk_end(struct zset_walk *walk, struct command_context *context, struct output_mark before);

#endif
