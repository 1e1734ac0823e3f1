// SPDX-License-Identifier: Apache-2.0
//
// Writing what the master has written. Uses: base, the other files of store/.
#include "store/apply.h"

#include "base/assert.h"
#include "base/counter.h"
#include "store/history.h"
#include "store/session_internal.h"
#include "store/write_batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static enum apply_result out_of_step(char error[STORE_ERROR_SIZE], uint64_t sequence, uint64_t latest) {
    (void)snprintf(error, STORE_ERROR_SIZE,
                   "the master's changes begin with sequence number %" PRIu64
                   ", and the newest here is %" PRIu64,
                   sequence, latest);
    return APPLY_OUT_OF_STEP;
}

static void note_changes(struct store_session *session, struct bytes batch) {
    struct write_batch_record record;
    size_t at = WRITE_BATCH_HEADER_SIZE;
    read_changes_clear(&session->changes);
    while (write_batch_next(batch, &at, &record)) {
        if (record.kind == WRITE_BATCH_DELETE_RANGE)
            read_changes_note_all(&session->changes);
        else if (record.kind != WRITE_BATCH_LOG_DATA)
            session_note_change(session, record.family, record.key);
    }
}

// What is written after this as a master begins a new history.
static char *write_batch(struct store_session *session, struct bytes batch) {
    struct store *store = session->store;
    char *reason = NULL;
    rocksdb_writebatch_t *changes = rocksdb_writebatch_create_from(batch.data, batch.length);
    note_changes(session, batch);
    zset_ends_change_begin(store->zset_ends);
    read_cache_change_begin(store->read_cache, &session->changes);
    zset_ranks_change_begin(store, batch, ZSET_RANKS_ANYBODY);
    rocksdb_write(store->database, store->options.write, changes, &reason);
    zset_ranks_change_end(store, reason == NULL);
    read_cache_change_end(store->read_cache, &session->changes);
    zset_ends_change_end(store->zset_ends);
    rocksdb_writebatch_destroy(changes);
    if (reason != NULL)
        write_ahead_log_note_failure(store->log);
    history_begin_with_next_commit(store);
    return reason;
}

static enum apply_result apply_in_turn(struct store_session *session, struct bytes batch,
                                       const struct write_batch_header *header,
                                       char error[STORE_ERROR_SIZE]) {
    struct store *store = session->store;
    uint64_t latest = store_latest_sequence(store);
    if (header->sequence != latest + 1)
        return out_of_step(error, header->sequence, latest);
    char *reason = write_batch(session, batch);
    if (reason != NULL) {
        (void)snprintf(error, STORE_ERROR_SIZE, "the master's changes were not stored: %s", reason);
        free(reason);
        return APPLY_FAILED;
    }
    if (store_latest_sequence(store) != latest + header->count)
        return out_of_step(error, header->sequence + header->count, store_latest_sequence(store));
    return APPLIED;
}

// RocksDB puts a change of a family that it does not have into its log before it refuses it, and takes no
// write any more after that.
static bool is_for_this_database(const struct store *store, struct bytes batch) {
    return write_batch_is_sound(batch, (uint32_t)(FAMILY_COUNT + store->unknown_family_count));
}

enum apply_result store_apply(struct store_session *session, struct bytes batch,
                              char error[STORE_ERROR_SIZE]) {
    struct store *store = session->store;
    struct write_batch_header header;
    always_assert(session->state != SESSION_IDLE, "batches are applied inside the role guard");
    if (!is_for_this_database(store, batch) || !write_batch_header(batch, &header)) {
        (void)snprintf(error, STORE_ERROR_SIZE,
                       "%zu bytes from the master are no changes, or are in a column family that this "
                       "database does not have",
                       batch.length);
        return APPLY_DAMAGED;
    }
    if (header.count == 0)
        return APPLIED;
    write_ahead_log_take_turn(store->log);
    enum apply_result result = apply_in_turn(session, batch, &header, error);
    write_ahead_log_end_turn(store->log);
    if (result == APPLIED) {
        // Not as a write: what a client is told has to wait for the log, but no lease.
        session->round_read = true;
        counter_add(&session->counters->commits, 1);
        store_note_health(store, NULL, NULL);
    } else if (result == APPLY_FAILED) {
        counter_add(&session->counters->failed, 1);
        store_note_health(store, "RocksDB refused the master's changes", error);
    }
    return result;
}
