// SPDX-License-Identifier: Apache-2.0
//
// Walking the sub-keys of one collection. Uses: base, store/session.
#include "base/assert.h"
#include "base/memory.h"
#include "store/collection.h"
#include "store/entry_draws.h"
#include "store/session_internal.h"

#include <stdlib.h>

struct collection_iterator {
    struct store_session *session;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *entries;
    struct buffer prefix; // what the keys of all sub-keys start with
    struct buffer end;    // the first key behind them
    struct buffer target;
    uint64_t size;             // of the collection
    struct entry_draws *draws; // NULL until the first one
    struct zset_ends *ends;    // NULL: they are not to be used
    struct buffer bound;       // one of them
    enum zset_end from;        // the end that the last seek was for
    bool has_come_from_end;    // and nothing was passed over: what it meets is the bound
    bool knows_bounds;         // RocksDB ends where the collection does; an indexed batch's iterator does not
    bool fresh;                // the entry under the iterator has not been handed out yet
    bool on_entry;             // it is an entry of the collection, and has been
};

// The prefix ends in the version, which is never all ones, so that the next version is the end.
static void find_end(struct collection_iterator *iterator) {
    buffer_append(&iterator->end, buffer_bytes(&iterator->prefix));
    for (size_t at = iterator->end.length; at-- != 0;) {
        iterator->end.data[at] = (char)(iterator->end.data[at] + 1);
        if (iterator->end.data[at] != 0)
            return;
    }
}

