// SPDX-License-Identifier: Apache-2.0
//
// A hash of keys that clients cannot foresee: they must not be able to choose keys that meet in one place, at
// which everybody then waits. May use: base.
#ifndef KVFENCE_STORE_KEY_HASH_H
#define KVFENCE_STORE_KEY_HASH_H

#include "base/bytes.h"

#include <stdint.h>

// Seed and factor are secret. Hashing with a public factor would not do: differences in the top bit pass
// through a multiplication whatever the seed is.
struct key_hash {
    uint64_t seed;
    uint64_t factor;
};

struct key_hash key_hash_new(void);

// All 64 bits are good to choose by.
uint64_t key_hash_of(const struct key_hash *hash, struct bytes key);

#endif
