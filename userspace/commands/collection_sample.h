// SPDX-License-Identifier: Apache-2.0
//
// Elements drawn at random: HRANDFIELD, SRANDMEMBER, SPOP, ZRANDMEMBER. Every element, and every set of
// different elements, is drawn with the same probability, for the price of a walk over the collection. Only a
// single element of more than SAMPLE_EXACT_MAX is drawn otherwise, as the walk would be too long: from an
// evenly drawn place between the first and the last sub-key it is a random number of steps away, so that
// elements behind a gap come a little more often. May use: base, store/collection.
#ifndef KVFENCE_COMMANDS_COLLECTION_SAMPLE_H
#define KVFENCE_COMMANDS_COLLECTION_SAMPLE_H

#include "store/collection.h"

enum { SAMPLE_EXACT_MAX = 1 << 16 };

// Handed each element that is drawn; both are valid for the call.
typedef void sample_function(void *context, struct bytes sub_key, struct bytes value);

// Draws `count` different elements, or all if there are no more. In the order of their sub-keys.
enum store_status sample_distinct(const struct collection *collection, uint64_t count,
                                  sample_function *function, void *context);
// Draws `count` times; the same may come again. In random order.
enum store_status sample_repeating(const struct collection *collection, uint64_t count,
                                   sample_function *function, void *context);

#endif
