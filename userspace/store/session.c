// SPDX-License-Identifier: Apache-2.0
//
// Sessions: locks, reading and staging. What enters RocksDB is in commit.c. Uses: base, the other files of
// store/.
#include "store/session.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/memory.h"
#include "base/number.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    // The changes that are held in memory until they are committed. One value alone may be larger.
    STAGED_BYTES_MAX = 1 << 30,
    // What an entry costs in the batch and in a transaction's index, beside its key and its value.
    STAGED_ENTRY_COST = 128
};

struct store_session *session_open(struct store *store, size_t index) {
    always_assert(index < store->sessions, "a session's index is within what the store was opened for");
    struct store_session *session = memory_allocate_zeroed(1, sizeof(*session));
    session->store = store;
    session->index = index;
    session->counters = &store->counters[index];
    session->batch = rocksdb_writebatch_create();
    session->staged_most = STAGED_BYTES_MAX;
    session->read = rocksdb_readoptions_create();
    session->read_snapshot = rocksdb_readoptions_create();
    return session;
}

void session_close(struct store_session *session) {
    if (session == NULL)
        return;
    always_assert(session->state == SESSION_IDLE, "a session is closed between commands");
    rocksdb_writebatch_destroy(session->batch);
    if (session->indexed != NULL)
        rocksdb_writebatch_wi_destroy(session->indexed);
    rocksdb_readoptions_destroy(session->read);
    rocksdb_readoptions_destroy(session->read_snapshot);
    key_lock_set_release_memory(&session->locked);
    buffer_release(&session->key);
    buffer_release(&session->tracked);
    free(session);
}

struct store *session_store(const struct store_session *session) {
    return session->store;
}

void session_prepare_thread(void) {
    // Else RocksDB counts what each operation does, in thread-local variables that nobody reads here: about
    // a tenth of the time that a write takes.
    rocksdb_set_perf_level(rocksdb_disable);
}

const char *session_error(const struct store_session *session, enum store_status status) {
    if (status == STORE_WRONG_TYPE)
        return "WRONGTYPE Operation against a key holding the wrong kind of value";
    return session->error;
}

enum store_status session_failed(struct store_session *session, const char *what, char *reason) {
    (void)snprintf(session->error, sizeof(session->error), "ERR %s: %s", what, reason);
    free(reason);
    counter_add(&session->counters->failed, 1);
    return STORE_FAILED;
}

enum store_status session_read_failed(struct store_session *session, char *reason) {
    store_note_read_error(session->store, reason);
    return session_failed(session, "the database could not be read", reason);
}

// --- Locks ---

void session_write_begin(struct store_session *session, const struct bytes *keys, size_t count) {
    always_assert(session->state == SESSION_IDLE, "one write command at a time runs in a session");
    role_guard_enter(session->store->guard, session->index);
    key_locks_take(session->store->locks, &session->locked, keys, count);
    session->state = SESSION_WRITING;
}

void session_write_begin_exclusive(struct store_session *session) {
    always_assert(session->state == SESSION_IDLE, "one write command at a time runs in a session");
    role_guard_take(session->store->guard);
    session->state = SESSION_WRITING_EXCLUSIVE;
}

// Batches and buffers keep the memory of the most that they ever held, which after a big one is too much to
// keep.
enum { MEMORY_KEPT_MAX = 1 << 20 };

static void clear_batch(struct store_session *session) {
    size_t size = 0;
    (void)rocksdb_writebatch_data(session->batch, &size);
    if (size <= MEMORY_KEPT_MAX) {
        rocksdb_writebatch_clear(session->batch);
        return;
    }
    rocksdb_writebatch_destroy(session->batch);
    session->batch = rocksdb_writebatch_create();
}

static void clear_indexed_batch(struct store_session *session) {
    size_t size = 0;
    (void)rocksdb_writebatch_wi_data(session->indexed, &size);
    if (size <= MEMORY_KEPT_MAX) {
        rocksdb_writebatch_wi_clear(session->indexed);
        return;
    }
    rocksdb_writebatch_wi_destroy(session->indexed);
    session->indexed = NULL;
}

static void forget_staged(struct store_session *session) {
    if (session->in_transaction)
        clear_indexed_batch(session);
    else if (session->staged != 0 || session->batch_is_named)
        clear_batch(session);
    session->staged = 0;
    session->staged_bytes = 0;
    session->is_overfull = false;
    session->batch_is_named = false;
    session->tracks_keys = false;
    session->tracked_all = false;
    session->tracked_at_savepoint = 0;
    buffer_clear(&session->tracked);
}

static void give_back(struct buffer *buffer) {
    if (buffer->capacity > MEMORY_KEPT_MAX)
        buffer_release(buffer);
}

