// SPDX-License-Identifier: Apache-2.0
//
// Flushing RocksDB's write-ahead log by hand, once for many writes, and never after it has failed: flushing a
// log file whose last write failed aborts the process, so after a failure RocksDB is first asked whether it
// has recovered onto a new file, which it does by itself once a full disk has room. May use: base.
#ifndef KVFENCE_STORE_WRITE_AHEAD_LOG_H
#define KVFENCE_STORE_WRITE_AHEAD_LOG_H

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdint.h>

struct write_ahead_log;

// `sync`: each flush is also an fsync. The database must outlive it.
struct write_ahead_log *write_ahead_log_open(rocksdb_t *database, bool sync);
void write_ahead_log_close(struct write_ahead_log *log);
bool write_ahead_log_syncs(const struct write_ahead_log *log);

// True if everything up to the sequence number is in the file (and synced, if so opened). Thread-safe,
// lock-free.
bool write_ahead_log_covers(const struct write_ahead_log *log, uint64_t sequence);

// Brings everything up to `sequence` into the file, unless another thread has meanwhile: one flush serves all
// who wait. Returns NULL, or RocksDB's reason, which the caller frees with free(). *flushed (may be NULL)
// tells whether this call did it. Thread-safe; blocks.
char *write_ahead_log_flush(struct write_ahead_log *log, uint64_t sequence, bool *flushed);

// The same for everything there is, with an fsync whatever the log was opened for.
char *write_ahead_log_sync(struct write_ahead_log *log);

// NULL if RocksDB takes writes, else its reason, which the caller frees with free(). Thread-safe; blocks
// while writes are stalled.
char *write_ahead_log_ask_health(struct write_ahead_log *log);

// A write was refused: the file may be the cause. Thread-safe.
void write_ahead_log_note_failure(struct write_ahead_log *log);

#endif
