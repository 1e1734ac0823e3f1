// SPDX-License-Identifier: Apache-2.0
//
// Flushing RocksDB's write-ahead log by hand, once for many writes.
//
// RocksDB 7.8 as Debian builds it aborts the process when a log file is written to or synced after writing to
// it has failed (an assertion in WritableFileWriter). It keeps to that rule itself only where nobody flushes
// by hand: between a flush that fails and the moment when RocksDB remembers it, another thread's write can
// reach the file, and the other way round. So writes and flushes take turns, and what failed is noted within
// the turn; after a failure RocksDB is first asked whether it has recovered onto a new file, which it does by
// itself once a full disk has room.
//
// Two gaps are left. A flush waits 10 ms for its turn and goes on without, as RocksDB may be holding back the
// write whose turn it is; such a write looks once more whether something has failed before it goes on, but
// not under a lock. And a sync does not keep the turn, or nobody could write meanwhile: what has been written
// since the flush just before it, within microseconds, is flushed with it, and the process aborts if just
// this fails while another thread writes, or if a write of more than a megabyte fails during the sync. A
// process that aborts has acknowledged nothing that is lost. May use: base.
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

// Whoever writes takes its turn first and ends it afterwards. Blocks while another one writes or flushes, but
// not while a flush only waits for the disk.
void write_ahead_log_take_turn(struct write_ahead_log *log);
// The same, but it gives up if whoever has the turn does not end within some milliseconds, as when RocksDB
// holds a write back: false.
bool write_ahead_log_take_turn_soon(struct write_ahead_log *log);
void write_ahead_log_end_turn(struct write_ahead_log *log);
// A write was refused: the file may be the cause. Within the turn.
void write_ahead_log_note_failure(struct write_ahead_log *log);

#endif
