// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/ know of an open store and nobody else does. May use: base, store.
#ifndef KVFENCE_STORE_STORE_INTERNAL_H
#define KVFENCE_STORE_STORE_INTERNAL_H

#include "base/buffer.h"
#include "store/compaction_filter.h"
#include "store/key_locks.h"
#include "store/options.h"
#include "store/read_cache.h"
#include "store/role_guard.h"
#include "store/store.h"
#include "store/write_ahead_log.h"
#include "store/zset_ends.h"
#include "store/zset_ranks.h"

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdalign.h>
#include <stdatomic.h>

// A session's counters: written by its thread alone, summed by whoever asks.
struct session_counters {
    alignas(64) _Atomic uint64_t commits;
    _Atomic uint64_t refused, late, failed, wal_flushes, hits, misses, expired_reads, cached_reads;
};

enum store_fullness { STORE_HAS_ROOM, STORE_DISK_LOW, STORE_OVER_LIMIT };

struct store {
    rocksdb_t *database;
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    rocksdb_column_family_handle_t **unknown_families; // made by a newer Kvrocks: kept open, never touched
    size_t unknown_family_count;
    struct store_options options;
    struct compaction_filters *filters;
    struct key_layout layout;
    struct buffer namespace_prefix; // what all metadata keys of the namespace start with
    struct buffer namespace_end;    // the first key behind them
    struct buffer name_space;       // backs layout.name_space
    char *directory;
    struct key_locks *locks;
    struct role_guard *guard;
    struct read_cache *read_cache; // NULL: none
    struct zset_ends *zset_ends;
    struct zset_ranks *zset_ranks; // NULL: none
    store_check_function *check;
    store_era_function *era;
    void *check_context;
    store_observer_function *observer; // changes while nobody is inside the role guard
    void *observer_context;
    store_expired_function *on_expired; // NULL: nobody wants to know
    void *on_expired_context;
    bool wal_off;
    bool sync;
    struct session_counters *counters; // one a session
    size_t sessions;

    struct write_ahead_log *log;
    pthread_rwlock_t use; // held shared by users without a session, exclusively while it is replaced
    atomic_bool is_wanted;
    atomic_bool history_is_due; // see store/history.h

    alignas(64) _Atomic int fullness; // enum store_fullness
    _Atomic uint64_t disk_reserve_bytes, size_limit_bytes;
    _Atomic uint64_t database_bytes, disk_capacity, disk_used, disk_free;
    _Atomic uint64_t read_error_logged_us; // when, on the clock of durations; 0: never
    _Atomic bool unhealthy; // RocksDB has refused a write or a flush, and none has passed since
};

// Opens and closes the database in the store's directory, and what goes with it: the log, the filters.
bool store_open_database(struct store *store, char error[STORE_ERROR_SIZE]);
void store_close_database(struct store *store);

// A crash while the database was being replaced has left none in the directory: the old one is put back.
// False with the reason in `error`. Before the directory is made.
bool store_find_aside(const char *directory, char error[STORE_ERROR_SIZE]);
// It has left the old one beside the new one, which is open; or cannot be opened.
void store_delete_aside(const char *directory);
void store_tell_aside(const char *directory);

// Removes RocksDB's unfinished files of options, which it leaves lying for ever. options.c says why there are
// any. Not while options are being changed.
void store_remove_unfinished_options(const struct store *store);

// Remembers, and logs when it changes, whether RocksDB takes writes. `error` is NULL when one has passed.
// Thread-safe.
void store_note_health(struct store *store, const char *what, const char *error);
// Logs that a read failed, at most once a second. Thread-safe.
void store_note_read_error(struct store *store, const char *error);

#endif
