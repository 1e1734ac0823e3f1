// SPDX-License-Identifier: Apache-2.0
//
// Sessions: their life, their locks, transactions, and the keys that they remember. Reading is in
// session_read.c, staging in session_stage.c, what enters RocksDB in commit.c. Uses: base, the other files of
// store/.
#include "store/session.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/memory.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>

// The changes that are held in memory until they are committed. One value alone may be larger.
enum { STAGED_BYTES_MAX = 1 << 30 };

struct store_session *session_open(struct store *store, size_t index) {
    always_assert(index < store->sessions, "a session's index is within what the store was opened for");
    struct store_session *session = memory_allocate_zeroed(1, sizeof(*session));
    session->store = store;
    session->index = index;
    session->counters = &store->counters[index];
    staging_open(&session->staging, store->families);
    session->staged_most = STAGED_BYTES_MAX;
    session->read = rocksdb_readoptions_create();
    session->read_snapshot = rocksdb_readoptions_create();
    return session;
}

void session_close(struct store_session *session) {
    if (session == NULL)
        return;
    always_assert(session->state == SESSION_IDLE, "a session is closed between commands");
    staging_close(&session->staging);
    rocksdb_readoptions_destroy(session->read);
    rocksdb_readoptions_destroy(session->read_snapshot);
    key_lock_set_release_memory(&session->locked);
    buffer_release(&session->key);
    buffer_release(&session->tracked);
    read_changes_release(&session->changes);
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

static void forget_staged(struct store_session *session) {
    if (session->staging.form != STAGING_BATCH || session->staged != 0 || session->name.is_put)
        staging_clear(&session->staging);
    session->staged = 0;
    session->staged_bytes = 0;
    session->is_overfull = false;
    session->name = (struct batch_name){0};
    session->tracks_keys = false;
    session->tracked_all = false;
    session->tracked_at_savepoint = 0;
    buffer_clear(&session->tracked);
    read_changes_clear(&session->changes);
}

// Buffers keep the memory of the most that they ever held, which after a big one is too much to keep.
enum { MEMORY_KEPT_MAX = 1 << 20 };

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
    staging_begin(&session->staging, STAGING_INDEXED);
}

// --- Gathering ---

void session_gather_begin(struct store_session *session) {
    always_assert(session->state == SESSION_WRITING && session->staged == 0,
                  "commands are gathered from the first one on");
    staging_begin(&session->staging, STAGING_LIST);
    session->reads_before_gathering = session->reads;
    session->staged_at_savepoint = 0;
    session->writes = 0;
}

bool session_gather_more(struct store_session *session, const struct bytes *keys, size_t count) {
    always_assert(session_gathers(session), "more is gathered where something is");
    return key_locks_add(session->store->locks, &session->locked, keys, count);
}

bool session_gather_is_full(const struct store_session *session) {
    enum { CHANGES_MAX = 512, BYTES_MAX = 128 << 10, READS_MAX = 512, STRIPES_MAX = 128 };
    return gathered_count(session->staging.list) >= CHANGES_MAX || session->staged_bytes >= BYTES_MAX ||
           session->reads - session->reads_before_gathering >= READS_MAX ||
           session->locked.count >= STRIPES_MAX;
}

// --- Savepoints and what else there is to know of what is staged ---

bool session_is_overfull(const struct store_session *session) {
    return session->is_overfull;
}

bool session_has_staged(const struct store_session *session) {
    return session->staged != 0;
}

bool session_has_staged_since_savepoint(const struct store_session *session) {
    return session->staged != session->staged_at_savepoint;
}

void session_savepoint(struct store_session *session) {
    staging_savepoint(&session->staging);
    session->writes += session_has_staged_since_savepoint(session);
    session->staged_at_savepoint = session->staged;
    session->name_at_savepoint = session->name;
    session->tracked_at_savepoint = session->tracked.length;
    session->last_tracked_at_savepoint = session->last_tracked;
}

void session_rollback_to_savepoint(struct store_session *session) {
    if (session->staged == session->staged_at_savepoint)
        return;
    staging_rollback(&session->staging);
    session->name = session->name_at_savepoint;
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
