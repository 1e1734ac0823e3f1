// SPDX-License-Identifier: Apache-2.0
//
// The two gates of every write of a client: store_commit(), the one call of RocksDB's write, and
// store_settle(), after which replies may leave. Nothing else in the project writes for a client. Uses: base,
// the other files of store/.
#include "base/assert.h"
#include "base/counter.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>

static enum store_status refused(struct store_session *session, const char *why) {
    (void)snprintf(session->error, sizeof(session->error), "%s", why);
    counter_add(&session->counters->refused, 1);
    return STORE_REFUSED;
}

static void write_staged(struct store_session *session, char **reason) {
    struct store *store = session->store;
    if (session->in_transaction)
        rocksdb_write_writebatch_wi(store->database, store->options.write, session->indexed, reason);
    else
        rocksdb_write(store->database, store->options.write, session->batch, reason);
}

enum store_status store_commit(struct store_session *session) {
    struct store *store = session->store;
    always_assert(session->state != SESSION_IDLE, "commits happen inside the role guard");
    if (session->staged == 0)
        return STORE_OK;
    if (store->check != NULL) {
        const char *why = store->check(store->check_context, STORE_GATE_COMMIT);
        if (why != NULL)
            return refused(session, why);
    }
    char *reason = NULL;
    write_staged(session, &reason);
    if (reason != NULL) {
        atomic_store(&store->wal_failed, true);
        store_note_health(store, "RocksDB refused a write", reason);
        return session_failed(session, "the write was not stored", reason);
    }
    store_note_health(store, NULL, NULL);
    session->round_wrote = true;
    counter_add(&session->counters->commits, 1);
    return STORE_OK;
}

// After a failure RocksDB refuses all writes until it has recovered, by itself, onto a new WAL file. To flush
// the old one meanwhile is forbidden (it aborts the process). An empty batch past the WAL asks whether it has
// recovered.
static char *ask_whether_recovered(struct store *store) {
    char *reason = NULL;
    rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
    rocksdb_write(store->database, store->probe, nothing, &reason);
    rocksdb_writebatch_destroy(nothing);
    if (reason == NULL)
        atomic_store(&store->wal_failed, false);
    return reason;
}

// With the flush lock held.
static char *flush_now(struct store_session *session) {
    struct store *store = session->store;
    char *reason = atomic_load(&store->wal_failed) ? ask_whether_recovered(store) : NULL;
    if (reason != NULL)
        return reason;
    uint64_t covers = rocksdb_get_latest_sequence_number(store->database);
    rocksdb_flush_wal(store->database, store->sync, &reason);
    counter_add(&session->counters->wal_flushes, 1);
    if (reason == NULL)
        atomic_store_explicit(&store->flushed_sequence, covers, memory_order_release);
    else
        atomic_store(&store->wal_failed, true);
    return reason;
}

// Brings everything up to `sequence` into the WAL file (onto the disk, if sync is on). One flush serves all
// workers that wait for the lock: the first to get it flushes for the others too.
static char *flush_up_to(struct store_session *session, uint64_t sequence) {
    struct store *store = session->store;
    char *reason = NULL;
    pthread_mutex_lock(&store->flush_lock);
    if (atomic_load_explicit(&store->flushed_sequence, memory_order_acquire) < sequence)
        reason = flush_now(session);
    pthread_mutex_unlock(&store->flush_lock);
    return reason;
}

static enum settle_result settle_failed(struct store_session *session, char *reason) {
    store_note_health(session->store, "the write-ahead log could not be written", reason);
    (void)snprintf(session->settle_error, sizeof(session->settle_error),
                   "ERR the newest writes could not be made durable, their outcome is unknown: %s", reason);
    free(reason);
    counter_add(&session->counters->failed, 1);
    return SETTLE_FAILED;
}

static enum settle_result settle_round(struct store_session *session) {
    struct store *store = session->store;
    uint64_t latest = rocksdb_get_latest_sequence_number(store->database);
    if (!store->wal_off && atomic_load_explicit(&store->flushed_sequence, memory_order_acquire) < latest) {
        char *reason = flush_up_to(session, latest);
        if (reason != NULL)
            return settle_failed(session, reason);
    }
    if (session->round_wrote && store->check != NULL) {
        const char *why = store->check(store->check_context, STORE_GATE_SETTLE);
        if (why != NULL) {
            (void)snprintf(session->settle_error, sizeof(session->settle_error), "%s", why);
            counter_add(&session->counters->late, 1);
            return SETTLE_LATE;
        }
    }
    return SETTLED;
}

enum settle_result store_settle(struct store_session *session) {
    enum settle_result result = SETTLED;
    if (session->round_wrote || session->round_read)
        result = settle_round(session);
    session->round_wrote = false;
    session->round_read = false;
    return result;
}

const char *session_settle_error(const struct store_session *session) {
    return session->settle_error;
}

bool session_round_read(const struct store_session *session) {
    return session->round_read;
}

bool session_round_wrote(const struct store_session *session) {
    return session->round_wrote;
}

uint64_t session_reads(const struct store_session *session) {
    return session->reads;
}
