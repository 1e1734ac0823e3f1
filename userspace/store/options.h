// SPDX-License-Identifier: Apache-2.0
//
// What RocksDB is told: the store's settings and RocksDB's option objects made from them. May use: base,
// store/encoding.
#ifndef KVFENCE_STORE_OPTIONS_H
#define KVFENCE_STORE_OPTIONS_H

#include "store/encoding.h"

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdint.h>

enum store_compression {
    COMPRESSION_NONE,
    COMPRESSION_SNAPPY,
    COMPRESSION_ZLIB,
    COMPRESSION_LZ4,
    COMPRESSION_ZSTD
};

// Names and units as the rocksdb.* directives of the configuration, which document them.
struct store_tuning {
    enum store_compression compression;
    int64_t compression_level;
    int64_t compression_start_level;
    bool wal_compression_zstd;
    int64_t block_size;
    int64_t max_open_files;
    int64_t write_buffer_size_mb;
    int64_t max_write_buffer_number;
    int64_t target_file_size_base_mb;
    int64_t max_background_jobs;
    int64_t max_background_compactions; // -1: RocksDB decides
    int64_t max_background_flushes;     // -1: RocksDB decides
    int64_t max_subcompactions;
    int64_t max_total_wal_size_mb;
    int64_t wal_ttl_seconds;
    int64_t wal_size_limit_mb;
    bool disable_auto_compactions;
    bool enable_pipelined_write;
    int64_t delayed_write_rate;
    bool cache_index_and_filter_blocks;
    int64_t block_cache_size_mb; // 0: metadata plus sub-key
    int64_t metadata_block_cache_size_mb;
    int64_t subkey_block_cache_size_mb;
    bool share_metadata_and_subkey_block_cache;
    int64_t row_cache_size_mb;
    int64_t compaction_readahead_size;
    int64_t level0_file_num_compaction_trigger;
    int64_t level0_slowdown_writes_trigger;
    int64_t level0_stop_writes_trigger;
    bool enable_blob_files;
    int64_t min_blob_size;
    int64_t blob_file_size;
    bool enable_blob_garbage_collection;
    int64_t blob_garbage_collection_age_cutoff; // percent
    int64_t max_bytes_for_level_base;
    int64_t max_bytes_for_level_multiplier;
    bool level_compaction_dynamic_level_bytes;
    int64_t max_io_mb;            // 0: no limit
    bool rate_limiter_auto_tuned; // read, without effect: RocksDB's C interface cannot express it
    bool avoid_unnecessary_blocking_io;
    bool write_sync; // fsync the WAL before a reply leaves
    bool write_disable_wal;
    bool write_no_slowdown;
    bool write_low_pri;
    bool write_memtable_insert_hint_per_batch;
    bool read_async_io;
};

// The tuning with which Kvrocks starts when its configuration says nothing.
struct store_tuning store_tuning_default(void);

// Everything that must outlive the open database.
struct store_options {
    rocksdb_options_t *database;
    rocksdb_options_t *families[FAMILY_COUNT];
    rocksdb_cache_t *metadata_cache;
    rocksdb_cache_t *subkey_cache; // the same as metadata_cache when shared
    rocksdb_env_t *env;
    rocksdb_ratelimiter_t *rate_limiter; // NULL: no limit
    rocksdb_writeoptions_t *write;
    enum store_compression compression; // as it is now: see store_options_change()
    int64_t compression_start_level;
};

struct compaction_filters; // store/compaction_filter.h

// Fills `out`, using the filters' factories for the families that need one. `filters` must outlive the
// database. Cannot fail but by exhausting memory.
void store_options_open(const struct store_tuning *tuning, struct compaction_filters *filters,
                        struct store_options *out);
void store_options_close(struct store_options *options);

// Changes one option of the running database, for all families. Name and value are as in the configuration,
// without "rocksdb." ("write_buffer_size", "64": MiB). Returns NULL, or an error text that the caller frees
// with free(). Options that RocksDB's C interface cannot change while the database is open are refused. One
// thread at a time.
char *store_options_change(struct store_options *options, rocksdb_t *database,
                           rocksdb_column_family_handle_t *const families[FAMILY_COUNT], const char *name,
                           const char *value);

#endif
