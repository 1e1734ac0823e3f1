// SPDX-License-Identifier: Apache-2.0
//
// Striped key locks. Uses: base, store/key_hash.
#include "store/key_locks.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/patient_lock.h"
#include "store/key_hash.h"

#include <pthread.h>
#include <stdlib.h>

// Two workers collide by chance in one of 16384 pairs of commands; more stripes would only cost cache.
enum { STRIPE_BITS = 14, STRIPE_COUNT = 1 << STRIPE_BITS };

struct key_locks {
    struct key_hash hash;
    pthread_mutex_t stripes[STRIPE_COUNT];
};

struct key_locks *key_locks_open(void) {
    struct key_locks *locks = memory_allocate_zeroed(1, sizeof *locks);
    locks->hash = key_hash_new();
    for (size_t i = 0; i < STRIPE_COUNT; i++)
        always_assert(pthread_mutex_init(&locks->stripes[i], NULL) == 0, "a mutex can be made");
    return locks;
}

void key_locks_close(struct key_locks *locks) {
    for (size_t i = 0; i < STRIPE_COUNT; i++)
        always_assert(pthread_mutex_destroy(&locks->stripes[i]) == 0,
                      "no key is locked any more when the locks are closed");
    free(locks);
}

static uint32_t stripe_of(const struct key_locks *locks, struct bytes key) {
    return (uint32_t)(key_hash_of(&locks->hash, key) >> (64 - STRIPE_BITS));
}

static int compare_stripes(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

// Sorts what is in the set and takes doubles out.
static void sort_stripes(struct key_lock_set *set) {
    qsort(set->stripes, set->count, sizeof *set->stripes, compare_stripes);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++)
        if (set->stripes[i] != set->stripes[kept - 1])
            set->stripes[kept++] = set->stripes[i];
    set->count = kept;
}

static void reserve(struct key_lock_set *set, size_t count) {
    if (count <= set->capacity)
        return;
    set->stripes = memory_reallocate(set->stripes, count * sizeof *set->stripes);
    set->capacity = count;
}

void key_locks_take(struct key_locks *locks, struct key_lock_set *set, const struct bytes *keys,
                    size_t count) {
    always_assert(set->count == 0, "a set of key locks is released before it is taken again");
    reserve(set, count);
    for (size_t i = 0; i < count; i++)
        set->stripes[i] = stripe_of(locks, keys[i]);
    set->count = count;
    if (count > 1)
        sort_stripes(set);
    // Workers that write to one key all the time would else spend a quarter of their time on putting each
    // other to sleep and waking each other.
    for (size_t i = 0; i < set->count; i++)
        always_assert(patient_lock_take(&locks->stripes[set->stripes[i]]), "a key can be locked");
}

static bool has_stripe(const struct key_lock_set *set, uint32_t stripe) {
    for (size_t i = 0; i < set->count; i++) {
        if (set->stripes[i] == stripe)
            return true;
    }
    return false;
}

// Releases the newest until so many are left.
static void release_to(struct key_locks *locks, struct key_lock_set *set, size_t count) {
    while (set->count > count)
        always_assert(pthread_mutex_unlock(&locks->stripes[set->stripes[--set->count]]) == 0,
                      "a locked key can be unlocked");
}

bool key_locks_add(struct key_locks *locks, struct key_lock_set *set, const struct bytes *keys,
                   size_t count) {
    size_t before = set->count;
    reserve(set, before + count);
    for (size_t i = 0; i < count; i++) {
        uint32_t stripe = stripe_of(locks, keys[i]);
        if (has_stripe(set, stripe))
            continue;
        if (pthread_mutex_trylock(&locks->stripes[stripe]) != 0) {
            release_to(locks, set, before);
            return false;
        }
        set->stripes[set->count++] = stripe;
    }
    return true;
}

void key_locks_release(struct key_locks *locks, struct key_lock_set *set) {
    release_to(locks, set, 0);
}

bool key_locks_is_free(struct key_locks *locks, struct bytes key) {
    pthread_mutex_t *stripe = &locks->stripes[stripe_of(locks, key)];
    if (pthread_mutex_trylock(stripe) != 0)
        return false;
    always_assert(pthread_mutex_unlock(stripe) == 0, "a locked key can be unlocked");
    return true;
}

void key_lock_set_release_memory(struct key_lock_set *set) {
    always_assert(set->count == 0, "a set of key locks is released before its memory");
    free(set->stripes);
    *set = (struct key_lock_set){0};
}
