// SPDX-License-Identifier: Apache-2.0
//
// The store: one RocksDB database in Kvrocks' layout, opened by one process. Commands do not use this
// header's handle directly but a session (store/session.h). May use: base, lease, the other files of store/.
#ifndef KVFENCE_STORE_STORE_H
#define KVFENCE_STORE_STORE_H

#include "store/encoding.h"
#include "store/options.h"

#include <stdint.h>

struct store;

// Where a check function is asked: before a batch enters RocksDB, and before the round's replies leave, there
// apart for a round whose first write was committed in an earlier era.
enum store_gate { STORE_GATE_COMMIT, STORE_GATE_SETTLE, STORE_GATE_SETTLE_LATER };

// Decides whether writes may pass now. Returns NULL if so, else the error reply without its leading '-'
// ("READONLY master lease expired ..."), static. Called by many threads at once, with key locks held: it must
// be quick and must not block. `writes` says how many commands' changes a commit holds.
typedef const char *store_check_function(void *context, enum store_gate gate, uint64_t writes);

// A number that changes when the node becomes another one, while nobody is inside the role guard. Called by
// many threads at once.
typedef uint64_t store_era_function(void *context);

struct store_config {
    const char *directory; // created if missing; the database lives in it directly
    struct key_layout layout;
    struct store_tuning tuning;
    size_t sessions;          // at most this many sessions will be open at once
    bool is_replica;          // as after store_follow(store, 0)
    bool is_fenced;           // as after store_fence(store, 0): whether it may write is not known yet
    int64_t keeps_expired_ms; // as after store_keep_expired()
    uint64_t
        disk_reserve_bytes;  // store_is_full() while the file system has less than this, or a twentieth, free
    size_t read_cache_bytes; // see store/read_cache.h; 0: none
    size_t zset_ranks_bytes; // see store/zset_ranks.h; 0: none
    uint64_t size_limit_bytes;   // store_is_full() while the database is bigger; 0: no limit
    store_check_function *check; // NULL: everything passes
    store_era_function *era;     // NULL: there is only one
    void *check_context;
};

enum { STORE_ERROR_SIZE = 512 };

// Opens or creates the database. False with a reason for the operator in `error` if it cannot: directory not
// writable, held by another process, damaged, or written by something newer.
bool store_open(const struct store_config *config, struct store **out, char error[STORE_ERROR_SIZE]);
// Flushes and closes. All sessions must be closed.
void store_close(struct store *store);

// Whoever uses the database outside of a session's commands, and not through one of the functions below,
// keeps it from being replaced meanwhile. Shared, and not recursive. store_is_wanted(): somebody waits to
// replace it, so give up what takes long.
void store_hold(struct store *store);
void store_let_go(struct store *store);
bool store_is_wanted(const struct store *store);

// Puts the whole database in `directory` in the place of the one that is open, and opens it: by a change of
// names, so that after a crash the store opens the one or the other. Both must be on the same
// file system, and the new one durable. The old one is in `directory` then, closed, for the caller to delete,
// which takes long; if the new one cannot be opened, or its keys are laid out otherwise, the old one is back
// and stays open. False with the reason in `error`. No session may be in a command, nor be used by its
// thread, until it returns.
bool store_replace(struct store *store, const char *directory, char error[STORE_ERROR_SIZE]);

// The name that RocksDB has given to this very database: no copy of it has the same. Empty if
// it is not known. malloc'ed.
char *store_identity(const struct store *store);

const struct key_layout *store_layout(const struct store *store);
// True if every settle waits for the disk (rocksdb.write_options.sync).
bool store_syncs(const struct store *store);
uint64_t store_latest_sequence(const struct store *store);

// Is told every batch that a client's write has put into the database, in RocksDB's own form
// (store/write_batch.h), right after it became visible and while its writer is inside the role guard. Called
// by many threads at once. NULL: nobody. Call with the role guard held exclusively.
typedef void store_observer_function(void *context, struct bytes batch);
void store_observe(struct store *store, store_observer_function *observer, void *context);

// Is told every key that a read for a command has found to have expired, with keys locked: it must be quick
// and must not use the store. Called by many threads at once. Call before the first session is opened.
typedef void store_expired_function(void *context, struct bytes key);
void store_on_expired(struct store *store, store_expired_function *function, void *context);
// Compaction leaves keys where they are for so long after they have expired, for somebody who wants to find
// them; INT64_MAX: for ever. Thread-safe.
void store_keep_expired(struct store *store, int64_t for_ms);
// This node follows a master, of whose changes it has all that were made up to this moment, by its own clock
// (0: nothing is known): expired collections that may have been given more time later are not reclaimed.
// INT64_MAX: it follows nobody. Thread-safe.
void store_follow(struct store *store, wall_ms_t level_at);
// The same for a master that may not write since this moment. INT64_MAX: it may. From one thread, often.
void store_fence(struct store *store, wall_ms_t since);

// Looks at the free space of the file system and at RocksDB's health; call about ten times a second from one
// thread. Logs when either changes.
void store_tick(struct store *store);

// True while commands that may make the database bigger should be refused; the reason as an error reply
// without its leading '-', static, in *reason. Deleting stays allowed. Thread-safe and cheap.
bool store_is_full(const struct store *store, const char **reason);
void store_set_size_limit(struct store *store, uint64_t bytes);
void store_set_disk_reserve(struct store *store, uint64_t bytes);

// Sizes as store_tick() saw them last.
struct store_space {
    uint64_t database_bytes; // SST files, blobs not counted, and memtables
    uint64_t disk_capacity, disk_used, disk_free;
};
struct store_space store_space_now(const struct store *store);

// Counters since start; all relaxed.
struct store_counters {
    uint64_t commits;
    uint64_t refused; // by the check at commit
    uint64_t late;    // rounds refused by the check at settle
    uint64_t failed;  // by RocksDB or for lack of disk space
    uint64_t wal_flushes;
    uint64_t hits, misses, expired_reads;
    uint64_t cached_reads;             // answered by the read cache
    uint64_t ranks_found, ranks_built; // by indexes of big sorted sets, and these
};
struct store_counters store_counters_now(const struct store *store);

// A RocksDB property of one family as a number ("rocksdb.estimate-num-keys"); 0 if there is none.
uint64_t store_property(const struct store *store, enum column_family family, const char *name);
// As text; the caller frees it with free(). NULL if there is none.
char *store_property_text(const struct store *store, enum column_family family, const char *name);
uint64_t store_block_cache_usage(const struct store *store);
uint64_t store_block_cache_pinned_usage(const struct store *store);
uint64_t store_read_cache_usage(const struct store *store); // not counted by the allocator
uint64_t store_zset_ranks_usage(const struct store *store);

// Changes a rocksdb.* option of the running database: see store_options_change().
char *store_change_option(struct store *store, const char *name, const char *value);

// Administration; each blocks for as long as it takes, from any thread that holds no session in a command.
// NULL, or an error text that the caller frees with free().
char *store_compact(struct store *store, const struct bytes *begin,
                    const struct bytes *end); // NULL: open end
// A store_compact() that runs gives up soon, unfinished, and none does anything from now on. Waits for that.
void store_stop_compacting(struct store *store);
char *store_checkpoint(struct store *store,
                       const char *directory); // a consistent copy, hard-linked; must not exist
char *store_flush_memtables(struct store *store);

#endif
