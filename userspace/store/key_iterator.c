// SPDX-License-Identifier: Apache-2.0
//
// Walking the living keys of the namespace. Uses: base, the other files of store/.
#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "store/entry_draws.h"
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
    always_assert(!session_gathers(session), "commands that iterate are not gathered");
    struct key_iterator *iterator = memory_allocate_zeroed(1, sizeof(*iterator));
    iterator->session = session;
    iterator->now = now;
    iterator->left = SIZE_MAX;
    session->round_read = true;
    session->reads++;
    iterator->options = rocksdb_readoptions_create();
    // A walk over everything must not drive out of RocksDB's cache what others read again.
    rocksdb_readoptions_set_fill_cache(iterator->options, 0);
    if (session->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(iterator->options, session->snapshot);
    rocksdb_readoptions_set_iterate_upper_bound(iterator->options, store->namespace_end.data,
                                                store->namespace_end.length);
    iterator->entries =
        rocksdb_create_iterator_cf(store->database, iterator->options, store->families[FAMILY_METADATA]);
    if (session_in_transaction(session))
        iterator->entries = rocksdb_writebatch_wi_create_iterator_with_base_cf(
            session->staging.indexed, iterator->entries, store->families[FAMILY_METADATA]);
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

// The iterator is on the entry. Dead ones stay until compaction removes them.
static bool is_living_key(void *context, struct bytes raw, struct bytes value) {
    const struct key_iterator *iterator = context;
    struct metadata metadata;
    struct bytes key;
    (void)raw;
    (void)value;
    return decode_name(iterator, &key) && decode_entry(iterator, &metadata) &&
           is_alive(&metadata, iterator->now);
}

// --- A random key ---

struct random_key {
    struct key_iterator *iterator;
    bool is_walking;
    bool has_wrapped;    // and goes on from the first key
    struct buffer begin; // the encoded key that the walk began at; empty: the first one
};

struct random_key *random_key_open(struct store_session *session, wall_ms_t now) {
    struct random_key *random = memory_allocate_zeroed(1, sizeof(*random));
    random->iterator = key_iterator_open(session, now);
    return random;
}

void random_key_close(struct random_key *random) {
    key_iterator_close(random->iterator);
    buffer_release(&random->begin);
    free(random);
}

static bool draw(const struct random_key *random) {
    // Enough to meet a living key if there is one among a few thousand.
    enum { DEAD_MOST = 10000 };
    struct key_iterator *iterator = random->iterator;
    const struct store *store = iterator->session->store;
    struct entry_draws *draws = entry_draws_open(
        iterator->entries, buffer_bytes(&store->namespace_prefix),
        store_property(store, FAMILY_METADATA, "rocksdb.estimate-num-keys"), is_living_key, iterator);
    bool drawn = entry_draws_any(draws, DEAD_MOST);
    entry_draws_close(draws);
    iterator->fresh = true;
    return drawn;
}

// Where the last draw was given up, which is no worse a place than any other.
static void begin_walk(struct random_key *random) {
    struct key_iterator *iterator = random->iterator;
    struct bytes key;
    random->is_walking = true;
    if (within_namespace(iterator) && decode_name(iterator, &key)) {
        key.data = rocksdb_iter_key(iterator->entries, &key.length);
        buffer_append(&random->begin, key);
        return;
    }
    random->has_wrapped = true;
    key_iterator_seek(iterator, (struct bytes){0}, false);
}

// True if the walk has been all round.
static bool has_been_round(const struct random_key *random) {
    if (!random->has_wrapped || !within_namespace(random->iterator))
        return random->has_wrapped;
    size_t length = 0;
    const char *key = rocksdb_iter_key(random->iterator->entries, &length);
    return random->begin.length != 0 &&
           bytes_compare((struct bytes){key, length}, buffer_bytes(&random->begin)) >= 0;
}

enum random_key_step random_key_look(struct random_key *random, struct bytes *key) {
    enum { LOOKED_AT = 64 };
    struct key_iterator *iterator = random->iterator;
    struct metadata metadata;
    if (!random->is_walking && !draw(random))
        begin_walk(random);
    key_iterator_limit(iterator, LOOKED_AT);
    if (key_iterator_next(iterator, key, &metadata, NULL))
        return RANDOM_KEY_FOUND;
    if (key_iterator_status(iterator) != STORE_OK)
        return RANDOM_KEY_FAILED;
    if (has_been_round(random))
        return RANDOM_KEY_MISSING;
    if (!iterator->stopped) {
        random->has_wrapped = true;
        key_iterator_seek(iterator, (struct bytes){0}, false);
    }
    return RANDOM_KEY_GOES_ON;
}
