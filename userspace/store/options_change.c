// SPDX-License-Identifier: Apache-2.0
//
// Changing options of a running database. RocksDB's C interface reaches the options of a family only, so the
// others are refused with the advice to restart. May use: base, store/encoding.
#include "store/options.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SIZE = 256, LEVELS = 7 };

// Turns the configuration's form of a value into RocksDB's. False if it is not of that form.
typedef bool convert_function(const char *value, char out[VALUE_SIZE]);

static bool as_it_is(const char *value, char out[VALUE_SIZE]) {
    return snprintf(out, VALUE_SIZE, "%s", value) < VALUE_SIZE;
}

static bool mebibytes_to_bytes(const char *value, char out[VALUE_SIZE]) {
    uint64_t mebibytes;
    if (!number_read_unsigned(bytes_from_text(value), &mebibytes) || mebibytes > UINT64_MAX >> 20)
        return false;
    (void)snprintf(out, VALUE_SIZE, "%llu", (unsigned long long)mebibytes << 20);
    return true;
}

static bool yes_to_true(const char *value, char out[VALUE_SIZE]) {
    bool yes = strcmp(value, "yes") == 0;
    (void)snprintf(out, VALUE_SIZE, "%s", yes ? "true" : "false");
    return yes || strcmp(value, "no") == 0;
}

static bool percent_to_part(const char *value, char out[VALUE_SIZE]) {
    uint64_t percent;
    if (!number_read_unsigned(bytes_from_text(value), &percent) || percent > 100)
        return false;
    (void)snprintf(out, VALUE_SIZE, "%u.%02u", (unsigned)percent / 100, (unsigned)percent % 100);
    return true;
}

// Names by which both Kvrocks and RocksDB know an option. Those without a conversion belong to the whole
// database.
static const struct {
    const char *name;
    convert_function *convert;
} changeable[] = {
    {"write_buffer_size", mebibytes_to_bytes},
    {"target_file_size_base", mebibytes_to_bytes},
    {"max_write_buffer_number", as_it_is},
    {"disable_auto_compactions", yes_to_true},
    {"level0_file_num_compaction_trigger", as_it_is},
    {"level0_slowdown_writes_trigger", as_it_is},
    {"level0_stop_writes_trigger", as_it_is},
    {"max_bytes_for_level_base", as_it_is},
    {"max_bytes_for_level_multiplier", as_it_is},
    {"enable_blob_files", yes_to_true},
    {"min_blob_size", as_it_is},
    {"blob_file_size", as_it_is},
    {"enable_blob_garbage_collection", yes_to_true},
    {"blob_garbage_collection_age_cutoff", percent_to_part},
    {"max_open_files", NULL},
    {"max_background_jobs", NULL},
    {"max_background_compactions", NULL},
    {"max_subcompactions", NULL},
    {"max_total_wal_size", NULL},
    {"delayed_write_rate", NULL},
    {"compaction_readahead_size", NULL},
    {"level_compaction_dynamic_level_bytes", NULL},
};
enum { CHANGEABLE_COUNT = sizeof(changeable) / sizeof(changeable[0]) };

__attribute__((format(printf, 1, 2))) static char *refusal(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return memory_copy_text(text);
}

// The first family refuses what all would, so either all take it or none.
static char *set_in_families(rocksdb_t *database,
                             rocksdb_column_family_handle_t *const families[FAMILY_COUNT], const char *name,
                             const char *value) {
    char *error = NULL;
    for (int family = 0; family < FAMILY_COUNT && error == NULL; family++)
        rocksdb_set_options_cf(database, families[family], 1, &name, &value, &error);
    return error;
}

// --- Compression ----------------------------------------------------------------------------------------

static const struct {
    const char *name;
    const char *rocksdb_name;
} compressions[] = {
    [COMPRESSION_NONE] = {"no", "kNoCompression"},
    [COMPRESSION_SNAPPY] = {"snappy", "kSnappyCompression"},
    [COMPRESSION_ZLIB] = {"zlib", "kZlibCompression"},
    [COMPRESSION_LZ4] = {"lz4", "kLZ4Compression"},
    [COMPRESSION_ZSTD] = {"zstd", "kZSTD"},
};
enum { COMPRESSION_COUNT = sizeof(compressions) / sizeof(compressions[0]) };

static bool read_compression(const char *value, enum store_compression *out) {
    for (int i = 0; i < COMPRESSION_COUNT; i++) {
        if (strcmp(value, compressions[i].name) == 0) {
            *out = (enum store_compression)i;
            return true;
        }
    }
    return false;
}

// RocksDB wants one for each level.
static char *set_compressions(rocksdb_t *database,
                              rocksdb_column_family_handle_t *const families[FAMILY_COUNT],
                              enum store_compression compression, int64_t start_level) {
    char value[VALUE_SIZE];
    size_t length = 0;
    for (int level = 0; level < LEVELS; level++) {
        enum store_compression of_level = level < start_level ? COMPRESSION_NONE : compression;
        length += (size_t)snprintf(value + length, sizeof(value) - length, "%s%s", level == 0 ? "" : ":",
                                   compressions[of_level].rocksdb_name);
    }
    return set_in_families(database, families, "compression_per_level", value);
}

static char *change_compression(struct store_options *options, rocksdb_t *database,
                                rocksdb_column_family_handle_t *const families[FAMILY_COUNT],
                                const char *value) {
    enum store_compression compression;
    if (!read_compression(value, &compression))
        return refusal("'compression' cannot be '%s'", value);
    char *error = set_compressions(database, families, compression, options->compression_start_level);
    if (error == NULL)
        options->compression = compression;
    return error;
}

static char *change_start_level(struct store_options *options, rocksdb_t *database,
                                rocksdb_column_family_handle_t *const families[FAMILY_COUNT],
                                const char *value) {
    int64_t level;
    if (!number_read_integer(bytes_from_text(value), &level) || level < 0 || level >= LEVELS)
        return refusal("'compression_start_level' cannot be '%s'", value);
    char *error = set_compressions(database, families, options->compression, level);
    if (error == NULL)
        options->compression_start_level = level;
    return error;
}

// --- All of them ----------------------------------------------------------------------------------------

char *store_options_change(struct store_options *options, rocksdb_t *database,
                           rocksdb_column_family_handle_t *const families[FAMILY_COUNT], const char *name,
                           const char *value) {
    if (strcmp(name, "compression") == 0)
        return change_compression(options, database, families, value);
    if (strcmp(name, "compression_start_level") == 0)
        return change_start_level(options, database, families, value);
    size_t i = 0;
    while (i < CHANGEABLE_COUNT && strcmp(changeable[i].name, name) != 0)
        i++;
    if (i == CHANGEABLE_COUNT)
        return refusal("'%s' is not an option of a running database (value '%s')", name, value);
    if (changeable[i].convert == NULL)
        return refusal("'%s' can only be changed in the configuration file, followed by a restart (to '%s')",
                       name, value);
    char converted[VALUE_SIZE];
    if (!changeable[i].convert(value, converted))
        return refusal("'%s' cannot be '%s'", name, value);
    return set_in_families(database, families, name, converted);
}
