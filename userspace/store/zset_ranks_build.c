// SPDX-License-Identifier: Apache-2.0
//
// Making the index of a set: when, and how. Uses: base, the other files of store/.
#include "base/assert.h"
#include "store/zset_ranks_internal.h"

#include <stdlib.h>

// --- When ---

// To make an index costs about as much as to walk over the whole set. Whoever has walked over a good part of
// it has paid for much of that already.
uint64_t zset_ranks_steps_worth(uint64_t size) {
    enum { PART = 8 };
    return size / PART;
}

bool rank_walks_add(struct zset_ranks *ranks, struct bytes set, uint64_t size, uint64_t steps) {
    uint64_t hash = key_hash_of(&ranks->hash, set);
    struct rank_walks *walks = &ranks->walks[hash % RANK_WALKS];
    always_assert(pthread_mutex_lock(&ranks->lock) == 0, "the table of indexes can be locked");
    if (walks->hash != hash)
        *walks = (struct rank_walks){.hash = hash};
    walks->steps += steps;
    bool is_due = walks->steps >= zset_ranks_steps_worth(size);
    if (is_due)
        walks->steps = 0;
    always_assert(pthread_mutex_unlock(&ranks->lock) == 0, "the table of indexes can be unlocked");
    return is_due;
}

// --- Walking ---

