// SPDX-License-Identifier: Apache-2.0
//
// RocksDB's option objects. Uses: store/compaction_filter.
#include "store/options.h"

#include "store/compaction_filter.h"

#include <string.h>

struct store_tuning store_tuning_default(void) {
    return (struct store_tuning){.block_size = 16384,
                                 .write_buffer_size_mb = 64,
                                 .max_write_buffer_number = 4,
                                 .metadata_block_cache_size_mb = 2048};
}

static rocksdb_options_t *make(const struct store_tuning *tuning, rocksdb_cache_t *cache) {
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_create_missing_column_families(options, 1);
    rocksdb_options_set_manual_wal_flush(options, 1);
    rocksdb_options_set_write_buffer_size(options, (size_t)tuning->write_buffer_size_mb << 20);
    rocksdb_options_set_max_write_buffer_number(options, (int)tuning->max_write_buffer_number);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    return options;
}

void store_options_open(const struct store_tuning *tuning, struct compaction_filters *filters,
                        struct store_options *out) {
    (void)filters;
    memset(out, 0, sizeof(*out));
    out->metadata_cache = rocksdb_cache_create_lru((size_t)tuning->metadata_block_cache_size_mb << 20);
    out->subkey_cache = out->metadata_cache;
    out->env = rocksdb_create_default_env();
    out->write = rocksdb_writeoptions_create();
    out->database = make(tuning, out->metadata_cache);
    for (int family = 0; family < FAMILY_COUNT; family++)
        out->families[family] = make(tuning, out->metadata_cache);
}

void store_options_close(struct store_options *options) {
    for (int family = 0; family < FAMILY_COUNT; family++)
        rocksdb_options_destroy(options->families[family]);
    rocksdb_options_destroy(options->database);
    rocksdb_writeoptions_destroy(options->write);
    rocksdb_cache_destroy(options->metadata_cache);
    rocksdb_env_destroy(options->env);
}

char *store_options_change(rocksdb_t *database, rocksdb_column_family_handle_t *const families[FAMILY_COUNT],
                           const char *name, const char *value) {
    char *reason = NULL;
    for (int family = 0; family < FAMILY_COUNT && reason == NULL; family++)
        rocksdb_set_options_cf(database, families[family], 1, &name, &value, &reason);
    return reason;
}
