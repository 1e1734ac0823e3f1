// SPDX-License-Identifier: Apache-2.0
//
// Walking the living keys of the namespace. Uses: base, the other files of store/.
#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "store/random_place.h"
#include "store/session_internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct key_iterator {
    struct store_session *session;
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *entries;
    wall_ms_t now;
    bool fresh;  // the entry under the iterator has not been handed out yet
    size_t left; // how many more entries may be looked at
    bool stopped;
};

struct key_iterator *key_iterator_open(struct store_session *session, wall_ms_t now) {
    struct store *store = session->store;
    struct key_iterator *iterator = memory_allocate_zeroed(1, sizeof(*iterator));
    iterator->session = session;
    iterator->now = now;
    iterator->left = SIZE_MAX;
    session->round_read = true;
    session->reads++;
    iterator->options = rocksdb_readoptions_create();
    if (session->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(iterator->options, session->snapshot);
    rocksdb_readoptions_set_iterate_upper_bound(iterator->options, store->namespace_end.data,
                                                store->namespace_end.length);
    iterator->entries =
        rocksdb_create_iterator_cf(store->database, iterator->options, store->families[FAMILY_METADATA]);
    if (session->in_transaction)
        iterator->entries = rocksdb_writebatch_wi_create_iterator_with_base_cf(
            session->indexed, iterator->entries, store->families[FAMILY_METADATA]);
    return iterator;
}

static bool entry_is(const struct key_iterator *iterator, struct bytes raw) {
    size_t length = 0;
    const char *key = rocksdb_iter_key(iterator->entries, &length);
    return bytes_equal((struct bytes){key, length}, raw);
}

void key_iterator_seek(struct key_iterator *iterator, struct bytes key, bool after) {
    struct store *store = iterator->session->store;
    struct buffer raw = {0};
    if (key.length == 0 && !after)
        buffer_append(&raw, buffer_bytes(&store->namespace_prefix));
    else
        encode_metadata_key(&raw, &store->layout, key);
    rocksdb_iter_seek(iterator->entries, raw.data, raw.length);
    if (after && rocksdb_iter_valid(iterator->entries) && entry_is(iterator, buffer_bytes(&raw)))
        rocksdb_iter_next(iterator->entries);
    iterator->fresh = true;
    buffer_release(&raw);
}

void key_iterator_seek_slot(struct key_iterator *iterator, uint16_t slot) {
    const struct store *store = iterator->session->store;
    const char encoded[] = {(char)(slot >> 8), (char)(slot & 0xff)};
    struct buffer raw = {0};
    always_assert(store->layout.with_slot, "slots are looked for where keys hold them");
    buffer_append(&raw, buffer_bytes(&store->namespace_prefix));
    buffer_append(&raw, (struct bytes){encoded, sizeof(encoded)});
    rocksdb_iter_seek(iterator->entries, raw.data, raw.length);
    iterator->fresh = true;
    buffer_release(&raw);
}

// The name of the entry under the iterator. False if it is no key of the namespace.
static bool decode_name(const struct key_iterator *iterator, struct bytes *key) {
    const struct key_layout *layout = &iterator->session->store->layout;
    struct bytes name_space;
    size_t length = 0;
    const char *raw = rocksdb_iter_key(iterator->entries, &length);
    return decode_metadata_key((struct bytes){raw, length}, layout->with_slot, &name_space, key) &&
           bytes_equal(name_space, layout->name_space);
}

static bool decode_entry(const struct key_iterator *iterator, struct metadata *metadata) {
    size_t length = 0;
    const char *raw = rocksdb_iter_value(iterator->entries, &length);
    return decode_metadata((struct bytes){raw, length}, metadata);
}

// What is looked for.
typedef bool entry_function(const struct metadata *metadata, wall_ms_t now);

static bool is_alive(const struct metadata *metadata, wall_ms_t now) {
    return !metadata_is_dead(metadata, now);
}

// True while the iterator stands on an entry of the namespace. An indexed batch's iterator does not honour
// the upper bound.
static bool within_namespace(const struct key_iterator *iterator) {
    if (!rocksdb_iter_valid(iterator->entries))
        return false;
    size_t length = 0;
    const char *key = rocksdb_iter_key(iterator->entries, &length);
    return bytes_compare((struct bytes){key, length},
                         buffer_bytes(&iterator->session->store->namespace_end)) < 0;
}

static bool next(struct key_iterator *iterator, entry_function *is_wanted, struct bytes *key,
                 struct metadata *metadata, size_t *examined) {
    for (;;) {
        iterator->stopped = iterator->left == 0;
        if (iterator->stopped)
            return false;
        if (!iterator->fresh && rocksdb_iter_valid(iterator->entries))
            rocksdb_iter_next(iterator->entries);
        iterator->fresh = false;
        if (!within_namespace(iterator))
            return false;
        if (examined != NULL)
            (*examined)++;
        if (!decode_name(iterator, key))
            continue;
        iterator->left--;
        if (decode_entry(iterator, metadata) && is_wanted(metadata, iterator->now))
            return true;
    }
}

bool key_iterator_next(struct key_iterator *iterator, struct bytes *key, struct metadata *metadata,
                       size_t *examined) {
    return next(iterator, is_alive, key, metadata, examined);
}

bool key_iterator_next_expired(struct key_iterator *iterator, struct bytes *key, struct metadata *metadata,
                               size_t *examined) {
    return next(iterator, metadata_has_expired, key, metadata, examined);
}

void key_iterator_limit(struct key_iterator *iterator, size_t entries) {
    iterator->left = entries;
}

bool key_iterator_stopped(const struct key_iterator *iterator, struct bytes *last) {
    return iterator->stopped && decode_name(iterator, last);
}

enum store_status key_iterator_status(struct key_iterator *iterator) {
    char *reason = NULL;
    rocksdb_iter_get_error(iterator->entries, &reason);
    if (reason != NULL)
        return session_read_failed(iterator->session, reason);
    return STORE_OK;
}

void key_iterator_close(struct key_iterator *iterator) {
    rocksdb_iter_destroy(iterator->entries);
    rocksdb_readoptions_destroy(iterator->options);
    free(iterator);
}

// Copies the first or last key of the namespace.
static bool edge_key(struct key_iterator *iterator, bool last, struct buffer *out) {
    const struct store *store = iterator->session->store;
    if (last)
        rocksdb_iter_seek_for_prev(iterator->entries, store->namespace_end.data, store->namespace_end.length);
    else
        rocksdb_iter_seek(iterator->entries, store->namespace_prefix.data, store->namespace_prefix.length);
    if (!rocksdb_iter_valid(iterator->entries))
        return false;
    size_t length = 0;
    const char *key = rocksdb_iter_key(iterator->entries, &length);
    buffer_clear(out);
    buffer_append(out, (struct bytes){key, length});
    return true;
}

static void seek_raw(struct key_iterator *iterator, struct bytes raw) {
    rocksdb_iter_seek(iterator->entries, raw.data, raw.length);
    iterator->fresh = true;
}

// Walks so many living keys on, from the end back to the first, and copies the last one's name. False if
// there is none at all.
static bool walk_round(struct key_iterator *iterator, struct bytes first, uint64_t steps,
                       struct buffer *out) {
    struct bytes key;
    struct metadata metadata;
    bool found = false;
    bool found_since_first = true; // to begin with: the walk does not begin there
    while (steps != 0) {
        if (key_iterator_next(iterator, &key, &metadata, NULL)) {
            found = true;
            found_since_first = true;
            buffer_clear(out);
            buffer_append(out, key);
            steps--;
        } else if (found_since_first) {
            found_since_first = false;
            seek_raw(iterator, first);
        } else {
            break;
        }
    }
    return found;
}

enum store_status store_random_key(struct store_session *session, wall_ms_t now, struct buffer *out) {
    enum { STEPS_MAX = 32 };
    struct key_iterator *iterator = key_iterator_open(session, now);
    struct buffer first = {0};
    struct buffer last = {0};
    struct buffer drawn = {0};
    bool found = false;
    if (edge_key(iterator, false, &first) && edge_key(iterator, true, &last)) {
        random_place_between(buffer_bytes(&first), buffer_bytes(&last), &drawn);
        seek_raw(iterator, buffer_bytes(&drawn));
        // Neighbours of a gap are drawn more often than others; a few random steps on from there even it out.
        found = walk_round(iterator, buffer_bytes(&first), random_below(STEPS_MAX) + 1, out);
    }
    enum store_status status = key_iterator_status(iterator);
    key_iterator_close(iterator);
    buffer_release(&first);
    buffer_release(&last);
    buffer_release(&drawn);
    if (status != STORE_OK)
        return status;
    return found ? STORE_OK : STORE_NOT_FOUND;
}
