// SPDX-License-Identifier: Apache-2.0
//
// RocksDB's option objects. RocksDB has options for a database and options for a family in one object, so
// there is one of the former, and a copy of it with a few changes for each family. May use: base,
// store/encoding, store/compaction_filter.
#include "store/options.h"

#include "base/log.h"
#include "store/compaction_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 7, INFO_LOG_OFF = 6 };
static const size_t mebibyte = 1 << 20;

struct store_tuning store_tuning_default(void) {
    return (struct store_tuning){
        .compression = COMPRESSION_LZ4,
        .compression_level = 32767, // what RocksDB takes for "the algorithm's own default"
        .compression_start_level = 2,
        .block_size = 16384,
        .max_open_files = 8096,
        .write_buffer_size_mb = 8, // Kvrocks has 64; see set_levels()
        .max_write_buffer_number = 4,
        .target_file_size_base_mb = 128,
        .max_background_jobs = 4,
        .max_background_compactions = 2,
        .max_background_flushes = 2,
        .max_subcompactions = 2,
        .max_total_wal_size_mb = 512,
        .wal_ttl_seconds = 3 * 3600,
        .wal_size_limit_mb = 16384,
        .cache_index_and_filter_blocks = true,
        .metadata_block_cache_size_mb = 2048,
        .subkey_block_cache_size_mb = 2048,
        .share_metadata_and_subkey_block_cache = true,
        .compaction_readahead_size = 2 << 20,
        .level0_file_num_compaction_trigger = 4,
        .level0_slowdown_writes_trigger = 20,
        .level0_stop_writes_trigger = 40,
        .min_blob_size = 4096,
        .blob_file_size = 256 << 20,
        .enable_blob_garbage_collection = true,
        .blob_garbage_collection_age_cutoff = 25,
        .max_bytes_for_level_base = 256 << 20,
        .max_bytes_for_level_multiplier = 10,
        .rate_limiter_auto_tuned = true,
        .avoid_unnecessary_blocking_io = true,
        .read_async_io = true,
    };
}

// --- Compression ----------------------------------------------------------------------------------------

static const struct {
    int number;       // RocksDB's, as stored in its files
    const char *name; // for the log
} compressions[] = {
    [COMPRESSION_NONE] = {rocksdb_no_compression, "no"},
    [COMPRESSION_SNAPPY] = {rocksdb_snappy_compression, "snappy"},
    [COMPRESSION_ZLIB] = {rocksdb_zlib_compression, "zlib"},
    [COMPRESSION_LZ4] = {rocksdb_lz4_compression, "lz4"},
    [COMPRESSION_ZSTD] = {rocksdb_zstd_compression, "zstd"},
};

// RocksDB can be built without any of them, and has no function that tells; but it refuses to open a database
// that is to use one it lacks. So this tries, in memory.
static bool compression_is_available(enum store_compression compression) {
    rocksdb_env_t *env = rocksdb_create_mem_env();
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_env(options, env);
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, compressions[compression].number);
    char *error = NULL;
    rocksdb_t *database = rocksdb_open(options, "/probe", &error);
    if (database != NULL)
        rocksdb_close(database);
    rocksdb_options_destroy(options);
    rocksdb_env_destroy(env);
    bool available = error == NULL;
    free(error);
    return available;
}

static enum store_compression usable_compression(enum store_compression wanted) {
    if (wanted == COMPRESSION_NONE || compression_is_available(wanted))
        return wanted;
    log_warning("RocksDB was built without %s: new data is stored without compression",
                compressions[wanted].name);
    return COMPRESSION_NONE;
}

// The upper levels are small and rewritten soon: compressing them costs time and saves next to nothing.
static void set_compression(rocksdb_options_t *options, const struct store_tuning *tuning,
                            enum store_compression compression) {
    int of_level[LEVELS];
    for (int level = 0; level < LEVELS; level++)
        of_level[level] =
            compressions[level < tuning->compression_start_level ? COMPRESSION_NONE : compression].number;
    rocksdb_options_set_compression_per_level(options, of_level, LEVELS);
    // Window, level, strategy, dictionary: RocksDB's own but for the level.
    rocksdb_options_set_compression_options(options, -14, (int)tuning->compression_level, 0, 0);
    rocksdb_options_set_blob_compression_type(options, compressions[compression].number);
}

