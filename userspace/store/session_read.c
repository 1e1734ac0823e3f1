// SPDX-License-Identifier: Apache-2.0
//
// What a session's commands read: metadata entries and sub-keys, as they are, as of a snapshot, or through a
// transaction's batch. Uses: base, the other files of store/.
#include "base/assert.h"
#include "base/counter.h"
#include "base/memory.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>

void session_snapshot_begin(struct store_session *session) {
    always_assert(session->snapshot == NULL, "snapshots do not nest");
    session->snapshot_has = store_latest_sequence(session->store);
    session->snapshot = rocksdb_create_snapshot(session->store->database);
    session->snapshot_may_have = store_latest_sequence(session->store);
    rocksdb_readoptions_set_snapshot(session->read_snapshot, session->snapshot);
}

void session_snapshot_end(struct store_session *session) {
    rocksdb_readoptions_set_snapshot(session->read_snapshot, NULL);
    rocksdb_release_snapshot(session->store->database, session->snapshot);
    session->snapshot = NULL;
}

const rocksdb_readoptions_t *session_read_options(const struct store_session *session) {
    return session->snapshot != NULL ? session->read_snapshot : session->read;
}

static void note_read(struct store_session *session) {
    session->round_read = true;
    session->reads++;
}

// False: commands before this one have not changed the entry of session->key.
static bool read_gathered(const struct store_session *session, enum column_family family,
                          struct store_value *out, enum store_status *status) {
    struct bytes value = {0};
    enum gathered_answer answer =
        gathered_find(session->staging.list, family, buffer_bytes(&session->key), &value);
    if (answer == GATHERED_UNCHANGED)
        return false;
    *status = answer == GATHERED_PUT ? STORE_OK : STORE_NOT_FOUND;
    if (answer == GATHERED_PUT) {
        out->pin = memory_copy(value.data, value.length);
        out->raw = (struct bytes){out->pin, value.length};
    }
    return true;
}

// Reads the entry of session->key through what is staged, where that is to be seen.
static enum store_status read_entry(struct store_session *session, enum column_family family,
                                    struct store_value *out) {
    struct store *store = session->store;
    const rocksdb_readoptions_t *options = session_read_options(session);
    struct bytes key = buffer_bytes(&session->key);
    enum store_status status = STORE_OK;
    char *reason = NULL;
    note_read(session);
    *out = (struct store_value){0};
    if (session_gathers(session) && read_gathered(session, family, out, &status))
        return status;
    if (session_in_transaction(session)) {
        size_t length = 0;
        char *data = rocksdb_writebatch_wi_get_from_batch_and_db_cf(session->staging.indexed, store->database,
                                                                    options, store->families[family],
                                                                    key.data, key.length, &length, &reason);
        out->pin = data;
        out->raw = (struct bytes){data, length};
    } else {
        rocksdb_pinnableslice_t *slice = rocksdb_get_pinned_cf(
            store->database, options, store->families[family], key.data, key.length, &reason);
        out->pin = slice;
        out->pin_is_slice = true;
        if (slice != NULL)
            out->raw.data = rocksdb_pinnableslice_value(slice, &out->raw.length);
    }
    if (reason != NULL)
        return session_read_failed(session, reason);
    return out->pin == NULL ? STORE_NOT_FOUND : STORE_OK;
}

enum store_status session_not_understood(struct store_session *session) {
    (void)snprintf(session->error, sizeof(session->error),
                   "ERR the stored entry of this key is damaged or was written by something newer");
    return STORE_FAILED;
}

void session_note_dead(struct store_session *session, struct bytes key) {
    const struct store *store = session->store;
    counter_add(&session->counters->expired_reads, 1);
    if (store->on_expired != NULL)
        store->on_expired(store->on_expired_context, key);
}

static void set_payload(struct store_value *value) {
    value->payload = (struct bytes){value->raw.data + value->metadata.header_length,
                                    value->raw.length - value->metadata.header_length};
}

static bool is_gathered(struct store_session *session, struct bytes key) {
    struct bytes value;
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    return gathered_find(session->staging.list, FAMILY_METADATA, buffer_bytes(&session->key), &value) !=
           GATHERED_UNCHANGED;
}

// In a transaction and in a snapshot the newest entry may not be the one that is wanted, nor is it where
// commands before this one have staged another.
static struct read_cache *cache_for(struct store_session *session, struct bytes key) {
    if (session_in_transaction(session) || session->snapshot != NULL ||
        (session_gathers(session) && is_gathered(session, key)))
        return NULL;
    return session->store->read_cache;
}

