// SPDX-License-Identifier: Apache-2.0
//
// The read cache: an array of sets, each a cache line with a lock and a directory, and beside it an array of
// their areas, in which entries are laid one behind the other, round and round. Writers and misses touch the
// first array only, which is small. Uses: base, store/key_hash.
#include "store/read_cache.h"

#include "base/memory.h"
#include "store/key_hash.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    CACHE_LINE = 64,
    AREA_SIZE = 15 * CACHE_LINE,
    SIZE_OF_BOTH = CACHE_LINE + AREA_SIZE,
    WAYS = 10,
    UNIT = 8, // places and sizes in the area are counted in these
    AREA_UNITS = AREA_SIZE / UNIT,
    // More changes at once empty the whole cache: they are not worth remembering.
    CHANGES_MOST = 4096,
    // Where a new entry would drive old ones out, so many are turned away for each that is let in: to let in
    // what is never read again costs more than it brings, and what is read often is let in soon.
    TURNED_AWAY = 3
};

// A state: how many changes have begun, and how many of them have not ended. The second cannot overflow into
// the first: there are some hundred sessions at most, each with one batch of at most CHANGES_MOST changes.
static const uint64_t one_under_way = 1;
static const uint64_t one_begun = 1 << 24;

static bool is_quiet(uint64_t state) {
    return state % one_begun == 0;
}

struct way {
    uint16_t tag; // of the key's hash; 0: no entry, but perhaps the room that one had
    uint8_t start;
    uint8_t units;
};

// Everything but the state is for who has the lock. The area is of entries:
//   key length (2)  entry length (2)  key  entry
struct set {
    alignas(CACHE_LINE) _Atomic uint64_t state;
    uint64_t cache_state; // the cache's, when this was filled: with another one the set is empty
    atomic_bool is_locked;
    bool has_gone_round; // since then new entries only have room where old ones are
    uint8_t next_way;
    uint8_t next_unit;
    uint8_t turned_away;
    bool is_used; // has held an entry
    struct way ways[WAYS];
};
_Static_assert(sizeof(struct set) == CACHE_LINE, "a set is one cache line");

struct entry_header {
    uint16_t key_length, entry_length;
};
_Static_assert(READ_CACHE_ENTRY_MAX + sizeof(struct entry_header) <= AREA_SIZE / 2,
               "an entry leaves room for another");

struct read_cache {
    struct key_hash hash;
    struct set *sets;
    char *areas; // behind the sets
    uint64_t set_count;
    alignas(CACHE_LINE) _Atomic uint64_t used_sets; // that have ever held an entry
    alignas(CACHE_LINE) _Atomic uint64_t state;     // of changes of everything
};

static size_t memory_size(const struct read_cache *cache) {
    return cache->set_count * SIZE_OF_BOTH;
}

struct read_cache *read_cache_open(size_t bytes) {
    struct read_cache *cache = aligned_alloc(alignof(struct read_cache), sizeof(*cache));
    if (cache == NULL)
        return NULL;
    *cache = (struct read_cache){.hash = key_hash_new(), .set_count = bytes / SIZE_OF_BOTH};
    cache->set_count += cache->set_count == 0;
    // Zeros: no state is taken for a change, and no way for an entry. Not from the allocator, which would
    // count it all as in use from the beginning.
    void *memory = mmap(NULL, memory_size(cache), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(cache);
        return NULL;
    }
    cache->sets = memory;
    cache->areas = (char *)(cache->sets + cache->set_count);
    return cache;
}

void read_cache_close(struct read_cache *cache) {
    if (cache == NULL)
        return;
    (void)munmap(cache->sets, memory_size(cache));
    free(cache);
}

uint64_t read_cache_usage(const struct read_cache *cache) {
    if (cache == NULL)
        return 0;
    return atomic_load_explicit(&cache->used_sets, memory_order_relaxed) * SIZE_OF_BOTH;
}

// The hash's upper half chooses the set, its end the tag, which is never 0.
static struct set *set_of(const struct read_cache *cache, uint64_t hash) {
    return &cache->sets[((hash >> 32) * cache->set_count) >> 32];
}

static uint16_t tag_of(uint64_t hash) {
    return (uint16_t)(hash | 1);
}

static char *area_of(const struct read_cache *cache, const struct set *set) {
    return cache->areas + (size_t)(set - cache->sets) * AREA_SIZE;
}

static bool try_lock(struct set *set) {
    return !atomic_exchange_explicit(&set->is_locked, true, memory_order_acquire);
}

