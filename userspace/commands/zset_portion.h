// SPDX-License-Identifier: Apache-2.0
//
// A range of a sorted set a portion at a time: about a megabyte is held, however long the range is. Between
// two portions no walk is open, so that changes may be staged, also to what was in them. May use: base,
// store/collection, zset_elements, zset_range.
#ifndef KVFENCE_COMMANDS_ZSET_PORTION_H
#define KVFENCE_COMMANDS_ZSET_PORTION_H

#include "commands/zset_elements.h"
#include "commands/zset_range.h"

enum { ZSET_PORTION_SIZE = 1 << 20 };

struct zset_portion {
    struct collection set; // as it was at the beginning
    struct zset_range range;
    struct zset_elements elements;
    struct buffer last; // the sub-key of the last element that was met
    uint64_t left;      // of the range, at most
    bool has_begun, is_last;
};

// Borrows the range's bounds. The set's key is locked.
void zset_portion_open(struct zset_portion *portion, const struct collection *set,
                       const struct zset_range *range);
void zset_portion_close(struct zset_portion *portion);
// Replaces the elements by those of the next portion: none behind the last one, or when so much has been
// staged that the command fails anyway. False: the error reply has been written.
bool zset_portion_next(struct zset_portion *portion, struct command_context *context);
// How many elements of the range the further portions will have. False: the error reply has been written.
bool zset_portion_count_rest(const struct zset_portion *portion, struct command_context *context,
                             uint64_t *count);

#endif
