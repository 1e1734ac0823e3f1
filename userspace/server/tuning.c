// SPDX-License-Identifier: Apache-2.0
//
// The rocksdb.* directives. Uses: base, store, server/config.
#include "server/tuning.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t number(const struct config *config, enum config_id id) {
    return config_integer(config, id);
}

static void set_sizes(struct store_tuning *tuning, const struct config *config) {
    tuning->block_size = number(config, CONFIG_ROCKSDB_BLOCK_SIZE);
    tuning->max_open_files = number(config, CONFIG_ROCKSDB_MAX_OPEN_FILES);
    tuning->write_buffer_size_mb = number(config, CONFIG_ROCKSDB_WRITE_BUFFER_SIZE);
    tuning->max_write_buffer_number = number(config, CONFIG_ROCKSDB_MAX_WRITE_BUFFER_NUMBER);
    tuning->target_file_size_base_mb = number(config, CONFIG_ROCKSDB_TARGET_FILE_SIZE_BASE);
    tuning->max_total_wal_size_mb = number(config, CONFIG_ROCKSDB_MAX_TOTAL_WAL_SIZE);
    tuning->wal_ttl_seconds = number(config, CONFIG_ROCKSDB_WAL_TTL_SECONDS);
    tuning->wal_size_limit_mb = number(config, CONFIG_ROCKSDB_WAL_SIZE_LIMIT_MB);
    tuning->block_cache_size_mb = number(config, CONFIG_ROCKSDB_BLOCK_CACHE_SIZE);
    tuning->metadata_block_cache_size_mb = number(config, CONFIG_ROCKSDB_METADATA_BLOCK_CACHE_SIZE);
    tuning->subkey_block_cache_size_mb = number(config, CONFIG_ROCKSDB_SUBKEY_BLOCK_CACHE_SIZE);
    tuning->share_metadata_and_subkey_block_cache =
        config_yes(config, CONFIG_ROCKSDB_SHARE_METADATA_AND_SUBKEY_BLOCK_CACHE);
    tuning->cache_index_and_filter_blocks = config_yes(config, CONFIG_ROCKSDB_CACHE_INDEX_AND_FILTER_BLOCKS);
    tuning->row_cache_size_mb = number(config, CONFIG_ROCKSDB_ROW_CACHE_SIZE);
    tuning->compaction_readahead_size = number(config, CONFIG_ROCKSDB_COMPACTION_READAHEAD_SIZE);
}

static void set_levels(struct store_tuning *tuning, const struct config *config) {
    tuning->level0_file_num_compaction_trigger =
        number(config, CONFIG_ROCKSDB_LEVEL0_FILE_NUM_COMPACTION_TRIGGER);
    tuning->level0_slowdown_writes_trigger = number(config, CONFIG_ROCKSDB_LEVEL0_SLOWDOWN_WRITES_TRIGGER);
    tuning->level0_stop_writes_trigger = number(config, CONFIG_ROCKSDB_LEVEL0_STOP_WRITES_TRIGGER);
    tuning->max_bytes_for_level_base = number(config, CONFIG_ROCKSDB_MAX_BYTES_FOR_LEVEL_BASE);
    tuning->max_bytes_for_level_multiplier = number(config, CONFIG_ROCKSDB_MAX_BYTES_FOR_LEVEL_MULTIPLIER);
    tuning->level_compaction_dynamic_level_bytes =
        config_yes(config, CONFIG_ROCKSDB_LEVEL_COMPACTION_DYNAMIC_LEVEL_BYTES);
    tuning->compression = (enum store_compression)config_choice(config, CONFIG_ROCKSDB_COMPRESSION);
    tuning->compression_level = number(config, CONFIG_ROCKSDB_COMPRESSION_LEVEL);
    tuning->compression_start_level = number(config, CONFIG_ROCKSDB_COMPRESSION_START_LEVEL);
    tuning->wal_compression_zstd = config_choice(config, CONFIG_ROCKSDB_WAL_COMPRESSION) != 0;
}