struct collection_iterator *collection_iterator_open(const struct collection *collection,
                                                     enum column_family family) {
    struct store_session *session = collection->session;
    struct store *store = session->store;
    always_assert(!session->gathers, "commands that iterate are not gathered");
    struct collection_iterator *iterator = memory_allocate_zeroed(1, sizeof(*iterator));
    iterator->session = session;
    iterator->size = collection->metadata.size;
    session->round_read = true;
    session->reads++;
    encode_sub_key(&iterator->prefix, &store->layout, collection->key, collection->metadata.version,
                   (struct bytes){0});
    find_end(iterator);
    iterator->options = rocksdb_readoptions_create();
    if (session->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(iterator->options, session->snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(iterator->options, iterator->prefix.data,
                                                iterator->prefix.length);
    rocksdb_readoptions_set_iterate_upper_bound(iterator->options, iterator->end.data, iterator->end.length);
    iterator->entries =
        rocksdb_create_iterator_cf(store->database, iterator->options, store->families[family]);
    iterator->knows_bounds = !session->in_transaction;
    if (session->in_transaction)
        iterator->entries = rocksdb_writebatch_wi_create_iterator_with_base_cf(
            session->indexed, iterator->entries, store->families[family]);
    return iterator;
}

static struct bytes target_for(struct collection_iterator *iterator, struct bytes sub_key) {
    buffer_clear(&iterator->target);
    buffer_append(&iterator->target, buffer_bytes(&iterator->prefix));
    buffer_append(&iterator->target, sub_key);
    return buffer_bytes(&iterator->target);
}

// --- From the ends of sorted sets ---

// What this session or others have staged cannot be there: zset_ends.h tells why that matters.
void collection_iterator_use_ends(struct collection_iterator *iterator) {
    const struct store_session *session = iterator->session;
    if (session->state != SESSION_IDLE && !session->in_transaction && session->snapshot == NULL &&
        session->staged == 0)
        iterator->ends = session->store->zset_ends;
}

// True if there is a bound, which is iterator->bound.
static bool find_bound(struct collection_iterator *iterator, enum zset_end end) {
    iterator->has_come_from_end = false;
    if (iterator->ends == NULL)
        return false;
    iterator->from = end;
    buffer_clear(&iterator->bound);
    return zset_ends_find(iterator->ends, buffer_bytes(&iterator->prefix), end, &iterator->bound);
}

// Where to seek for this sub-key; empty is the first.
static struct bytes start_for(struct collection_iterator *iterator, struct bytes sub_key) {
    bool is_known = find_bound(iterator, ZSET_FIRST);
    bool is_beyond = is_known && bytes_compare(sub_key, buffer_bytes(&iterator->bound)) <= 0;
    iterator->has_come_from_end = is_beyond || (iterator->ends != NULL && sub_key.length == 0);
    return is_beyond ? buffer_bytes(&iterator->bound) : sub_key;
}

static struct bytes start_back_for(struct collection_iterator *iterator, struct bytes sub_key) {
    bool is_known = find_bound(iterator, ZSET_LAST);
    iterator->has_come_from_end = is_known && bytes_compare(sub_key, buffer_bytes(&iterator->bound)) >= 0;
    return iterator->has_come_from_end ? buffer_bytes(&iterator->bound) : sub_key;
}

static void learn_bound(const struct collection_iterator *iterator) {
    size_t length = 0;
    size_t prefix = iterator->prefix.length;
    const char *key = rocksdb_iter_key(iterator->entries, &length);
    zset_ends_learn(iterator->ends, buffer_bytes(&iterator->prefix), iterator->from,
                    (struct bytes){key + prefix, length - prefix});
}

// --- Seeking ---

void collection_iterator_seek(struct collection_iterator *iterator, struct bytes sub_key) {
    struct bytes target = target_for(iterator, start_for(iterator, sub_key));
    rocksdb_iter_seek(iterator->entries, target.data, target.length);
    iterator->fresh = true;
}

void collection_iterator_seek_back(struct collection_iterator *iterator, struct bytes sub_key) {
    struct bytes target = target_for(iterator, start_back_for(iterator, sub_key));
    rocksdb_iter_seek_for_prev(iterator->entries, target.data, target.length);
    iterator->fresh = true;
}

// The end itself is nobody's key of this collection, so the last entry before it is the wanted one.
void collection_iterator_seek_last(struct collection_iterator *iterator) {
    bool is_known = find_bound(iterator, ZSET_LAST);
    struct bytes start =
        is_known ? target_for(iterator, buffer_bytes(&iterator->bound)) : buffer_bytes(&iterator->end);
    iterator->has_come_from_end = iterator->ends != NULL;
    rocksdb_iter_seek_for_prev(iterator->entries, start.data, start.length);
    iterator->fresh = true;
    if (!rocksdb_iter_valid(iterator->entries))
        return;
    size_t length = 0;
    const char *key = rocksdb_iter_key(iterator->entries, &length);
    if (bytes_equal((struct bytes){key, length}, buffer_bytes(&iterator->end)))
        rocksdb_iter_prev(iterator->entries);
}

// False if the entry under the iterator is not one of the collection.
static bool key_at(const struct collection_iterator *iterator, struct bytes *sub_key) {
    size_t length = 0;
    size_t prefix = iterator->prefix.length;
    const char *key = rocksdb_iter_key(iterator->entries, &length);
    if (!iterator->knows_bounds && (length < prefix || memcmp(key, iterator->prefix.data, prefix) != 0))
        return false;
    if (sub_key != NULL)
        *sub_key = (struct bytes){key + prefix, length - prefix};
    return true;
}

// False if the position is not on an entry of the collection.
static bool entry_at(const struct collection_iterator *iterator, struct bytes *sub_key, struct bytes *value) {
    if (!rocksdb_iter_valid(iterator->entries))
        return false;
    if ((sub_key != NULL || !iterator->knows_bounds) && !key_at(iterator, sub_key))
        return false;
    if (value != NULL)
        value->data = rocksdb_iter_value(iterator->entries, &value->length);
    return true;
}

typedef void move_function(rocksdb_iterator_t *entries);

static bool step(struct collection_iterator *iterator, move_function *move, struct bytes *sub_key,
                 struct bytes *value) {
    if (!iterator->fresh && iterator->on_entry)
        move(iterator->entries);
    bool is_bound = iterator->fresh && iterator->has_come_from_end;
    iterator->fresh = false;
    iterator->on_entry = entry_at(iterator, sub_key, value);
    if (is_bound && iterator->on_entry)
        learn_bound(iterator);
    return iterator->on_entry;
}

bool collection_iterator_next(struct collection_iterator *iterator, struct bytes *sub_key,
                              struct bytes *value) {
    return step(iterator, rocksdb_iter_next, sub_key, value);
}

bool collection_iterator_previous(struct collection_iterator *iterator, struct bytes *sub_key,
                                  struct bytes *value) {
    return step(iterator, rocksdb_iter_prev, sub_key, value);
}

bool collection_iterator_draw(struct collection_iterator *iterator, struct bytes *sub_key,
                              struct bytes *value) {
    if (iterator->draws == NULL)
        iterator->draws =
            entry_draws_open(iterator->entries, buffer_bytes(&iterator->prefix), iterator->size, NULL, NULL);
    iterator->fresh = true;
    return entry_draws_next(iterator->draws) && collection_iterator_next(iterator, sub_key, value);
}

enum store_status collection_iterator_status(struct collection_iterator *iterator) {
    char *reason = NULL;
    rocksdb_iter_get_error(iterator->entries, &reason);
    return reason == NULL ? STORE_OK : session_read_failed(iterator->session, reason);
}

void collection_iterator_close(struct collection_iterator *iterator) {
    entry_draws_close(iterator->draws);
    rocksdb_iter_destroy(iterator->entries);
    rocksdb_readoptions_destroy(iterator->options);
    buffer_release(&iterator->prefix);
    buffer_release(&iterator->end);
    buffer_release(&iterator->target);
    buffer_release(&iterator->bound);
    free(iterator);
}