void session_give_back_memory(struct store_session *session) {
    give_back(&session->key);
    give_back(&session->tracked);
    if (session->locked.capacity > MEMORY_KEPT_MAX / sizeof(*session->locked.stripes))
        key_lock_set_release_memory(&session->locked);
}

void session_write_end(struct store_session *session) {
    always_assert(session->state != SESSION_IDLE, "what ends was begun");
    forget_staged(session);
    session->in_transaction = false;
    if (session->state == SESSION_WRITING_EXCLUSIVE) {
        role_guard_release(session->store->guard);
    } else {
        key_locks_release(session->store->locks, &session->locked);
        role_guard_leave(session->store->guard, session->index);
    }
    session->state = SESSION_IDLE;
    session_give_back_memory(session);
}

void session_transaction_begin(struct store_session *session) {
    always_assert(session->state != SESSION_IDLE && session->staged == 0,
                  "a transaction begins with its locks held and nothing staged");
    if (session->indexed == NULL)
        session->indexed = rocksdb_writebatch_wi_create(0, 1);
    session->in_transaction = true;
}

bool session_is_overfull(const struct store_session *session) {
    return session->is_overfull;
}

bool session_has_staged(const struct store_session *session) {
    return session->staged != 0;
}

void session_savepoint(struct store_session *session) {
    always_assert(session->in_transaction, "savepoints are for transactions");
    rocksdb_writebatch_wi_set_save_point(session->indexed);
    session->staged_at_savepoint = session->staged;
    session->tracked_at_savepoint = session->tracked.length;
    session->last_tracked_at_savepoint = session->last_tracked;
}

void session_rollback_to_savepoint(struct store_session *session) {
    if (session->staged == session->staged_at_savepoint)
        return;
    char *reason = NULL;
    rocksdb_writebatch_wi_rollback_to_save_point(session->indexed, &reason);
    always_assert(reason == NULL, "a savepoint that was set can be returned to");
    session->batch_is_named = session->batch_is_named && session->staged_at_savepoint != 0;
    session->staged = session->staged_at_savepoint;
    session->tracked.length = session->tracked_at_savepoint;
    session->last_tracked = session->last_tracked_at_savepoint;
}

void session_track_keys(struct store_session *session) {
    session->tracks_keys = true;
}

static void each_tracked_key(struct store_session *session, size_t at,
                             void (*each)(void *context, struct bytes key, bool all), void *context) {
    if (session->tracked_all)
        each(context, (struct bytes){0}, true);
    while (at < session->tracked.length) {
        size_t length = 0;
        memcpy(&length, session->tracked.data + at, sizeof(length));
        at += sizeof(length);
        each(context, (struct bytes){session->tracked.data + at, length}, false);
        at += length;
    }
}

void session_each_committed_key(struct store_session *session,
                                void (*each)(void *context, struct bytes key, bool all), void *context) {
    each_tracked_key(session, 0, each, context);
}

void session_each_staged_key(struct store_session *session,
                             void (*each)(void *context, struct bytes key, bool all), void *context) {
    each_tracked_key(session, session->tracked_at_savepoint, each, context);
}

// --- Reading ---