static void set_blobs(struct store_tuning *tuning, const struct config *config) {
    tuning->enable_blob_files = config_yes(config, CONFIG_ROCKSDB_ENABLE_BLOB_FILES);
    tuning->min_blob_size = number(config, CONFIG_ROCKSDB_MIN_BLOB_SIZE);
    tuning->blob_file_size = number(config, CONFIG_ROCKSDB_BLOB_FILE_SIZE);
    tuning->enable_blob_garbage_collection =
        config_yes(config, CONFIG_ROCKSDB_ENABLE_BLOB_GARBAGE_COLLECTION);
    tuning->blob_garbage_collection_age_cutoff =
        number(config, CONFIG_ROCKSDB_BLOB_GARBAGE_COLLECTION_AGE_CUTOFF);
}

static void set_background(struct store_tuning *tuning, const struct config *config) {
    tuning->max_background_jobs = number(config, CONFIG_ROCKSDB_MAX_BACKGROUND_JOBS);
    tuning->max_background_compactions = number(config, CONFIG_ROCKSDB_MAX_BACKGROUND_COMPACTIONS);
    tuning->max_background_flushes = number(config, CONFIG_ROCKSDB_MAX_BACKGROUND_FLUSHES);
    tuning->max_subcompactions = number(config, CONFIG_ROCKSDB_MAX_SUBCOMPACTIONS);
    tuning->disable_auto_compactions = config_yes(config, CONFIG_ROCKSDB_DISABLE_AUTO_COMPACTIONS);
    tuning->delayed_write_rate = number(config, CONFIG_ROCKSDB_DELAYED_WRITE_RATE);
    tuning->max_io_mb = number(config, CONFIG_MAX_IO_MB);
    tuning->rate_limiter_auto_tuned = config_yes(config, CONFIG_ROCKSDB_RATE_LIMITER_AUTO_TUNED);
    tuning->avoid_unnecessary_blocking_io = config_yes(config, CONFIG_ROCKSDB_AVOID_UNNECESSARY_BLOCKING_IO);
}

static void set_access(struct store_tuning *tuning, const struct config *config) {
    tuning->enable_pipelined_write = config_yes(config, CONFIG_ROCKSDB_ENABLE_PIPELINED_WRITE);
    tuning->write_sync = config_yes(config, CONFIG_ROCKSDB_WRITE_OPTIONS_SYNC);
    tuning->write_disable_wal = config_yes(config, CONFIG_ROCKSDB_WRITE_OPTIONS_DISABLE_WAL);
    tuning->write_no_slowdown = config_yes(config, CONFIG_ROCKSDB_WRITE_OPTIONS_NO_SLOWDOWN);
    tuning->write_low_pri = config_yes(config, CONFIG_ROCKSDB_WRITE_OPTIONS_LOW_PRI);
    tuning->write_memtable_insert_hint_per_batch =
        config_yes(config, CONFIG_ROCKSDB_WRITE_OPTIONS_MEMTABLE_INSERT_HINT_PER_BATCH);
    tuning->read_async_io = config_yes(config, CONFIG_ROCKSDB_READ_OPTIONS_ASYNC_IO);
}

struct store_tuning tuning_from_config(const struct config *config) {
    struct store_tuning tuning = store_tuning_default();
    set_sizes(&tuning, config);
    set_levels(&tuning, config);
    set_blobs(&tuning, config);
    set_background(&tuning, config);
    set_access(&tuning, config);
    return tuning;
}

