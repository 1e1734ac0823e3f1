// SPDX-License-Identifier: Apache-2.0
//
// Hashing keys. May use: base.
#include "store/key_hash.h"

#include "base/assert.h"

#include <sys/random.h>

struct key_hash key_hash_new(void) {
    uint64_t secret[2];
    always_assert(getrandom(secret, sizeof secret, 0) == (ssize_t)sizeof secret,
                  "the kernel gives random numbers");
    return (struct key_hash){.seed = secret[0], .factor = secret[1] | 1};
}

// Folds eight bytes into the hash by a multiplication of full width, both halves of the product being used.
static uint64_t mix(uint64_t hash, uint64_t word, uint64_t factor) {
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * factor;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t key_hash_of(const struct key_hash *hash, struct bytes key) {
    uint64_t mixed = mix(hash->seed, key.length, hash->factor);
    uint64_t word;
    size_t at = 0;
    for (; key.length - at >= sizeof word; at += sizeof word) {
        memcpy(&word, key.data + at, sizeof word);
        mixed = mix(mixed, word, hash->factor);
    }
    if (at < key.length) {
        word = 0;
        memcpy(&word, key.data + at, key.length - at);
        mixed = mix(mixed, word, hash->factor);
    }
    return mix(mixed, hash->seed, hash->factor);
}