void rank_walk_open(struct rank_walk *walk, const struct store *store, struct bytes set, struct bytes first,
                    const rocksdb_snapshot_t *snapshot) {
    struct buffer from = {0};
    *walk = (struct rank_walk){.options = rocksdb_readoptions_create()};
    buffer_append(&walk->set, set);
    encode_prefix_end(&walk->end, set);
    buffer_append(&from, set);
    buffer_append(&from, first);
    if (snapshot != NULL)
        rocksdb_readoptions_set_snapshot(walk->options, snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(walk->options, walk->set.data, walk->set.length);
    rocksdb_readoptions_set_iterate_upper_bound(walk->options, walk->end.data, walk->end.length);
    walk->entries =
        rocksdb_create_iterator_cf(store->database, walk->options, store->families[FAMILY_ZSET_SCORE]);
    rocksdb_iter_seek(walk->entries, from.data, from.length);
    buffer_release(&from);
}

bool rank_walk_at(const struct rank_walk *walk, struct bytes *sub_key, bool *failed) {
    size_t length = 0;
    if (!rocksdb_iter_valid(walk->entries)) {
        char *reason = NULL;
        rocksdb_iter_get_error(walk->entries, &reason);
        *failed = reason != NULL;
        free(reason);
        return false;
    }
    const char *key = rocksdb_iter_key(walk->entries, &length);
    *sub_key = (struct bytes){key + walk->set.length, length - walk->set.length};
    return true;
}

void rank_walk_on(struct rank_walk *walk) {
    rocksdb_iter_next(walk->entries);
}

void rank_walk_close(struct rank_walk *walk) {
    rocksdb_iter_destroy(walk->entries);
    rocksdb_readoptions_destroy(walk->options);
    buffer_release(&walk->set);
    buffer_release(&walk->end);
}

// --- Making ---

// Enough for walks over one bucket to be short. More where the index of the whole set would else take a great
// part of the memory that there is for all.
static uint64_t bucket_for(const struct zset_ranks *ranks, uint64_t size) {
    enum { LEAST = 32, MEMORY_OF_ONE = 112, PART = 4 };
    uint64_t bucket = LEAST;
    while (size / bucket > ranks->memory_most / PART / MEMORY_OF_ONE)
        bucket *= 2;
    return bucket;
}

// The index and the snapshot that it is to be made from, with no write in between. NULL: not now.
static struct rank_index *begin(struct store *store, struct bytes set, const rocksdb_snapshot_t **snapshot) {
    if (!write_ahead_log_take_turn_soon(store->log))
        return NULL;
    struct rank_index *index = rank_index_add(store->zset_ranks, set);
    if (index != NULL) {
        index->newest = store_latest_sequence(store);
        *snapshot = rocksdb_create_snapshot(store->database);
    }
    write_ahead_log_end_turn(store->log);
    return index;
}

// True: somebody else does not want it to be made.
static bool is_called_off(const struct store *store, const struct rank_index *index) {
    return atomic_load(&index->is_dropped) || store_is_wanted(store) || role_guard_is_wanted(store->guard);
}

// The bucket behind all others, which begins with this sub-key. The first one of all begins before any.
static void append(struct rank_list *list, struct bytes first, uint64_t count) {
    (void)rank_list_add(list, first, count);
    rank_list_cut(list, first, count);
}

static bool fill(struct store *store, struct rank_index *index, struct rank_list *list,
                 const rocksdb_snapshot_t *snapshot) {
    struct rank_walk walk;
    struct bytes sub_key;
    struct buffer first = {0};
    bool failed = false;
    uint64_t count = 0; // in the bucket
    rank_walk_open(&walk, store, buffer_bytes(&index->set), (struct bytes){0}, snapshot);
    for (; !failed && rank_walk_at(&walk, &sub_key, &failed); count++, rank_walk_on(&walk)) {
        if (count < index->bucket)
            continue;
        append(list, buffer_bytes(&first), count);
        rank_index_account(store->zset_ranks, index, rank_list_memory(list));
        failed = is_called_off(store, index);
        buffer_clear(&first);
        buffer_append(&first, sub_key);
        count = 0;
    }
    append(list, buffer_bytes(&first), count);
    rank_walk_close(&walk);
    buffer_release(&first);
    return !failed;
}

// What was written meanwhile. False: it does not fit.
static bool catch_up(struct rank_list *list, uint64_t bucket, struct bytes waiting) {
    bool fits = true;
    uint64_t count = 0;
    while (fits && waiting.length != 0) {
        struct bytes mark = bytes_take_counted(&waiting);
        fits = rank_index_count(list, bucket, bytes_take_counted(&waiting), mark.length != 0, &count);
    }
    return fits;
}

// Counts what waits; where that is little, with the lock, and hands the list over. True: that was all. Who
// writes to the set waits for the lock, and all who write for that one.
static bool catch_up_once(struct rank_index *index, struct rank_list *list, bool *fits) {
    enum { LITTLE = 8 << 10 };
    always_assert(pthread_mutex_lock(&index->lock) == 0, "an index can be locked");
    struct buffer waiting = index->waiting;
    index->waiting = (struct buffer){0};
    bool is_all = waiting.length <= LITTLE;
    if (is_all)
        *fits = catch_up(list, index->bucket, buffer_bytes(&waiting));
    if (is_all && *fits) {
        index->list = list;
        rank_past_begin(&index->past, index->newest);
    }
    always_assert(pthread_mutex_unlock(&index->lock) == 0, "an index can be unlocked");
    if (!is_all)
        *fits = catch_up(list, index->bucket, buffer_bytes(&waiting));
    buffer_release(&waiting);
    return is_all;
}

// False: it does not fit, somebody else does not want it, or more is written than can be counted meanwhile.
static bool finish(const struct store *store, struct rank_index *index, struct rank_list *list) {
    enum { ROUNDS = 100 };
    bool is_all = false;
    bool fits = true;
    for (int round = 0; round < ROUNDS && fits && !is_all && !is_called_off(store, index); round++)
        is_all = catch_up_once(index, list, &fits);
    return is_all && fits;
}

bool rank_index_build(struct store *store, struct bytes set, uint64_t size) {
    struct zset_ranks *ranks = store->zset_ranks;
    const rocksdb_snapshot_t *snapshot = NULL;
    struct rank_index *index = begin(store, set, &snapshot);
    if (index == NULL)
        return false;
    struct rank_list *list = rank_list_open();
    index->bucket = bucket_for(ranks, size);
    bool is_made = fill(store, index, list, snapshot);
    rocksdb_release_snapshot(store->database, snapshot);
    is_made = is_made && finish(store, index, list);
    if (is_made) {
        (void)atomic_fetch_add_explicit(&ranks->built, 1, memory_order_relaxed);
    } else {
        rank_list_close(list);
        rank_index_drop(ranks, index);
    }
    rank_index_let_go(ranks, index);
    return is_made;
}
