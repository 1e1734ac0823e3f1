// SPDX-License-Identifier: Apache-2.0
//
// The one place that flushes the write-ahead log. Uses: base.
#include "store/write_ahead_log.h"

#include "base/memory.h"
#include "base/patient_lock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct write_ahead_log {
    rocksdb_t *database;
    rocksdb_writeoptions_t *past_the_log;
    bool sync;
    pthread_mutex_t turn;       // of those who write and those who flush
    pthread_mutex_t lock;       // of those who flush; taken before the turn
    uint64_t failures_overcome; // under the lock
    _Atomic uint64_t failures;
    _Atomic uint64_t covered; // everything up to this sequence number is in the file
};

struct write_ahead_log *write_ahead_log_open(rocksdb_t *database, bool sync) {
    struct write_ahead_log *log = memory_allocate_zeroed(1, sizeof(*log));
    log->database = database;
    log->sync = sync;
    pthread_mutex_init(&log->turn, NULL);
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
    pthread_mutex_destroy(&log->turn);
    free(log);
}

bool write_ahead_log_syncs(const struct write_ahead_log *log) {
    return log->sync;
}

bool write_ahead_log_covers(const struct write_ahead_log *log, uint64_t sequence) {
    return atomic_load_explicit(&log->covered, memory_order_acquire) >= sequence;
}

// RocksDB's own queue of writers has every one of them spin for its turn, on a processor that its clients,
// the flushes or the one who has the turn could use. Waiting here, it gives the processor away; and sleeps
// when the turn does not come, as when RocksDB holds writes back. With two workers on two processors a SET
// took 6 to 15 % less processor time in user space.
void write_ahead_log_take_turn(struct write_ahead_log *log) {
    if (!patient_lock_take_soon(&log->turn))
        (void)pthread_mutex_lock(&log->turn);
}

// A flush must not wait for long: RocksDB may be holding a write back until a compaction ends, which in turn
// may be waiting for this flush.
bool write_ahead_log_take_turn_soon(struct write_ahead_log *log) {
    return patient_lock_take_unless_long(&log->turn);
}

void write_ahead_log_end_turn(struct write_ahead_log *log) {
    pthread_mutex_unlock(&log->turn);
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

// With the lock held, and the turn. *covers becomes the sequence number up to which everything is in the
// file.
static char *write_out(struct write_ahead_log *log, uint64_t *covers) {
    char *reason = ask_whether_recovered(log);
    if (reason != NULL)
        return reason;
    *covers = rocksdb_get_latest_sequence_number(log->database);
    rocksdb_flush_wal(log->database, 0, &reason);
    if (reason != NULL)
        write_ahead_log_note_failure(log);
    return reason;
}

// With the lock held.
static char *flush(struct write_ahead_log *log, bool sync) {
    uint64_t covers = 0;
    bool has_turn = write_ahead_log_take_turn_soon(log);
    char *reason = write_out(log, &covers);
    if (has_turn)
        write_ahead_log_end_turn(log);
    if (reason == NULL && sync) {
        rocksdb_flush_wal(log->database, 1, &reason);
        if (reason != NULL)
            write_ahead_log_note_failure(log);
    }
    if (reason == NULL)
        atomic_store_explicit(&log->covered, covers, memory_order_release);
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
