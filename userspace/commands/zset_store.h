// SPDX-License-Identifier: Apache-2.0
//
// What commands that change more than one member have in common: gathering what they take, storing what they
// have made. May use: base, zset_elements, zset_range.
#ifndef KVFENCE_COMMANDS_ZSET_STORE_H
#define KVFENCE_COMMANDS_ZSET_STORE_H

#include "commands/zset_elements.h"
#include "commands/zset_range.h"

// Adds the elements of a range. False: the error reply has been written.
bool zset_gather(struct command_context *context, const struct collection *set,
                 const struct zset_range *range, struct zset_elements *out);
// Stages the elements as the sorted set at argument `index`, whatever was there; nothing if there are none.
// Replies with their number.
void zset_store(struct command_context *context, size_t index, const struct zset_elements *elements);
// Stages the removal of elements, which are in the set.
void zset_remove_all(struct collection *set, const struct zset_elements *elements);

#endif