void session_snapshot_begin(struct store_session *session) {
    always_assert(session->snapshot == NULL, "snapshots do not nest");
    session->snapshot = rocksdb_create_snapshot(session->store->database);
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

// Reads the entry of session->key through the transaction's batch, if there is one.
static enum store_status read_entry(struct store_session *session, enum column_family family,
                                    struct store_value *out) {
    struct store *store = session->store;
    const rocksdb_readoptions_t *options = session_read_options(session);
    struct bytes key = buffer_bytes(&session->key);
    char *reason = NULL;
    session->round_read = true;
    session->reads++;
    *out = (struct store_value){0};
    if (session->in_transaction) {
        size_t length = 0;
        char *data = rocksdb_writebatch_wi_get_from_batch_and_db_cf(session->indexed, store->database,
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

// Reads and decodes; a dead key is not found.
static enum store_status read_living(struct store_session *session, struct bytes key, wall_ms_t now,
                                     struct store_value *out) {
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
        counter_add(&session->counters->expired_reads, 1);
        return STORE_NOT_FOUND;
    }
    out->payload = (struct bytes){out->raw.data + out->metadata.header_length,
                                  out->raw.length - out->metadata.header_length};
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

// --- Staging ---

// Kvrocks starts each batch with log data that names the type it changes; its migration and change-capture
// tools read it from the WAL.
static void name_batch(struct store_session *session, enum value_type type) {
    if (session->batch_is_named)
        return;
    char name[NUMBER_INTEGER_SIZE];
    size_t length = number_write_integer(name, (int64_t)type);
    if (session->in_transaction)
        rocksdb_writebatch_wi_put_log_data(session->indexed, name, length);
    else
        rocksdb_writebatch_put_log_data(session->batch, name, length);
    session->batch_is_named = true;
}

// A collection's sub-keys are staged one after the other under the same name.
static bool is_last_tracked(const struct store_session *session, struct bytes user_key) {
    size_t length = 0;
    if (session->tracked.length == session->tracked_at_savepoint)
        return false;
    const char *last = session->tracked.data + session->last_tracked;
    memcpy(&length, last, sizeof(length));
    return bytes_equal((struct bytes){last + sizeof(length), length}, user_key);
}

static void about_to_stage(struct store_session *session, struct bytes user_key, enum value_type type) {
    always_assert(session->state != SESSION_IDLE, "changes are staged with their locks held");
    name_batch(session, type);
    session->staged++;
    if (!session->tracks_keys || session->is_overfull || is_last_tracked(session, user_key))
        return;
    session->last_tracked = session->tracked.length;
    buffer_append_counted(&session->tracked, user_key);
}

// False if so much more is too much. What a savepoint takes back stays counted: the index keeps its memory.
static bool has_room_for(struct store_session *session, size_t key_length, size_t value_length) {
    size_t more = STAGED_ENTRY_COST + key_length + value_length;
    bool first = session->staged_bytes == 0;
    if (session->is_overfull || (!first && more > session->staged_most - session->staged_bytes)) {
        session->is_overfull = true;
        return false;
    }
    session->staged_bytes = more < session->staged_most - session->staged_bytes ? session->staged_bytes + more
                                                                                : session->staged_most;
    return true;
}

// A value in parts, put without joining them first: a part may be hundreds of megabytes.
static void put_parts(struct store_session *session, enum column_family family, const struct bytes *parts,
                      size_t count) {
    enum { PARTS_MAX = 8 };
    const char *data[PARTS_MAX];
    size_t lengths[PARTS_MAX];
    size_t value_length = 0;
    always_assert(count <= PARTS_MAX, "values are staged in a few parts");
    for (size_t i = 0; i < count; i++) {
        data[i] = parts[i].length == 0 ? "" : parts[i].data;
        lengths[i] = parts[i].length;
        value_length += parts[i].length;
    }
    if (!has_room_for(session, session->key.length, value_length))
        return;
    const char *key = session->key.data;
    const size_t key_length = session->key.length;
    rocksdb_column_family_handle_t *handle = session->store->families[family];
    if (session->in_transaction)
        rocksdb_writebatch_wi_putv_cf(session->indexed, handle, 1, &key, &key_length, (int)count, data,
                                      lengths);
    else
        rocksdb_writebatch_putv_cf(session->batch, handle, 1, &key, &key_length, (int)count, data, lengths);
}

void stage_string(struct store_session *session, struct bytes key, wall_ms_t expire_ms,
                  const struct bytes *parts, size_t part_count) {
    struct metadata metadata = {.type = VALUE_STRING, .wide = true, .expire_ms = expire_ms};
    char header[METADATA_HEADER_MAX];
    struct bytes all[8];
    always_assert(part_count < sizeof(all) / sizeof(all[0]), "strings are staged in a few parts");
    all[0] = (struct bytes){header, encode_metadata(header, &metadata)};
    for (size_t i = 0; i < part_count; i++)
        all[i + 1] = parts[i];
    about_to_stage(session, key, VALUE_STRING);
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    put_parts(session, FAMILY_METADATA, all, part_count + 1);
}

void stage_entry(struct store_session *session, struct bytes key, const struct metadata *metadata,
                 struct bytes payload) {
    char header[METADATA_HEADER_MAX];
    struct bytes parts[2] = {{header, encode_metadata(header, metadata)}, payload};
    about_to_stage(session, key, metadata->type);
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    put_parts(session, FAMILY_METADATA, parts, 2);
}

static void delete_encoded(struct store_session *session, enum column_family family, struct bytes raw) {
    rocksdb_column_family_handle_t *handle = session->store->families[family];
    if (!has_room_for(session, raw.length, 0))
        return;
    if (session->in_transaction)
        rocksdb_writebatch_wi_delete_cf(session->indexed, handle, raw.data, raw.length);
    else
        rocksdb_writebatch_delete_cf(session->batch, handle, raw.data, raw.length);
}

void stage_delete(struct store_session *session, struct bytes key) {
    about_to_stage(session, key, VALUE_NONE);
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    delete_encoded(session, FAMILY_METADATA, buffer_bytes(&session->key));
}

void stage_sub_key(struct store_session *session, enum column_family family, struct bytes key,
                   const struct metadata *metadata, struct bytes sub_key, struct bytes value) {
    about_to_stage(session, key, metadata->type);
    buffer_clear(&session->key);
    encode_sub_key(&session->key, &session->store->layout, key, metadata->version, sub_key);
    put_parts(session, family, &value, 1);
}

void stage_delete_sub_key(struct store_session *session, enum column_family family, struct bytes key,
                          const struct metadata *metadata, struct bytes sub_key) {
    about_to_stage(session, key, metadata->type);
    buffer_clear(&session->key);
    encode_sub_key(&session->key, &session->store->layout, key, metadata->version, sub_key);
    delete_encoded(session, family, buffer_bytes(&session->key));
}

void stage_raw_put(struct store_session *session, enum column_family family, struct bytes key,
                   struct bytes value) {
    always_assert(session->state != SESSION_IDLE, "changes are staged with their locks held");
    session->staged++;
    buffer_clear(&session->key);
    buffer_append(&session->key, key);
    put_parts(session, family, &value, 1);
}

void stage_raw_delete(struct store_session *session, enum column_family family, struct bytes key) {
    always_assert(session->state != SESSION_IDLE, "changes are staged with their locks held");
    session->staged++;
    delete_encoded(session, family, key);
}

// Appends up to `most` living keys behind `after` to `out`, each behind its length. STORE_OK or STORE_FAILED.
static enum store_status collect_keys(struct store_session *session, struct bytes after, size_t most,
                                      struct buffer *out) {
    struct key_iterator *iterator = key_iterator_open(session, 0);
    struct bytes key;
    struct metadata metadata;
    key_iterator_seek(iterator, after, after.length != 0);
    for (size_t count = 0; count < most && key_iterator_next(iterator, &key, &metadata, NULL); count++) {
        buffer_append_counted(out, key);
    }
    enum store_status status = key_iterator_status(iterator);
    key_iterator_close(iterator);
    return status;
}

// RocksDB's indexed batches know no range tombstones, and must not change while they are iterated: so key by
// key, some at a time.
static enum store_status stage_delete_each(struct store_session *session) {
    enum { AT_ONCE = 1000 };
    struct buffer keys = {0};
    struct buffer last = {0};
    enum store_status status = STORE_OK;
    for (bool more = true; more && status == STORE_OK && !session->is_overfull;) {
        buffer_clear(&keys);
        status = collect_keys(session, buffer_bytes(&last), AT_ONCE, &keys);
        more = keys.length != 0;
        for (struct bytes rest = buffer_bytes(&keys); rest.length != 0 && !session->is_overfull;) {
            struct bytes key = bytes_take_counted(&rest);
            stage_delete(session, key);
            buffer_clear(&last);
            buffer_append(&last, key);
        }
    }
    buffer_release(&keys);
    buffer_release(&last);
    return status;
}

static void stage_delete_range(struct store_session *session, struct bytes begin, struct bytes end) {
    name_batch(session, VALUE_NONE);
    session->staged++;
    rocksdb_writebatch_delete_range_cf(session->batch, session->store->families[FAMILY_METADATA], begin.data,
                                       begin.length, end.data, end.length);
}

enum store_status stage_delete_all(struct store_session *session) {
    always_assert(session->state == SESSION_WRITING_EXCLUSIVE,
                  "everything is deleted with the role guard taken");
    session->tracked_all = true;
    if (session->in_transaction)
        return stage_delete_each(session);
    stage_delete_range(session, buffer_bytes(&session->store->namespace_prefix),
                       buffer_bytes(&session->store->namespace_end));
    return STORE_OK;
}

// What all keys of the slot start with; the slot behind the last one gives the end of its keys.
static void append_slot_prefix(const struct store *store, unsigned slot, struct buffer *out) {
    const char encoded[] = {(char)(slot >> 8), (char)(slot & 0xff)};
    buffer_append(out, buffer_bytes(&store->namespace_prefix));
    buffer_append(out, (struct bytes){encoded, sizeof(encoded)});
}

void stage_delete_slots(struct store_session *session, uint16_t first, uint16_t last) {
    always_assert(session->state == SESSION_WRITING_EXCLUSIVE && !session->in_transaction &&
                      session->store->layout.with_slot,
                  "slots are emptied with the role guard taken");
    struct buffer begin = {0};
    struct buffer end = {0};
    append_slot_prefix(session->store, first, &begin);
    append_slot_prefix(session->store, last + 1U, &end);
    session->tracked_all = true;
    stage_delete_range(session, buffer_bytes(&begin), buffer_bytes(&end));
    buffer_release(&begin);
    buffer_release(&end);
}