// --- The database ---------------------------------------------------------------------------------------

// How the write-ahead log is written, kept and read again after a crash.
//
// manual_wal_flush: a write goes into a buffer, which the store hands to the system once for all writes of a
// worker's round, before any of them is acknowledged.
//
// wal_recovery_mode: a log that ends in the middle of a record is what a kill or a power cut leaves behind;
// the record cannot have been acknowledged, so it is dropped and the database opens. Anything else that is
// wrong with a log is an error, and the server does not start. RocksDB's default, point-in-time recovery,
// would start there too, having silently dropped every write behind the first damaged byte, acknowledged or
// not; and such a node, if it is the master, would then take its replicas back in time with it. The operator
// shall decide that, who may have a replica or a backup with all of the data.
static void set_write_ahead_log(rocksdb_options_t *options, const struct store_tuning *tuning) {
    rocksdb_options_set_manual_wal_flush(options, 1);
    rocksdb_options_set_wal_recovery_mode(options, rocksdb_tolerate_corrupted_tail_records_recovery);
    rocksdb_options_set_WAL_ttl_seconds(options, (uint64_t)tuning->wal_ttl_seconds);
    rocksdb_options_set_WAL_size_limit_MB(options, (uint64_t)tuning->wal_size_limit_mb);
    rocksdb_options_set_max_total_wal_size(options, (uint64_t)tuning->max_total_wal_size_mb * mebibyte);
    if (tuning->wal_compression_zstd)
        rocksdb_options_set_wal_compression(options, rocksdb_zstd_compression);
    // Without a log, only flushing all families together keeps a key and its sub-keys together.
    rocksdb_options_set_atomic_flush(options, tuning->write_disable_wal);
    // RocksDB refuses the two together.
    rocksdb_options_set_enable_pipelined_write(options,
                                               tuning->enable_pipelined_write && !tuning->write_disable_wal);
}

static void set_background_work(rocksdb_options_t *options, const struct store_tuning *tuning) {
    rocksdb_options_set_max_background_jobs(options, (int)tuning->max_background_jobs);
    // RocksDB divides the jobs itself if neither of these two is given.
    if (tuning->max_background_compactions >= 0)
        rocksdb_options_set_max_background_compactions(options, (int)tuning->max_background_compactions);
    if (tuning->max_background_flushes >= 0)
        rocksdb_options_set_max_background_flushes(options, (int)tuning->max_background_flushes);
    rocksdb_options_set_max_subcompactions(options, (uint32_t)tuning->max_subcompactions);
    rocksdb_options_compaction_readahead_size(options, (size_t)tuning->compaction_readahead_size);
    rocksdb_options_set_avoid_unnecessary_blocking_io(options, tuning->avoid_unnecessary_blocking_io);
}

// RocksDB's own log, in the database's directory, and its list of files.
//
// The log is switched off, as 6 is above all of its levels: it lies on the same disk as the data, and a
// RocksDB built with assertions, as Debian's is, aborts the process when a line of it cannot be written,
// which is what happens on a full disk. What RocksDB has to say to an operator is in the errors it returns,
// and these are in the server's own log. As RocksDB has no name for that level, it cannot write its file of
// options, which nothing here reads; store_open() removes the attempts.
static void set_housekeeping(rocksdb_options_t *options, const struct store_tuning *tuning) {
    rocksdb_options_set_max_open_files(options, (int)tuning->max_open_files);
    rocksdb_options_set_max_manifest_file_size(options, 64 * mebibyte);
    rocksdb_options_set_info_log_level(options, INFO_LOG_OFF);
    rocksdb_options_set_stats_dump_period_sec(options, 0); // that would be in the log
    rocksdb_options_set_keep_log_file_num(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);
}

