// SPDX-License-Identifier: Apache-2.0
//
// Following what is written. All of it happens within the turn of who writes, so that there is only one at a
// time. Uses: base, the other files of store/.
#include "base/assert.h"
#include "base/memory.h"
#include "store/write_batch.h"
#include "store/zset_ranks_internal.h"

#include <stdlib.h>

// --- One index ---

bool rank_index_count(struct rank_list *list, uint64_t bucket, struct bytes sub_key, bool has_come,
                      uint64_t *count) {
    if (has_come) {
        *count = rank_list_add(list, sub_key, 1);
        return true;
    }
    if (!rank_list_take(list, sub_key, count))
        return false;
    if (*count <= bucket / 2)
        rank_list_join(list, sub_key, bucket / 2);
    return true;
}

// To be counted when the index has been made. False: there are too many of them.
static bool let_wait(struct rank_index *index, struct bytes sub_key, bool has_come) {
    enum { WAITING_MOST = 16 << 20 };
    buffer_append_counted(&index->waiting, has_come ? BYTES_LITERAL("+") : (struct bytes){0});
    buffer_append_counted(&index->waiting, sub_key);
    return index->waiting.length <= WAITING_MOST;
}

// Cuts the bucket of the sub-key, which has grown, into several, and counts its elements again by the way.
// False: they are not as many as they should be.
static bool cut(const struct store *store, struct rank_index *index, struct bytes sub_key) {
    struct rank_bucket bucket = rank_list_bucket_of(index->list, sub_key);
    struct rank_walk walk;
    struct bytes found;
    bool failed = false;
    uint64_t left = bucket.count;
    rank_walk_open(&walk, store, buffer_bytes(&index->set), bucket.first, NULL);
    for (uint64_t passed = 0; rank_walk_at(&walk, &found, &failed); passed++, left--) {
        if (bucket.has_end && bytes_compare(found, bucket.end) >= 0)
            break;
        failed = left == 0;
        if (failed)
            break;
        if (passed >= index->bucket && left >= index->bucket / 2) {
            rank_list_cut(index->list, found, left);
            bucket = rank_list_bucket_of(index->list, found);
            passed = 0;
        }
        rank_walk_on(&walk);
    }
    rank_walk_close(&walk);
    return !failed && left == 0;
}

// False: the index is wrong.
typedef bool follow_function(const struct store *store, struct rank_change *change);

// More for a big set, which is worth more memory.
static size_t remembered_of(const struct rank_index *index) {
    enum { LEAST = 32, MOST = 1024, PART = 16 };
    uint64_t part = rank_list_total(index->list) / PART;
    return part < LEAST ? LEAST : part > MOST ? MOST : (size_t)part;
}

static bool count_change(const struct store *store, struct rank_change *change) {
    struct rank_index *index = change->index;
    uint64_t count = 0;
    if (change->is_put == change->was_there)
        return true;
    if (index->list == NULL)
        return let_wait(index, change->sub_key, change->is_put);
    rank_past_add(&index->past, store_latest_sequence(store), change->sub_key, change->is_put,
                  remembered_of(index));
    bool fits = rank_index_count(index->list, index->bucket, change->sub_key, change->is_put, &count);
    change->is_crowded = count > 2 * index->bucket;
    return fits;
}

// When all changes have been counted: what is counted in the database has them all. Others in the same bucket
// may have had it cut already.
static bool cut_if_crowded(const struct store *store, struct rank_change *change) {
    struct rank_index *index = change->index;
    return !change->is_crowded ||
           rank_list_bucket_of(index->list, change->sub_key).count <= 2 * index->bucket ||
           cut(store, index, change->sub_key);
}

static void follow_all(struct store *store, follow_function *follow) {
    struct zset_ranks *ranks = store->zset_ranks;
    for (size_t i = 0; i < ranks->change_count; i++) {
        struct rank_change *change = &ranks->changes[i];
        if (!atomic_load(&change->index->is_dropped) && !follow(store, change))
            rank_index_drop(ranks, change->index);
    }
}

