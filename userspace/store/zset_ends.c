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

// Two older bounds are kept, from so many times ago that hardly any reader is older.
enum { BOUNDS = 3, LEARNED_BETWEEN = 16 };

enum { PASSED_FOR_A_WATCH = 8 };

struct bound {
    bool is_known;
    size_t length;
    uint64_t sequence; // it holds for who sees everything up to here
    char sub_key[SUB_KEY_MAX];
};

struct end {
    struct bound bounds[BOUNDS]; // the newest first
    unsigned learned;            // since the older ones were kept
};

// What has been staged since a watch began.
struct watch {
    uint64_t number; // 0: there is none
    enum zset_end end;
    bool has_noted;
    bool is_lost; // something that is too long
    struct bound noted;
};

struct place {
    size_t length; // of the set's name; 0: none is here
    char set[SET_MAX];
    uint64_t generation;
    struct end ends[2]; // by enum zset_end
    struct watch watch;
};

struct zset_ends {
    struct key_hash hash;
    atomic_bool is_used;             // stores without sorted sets need no look at the places
    atomic_uint_fast64_t generation; // bounds of others are not known any more
    atomic_uint changing;            // while there are none at all
    atomic_uint_fast64_t watches;
    atomic_uint passed[PLACES];
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

// Between two changes, or during one.
static bool is_of_now(const struct zset_ends *ends, const struct place *place) {
    return atomic_load(&ends->changing) == 0 && place->generation == atomic_load(&ends->generation);
}

static bool is_of(const struct zset_ends *ends, const struct place *place, struct bytes set) {
    return place->length == set.length && memcmp(place->set, set.data, set.length) == 0 &&
           is_of_now(ends, place);
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

bool zset_ends_find(struct zset_ends *ends, struct bytes set, enum zset_end end, uint64_t sequence,
                    struct buffer *sub_key) {
    bool is_known = false;
    if (!atomic_load_explicit(&ends->is_used, memory_order_acquire))
        return false;
    size_t index = index_of(ends, set);
    lock(ends, index);
    const struct place *place = &ends->places[index];
    for (size_t i = 0; i < BOUNDS && !is_known && is_of(ends, place, set); i++) {
        const struct bound *bound = &place->ends[end].bounds[i];
        is_known = bound->is_known && bound->sequence <= sequence;
        if (is_known)
            buffer_append(sub_key, bytes_of(bound));
    }
    unlock(ends, index);
    return is_known;
}

// --- Learning ---

uint64_t zset_ends_generation(const struct zset_ends *ends) {
    return atomic_load(&ends->generation);
}

// If the generation is not the current one any more the place is nobody's.
static void take_place(const struct zset_ends *ends, struct place *place, struct bytes set,
                       uint64_t generation) {
    if (is_of(ends, place, set) && place->generation == generation)
        return;
    *place = (struct place){.length = set.length, .generation = generation};
    memcpy(place->set, set.data, set.length);
}

static void put_newest(struct end *end, uint64_t sequence, struct bytes sub_key) {
    struct bound *newest = &end->bounds[0];
    if (newest->is_known && bytes_equal(bytes_of(newest), sub_key))
        return;
    if (newest->is_known && ++end->learned == LEARNED_BETWEEN) {
        memmove(&end->bounds[1], &end->bounds[0], (BOUNDS - 1) * sizeof(end->bounds[0]));
        end->learned = 0;
    }
    set_bound(newest, sub_key);
    newest->sequence = sequence;
}

static bool is_short_enough(struct bytes set, struct bytes sub_key) {
    return set.length <= SET_MAX && sub_key.length <= SUB_KEY_MAX && sub_key.length != 0;
}

void zset_ends_learn(struct zset_ends *ends, struct bytes set, enum zset_end end, uint64_t generation,
                     uint64_t sequence, struct bytes sub_key) {
    if (!is_short_enough(set, sub_key) || generation != zset_ends_generation(ends))
        return;
    size_t index = index_of(ends, set);
    atomic_store(&ends->is_used, true);
    lock(ends, index);
    take_place(ends, &ends->places[index], set, generation);
    put_newest(&ends->places[index].ends[end], sequence, sub_key);
    unlock(ends, index);
}

// --- Widening ---

static bool is_beyond(enum zset_end end, struct bytes sub_key, const struct bound *bound) {
    int order = bytes_compare(sub_key, bytes_of(bound));
    return end == ZSET_FIRST ? order < 0 : order > 0;
}

static void widen_bounds(struct place *place, enum zset_end end, struct bytes sub_key) {
    for (size_t i = 0; i < BOUNDS; i++) {
        struct bound *bound = &place->ends[end].bounds[i];
        if (bound->is_known && is_beyond(end, sub_key, bound))
            set_bound(bound, sub_key);
    }
}

static void note_staged(struct watch *watch, struct bytes sub_key) {
    if (watch->number == 0 || (watch->has_noted && !is_beyond(watch->end, sub_key, &watch->noted)))
        return;
    watch->has_noted = true;
    set_bound(&watch->noted, sub_key);
    watch->is_lost = watch->is_lost || !watch->noted.is_known;
}

// What a session of the same key has learned is seen here because it has given the key's lock to this one.
void zset_ends_widen(struct zset_ends *ends, struct bytes set, struct bytes sub_key) {
    if (!atomic_load_explicit(&ends->is_used, memory_order_acquire))
        return;
    size_t index = index_of(ends, set);
    lock(ends, index);
    struct place *place = &ends->places[index];
    if (is_of(ends, place, set)) {
        widen_bounds(place, ZSET_FIRST, sub_key);
        widen_bounds(place, ZSET_LAST, sub_key);
        note_staged(&place->watch, sub_key);
    }
    unlock(ends, index);
}

// --- Changes without locks ---

void zset_ends_change_begin(struct zset_ends *ends) {
    atomic_fetch_add(&ends->changing, 1);
    atomic_fetch_add(&ends->generation, 1);
}

void zset_ends_change_end(struct zset_ends *ends) {
    atomic_fetch_add(&ends->generation, 1);
    atomic_fetch_sub(&ends->changing, 1);
}

// --- Watches ---

bool zset_ends_note_passed(struct zset_ends *ends, struct bytes set) {
    unsigned passed = atomic_fetch_add_explicit(&ends->passed[index_of(ends, set)], 1, memory_order_relaxed);
    return passed % PASSED_FOR_A_WATCH == PASSED_FOR_A_WATCH - 1;
}

uint64_t zset_ends_watch_begin(struct zset_ends *ends, struct bytes set, enum zset_end end) {
    uint64_t generation = zset_ends_generation(ends);
    uint64_t number = 0;
    if (set.length > SET_MAX)
        return 0;
    size_t index = index_of(ends, set);
    atomic_store(&ends->is_used, true);
    lock(ends, index);
    struct place *place = &ends->places[index];
    take_place(ends, place, set, generation);
    if (place->watch.number == 0) {
        number = atomic_fetch_add(&ends->watches, 1) + 1;
        place->watch = (struct watch){.number = number, .end = end};
    }
    unlock(ends, index);
    return number;
}

static void end_watch(struct place *place, uint64_t sequence, struct bytes sub_key) {
    struct watch *watch = &place->watch;
    if (sub_key.length != 0)
        note_staged(watch, sub_key); // whichever is farther out
    if (sub_key.length != 0 && !watch->is_lost && watch->noted.is_known)
        put_newest(&place->ends[watch->end], sequence, bytes_of(&watch->noted));
    watch->number = 0;
}

void zset_ends_watch_end(struct zset_ends *ends, uint64_t watch, struct bytes set, uint64_t sequence,
                         struct bytes sub_key) {
    size_t index = index_of(ends, set);
    lock(ends, index);
    struct place *place = &ends->places[index];
    if (place->watch.number == watch && is_of(ends, place, set))
        end_watch(place, sequence, sub_key);
    unlock(ends, index);
}