// An option for which RocksDB's C interface has no function.
static void set_by_name(rocksdb_options_t *options, const char *name, int64_t value) {
    char text[96];
    (void)snprintf(text, sizeof(text), "%s=%lld", name, (long long)value);
    rocksdb_options_t *base = rocksdb_options_create_copy(options);
    char *error = NULL;
    rocksdb_get_options_from_string(base, text, options, &error);
    if (error != NULL)
        log_warning("RocksDB does not take '%s', which stays at its default: %s", text, error);
    free(error);
    rocksdb_options_destroy(base);
}

static void set_database(rocksdb_options_t *options, const struct store_tuning *tuning,
                         struct store_options *out) {
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_create_missing_column_families(options, 1);
    rocksdb_options_set_env(options, out->env);
    set_write_ahead_log(options, tuning);
    set_background_work(options, tuning);
    set_housekeeping(options, tuning);
    if (tuning->delayed_write_rate > 0)
        set_by_name(options, "delayed_write_rate", tuning->delayed_write_rate);
    if (out->rate_limiter != NULL)
        rocksdb_options_set_ratelimiter(options, out->rate_limiter);
    if (tuning->row_cache_size_mb > 0) {
        rocksdb_cache_t *rows = rocksdb_cache_create_lru((size_t)tuning->row_cache_size_mb * mebibyte);
        rocksdb_options_set_row_cache(options, rows);
        rocksdb_cache_destroy(rows); // the options keep it alive
    }
}

// --- Families -------------------------------------------------------------------------------------------

static void set_levels(rocksdb_options_t *options, const struct store_tuning *tuning) {
    rocksdb_options_set_compaction_style(options, rocksdb_level_compaction);
    rocksdb_options_set_num_levels(options, LEVELS);
    // A write buffer is a skip list: the further it outgrows the processor's caches, the more each read and
    // write waits for memory. Measured with 100,000 keys and values of 64 bytes, in microseconds of processor
    // time for SET and GET: 10.9 and 6.2 with 64 MiB, 9.5 and 4.7 with 32, 8.4 and 4.7 with 16, 7.1 and 4.9
    // with 8. What it costs is that level 1 is rewritten more often: nine times its new data instead of two,
    // in a whole of more than twenty for a large database.
    rocksdb_options_set_write_buffer_size(options, (size_t)tuning->write_buffer_size_mb * mebibyte);
    rocksdb_options_set_max_write_buffer_number(options, (int)tuning->max_write_buffer_number);
    rocksdb_options_set_target_file_size_base(options, (uint64_t)tuning->target_file_size_base_mb * mebibyte);
    rocksdb_options_set_max_bytes_for_level_base(options, (uint64_t)tuning->max_bytes_for_level_base);
    rocksdb_options_set_max_bytes_for_level_multiplier(options,
                                                       (double)tuning->max_bytes_for_level_multiplier);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options,
                                                             tuning->level_compaction_dynamic_level_bytes);
    rocksdb_options_set_level0_file_num_compaction_trigger(options,
                                                           (int)tuning->level0_file_num_compaction_trigger);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, (int)tuning->level0_slowdown_writes_trigger);
    rocksdb_options_set_level0_stop_writes_trigger(options, (int)tuning->level0_stop_writes_trigger);
    rocksdb_options_set_disable_auto_compactions(options, tuning->disable_auto_compactions);
}

static void set_blobs(rocksdb_options_t *options, const struct store_tuning *tuning) {
    rocksdb_options_set_enable_blob_files(options, tuning->enable_blob_files);
    rocksdb_options_set_min_blob_size(options, (uint64_t)tuning->min_blob_size);
    rocksdb_options_set_blob_file_size(options, (uint64_t)tuning->blob_file_size);
    rocksdb_options_set_enable_blob_gc(options, tuning->enable_blob_garbage_collection);
    rocksdb_options_set_blob_gc_age_cutoff(options, (double)tuning->blob_garbage_collection_age_cutoff / 100);
}

