// SPDX-License-Identifier: Apache-2.0
//
// A random place among keys that are ordered by their bytes. May use: base.
#ifndef KVFENCE_STORE_RANDOM_PLACE_H
#define KVFENCE_STORE_RANDOM_PLACE_H

#include "base/buffer.h"

// Appends a key drawn evenly between two keys, seen as numbers behind their common prefix. It need not exist.
void random_place_between(struct bytes first, struct bytes last, struct buffer *out);

#endif