// --- Which changes concern which indexes ---

static void *grow(void *array, size_t count, size_t *room, size_t size) {
    enum { FIRST_ROOM = 16 };
    if (count < *room)
        return array;
    *room = *room == 0 ? FIRST_ROOM : *room * 2;
    return memory_reallocate(array, *room * size);
}

static void begin_changing(struct zset_ranks *ranks, struct rank_index *index) {
    always_assert(pthread_mutex_lock(&index->lock) == 0, "an index can be locked");
    index->is_changing = true;
    index->changes = 0;
    ranks->changing =
        grow(ranks->changing, ranks->changing_count, &ranks->changing_room, sizeof(*ranks->changing));
    ranks->changing[ranks->changing_count++] = index;
}

// The index of the set, if it has one. It is locked from here to the end of the change.
static struct rank_index *index_of(struct zset_ranks *ranks, struct bytes set) {
    if (ranks->changing_count != 0) {
        struct rank_index *last = ranks->changing[ranks->changing_count - 1];
        if (bytes_equal(buffer_bytes(&last->set), set))
            return last;
    }
    struct rank_index *index = rank_index_hold(ranks, set);
    if (index == NULL)
        return NULL;
    if (index->is_changing)
        rank_index_let_go(ranks, index);
    else
        begin_changing(ranks, index);
    return index;
}

// To follow a change costs as much as some steps of a walk, and more with a look into the database; and all
// who write wait for it, as they do not while an index is made anew.
static bool is_worth_following(const struct rank_index *index) {
    enum { FEW = 256, MANY = 16384, STEPS_OF_ONE = 16 };
    return index->changes < FEW || index->list == NULL ||
           (index->changes < MANY && index->changes < rank_list_total(index->list) / STEPS_OF_ONE);
}

static void note_change(struct store *store, const struct write_batch_record *record) {
    struct zset_ranks *ranks = store->zset_ranks;
    struct bytes name_space;
    struct bytes key;
    struct bytes sub_key;
    uint64_t version = 0;
    if (!decode_sub_key(record->key, store->layout.with_slot, &name_space, &key, &version, &sub_key))
        return;
    struct bytes set = {record->key.data, record->key.length - sub_key.length};
    struct rank_index *index = index_of(ranks, set);
    if (index == NULL || atomic_load(&index->is_dropped))
        return;
    index->changes++;
    if (!is_worth_following(index)) {
        rank_index_drop(ranks, index);
        return;
    }
    ranks->changes = grow(ranks->changes, ranks->change_count, &ranks->change_room, sizeof(*ranks->changes));
    ranks->changes[ranks->change_count] = (struct rank_change){.index = index,
                                                               .sub_key = sub_key,
                                                               .place = ranks->change_count,
                                                               .is_put = record->kind == WRITE_BATCH_PUT,
                                                               .was_there = record->kind != WRITE_BATCH_PUT};
    ranks->change_count++;
}

static int compare_changes(const void *a, const void *b) {
    const struct rank_change *one = a;
    const struct rank_change *other = b;
    if (one->index != other->index)
        return one->index < other->index ? -1 : 1;
    int order = bytes_compare(one->sub_key, other->sub_key);
    if (order != 0)
        return order;
    return one->place < other->place ? -1 : 1;
}

// Of several changes of one sub-key the first one tells whether it was there, and the last one whether it
// will be.
static void keep_last_changes(struct zset_ranks *ranks) {
    size_t kept = 0;
    qsort(ranks->changes, ranks->change_count, sizeof(*ranks->changes), compare_changes);
    for (size_t i = 0; i < ranks->change_count; i++) {
        const struct rank_change *change = &ranks->changes[i];
        const struct rank_change *before = kept == 0 ? NULL : &ranks->changes[kept - 1];
        bool is_again =
            before != NULL && before->index == change->index && bytes_equal(before->sub_key, change->sub_key);
        bool was_there = is_again ? before->was_there : change->was_there;
        kept += !is_again;
        ranks->changes[kept - 1] = *change;
        ranks->changes[kept - 1].was_there = was_there;
    }
    ranks->change_count = kept;
}

