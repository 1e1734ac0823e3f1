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

// Different elements that have been drawn one by one; NULL if that is not the cheapest, or cannot be done.
// Their sub-keys are in order.
struct sample_drawn;
struct sample_drawn *sample_draw(const struct collection *collection, uint64_t count);
struct bytes sample_drawn_at(const struct sample_drawn *drawn, size_t index);
void sample_drawn_close(struct sample_drawn *drawn); // NULL is fine
// True if it is cheaper to draw so many of so many elements one by one than to walk over all.
bool sample_is_cheaper_drawn(uint64_t size, uint64_t count);

#endif
