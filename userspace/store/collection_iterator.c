// SPDX-License-Identifier: Apache-2.0
//
// Walking the sub-keys of one collection. Uses: base, store/session.
#include "base/assert.h"
#include "base/memory.h"
#include "store/collection.h"
#include "store/end_seeks.h"
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
    struct end_seeks_moment moment;
    struct end_seeks *ends; // NULL: they are not to be used
    bool knows_bounds;      // RocksDB ends where the collection does; an indexed batch's iterator does not
    bool fresh;             // the entry under the iterator has not been handed out yet
    bool on_entry;          // it is an entry of the collection, and has been
};

struct collection_iterator *collection_iterator_open(const struct collection *collection,
                                                     enum column_family family) {
    struct store_session *session = collection->session;
    struct store *store = session->store;
    always_assert(!session_gathers(session), "commands that iterate are not gathered");
    struct collection_iterator *iterator = memory_allocate_zeroed(1, sizeof(*iterator));
    iterator->session = session;
    iterator->size = collection->metadata.size;
    iterator->moment = end_seeks_moment(store);
    session->round_read = true;
    session->reads++;
    encode_sub_key(&iterator->prefix, &store->layout, collection->key, collection->metadata.version,
                   (struct bytes){0});
    encode_prefix_end(&iterator->end, buffer_bytes(&iterator->prefix));
    iterator->options = rocksdb_readoptions_create();
    if (session->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(iterator->options, session->snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(iterator->options, iterator->prefix.data,
                                                iterator->prefix.length);
    rocksdb_readoptions_set_iterate_upper_bound(iterator->options, iterator->end.data, iterator->end.length);
    iterator->entries =
        rocksdb_create_iterator_cf(store->database, iterator->options, store->families[family]);
    iterator->knows_bounds = !session_in_transaction(session);
    if (session_in_transaction(session))
        iterator->entries = rocksdb_writebatch_wi_create_iterator_with_base_cf(
            session->staging.indexed, iterator->entries, store->families[family]);
    return iterator;
}

static struct bytes target_for(struct collection_iterator *iterator, struct bytes sub_key) {
    buffer_clear(&iterator->target);
    buffer_append(&iterator->target, buffer_bytes(&iterator->prefix));
    buffer_append(&iterator->target, sub_key);
    return buffer_bytes(&iterator->target);
}

void collection_iterator_use_ends(struct collection_iterator *iterator, const struct collection *set,
                                  bool is_locked) {
    iterator->ends = end_seeks_open(iterator->session, set->key, &iterator->prefix, &iterator->end,
                                    iterator->moment, is_locked);
}

// --- Seeking ---

void collection_iterator_seek(struct collection_iterator *iterator, struct bytes sub_key) {
    struct bytes start = iterator->ends == NULL ? sub_key : end_seeks_from(iterator->ends, sub_key);
    struct bytes target = target_for(iterator, start);
    rocksdb_iter_seek(iterator->entries, target.data, target.length);
    iterator->fresh = true;
}

void collection_iterator_seek_back(struct collection_iterator *iterator, struct bytes sub_key) {
    struct bytes start = iterator->ends == NULL ? sub_key : end_seeks_back_from(iterator->ends, sub_key);
    struct bytes target = target_for(iterator, start);
    rocksdb_iter_seek_for_prev(iterator->entries, target.data, target.length);
    iterator->fresh = true;
}

// The end itself is nobody's key of this collection, so the last entry before it is the wanted one.
void collection_iterator_seek_last(struct collection_iterator *iterator) {
    struct bytes last;
    bool is_known = iterator->ends != NULL && end_seeks_from_last(iterator->ends, &last);
    struct bytes start = is_known ? target_for(iterator, last) : buffer_bytes(&iterator->end);
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

static void note_met(const struct collection_iterator *iterator) {
    struct bytes met;
    if (key_at(iterator, &met))
        end_seeks_met(iterator->ends, met);
}

static bool step(struct collection_iterator *iterator, move_function *move, struct bytes *sub_key,
                 struct bytes *value) {
    if (!iterator->fresh && iterator->on_entry)
        move(iterator->entries);
    bool is_first = iterator->fresh && iterator->ends != NULL;
    iterator->fresh = false;
    iterator->on_entry = entry_at(iterator, sub_key, value);
    if (is_first && iterator->on_entry)
        note_met(iterator);
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
    end_seeks_close(iterator->ends);
    free(iterator);
}