// What CONFIG SET changes in the running database, and how RocksDB calls it.
static const struct {
    enum config_id id;
    const char *name;
} changeable[] = {
#define OPTION(suffix, name)                                                                                 \
    { CONFIG_ROCKSDB_##suffix, name }
    OPTION(COMPRESSION, "compression"),
    OPTION(COMPRESSION_START_LEVEL, "compression_start_level"),
    OPTION(MAX_OPEN_FILES, "max_open_files"),
    OPTION(WRITE_BUFFER_SIZE, "write_buffer_size"),
    OPTION(MAX_WRITE_BUFFER_NUMBER, "max_write_buffer_number"),
    OPTION(TARGET_FILE_SIZE_BASE, "target_file_size_base"),
    OPTION(MAX_BACKGROUND_JOBS, "max_background_jobs"),
    OPTION(MAX_BACKGROUND_COMPACTIONS, "max_background_compactions"),
    OPTION(MAX_SUBCOMPACTIONS, "max_subcompactions"),
    OPTION(MAX_TOTAL_WAL_SIZE, "max_total_wal_size"),
    OPTION(DISABLE_AUTO_COMPACTIONS, "disable_auto_compactions"),
    OPTION(DELAYED_WRITE_RATE, "delayed_write_rate"),
    OPTION(COMPACTION_READAHEAD_SIZE, "compaction_readahead_size"),
    OPTION(LEVEL0_FILE_NUM_COMPACTION_TRIGGER, "level0_file_num_compaction_trigger"),
    OPTION(LEVEL0_SLOWDOWN_WRITES_TRIGGER, "level0_slowdown_writes_trigger"),
    OPTION(LEVEL0_STOP_WRITES_TRIGGER, "level0_stop_writes_trigger"),
    OPTION(ENABLE_BLOB_FILES, "enable_blob_files"),
    OPTION(MIN_BLOB_SIZE, "min_blob_size"),
    OPTION(BLOB_FILE_SIZE, "blob_file_size"),
    OPTION(ENABLE_BLOB_GARBAGE_COLLECTION, "enable_blob_garbage_collection"),
    OPTION(BLOB_GARBAGE_COLLECTION_AGE_CUTOFF, "blob_garbage_collection_age_cutoff"),
    OPTION(MAX_BYTES_FOR_LEVEL_BASE, "max_bytes_for_level_base"),
    OPTION(MAX_BYTES_FOR_LEVEL_MULTIPLIER, "max_bytes_for_level_multiplier"),
    OPTION(LEVEL_COMPACTION_DYNAMIC_LEVEL_BYTES, "level_compaction_dynamic_level_bytes"),
#undef OPTION
};
enum { CHANGEABLE_COUNT = sizeof(changeable) / sizeof(changeable[0]) };

struct value_copy {
    char text[64];
};

static void copy_value(void *context, const char *name, struct bytes value) {
    (void)name;
    struct value_copy *copy = context;
    (void)snprintf(copy->text, sizeof(copy->text), "%.*s", (int)value.length, value.data);
}

// What a hook needs to reach both.
struct followed {
    struct config *config;
    struct store *store;
};

static const char *change_option(void *context, enum config_id id) {
    static _Thread_local char reason_kept[CONFIG_ERROR_SIZE];
    const struct followed *followed = context;
    size_t i = 0;
    while (changeable[i].id != id)
        i++;
    char name[96];
    struct value_copy value = {0};
    (void)snprintf(name, sizeof(name), "rocksdb.%s", changeable[i].name);
    config_get(followed->config, bytes_from_text(name), copy_value, &value);
    char *reason = store_change_option(followed->store, changeable[i].name, value.text);
    if (reason == NULL)
        return NULL;
    (void)snprintf(reason_kept, sizeof(reason_kept), "%s", reason);
    free(reason);
    return reason_kept;
}

static const char *change_limits(void *context, enum config_id id) {
    (void)id;
    const struct followed *followed = context;
    store_set_size_limit(followed->store, (uint64_t)config_integer(followed->config, CONFIG_MAX_DB_SIZE)
                                              << 30);
    store_set_disk_reserve(followed->store, (uint64_t)config_integer(followed->config, CONFIG_DISK_RESERVE_MB)
                                                << 20);
    return NULL;
}

struct followed *tuning_follow_config(struct config *config, struct store *store) {
    struct followed *followed = memory_allocate(sizeof(*followed));
    *followed = (struct followed){config, store};
    for (size_t i = 0; i < CHANGEABLE_COUNT; i++)
        config_on_change(config, changeable[i].id, change_option, followed);
    config_on_change(config, CONFIG_MAX_DB_SIZE, change_limits, followed);
    config_on_change(config, CONFIG_DISK_RESERVE_MB, change_limits, followed);
    return followed;
}
