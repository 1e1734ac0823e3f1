// SPDX-License-Identifier: Apache-2.0
//
// Elements that are held until a walk is over, because nothing may be staged during one, or until they can be
// put in order. Not thread-safe. May use: base, zset_value.
#ifndef KVFENCE_COMMANDS_ZSET_ELEMENTS_H
#define KVFENCE_COMMANDS_ZSET_ELEMENTS_H

#include "base/buffer.h"
#include "commands/zset_value.h"

struct zset_held;

// Zero-initialised is empty and valid.
struct zset_elements {
    struct buffer members;
    struct zset_held *held;
    size_t count, room;
};

void zset_elements_add(struct zset_elements *elements, const struct zset_element *element);
// Borrowed: valid until one is added.
struct zset_element zset_elements_at(const struct zset_elements *elements, size_t index);
// By their scores, those of the same score by their members' bytes.
void zset_elements_sort(struct zset_elements *elements);
// Bytes of memory that they take.
size_t zset_elements_size(const struct zset_elements *elements);
// None are left; the memory is kept for others.
void zset_elements_clear(struct zset_elements *elements);
void zset_elements_release(struct zset_elements *elements);

#endif
