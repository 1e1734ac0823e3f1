// SPDX-License-Identifier: Apache-2.0
//
// The members of a sorted set in Kvrocks' encoding, kept twice, always in the same batch:
//
//   FAMILY_DEFAULT      member -> encoded score           finds a member's score; in the order of the members
//   FAMILY_ZSET_SCORE   encoded score, member -> nothing  in the order of the scores
//
// There are no ranks in it: see store/zset_ranks.h.
//
// May use: base, store/collection, server/command.
#ifndef KVFENCE_COMMANDS_ZSET_VALUE_H
#define KVFENCE_COMMANDS_ZSET_VALUE_H

#include "server/command.h"
#include "store/collection.h"

struct zset_element {
    struct bytes member;
    double score;
};

// "ERR value is not a valid float" if the argument is no score.
bool zset_argument_score(struct command_context *context, size_t index, double *score);

// A member's score; *found false: there is no such member. False: the error reply has been written.
bool zset_look_up(struct command_context *context, const struct collection *set, struct bytes member,
                  bool *found, double *score);

// Stages a member that is not there, and one that is, with the score that it has; metadata.size is changed by
// the former and by zset_remove(). Whoever is not sure calls zset_look_up() first, with the key's lock held:
// a member that is added twice, or moved or removed from where it is not, gives wrong ranks to all who ask
// later (store/zset_ranks.h). -0 is stored as 0, as the two are equal and would not be in the order of their
// bytes.
void zset_add(struct collection *set, struct bytes member, double score);
void zset_move(struct collection *set, struct bytes member, double from, double to);
// `score` is the one it has.
void zset_remove(struct collection *set, struct bytes member, double score);

// Both decode one entry: false if it is damaged.
bool zset_decode_member(struct bytes sub_key, struct bytes value, struct zset_element *out);
bool zset_decode_score(struct bytes sub_key, struct zset_element *out);
const char *zset_damaged_error(void);
void zset_reply_damaged(struct command_context *context);

// One element of a reply, which in RESP3 is a pair if it has a score. The array's header counts
// zset_reply_width() for each.
void zset_reply_element(struct reply *reply, const struct zset_element *element, bool with_score);
size_t zset_reply_width(const struct reply *reply, bool with_score);

#endif