static void set_table(rocksdb_options_t *options, const struct store_tuning *tuning, rocksdb_cache_t *cache) {
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_block_size(table, (size_t)tuning->block_size);
    rocksdb_block_based_options_set_block_cache(table, cache);
    // Ten bits a key: a file that does not have the key is read for nothing in one of a hundred cases.
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_whole_key_filtering(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table,
                                                                  tuning->cache_index_and_filter_blocks);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    // Nearly all reads are for one key: a hash table in the block finds it without a binary search.
    rocksdb_block_based_options_set_data_block_index_type(
        table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_block_based_options_set_data_block_hash_ratio(table, 0.75);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

// What distinguishes a family from the others.
static void set_family(rocksdb_options_t *options, enum column_family family,
                       const struct store_tuning *tuning, struct compaction_filters *filters,
                       const struct store_options *out) {
    set_table(options, tuning, family == FAMILY_METADATA ? out->metadata_cache : out->subkey_cache);
    rocksdb_compactionfilterfactory_t *factory = compaction_filters_factory(filters, family);
    if (factory != NULL)
        rocksdb_options_set_compaction_filter_factory(options, factory);
    if (family == FAMILY_METADATA || family == FAMILY_DEFAULT) {
        // A Bloom filter for each write buffer as well. Searching one for a key that is not there is the
        // dearest part of a read otherwise, and there may be several.
        rocksdb_options_set_memtable_whole_key_filtering(options, 1);
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.1);
    }
}

// --- Everything -----------------------------------------------------------------------------------------

static void open_caches(const struct store_tuning *tuning, struct store_options *out) {
    int64_t metadata = tuning->metadata_block_cache_size_mb, subkey = tuning->subkey_block_cache_size_mb;
    if (tuning->share_metadata_and_subkey_block_cache) {
        int64_t both = tuning->block_cache_size_mb > 0 ? tuning->block_cache_size_mb : metadata + subkey;
        out->metadata_cache = rocksdb_cache_create_lru((size_t)both * mebibyte);
        out->subkey_cache = out->metadata_cache;
        return;
    }
    out->metadata_cache = rocksdb_cache_create_lru((size_t)metadata * mebibyte);
    out->subkey_cache = rocksdb_cache_create_lru((size_t)subkey * mebibyte);
}

static rocksdb_writeoptions_t *make_write_options(const struct store_tuning *tuning) {
    rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
    // Not `sync`: the store syncs the log once for all writes of a round.
    rocksdb_writeoptions_disable_WAL(write, tuning->write_disable_wal);
    rocksdb_writeoptions_set_no_slowdown(write, tuning->write_no_slowdown);
    rocksdb_writeoptions_set_low_pri(write, tuning->write_low_pri);
    rocksdb_writeoptions_set_memtable_insert_hint_per_batch(write,
                                                            tuning->write_memtable_insert_hint_per_batch);
    return write;
}

void store_options_open(const struct store_tuning *tuning, struct compaction_filters *filters,
                        struct store_options *out) {
    *out = (struct store_options){0};
    out->env = rocksdb_create_default_env();
    if (tuning->max_io_mb > 0) // refilled ten times a second; flushes go before compactions nine times of ten
        out->rate_limiter = rocksdb_ratelimiter_create(tuning->max_io_mb * (int64_t)mebibyte, 100 * 1000, 10);
    open_caches(tuning, out);
    out->write = make_write_options(tuning);
    out->database = rocksdb_options_create();
    set_database(out->database, tuning, out);
    set_levels(out->database, tuning);
    set_blobs(out->database, tuning);
    out->compression = usable_compression(tuning->compression);
    out->compression_start_level = tuning->compression_start_level;
    set_compression(out->database, tuning, out->compression);
    for (int family = 0; family < FAMILY_COUNT; family++) {
        out->families[family] = rocksdb_options_create_copy(out->database);
        set_family(out->families[family], (enum column_family)family, tuning, filters, out);
    }
}

void store_options_close(struct store_options *options) {
    for (int family = 0; family < FAMILY_COUNT; family++)
        rocksdb_options_destroy(options->families[family]);
    rocksdb_options_destroy(options->database);
    rocksdb_writeoptions_destroy(options->write);
    if (options->rate_limiter != NULL)
        rocksdb_ratelimiter_destroy(options->rate_limiter);
    if (options->subkey_cache != options->metadata_cache)
        rocksdb_cache_destroy(options->subkey_cache);
    rocksdb_cache_destroy(options->metadata_cache);
    rocksdb_env_destroy(options->env);
    *options = (struct store_options){0};
}
