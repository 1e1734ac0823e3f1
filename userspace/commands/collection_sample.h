// SPDX-License-Identifier: Apache-2.0
//
// Elements drawn at random: HRANDFIELD, SRANDMEMBER, SPOP, ZRANDMEMBER. Every element, and every set of
// different elements, is drawn with the same probability. Whatever is cheaper is done: few of many elements
// are drawn one by one (store/entry_draws.h), others are picked by their ranks in a walk over the collection.
// May use: base, store/collection.
#ifndef KVFENCE_COMMANDS_COLLECTION_SAMPLE_H
#define KVFENCE_COMMANDS_COLLECTION_SAMPLE_H

#include "store/collection.h"

// Handed each element that is drawn; both are valid for the call.
typedef void sample_function(void *context, struct bytes sub_key, struct bytes value);

// Draws `count` different elements, or all if there are no more. In the order of their sub-keys.
enum store_status sample_distinct(const struct collection *collection, uint64_t count,
                                  sample_function *function, void *context);
// Draws `count` times; the same may come again. In random order.
enum store_status sample_repeating(const struct collection *collection, uint64_t count,
                                   sample_function *function, void *context);

#endif
