// SPDX-License-Identifier: Apache-2.0
//
// What operators see of the database and do to it: space, properties, options, compaction, checkpoints. Uses:
// base, the other files of store/.
#include "base/counter.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <rocksdb/c.h>
#include <stdlib.h>
#include <sys/statvfs.h>

static uint64_t database_bytes(const struct store *store) {
    uint64_t total = 0;
    for (int family = 0; family < FAMILY_COUNT; family++) {
        total += store_property(store, (enum column_family)family, "rocksdb.total-sst-files-size");
        total += store_property(store, (enum column_family)family, "rocksdb.cur-size-all-mem-tables");
    }
    return total;
}

static enum store_fullness judge_fullness(const struct store *store) {
    uint64_t reserve = atomic_load_explicit(&store->disk_reserve_bytes, memory_order_relaxed);
    uint64_t twentieth = store->disk_capacity / 20;
    uint64_t limit = atomic_load_explicit(&store->size_limit_bytes, memory_order_relaxed);
    if (store->disk_capacity != 0 && store->disk_free < (reserve < twentieth ? reserve : twentieth))
        return STORE_DISK_LOW;
    if (limit != 0 && store->database_bytes >= limit)
        return STORE_OVER_LIMIT;
    return STORE_HAS_ROOM;
}

static void note_fullness(struct store *store, enum store_fullness now) {
    int before = atomic_exchange(&store->fullness, (int)now);
    if (before == (int)now)
        return;
    if (now == STORE_DISK_LOW)
        log_error("the disk of '%s' is almost full (%llu MB free): commands that add data are refused until "
                  "space is "
                  "freed; reads and deletions go on",
                  store->directory, (unsigned long long)(store->disk_free >> 20));
    else if (now == STORE_OVER_LIMIT)
        log_error("the database has reached max-db-size (%llu MB): commands that add data are refused",
                  (unsigned long long)(store->database_bytes >> 20));
    else
        log_info("there is room again: commands that add data are accepted");
}

void store_tick(struct store *store) {
    struct statvfs space;
    if (statvfs(store->directory, &space) == 0) {
        store->disk_capacity = (uint64_t)space.f_blocks * space.f_frsize;
        store->disk_free = (uint64_t)space.f_bavail * space.f_frsize;
        store->disk_used = store->disk_capacity - (uint64_t)space.f_bfree * space.f_frsize;
    }
    store_hold(store);
    store->database_bytes = database_bytes(store);
    store_let_go(store);
    note_fullness(store, judge_fullness(store));
}

bool store_is_full(const struct store *store, const char **reason) {
    int fullness = atomic_load_explicit(&store->fullness, memory_order_relaxed);
    if (fullness == STORE_HAS_ROOM)
        return false;
    *reason = fullness == STORE_DISK_LOW
                  ? "ERR the disk is almost full: commands that add data are refused until space is freed"
                  : "ERR write command not allowed when reached max-db-size.";
    return true;
}

void store_set_size_limit(struct store *store, uint64_t bytes) {
    atomic_store_explicit(&store->size_limit_bytes, bytes, memory_order_relaxed);
}

void store_set_disk_reserve(struct store *store, uint64_t bytes) {
    atomic_store_explicit(&store->disk_reserve_bytes, bytes, memory_order_relaxed);
}

struct store_space store_space_now(const struct store *store) {
    return (struct store_space){.database_bytes = store->database_bytes,
                                .disk_capacity = store->disk_capacity,
                                .disk_used = store->disk_used,
                                .disk_free = store->disk_free};
}

