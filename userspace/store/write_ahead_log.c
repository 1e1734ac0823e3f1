// SPDX-License-Identifier: Apache-2.0
//
// The one place that flushes the write-ahead log. Uses: memory.
#include "store/write_ahead_log.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct write_ahead_log {
    rocksdb_t *database;
    rocksdb_writeoptions_t *past_the_log;
    bool sync;
    pthread_mutex_t lock;
    uint64_t failures_overcome; // under the lock
    _Atomic uint64_t failures;
    _Atomic uint64_t covered; // everything up to this sequence number is in the file
};

struct write_ahead_log *write_ahead_log_open(rocksdb_t *database, bool sync) {
    struct write_ahead_log *log = memory_allocate_zeroed(1, sizeof(*log));
    log->database = database;
    log->sync = sync;
    pthread_mutex_init(&log->lock, NULL);
    log->past_the_log = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(log->past_the_log, 1);
    atomic_store(&log->covered, rocksdb_get_latest_sequence_number(database));
    return log;
}

void write_ahead_log_close(struct write_ahead_log *log) {
    if (log == NULL)
        return;
    rocksdb_writeoptions_destroy(log->past_the_log);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

bool write_ahead_log_syncs(const struct write_ahead_log *log) {
    return log->sync;
}

bool write_ahead_log_covers(const struct write_ahead_log *log, uint64_t sequence) {
    return atomic_load_explicit(&log->covered, memory_order_acquire) >= sequence;
}

void write_ahead_log_note_failure(struct write_ahead_log *log) {
    atomic_fetch_add(&log->failures, 1);
}

// By an empty batch past the log.
char *write_ahead_log_ask_health(struct write_ahead_log *log) {
    char *reason = NULL;
    rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
    rocksdb_write(log->database, log->past_the_log, nothing, &reason);
    rocksdb_writebatch_destroy(nothing);
    return reason;
}

// With the lock held. Failures that come while RocksDB is asked are asked about again.
static char *ask_whether_recovered(struct write_ahead_log *log) {
    uint64_t failures = atomic_load(&log->failures);
    if (failures == log->failures_overcome)
        return NULL;
    char *reason = write_ahead_log_ask_health(log);
    if (reason == NULL)
        log->failures_overcome = failures;
    return reason;
}

// With the lock held.
static char *flush(struct write_ahead_log *log, bool sync) {
    char *reason = ask_whether_recovered(log);
    if (reason != NULL)
        return reason;
    uint64_t covers = rocksdb_get_latest_sequence_number(log->database);
    rocksdb_flush_wal(log->database, sync, &reason);
    if (reason == NULL)
        atomic_store_explicit(&log->covered, covers, memory_order_release);
    else
        write_ahead_log_note_failure(log);
    return reason;
}

char *write_ahead_log_flush(struct write_ahead_log *log, uint64_t sequence, bool *flushed) {
    char *reason = NULL;
    pthread_mutex_lock(&log->lock);
    bool needed = !write_ahead_log_covers(log, sequence);
    if (needed)
        reason = flush(log, log->sync);
    pthread_mutex_unlock(&log->lock);
    if (flushed != NULL)
        *flushed = needed && reason == NULL;
    return reason;
}

char *write_ahead_log_sync(struct write_ahead_log *log) {
    pthread_mutex_lock(&log->lock);
    char *reason = flush(log, true);
    pthread_mutex_unlock(&log->lock);
    return reason;
}
