// SPDX-License-Identifier: Apache-2.0
//
// What a session's commands stage: changes that go into the session's batch, seen by nobody until commit.c
// writes them. Uses: base, the other files of store/.
#include "base/assert.h"
#include "base/number.h"
#include "store/session_internal.h"

// What an entry costs in the batch and in a transaction's index, beside its key and its value.
enum { STAGED_ENTRY_COST = 128 };

static void append_number(struct buffer *out, int64_t number) {
    char text[NUMBER_INTEGER_SIZE];
    buffer_append(out, (struct bytes){text, number_write_integer(text, number)});
}

void stage_name(struct store_session *session, enum value_type type, enum log_command command,
                const struct bytes *words, size_t count) {
    struct batch_name *name = &session->name;
    struct buffer *text = &session->key;
    if (name->is_put && name->type == type && name->command == command && !name->has_words && count == 0)
        return;
    *name = (struct batch_name){true, type, command, count != 0};
    buffer_clear(text);
    append_number(text, (int64_t)type);
    if (command != LOG_NOTHING) {
        buffer_append(text, BYTES_LITERAL(" "));
        append_number(text, (int64_t)command);
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append(text, BYTES_LITERAL(" "));
        buffer_append(text, words[i]);
    }
    staging_log_data(&session->staging, buffer_bytes(text));
}

// A deletion of a whole key means the same under every name. Lists that nobody has named are written from the
// first element to the last: for Kvrocks' tools a list's change without a command is none.
static void name_type(struct store_session *session, enum value_type type) {
    if (session->name.is_put && (type == session->name.type || type == VALUE_NONE))
        return;
    stage_name(session, type, type == VALUE_LIST ? LOG_RPUSH : LOG_NOTHING, NULL, 0);
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

static void about_to_stage_named(struct store_session *session, struct bytes user_key) {
    always_assert(session->state != SESSION_IDLE, "changes are staged with their locks held");
    session->staged++;
    if (!session->tracks_keys || session->is_overfull || is_last_tracked(session, user_key))
        return;
    session->last_tracked = session->tracked.length;
    buffer_append_counted(&session->tracked, user_key);
}

static void about_to_stage(struct store_session *session, struct bytes user_key, enum value_type type) {
    name_type(session, type);
    about_to_stage_named(session, user_key);
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

void session_note_change(struct store_session *session, uint32_t family, struct bytes raw_key) {
    const struct store *store = session->store;
    struct bytes prefix = buffer_bytes(&store->namespace_prefix);
    size_t before = prefix.length + (store->layout.with_slot ? sizeof(uint16_t) : 0);
    if (family != FAMILY_METADATA || raw_key.length < before ||
        memcmp(raw_key.data, prefix.data, prefix.length) != 0)
        return; // nobody can have read it as a key
    read_changes_note(&session->changes, store->read_cache,
                      (struct bytes){raw_key.data + before, raw_key.length - before});
}

static void put_parts(struct store_session *session, enum column_family family, const struct bytes *parts,
                      size_t count) {
    struct bytes key = buffer_bytes(&session->key);
    size_t value_length = 0;
    for (size_t i = 0; i < count; i++)
        value_length += parts[i].length;
    if (!has_room_for(session, key.length, value_length))
        return;
    session_note_change(session, family, key);
    staging_put(&session->staging, family, key, parts, count);
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

static void put_entry(struct store_session *session, struct bytes key, const struct metadata *metadata,
                      struct bytes payload) {
    char header[METADATA_HEADER_MAX];
    struct bytes parts[2] = {{header, encode_metadata(header, metadata)}, payload};
    buffer_clear(&session->key);
    encode_metadata_key(&session->key, &session->store->layout, key);
    put_parts(session, FAMILY_METADATA, parts, 2);
}

void stage_entry(struct store_session *session, struct bytes key, const struct metadata *metadata,
                 struct bytes payload) {
    about_to_stage(session, key, metadata->type);
    put_entry(session, key, metadata, payload);
}

void stage_expiry(struct store_session *session, struct bytes key, const struct metadata *metadata,
                  struct bytes payload) {
    stage_name(session, VALUE_NONE, LOG_EXPIRE, NULL, 0);
    about_to_stage_named(session, key);
    put_entry(session, key, metadata, payload);
}

static void delete_encoded(struct store_session *session, enum column_family family, struct bytes raw) {
    if (!has_room_for(session, raw.length, 0))
        return;
    session_note_change(session, family, raw);
    staging_delete(&session->staging, family, raw);
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
    if (family == FAMILY_ZSET_SCORE) {
        struct bytes set = {session->key.data, session->key.length - sub_key.length};
        zset_ends_widen(session->store->zset_ends, set, sub_key);
    }
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
    name_type(session, VALUE_NONE);
    session->staged++;
    read_changes_note_all(&session->changes);
    staging_delete_range(&session->staging, FAMILY_METADATA, begin, end);
}

enum store_status stage_delete_all(struct store_session *session) {
    always_assert(session->state == SESSION_WRITING_EXCLUSIVE,
                  "everything is deleted with the role guard taken");
    session->tracked_all = true;
    if (session_in_transaction(session))
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
    always_assert(session->state == SESSION_WRITING_EXCLUSIVE && !session_in_transaction(session) &&
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