// Held for some hundred nanoseconds, unless its holder loses the processor.
static void lock(struct set *set) {
    while (!try_lock(set))
        (void)sched_yield();
}

static void unlock(struct set *set) {
    atomic_store_explicit(&set->is_locked, false, memory_order_release);
}

// --- With the lock of the set ---

// What lies at `at`, if it is the entry of this key.
static bool read_entry(const char *at, struct bytes key, struct bytes *entry) {
    struct entry_header header;
    memcpy(&header, at, sizeof(header));
    at += sizeof(header);
    if (!bytes_equal(key, (struct bytes){at, header.key_length}))
        return false;
    *entry = (struct bytes){at + header.key_length, header.entry_length};
    return true;
}

static bool find_entry(const struct read_cache *cache, const struct set *set, uint16_t tag, struct bytes key,
                       struct bytes *entry) {
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *way = &set->ways[i];
        if (way->tag == tag && read_entry(area_of(cache, set) + (size_t)way->start * UNIT, key, entry))
            return true;
    }
    return false;
}

// Another key's entry with the same tag goes too, once in a while.
static void drop_entries(struct set *set, uint16_t tag) {
    for (size_t i = 0; i < WAYS; i++) {
        if (set->ways[i].tag == tag)
            set->ways[i].tag = 0;
    }
}

static void drop_overlapping(struct set *set, unsigned start, unsigned units) {
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *way = &set->ways[i];
        if (way->start < start + units && start < (unsigned)way->start + way->units)
            set->ways[i] = (struct way){0};
    }
}

// Room that an entry of about this size has left; often it was the same key's.
static struct way *left_room(struct set *set, unsigned units) {
    enum { WASTED_MOST = 2 };
    for (size_t i = 0; i < WAYS; i++) {
        struct way *way = &set->ways[i];
        if (way->tag == 0 && way->units >= units && way->units <= units + WASTED_MOST)
            return way;
    }
    return NULL;
}

// One without an entry, else each in its turn.
static struct way *free_way(struct set *set) {
    for (size_t i = 0; i < WAYS; i++) {
        if (set->ways[i].tag == 0)
            return &set->ways[i];
    }
    struct way *next = &set->ways[set->next_way];
    set->next_way = (uint8_t)((set->next_way + 1) % WAYS);
    set->has_gone_round = true;
    return next;
}

// Room behind the entry that was put in last, or at the beginning.
static struct way *make_room(struct set *set, unsigned units) {
    if (set->next_unit + units > AREA_UNITS) {
        set->next_unit = 0;
        set->has_gone_round = true;
    }
    drop_overlapping(set, set->next_unit, units);
    struct way *way = free_way(set);
    *way = (struct way){.start = set->next_unit, .units = (uint8_t)units};
    set->next_unit = (uint8_t)(set->next_unit + units);
    return way;
}

static bool is_turned_away(struct set *set) {
    if (!set->has_gone_round)
        return false;
    set->turned_away = (uint8_t)((set->turned_away + 1) % (TURNED_AWAY + 1));
    return set->turned_away != 0;
}

static void put_entry(const struct read_cache *cache, struct set *set, uint16_t tag, struct bytes key,
                      struct bytes entry) {
    struct entry_header header = {(uint16_t)key.length, (uint16_t)entry.length};
    unsigned units = (unsigned)((sizeof(header) + key.length + entry.length + UNIT - 1) / UNIT);
    struct way *way = left_room(set, units);
    if (way == NULL && is_turned_away(set))
        return;
    if (way == NULL)
        way = make_room(set, units);
    way->tag = tag;
    char *at = area_of(cache, set) + (size_t)way->start * UNIT;
    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), key.data, key.length);
    memcpy(at + sizeof(header) + key.length, entry.data, entry.length);
}

static void empty(struct set *set, uint64_t cache_state) {
    set->cache_state = cache_state;
    set->has_gone_round = false;
    set->next_way = 0;
    set->next_unit = 0;
    memset(set->ways, 0, sizeof(set->ways));
}

// --- Reading ---

