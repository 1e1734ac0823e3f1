// SPDX-License-Identifier: Apache-2.0
//
// The bounds of sorted sets. Uses: base, store/key_hash.
#include "store/zset_ends.h"

#include "base/assert.h"
#include "base/memory.h"
#include "store/key_hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 8192, LOCKS = 64, SET_MAX = 160, SUB_KEY_MAX = 120 };

struct bound {
    bool is_known;
    size_t length;
    char sub_key[SUB_KEY_MAX];
};

struct place {
    size_t length; // of the set's name; 0: none is here
    char set[SET_MAX];
    struct bound bounds[2]; // by enum zset_end
};

struct zset_ends {
    struct key_hash hash;
    atomic_bool is_used; // most stores never pop: they need no look at the places
    pthread_mutex_t locks[LOCKS];
    struct place places[PLACES]; // memory that is not touched costs nothing
};

struct zset_ends *zset_ends_open(void) {
    struct zset_ends *ends = memory_allocate_zeroed(1, sizeof(*ends));
    ends->hash = key_hash_new();
    for (size_t i = 0; i < LOCKS; i++)
        always_assert(pthread_mutex_init(&ends->locks[i], NULL) == 0, "a lock can be made");
    return ends;
}

void zset_ends_close(struct zset_ends *ends) {
    for (size_t i = 0; ends != NULL && i < LOCKS; i++)
        (void)pthread_mutex_destroy(&ends->locks[i]);
    free(ends);
}

static size_t index_of(const struct zset_ends *ends, struct bytes set) {
    return key_hash_of(&ends->hash, set) % PLACES;
}

static void lock(struct zset_ends *ends, size_t index) {
    always_assert(pthread_mutex_lock(&ends->locks[index % LOCKS]) == 0, "bounds can be locked");
}

static void unlock(struct zset_ends *ends, size_t index) {
    always_assert(pthread_mutex_unlock(&ends->locks[index % LOCKS]) == 0, "bounds can be unlocked");
}

static bool is_of(const struct place *place, struct bytes set) {
    return place->length == set.length && memcmp(place->set, set.data, set.length) == 0;
}

static struct bytes bytes_of(const struct bound *bound) {
    return (struct bytes){bound->sub_key, bound->length};
}

// One that does not fit is not known any more.
static void set_bound(struct bound *bound, struct bytes sub_key) {
    bound->is_known = sub_key.length <= SUB_KEY_MAX;
    if (!bound->is_known || sub_key.length == 0)
        return;
    memcpy(bound->sub_key, sub_key.data, sub_key.length);
    bound->length = sub_key.length;
}

bool zset_ends_find(struct zset_ends *ends, struct bytes set, enum zset_end end, struct buffer *sub_key) {
    size_t index = index_of(ends, set);
    lock(ends, index);
    const struct place *place = &ends->places[index];
    bool is_known = is_of(place, set) && place->bounds[end].is_known;
    if (is_known)
        buffer_append(sub_key, bytes_of(&place->bounds[end]));
    unlock(ends, index);
    return is_known;
}

void zset_ends_learn(struct zset_ends *ends, struct bytes set, enum zset_end end, struct bytes sub_key) {
    if (set.length > SET_MAX || sub_key.length > SUB_KEY_MAX || sub_key.length == 0)
        return;
    size_t index = index_of(ends, set);
    lock(ends, index);
    struct place *place = &ends->places[index];
    if (!is_of(place, set)) {
        *place = (struct place){.length = set.length};
        memcpy(place->set, set.data, set.length);
    }
    set_bound(&place->bounds[end], sub_key);
    unlock(ends, index);
    atomic_store_explicit(&ends->is_used, true, memory_order_release);
}

// What a session of the same key has learned is seen here because it has given the key's lock to this one.
void zset_ends_widen(struct zset_ends *ends, struct bytes set, struct bytes sub_key) {
    if (!atomic_load_explicit(&ends->is_used, memory_order_acquire))
        return;
    size_t index = index_of(ends, set);
    lock(ends, index);
    struct place *place = &ends->places[index];
    if (is_of(place, set)) {
        struct bound *first = &place->bounds[ZSET_FIRST];
        struct bound *last = &place->bounds[ZSET_LAST];
        if (first->is_known && bytes_compare(sub_key, bytes_of(first)) < 0)
            set_bound(first, sub_key);
        if (last->is_known && bytes_compare(sub_key, bytes_of(last)) > 0)
            set_bound(last, sub_key);
    }
    unlock(ends, index);
}

void zset_ends_forget(struct zset_ends *ends) {
    if (!atomic_exchange_explicit(&ends->is_used, false, memory_order_acq_rel))
        return;
    for (size_t index = 0; index < PLACES; index++) {
        lock(ends, index);
        if (ends->places[index].length != 0)
            ends->places[index].length = 0;
        unlock(ends, index);
    }
}
