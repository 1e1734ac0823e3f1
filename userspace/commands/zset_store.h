// SPDX-License-Identifier: Apache-2.0
//
// What commands that change more than one member have in common: removing ranges, storing what they have
// made. May use: base, zset_elements, zset_range.
#ifndef KVFENCE_COMMANDS_ZSET_STORE_H
#define KVFENCE_COMMANDS_ZSET_STORE_H

#include "commands/zset_elements.h"
#include "commands/zset_range.h"

// Stages the removal of elements, which are in the set, but for its metadata.
void zset_remove_each(struct collection *set, const struct zset_elements *elements);
// True if rather what stays is to be staged, of which there is less: all of it, when so many are removed.
bool zset_keeps_rest(const struct collection *set, uint64_t removed);
// Stages what is not in a range as a set with a new version, so that what is in it need not be removed one by
// one. Ranks are resolved. False: the error reply has been written.
bool zset_keep_rest(struct command_context *context, const struct collection *set,
                    const struct zset_range *range);

// Makes a sorted set of its own at argument `index`, whatever is there: open it, put elements, which are not
// in it, and end it. That replies with their number; if there are none the key goes.
void zset_store_open(struct command_context *context, size_t index, struct collection *made);
void zset_store_put(struct collection *made, const struct zset_elements *elements);
// A whole range of a set, of which a portion is held at a time. False: the error reply has been written.
bool zset_store_put_range(struct command_context *context, const struct collection *set,
                          const struct zset_range *range, struct collection *made);
void zset_store_end(struct command_context *context, struct collection *made);

#endif
