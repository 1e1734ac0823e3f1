// SPDX-License-Identifier: Apache-2.0
//
// The two gates of every write of a client: store_commit(), the one call of RocksDB's write, and
// store_settle(), after which replies may leave. Nothing else in the project writes for a client. Uses: base,
// the other files of store/.
#include "base/assert.h"
#include "base/counter.h"
#include "store/history.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t writes_of(const struct store_session *session) {
    return session_gathers(session) ? session->writes + session_has_staged_since_savepoint(session) : 1;
}

static enum store_status refused(struct store_session *session, const char *why) {
    (void)snprintf(session->error, sizeof(session->error), "%s", why);
    counter_add(&session->counters->refused, writes_of(session));
    return STORE_REFUSED;
}

static enum store_status overfull(struct store_session *session) {
    (void)snprintf(session->error, sizeof(session->error),
                   "ERR the changes are too big to be made at once, more than %zu MB: nothing was written",
                   session->staged_most >> 20);
    return STORE_FAILED;
}

static char *write_staged(struct store_session *session) {
    struct store *store = session->store;
    char *reason = history_begin_if_due(store);
    if (reason != NULL)
        return reason;
    read_cache_change_begin(store->read_cache, &session->changes);
    zset_ranks_change_begin(store, staging_batch(&session->staging), ZSET_RANKS_OWN);
    reason = staging_write(&session->staging, store->database, store->options.write);
    zset_ranks_change_end(store, reason == NULL);
    read_cache_change_end(store->read_cache, &session->changes);
    return reason;
}

// With the turn taken, so that nothing comes between the check and the write but RocksDB itself. NULL:
// written, or `why` tells the check's refusal.
static char *write_if_allowed(struct store_session *session, const char **why) {
    struct store *store = session->store;
    *why = store->check == NULL ? NULL
                                : store->check(store->check_context, STORE_GATE_COMMIT, writes_of(session));
    if (*why != NULL)
        return NULL;
    char *reason = write_staged(session);
    if (reason != NULL)
        write_ahead_log_note_failure(store->log);
    return reason;
}

static void tell_observer(const struct store_session *session) {
    const struct store *store = session->store;
    if (store->observer != NULL)
        store->observer(store->observer_context, staging_batch(&session->staging));
}

static uint64_t era_of(const struct store *store) {
    return store->era == NULL ? 0 : store->era(store->check_context);
}

enum store_status store_commit(struct store_session *session) {
    struct store *store = session->store;
    always_assert(session->state != SESSION_IDLE, "commits happen inside the role guard");
    if (session->staged == 0)
        return STORE_OK;
    if (session->is_overfull)
        return overfull(session);
    const char *why = NULL;
    staging_finish(&session->staging);
    write_ahead_log_take_turn(store->log);
    char *reason = write_if_allowed(session, &why);
    write_ahead_log_end_turn(store->log);
    if (why != NULL)
        return refused(session, why);
    if (reason != NULL) {
        store_note_health(store, "RocksDB refused a write", reason);
        return session_failed(session, "the write was not stored", reason);
    }
    store_note_health(store, NULL, NULL);
    if (!session->round_wrote)
        session->round_era = era_of(store);
    session->round_wrote = true;
    counter_add(&session->counters->commits, 1);
    tell_observer(session);
    return STORE_OK;
}

static enum settle_result settle_failed(struct store_session *session, char *reason) {
    store_note_health(session->store, "the write-ahead log could not be written", reason);
    (void)snprintf(session->settle_error, sizeof(session->settle_error),
                   "ERR the newest writes could not be made durable, their outcome is unknown: %s", reason);
    free(reason);
    counter_add(&session->counters->failed, 1);
    return SETTLE_FAILED;
}

// The check before the era: one that begins in between finds what was decided before it.
static const char *why_not_acknowledged(const struct store_session *session) {
    const struct store *store = session->store;
    const char *why = store->check(store->check_context, STORE_GATE_SETTLE, 1);
    if (why == NULL && era_of(store) != session->round_era)
        why = store->check(store->check_context, STORE_GATE_SETTLE_LATER, 1);
    return why;
}

static enum settle_result settle_round(struct store_session *session) {
    struct store *store = session->store;
    uint64_t latest = rocksdb_get_latest_sequence_number(store->database);
    if (!store->wal_off && !write_ahead_log_covers(store->log, latest)) {
        bool flushed = false;
        char *reason = write_ahead_log_flush(store->log, latest, &flushed);
        if (reason != NULL)
            return settle_failed(session, reason);
        counter_add(&session->counters->wal_flushes, flushed);
    }
    if (session->round_wrote && store->check != NULL) {
        const char *why = why_not_acknowledged(session);
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
    session_give_back_memory(session);
    return result;
}

const char *session_settle_error(const struct store_session *session) {
    return session->settle_error;
}

void session_note_read(struct store_session *session) {
    session->round_read = true;
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