struct store_counters store_counters_now(const struct store *store) {
    struct store_counters sum = {0};
    for (size_t i = 0; i < store->sessions; i++) {
        const struct session_counters *one = &store->counters[i];
        sum.commits += counter_read(&one->commits);
        sum.refused += counter_read(&one->refused);
        sum.late += counter_read(&one->late);
        sum.failed += counter_read(&one->failed);
        sum.wal_flushes += counter_read(&one->wal_flushes);
        sum.hits += counter_read(&one->hits);
        sum.misses += counter_read(&one->misses);
        sum.expired_reads += counter_read(&one->expired_reads);
        sum.cached_reads += counter_read(&one->cached_reads);
    }
    const struct zset_ranks_figures ranks = zset_ranks_figures_now(store->zset_ranks);
    sum.ranks_found = ranks.answers;
    sum.ranks_built = ranks.built;
    return sum;
}

uint64_t store_property(const struct store *store, enum column_family family, const char *name) {
    uint64_t value = 0;
    if (rocksdb_property_int_cf(store->database, store->families[family], name, &value) != 0)
        return 0;
    return value;
}

char *store_property_text(const struct store *store, enum column_family family, const char *name) {
    return rocksdb_property_value_cf(store->database, store->families[family], name);
}

uint64_t store_block_cache_usage(const struct store *store) {
    uint64_t usage = rocksdb_cache_get_usage(store->options.metadata_cache);
    if (store->options.subkey_cache != store->options.metadata_cache)
        usage += rocksdb_cache_get_usage(store->options.subkey_cache);
    return usage;
}

uint64_t store_block_cache_pinned_usage(const struct store *store) {
    return rocksdb_cache_get_pinned_usage(store->options.metadata_cache);
}

uint64_t store_read_cache_usage(const struct store *store) {
    return read_cache_usage(store->read_cache);
}

uint64_t store_zset_ranks_usage(const struct store *store) {
    return zset_ranks_figures_now(store->zset_ranks).bytes;
}

char *store_change_option(struct store *store, const char *name, const char *value) {
    char *reason = store_options_change(&store->options, store->database, store->families, name, value);
    store_remove_unfinished_options(store);
    return reason;
}

// RocksDB's interface does not tell how a compaction went. But it counts what went wrong in the background,
// and takes no more writes once it has met damage.
static uint64_t background_errors(const struct store *store) {
    return store_property(store, FAMILY_DEFAULT, "rocksdb.background-errors");
}

static char *compact(struct store *store, const struct bytes *begin, const struct bytes *end) {
    uint64_t errors = background_errors(store);
    for (int family = 0; family < FAMILY_COUNT; family++)
        rocksdb_compact_range_cf(store->database, store->families[family], begin == NULL ? NULL : begin->data,
                                 begin == NULL ? 0 : begin->length, end == NULL ? NULL : end->data,
                                 end == NULL ? 0 : end->length);
    char *reason = write_ahead_log_ask_health(store->log);
    if (reason == NULL && background_errors(store) != errors)
        reason = memory_copy_text("RocksDB met an error and goes on without having compacted everything");
    return reason;
}

char *store_compact(struct store *store, const struct bytes *begin, const struct bytes *end) {
    store_hold(store);
    char *reason = compact(store, begin, end);
    store_let_go(store);
    return reason;
}

void store_stop_compacting(struct store *store) {
    rocksdb_disable_manual_compaction(store->database);
}

static char *make_checkpoint(struct store *store, const char *directory) {
    char *reason = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->database, &reason);
    if (reason != NULL)
        return reason;
    rocksdb_checkpoint_create(checkpoint, directory, 0, &reason);
    rocksdb_checkpoint_object_destroy(checkpoint);
    return reason;
}

char *store_checkpoint(struct store *store, const char *directory) {
    store_hold(store);
    char *reason = make_checkpoint(store, directory);
    store_let_go(store);
    return reason;
}

char *store_flush_memtables(struct store *store) {
    char *reason = NULL;
    store_hold(store);
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, 1);
    for (int family = 0; family < FAMILY_COUNT && reason == NULL; family++)
        rocksdb_flush_cf(store->database, options, store->families[family], &reason);
    rocksdb_flushoptions_destroy(options);
    store_let_go(store);
    return reason;
}
