// SPDX-License-Identifier: Apache-2.0
//
// Striped key locks: an array of mutexes chosen by the hash of the key. A command that reads, decides and
// writes holds its keys' stripes from before the read to after the commit. May use: base.
#ifndef KVFENCE_STORE_KEY_LOCKS_H
#define KVFENCE_STORE_KEY_LOCKS_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct key_locks;

struct key_locks *key_locks_open(void);
void key_locks_close(struct key_locks *locks); // nobody may hold one

// A set of stripes taken together; reusable, owned by one thread. Zero-initialised is empty.
struct key_lock_set {
    uint32_t *stripes; // without doubles
    size_t count;
    size_t capacity;
};

// Takes the stripes of all `keys`, in ascending stripe order, so that no two holders wait for each other in a
// ring. `set` must be empty. Blocks.
void key_locks_take(struct key_locks *locks, struct key_lock_set *set, const struct bytes *keys,
                    size_t count);
// Adds the stripes of more keys to a set that has been taken, if nobody else holds one of them. False: the
// set is as it was. Never waits, so that it cannot be part of a ring.
bool key_locks_add(struct key_locks *locks, struct key_lock_set *set, const struct bytes *keys, size_t count);
// True if nobody held the key's stripe for a moment of this call: who has held it before is through.
bool key_locks_is_free(struct key_locks *locks, struct bytes key);
// Releases them all and empties the set, keeping its memory.
void key_locks_release(struct key_locks *locks, struct key_lock_set *set);
void key_lock_set_release_memory(struct key_lock_set *set);

#endif