// A dead key is not found here: RocksDB knows whether there is still anything of it.
static bool read_cached(struct store_session *session, struct bytes key, wall_ms_t now,
                        struct read_ticket *ticket, struct store_value *out) {
    char entry[READ_CACHE_ENTRY_MAX];
    struct metadata metadata;
    struct read_cache *cache = cache_for(session, key);
    size_t length = read_cache_find(cache, key, entry, ticket);
    if (length == 0 || !decode_metadata((struct bytes){entry, length}, &metadata))
        return false;
    if (metadata_is_dead(&metadata, now)) {
        read_cache_drop(cache, ticket);
        return false;
    }
    note_read(session);
    counter_add(&session->counters->cached_reads, 1);
    *out = (struct store_value){.metadata = metadata, .pin = memory_copy(entry, length)};
    out->raw = (struct bytes){out->pin, length};
    set_payload(out);
    return true;
}

// What a writer reads it mostly changes at once, so it is not worth keeping.
static void keep_cached(struct store_session *session, struct bytes key, const struct read_ticket *ticket,
                        const struct store_value *value) {
    if (session->state == SESSION_IDLE)
        read_cache_keep(cache_for(session, key), ticket, key, value->raw);
}

// Reads and decodes; a dead key is not found.
static enum store_status read_living(struct store_session *session, struct bytes key, wall_ms_t now,
                                     struct store_value *out) {
    struct read_ticket ticket;
    if (read_cached(session, key, now, &ticket, out))
        return STORE_OK;
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    enum store_status status = read_entry(session, FAMILY_METADATA, out);
    if (status != STORE_OK)
        return status;
    if (!decode_metadata(out->raw, &out->metadata)) {
        store_value_release(out);
        return session_not_understood(session);
    }
    if (metadata_is_dead(&out->metadata, now)) {
        store_value_release(out);
        session_note_dead(session, key);
        return STORE_NOT_FOUND;
    }
    keep_cached(session, key, &ticket, out);
    set_payload(out);
    return STORE_OK;
}

enum store_status store_read(struct store_session *session, struct bytes key, wall_ms_t now,
                             struct store_value *out) {
    enum store_status status = read_living(session, key, now, out);
    if (status == STORE_OK)
        counter_add(&session->counters->hits, 1);
    else if (status == STORE_NOT_FOUND)
        counter_add(&session->counters->misses, 1);
    return status;
}

enum store_status store_read_typed(struct store_session *session, struct bytes key, enum value_type type,
                                   wall_ms_t now, struct store_value *out) {
    enum store_status status = store_read(session, key, now, out);
    if (status == STORE_OK && out->metadata.type != type) {
        store_value_release(out);
        return STORE_WRONG_TYPE;
    }
    return status;
}

enum store_status store_read_sub_key(struct store_session *session, enum column_family family,
                                     struct bytes key, uint64_t version, struct bytes sub_key,
                                     struct store_value *out) {
    buffer_clear(&session->key);
    encode_sub_key(&session->key, &session->store->layout, key, version, sub_key);
    enum store_status status = read_entry(session, family, out);
    if (status == STORE_OK)
        out->payload = out->raw;
    return status;
}

enum store_status store_exists(struct store_session *session, struct bytes key, wall_ms_t now) {
    struct store_value value;
    enum store_status status = read_living(session, key, now, &value);
    if (status == STORE_OK)
        store_value_release(&value);
    return status;
}

bool store_has_expired(struct store_session *session, struct bytes key, wall_ms_t now) {
    struct store_value value;
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    bool has_expired = read_entry(session, FAMILY_METADATA, &value) == STORE_OK &&
                       decode_metadata(value.raw, &value.metadata) &&
                       metadata_has_expired(&value.metadata, now);
    store_value_release(&value);
    return has_expired;
}

static void release_slice(void *slice) {
    rocksdb_pinnableslice_destroy(slice);
}

void store_value_release(struct store_value *value) {
    if (value->pin != NULL && value->pin_is_slice)
        release_slice(value->pin);
    else
        free(value->pin);
    *value = (struct store_value){0};
}

void store_value_take_pin(struct store_value *value, void (**release)(void *), void **owner) {
    *release = value->pin_is_slice ? release_slice : free;
    *owner = value->pin;
    value->pin = NULL;
}