// What cannot be read is not known, and its index neither.
static bool look_up(const struct store *store, const rocksdb_readoptions_t *options,
                    const struct rank_change *change) {
    char *reason = NULL;
    const struct buffer *set = &change->index->set;
    const char *key = change->sub_key.data - set->length; // in the batch they lie behind each other
    rocksdb_pinnableslice_t *found =
        rocksdb_get_pinned_cf(store->database, options, store->families[FAMILY_ZSET_SCORE], key,
                              set->length + change->sub_key.length, &reason);
    bool is_there = found != NULL;
    rocksdb_pinnableslice_destroy(found);
    if (reason != NULL)
        rank_index_drop(store->zset_ranks, change->index);
    free(reason);
    return is_there;
}

static void look_all_up(const struct store *store, enum zset_ranks_writer writer) {
    struct zset_ranks *ranks = store->zset_ranks;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    for (size_t i = 0; i < ranks->change_count; i++) {
        struct rank_change *change = &ranks->changes[i];
        if (atomic_load(&change->index->is_dropped))
            continue;
        bool was_there = look_up(store, options, change);
        always_assert(writer != ZSET_RANKS_OWN || was_there == change->was_there ||
                          atomic_load(&change->index->is_dropped),
                      "a command adds to the order of a sorted set what is not there, and takes what is");
        change->was_there = was_there;
    }
    rocksdb_readoptions_destroy(options);
}

void zset_ranks_change_begin(struct store *store, struct bytes batch, enum zset_ranks_writer writer) {
    struct zset_ranks *ranks = store->zset_ranks;
    struct write_batch_record record;
    size_t at = WRITE_BATCH_HEADER_SIZE;
    if (ranks == NULL || atomic_load_explicit(&ranks->indexes, memory_order_relaxed) == 0)
        return;
    bool is_all = false;
    while (!is_all && write_batch_next(batch, &at, &record)) {
        is_all = record.kind == WRITE_BATCH_DELETE_RANGE;
        if (record.family == FAMILY_ZSET_SCORE && !is_all)
            note_change(store, &record);
    }
    if (is_all || at != batch.length)
        zset_ranks_forget(ranks);
    if (ranks->change_count == 0)
        return;
    keep_last_changes(ranks);
    if (writer == ZSET_RANKS_ANYBODY || ranks->verifies)
        look_all_up(store, writer);
}

// --- After the write ---

static void end_changing(struct store *store, struct rank_index *index, uint64_t sequence) {
    struct zset_ranks *ranks = store->zset_ranks;
    size_t memory = index->waiting.capacity;
    if (index->list != NULL)
        memory += rank_list_memory(index->list) + index->past.memory;
    index->newest = sequence;
    index->is_changing = false;
    bool is_made = index->list != NULL;
    always_assert(pthread_mutex_unlock(&index->lock) == 0, "an index can be unlocked");
    if (is_made)
        rank_index_account(ranks, index, memory);
    rank_index_let_go(ranks, index);
}

static void forget_changes(struct zset_ranks *ranks) {
    enum { ROOM_KEPT = 4096 };
    ranks->change_count = 0;
    if (ranks->change_room <= ROOM_KEPT)
        return;
    free(ranks->changes);
    ranks->changes = NULL;
    ranks->change_room = 0;
}

void zset_ranks_change_end(struct store *store, bool written) {
    struct zset_ranks *ranks = store->zset_ranks;
    if (ranks == NULL || ranks->changing_count == 0)
        return;
    for (size_t i = 0; !written && i < ranks->changing_count; i++)
        rank_index_drop(ranks, ranks->changing[i]);
    follow_all(store, count_change);
    follow_all(store, cut_if_crowded);
    uint64_t sequence = store_latest_sequence(store);
    for (size_t i = 0; i < ranks->changing_count; i++)
        end_changing(store, ranks->changing[i], sequence);
    ranks->changing_count = 0;
    forget_changes(ranks);
}