size_t read_cache_find(struct read_cache *cache, struct bytes key, char out[READ_CACHE_ENTRY_MAX],
                       struct read_ticket *ticket) {
    ticket->is_good = false;
    if (cache == NULL || key.length == 0 || key.length >= READ_CACHE_ENTRY_MAX)
        return 0;
    ticket->hash = key_hash_of(&cache->hash, key);
    ticket->cache_state = atomic_load_explicit(&cache->state, memory_order_acquire);
    struct set *set = set_of(cache, ticket->hash);
    // The processor finds the area's page meanwhile: a hit takes a fifth less time.
    __builtin_prefetch(area_of(cache, set));
    if (!try_lock(set))
        return 0;
    ticket->set_state = atomic_load_explicit(&set->state, memory_order_acquire);
    ticket->is_good = is_quiet(ticket->set_state) && is_quiet(ticket->cache_state);
    struct bytes entry = {0};
    if (set->cache_state == ticket->cache_state && find_entry(cache, set, tag_of(ticket->hash), key, &entry))
        memcpy(out, entry.data, entry.length);
    unlock(set);
    return entry.length;
}

void read_cache_drop(struct read_cache *cache, const struct read_ticket *ticket) {
    struct set *set = set_of(cache, ticket->hash);
    lock(set);
    drop_entries(set, tag_of(ticket->hash));
    unlock(set);
}

static void put_if_missing(struct read_cache *cache, struct set *set, const struct read_ticket *ticket,
                           struct bytes key, struct bytes entry) {
    struct bytes present;
    if (set->cache_state != ticket->cache_state)
        empty(set, ticket->cache_state);
    if (!set->is_used)
        (void)atomic_fetch_add_explicit(&cache->used_sets, 1, memory_order_relaxed);
    set->is_used = true;
    if (!find_entry(cache, set, tag_of(ticket->hash), key, &present))
        put_entry(cache, set, tag_of(ticket->hash), key, entry);
}

void read_cache_keep(struct read_cache *cache, const struct read_ticket *ticket, struct bytes key,
                     struct bytes entry) {
    if (!ticket->is_good || entry.length == 0 || key.length + entry.length > READ_CACHE_ENTRY_MAX)
        return;
    struct set *set = set_of(cache, ticket->hash);
    if (!try_lock(set))
        return;
    if (atomic_load_explicit(&set->state, memory_order_relaxed) == ticket->set_state &&
        atomic_load_explicit(&cache->state, memory_order_relaxed) == ticket->cache_state)
        put_if_missing(cache, set, ticket, key, entry);
    unlock(set);
}

// --- Changing ---

void read_changes_note(struct read_changes *changes, const struct read_cache *cache, struct bytes key) {
    enum { FIRST_CAPACITY = 4 };
    if (cache == NULL || changes->all || key.length == 0 || key.length >= READ_CACHE_ENTRY_MAX)
        return;
    if (changes->count == CHANGES_MOST) {
        changes->all = true;
        return;
    }
    if (changes->count == changes->capacity) {
        changes->capacity = changes->capacity == 0 ? FIRST_CAPACITY : changes->capacity * 2;
        changes->hashes = memory_reallocate(changes->hashes, changes->capacity * sizeof(*changes->hashes));
    }
    uint64_t hash = key_hash_of(&cache->hash, key);
    changes->hashes[changes->count++] = hash;
    __builtin_prefetch(set_of(cache, hash), 1);
}

void read_changes_note_all(struct read_changes *changes) {
    changes->all = true;
}

void read_changes_clear(struct read_changes *changes) {
    changes->count = 0;
    changes->all = false;
}

void read_changes_release(struct read_changes *changes) {
    free(changes->hashes);
    *changes = (struct read_changes){0};
}

static void begin(_Atomic uint64_t *state) {
    (void)atomic_fetch_add_explicit(state, one_begun + one_under_way, memory_order_acq_rel);
}

static void end(_Atomic uint64_t *state) {
    (void)atomic_fetch_sub_explicit(state, one_under_way, memory_order_acq_rel);
}

void read_cache_change_begin(struct read_cache *cache, const struct read_changes *changes) {
    if (cache == NULL)
        return;
    if (changes->all) {
        begin(&cache->state);
        return;
    }
    for (uint32_t i = 0; i < changes->count; i++) {
        struct set *set = set_of(cache, changes->hashes[i]);
        lock(set);
        drop_entries(set, tag_of(changes->hashes[i]));
        begin(&set->state);
        unlock(set);
    }
}

void read_cache_change_end(struct read_cache *cache, const struct read_changes *changes) {
    if (cache == NULL)
        return;
    if (changes->all) {
        end(&cache->state);
        return;
    }
    for (uint32_t i = 0; i < changes->count; i++)
        end(&set_of(cache, changes->hashes[i])->state);
}
