// SPDX-License-Identifier: Apache-2.0
//
// The options in a real database: that RocksDB takes them, what the write-ahead log survives, and what can be
// changed while the database is open. What RocksDB made of them is read from the OPTIONS file that it writes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/compaction_filter.h"
#include "store/options.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_ERRORS = 3 };

struct fixture {
    char directory[64];
    // The store switches RocksDB's log off, by a level for which RocksDB has no name; and then it cannot
    // write its OPTIONS file.
    bool shows_options;
    struct store_tuning tuning;
    struct compaction_filters *filters;
    struct store_options options;
    rocksdb_t *database;
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
};

// Returns RocksDB's error text, or NULL.
static char *try_to_open(struct fixture *fixture) {
    fixture->filters = compaction_filters_open(false);
    store_options_open(&fixture->tuning, fixture->filters, &fixture->options);
    if (fixture->shows_options)
        rocksdb_options_set_info_log_level(fixture->options.database, LOG_ERRORS);
    const char *names[FAMILY_COUNT];
    const rocksdb_options_t *options[FAMILY_COUNT];
    for (int family = 0; family < FAMILY_COUNT; family++) {
        names[family] = column_family_name((enum column_family)family);
        options[family] = fixture->options.families[family];
    }
    char *error = NULL;
    fixture->database = rocksdb_open_column_families(fixture->options.database, fixture->directory,
                                                     FAMILY_COUNT, names, options, fixture->families, &error);
    return error;
}

static void check(char *error) {
    if (error != NULL)
        fail_msg("RocksDB: %s", error);
}

static void close_options(struct fixture *fixture) {
    store_options_close(&fixture->options);
    compaction_filters_close(fixture->filters);
}

static void close_database(struct fixture *fixture) {
    for (int family = 0; family < FAMILY_COUNT; family++)
        rocksdb_column_family_handle_destroy(fixture->families[family]);
    rocksdb_close(fixture->database);
    close_options(fixture);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/kvfence-options.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->tuning = store_tuning_default();
    *state = fixture;
    return 0;
}

static int set_up_with_options_file(void **state) {
    if (set_up(state) != 0)
        return -1;
    struct fixture *fixture = *state;
    fixture->shows_options = true;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", fixture->directory);
    int status = system(command);
    free(fixture);
    return status;
}

// --- What RocksDB says it uses --------------------------------------------------------------------------

// The path of the newest file in the directory whose name starts with `prefix` and ends with `suffix`.
static void find_newest(const struct fixture *fixture, const char *prefix, const char *suffix,
                        char out[384]) {
    DIR *directory = opendir(fixture->directory);
    assert_non_null(directory);
    char best[256] = "";
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name), tail = strlen(suffix);
        bool matches = strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && length >= tail &&
                       strcmp(entry->d_name + length - tail, suffix) == 0;
        // Numbers of equal width, so the newest comes last.
        if (matches && strcmp(entry->d_name, best) > 0)
            (void)snprintf(best, sizeof(best), "%s", entry->d_name);
    }
    (void)closedir(directory);
    assert_string_not_equal(best, "");
    (void)snprintf(out, 384, "%s/%s", fixture->directory, best);
}

// Asserts that the section of the OPTIONS file has the line "name=value".
static void assert_option(const struct fixture *fixture, const char *section, const char *name,
                          const char *value) {
    char path[384], line[4096], wanted[256];
    find_newest(fixture, "OPTIONS-", "", path);
    (void)snprintf(wanted, sizeof(wanted), "  %s=%s\n", name, value);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool inside = false, found = false;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '[')
            inside = strncmp(line + 1, section, strlen(section)) == 0 && line[1 + strlen(section)] == ']';
        if (inside && strcmp(line, wanted) == 0)
            found = true;
    }
    (void)fclose(file);
    if (!found)
        fail_msg("%s has no %s=%s", section, name, value);
}

#define METADATA_SECTION "CFOptions \"metadata\""

static void the_defaults_open_a_database_with_all_families(void **state) {
    struct fixture *fixture = *state;
    check(try_to_open(fixture));
    assert_option(fixture, "DBOptions", "manual_wal_flush", "true");
    assert_option(fixture, "DBOptions", "wal_recovery_mode", "kTolerateCorruptedTailRecords");
    assert_option(fixture, "DBOptions", "max_total_wal_size", "536870912");
    assert_option(fixture, "DBOptions", "WAL_ttl_seconds", "10800");
    assert_option(fixture, "DBOptions", "paranoid_checks", "true");
    assert_option(fixture, "DBOptions", "atomic_flush", "false");
    assert_option(fixture, METADATA_SECTION, "max_write_buffer_number", "4");
    assert_option(fixture, METADATA_SECTION, "target_file_size_base", "134217728");
    assert_option(fixture, METADATA_SECTION, "memtable_whole_key_filtering", "true");
    assert_option(fixture, "CFOptions \"stream\"", "memtable_whole_key_filtering", "false");
    close_database(fixture);
}

static void compression_starts_at_the_level_that_was_asked_for(void **state) {
    struct fixture *fixture = *state;
    fixture->tuning.compression = COMPRESSION_ZSTD;
    fixture->tuning.compression_start_level = 5;
    check(try_to_open(fixture));
    assert_option(fixture, METADATA_SECTION, "compression_per_level",
                  "kNoCompression:kNoCompression:kNoCompression:kNoCompression:kNoCompression:kZSTD:kZSTD");
    close_database(fixture);
}

static void tuning_reaches_the_database(void **state) {
    struct fixture *fixture = *state;
    struct store_tuning *tuning = &fixture->tuning;
    tuning->compression = COMPRESSION_NONE;
    tuning->block_size = 4096;
    tuning->max_open_files = 77;
    tuning->write_buffer_size_mb = 3;
    tuning->delayed_write_rate = 1234567;
    tuning->max_background_compactions = -1;
    tuning->max_background_flushes = -1;
    tuning->enable_blob_files = true;
    tuning->blob_garbage_collection_age_cutoff = 40;
    tuning->max_io_mb = 100;
    tuning->row_cache_size_mb = 8;
    tuning->share_metadata_and_subkey_block_cache = false;
    tuning->wal_compression_zstd = true;
    check(try_to_open(fixture));
    assert_option(fixture, "DBOptions", "max_open_files", "77");
    assert_option(fixture, "DBOptions", "delayed_write_rate", "1234567");
    assert_option(fixture, "DBOptions", "max_background_compactions", "-1");
    assert_option(fixture, "DBOptions", "wal_compression", "kZSTD");
    assert_option(fixture, METADATA_SECTION, "write_buffer_size", "3145728");
    assert_option(fixture, METADATA_SECTION, "enable_blob_files", "true");
    assert_option(fixture, METADATA_SECTION, "blob_garbage_collection_age_cutoff", "0.400000");
    assert_option(fixture, "TableOptions/BlockBasedTable \"metadata\"", "block_size", "4096");
    assert_non_null(fixture->options.rate_limiter);
    assert_ptr_not_equal(fixture->options.metadata_cache, fixture->options.subkey_cache);
    assert_int_equal(rocksdb_cache_get_capacity(fixture->options.metadata_cache), INT64_C(2048) << 20);
    close_database(fixture);
}

static void shared_block_caches_are_as_large_as_both_or_as_said(void **state) {
    struct fixture *fixture = *state;
    check(try_to_open(fixture));
    assert_ptr_equal(fixture->options.metadata_cache, fixture->options.subkey_cache);
    assert_int_equal(rocksdb_cache_get_capacity(fixture->options.metadata_cache), INT64_C(4096) << 20);
    close_database(fixture);
    fixture->tuning.block_cache_size_mb = 100;
    check(try_to_open(fixture));
    assert_int_equal(rocksdb_cache_get_capacity(fixture->options.metadata_cache), 100 << 20);
    close_database(fixture);
}

static void without_a_log_families_are_flushed_together(void **state) {
    struct fixture *fixture = *state;
    fixture->tuning.write_disable_wal = true;
    fixture->tuning.enable_pipelined_write = true; // RocksDB would refuse to open with both
    check(try_to_open(fixture));
    assert_option(fixture, "DBOptions", "atomic_flush", "true");
    assert_option(fixture, "DBOptions", "enable_pipelined_write", "false");
    close_database(fixture);
}

// --- After a crash --------------------------------------------------------------------------------------

enum { RECORDS = 2000, VALUE_SIZE = 100 };

static void put_number(struct fixture *fixture, int number) {
    char key[16], value[VALUE_SIZE] = "";
    char *error = NULL;
    (void)snprintf(key, sizeof(key), "key:%05d", number);
    rocksdb_put_cf(fixture->database, fixture->options.write, fixture->families[FAMILY_METADATA], key,
                   strlen(key), value, sizeof(value), &error);
    check(error);
}

static bool has_number(struct fixture *fixture, int number) {
    char key[16];
    char *error = NULL;
    (void)snprintf(key, sizeof(key), "key:%05d", number);
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned_cf(
        fixture->database, read, fixture->families[FAMILY_METADATA], key, strlen(key), &error);
    check(error);
    rocksdb_pinnableslice_destroy(pin);
    rocksdb_readoptions_destroy(read);
    return pin != NULL;
}

// Leaves a directory as a kill would: records in the log and in no other file. `log` gets the log's path.
static void write_and_crash(struct fixture *fixture, char log[384]) {
    check(try_to_open(fixture));
    for (int i = 0; i < RECORDS; i++)
        put_number(fixture, i);
    char *error = NULL;
    rocksdb_flush_wal(fixture->database, 0, &error);
    check(error);
    char command[256];
    (void)snprintf(command, sizeof(command), "cp -r %s %s.copy", fixture->directory, fixture->directory);
    assert_int_equal(system(command), 0);
    close_database(fixture);
    (void)snprintf(command, sizeof(command), "rm -r %s && mv %s.copy %s", fixture->directory,
                   fixture->directory, fixture->directory);
    assert_int_equal(system(command), 0);
    find_newest(fixture, "", ".log", log);
}

static off_t size_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void overwrite(const char *path, off_t at, size_t length) {
    char *junk = malloc(length);
    assert_non_null(junk);
    memset(junk, 0x5a, length);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, junk, length, at), (ssize_t)length);
    assert_int_equal(close(file), 0);
    free(junk);
}

static void what_was_handed_to_the_log_is_there_after_a_crash(void **state) {
    struct fixture *fixture = *state;
    char log[384];
    write_and_crash(fixture, log);
    check(try_to_open(fixture));
    for (int i = 0; i < RECORDS; i++)
        assert_true(has_number(fixture, i));
    close_database(fixture);
}

static void a_log_that_ends_within_a_record_loses_that_record_only(void **state) {
    struct fixture *fixture = *state;
    char log[384];
    write_and_crash(fixture, log);
    assert_int_equal(truncate(log, size_of(log) - VALUE_SIZE / 2), 0);
    check(try_to_open(fixture));
    for (int i = 0; i < RECORDS - 1; i++)
        assert_true(has_number(fixture, i));
    assert_false(has_number(fixture, RECORDS - 1));
    close_database(fixture);
}

static void a_log_with_zeros_behind_its_end_opens(void **state) {
    struct fixture *fixture = *state;
    char log[384];
    write_and_crash(fixture, log);
    assert_int_equal(truncate(log, size_of(log) + 3000), 0); // a file that was extended, but not yet written
    check(try_to_open(fixture));
    assert_true(has_number(fixture, RECORDS - 1));
    close_database(fixture);
}

static void a_log_that_is_damaged_in_the_middle_stops_the_start(void **state) {
    struct fixture *fixture = *state;
    char log[384];
    write_and_crash(fixture, log);
    overwrite(log, size_of(log) / 2, 10);
    char *error = try_to_open(fixture);
    assert_non_null(error);
    assert_non_null(strstr(error, "Corruption"));
    free(error);
    close_options(fixture);
}

// --- Changing -------------------------------------------------------------------------------------------

static char *change(struct fixture *fixture, const char *name, const char *value) {
    return store_options_change(&fixture->options, fixture->database, fixture->families, name, value);
}

static void options_of_families_can_be_changed(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *name, *value, *rocksdb_value;
    } rows[] = {
        {"write_buffer_size", "7", "7340032"},
        {"target_file_size_base", "5", "5242880"},
        {"max_write_buffer_number", "6", "6"},
        {"disable_auto_compactions", "yes", "true"},
        {"level0_file_num_compaction_trigger", "9", "9"},
        {"level0_slowdown_writes_trigger", "30", "30"},
        {"level0_stop_writes_trigger", "50", "50"},
        {"max_bytes_for_level_base", "1000000", "1000000"},
        {"max_bytes_for_level_multiplier", "8", "8.000000"},
        {"enable_blob_files", "yes", "true"},
        {"min_blob_size", "100", "100"},
        {"blob_file_size", "1000000", "1000000"},
        {"enable_blob_garbage_collection", "no", "false"},
        {"blob_garbage_collection_age_cutoff", "5", "0.050000"},
    };
    check(try_to_open(fixture));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(change(fixture, rows[i].name, rows[i].value));
        assert_option(fixture, METADATA_SECTION, rows[i].name, rows[i].rocksdb_value);
        assert_option(fixture, "CFOptions \"search\"", rows[i].name, rows[i].rocksdb_value);
    }
    close_database(fixture);
}

static void an_option_can_be_changed_without_an_options_file_too(void **state) {
    struct fixture *fixture = *state;
    check(try_to_open(fixture));
    check(change(fixture, "write_buffer_size", "7"));
    check(change(fixture, "compression", "no"));
    close_database(fixture);
}

static void compression_and_its_start_level_can_be_changed_one_by_one(void **state) {
    struct fixture *fixture = *state;
    fixture->tuning.compression_start_level = 6;
    check(try_to_open(fixture));
    check(change(fixture, "compression", "snappy"));
    assert_option(fixture, METADATA_SECTION, "compression_per_level",
                  "kNoCompression:kNoCompression:kNoCompression:kNoCompression:kNoCompression:"
                  "kNoCompression:kSnappyCompression");
    check(change(fixture, "compression_start_level", "5"));
    assert_option(fixture, METADATA_SECTION, "compression_per_level",
                  "kNoCompression:kNoCompression:kNoCompression:kNoCompression:kNoCompression:"
                  "kSnappyCompression:kSnappyCompression");
    close_database(fixture);
}

static void assert_refused(struct fixture *fixture, const char *name, const char *value, const char *words) {
    char *error = change(fixture, name, value);
    assert_non_null(error);
    if (strstr(error, words) == NULL || strstr(error, name) == NULL)
        fail_msg("'%s' does not name '%s' or say '%s'", error, name, words);
    free(error);
}

static void options_of_the_whole_database_are_refused_with_advice(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {
        "max_open_files",
        "max_background_jobs",
        "max_background_compactions",
        "max_subcompactions",
        "max_total_wal_size",
        "delayed_write_rate",
        "compaction_readahead_size",
        "level_compaction_dynamic_level_bytes",
    };
    check(try_to_open(fixture));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_refused(fixture, names[i], "1", "restart");
    close_database(fixture);
}

static void bad_names_and_values_are_refused_and_change_nothing(void **state) {
    struct fixture *fixture = *state;
    check(try_to_open(fixture));
    assert_refused(fixture, "no_such_option", "1", "not an option");
    assert_refused(fixture, "write_buffer_size", "many", "many");
    assert_refused(fixture, "write_buffer_size", "99999999999999999999", "99999999999999999999");
    assert_refused(fixture, "disable_auto_compactions", "maybe", "maybe");
    assert_refused(fixture, "blob_garbage_collection_age_cutoff", "101", "101");
    assert_refused(fixture, "compression", "gzip", "gzip");
    assert_refused(fixture, "compression_start_level", "7", "7");
    assert_refused(fixture, "compression_start_level", "-1", "-1");
    assert_option(fixture, METADATA_SECTION, "disable_auto_compactions", "false");
    close_database(fixture);
}

#define IN_DIRECTORY(test)      cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define WITH_OPTIONS_FILE(test) cmocka_unit_test_setup_teardown(test, set_up_with_options_file, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_OPTIONS_FILE(the_defaults_open_a_database_with_all_families),
        WITH_OPTIONS_FILE(compression_starts_at_the_level_that_was_asked_for),
        WITH_OPTIONS_FILE(tuning_reaches_the_database),
        IN_DIRECTORY(shared_block_caches_are_as_large_as_both_or_as_said),
        WITH_OPTIONS_FILE(without_a_log_families_are_flushed_together),
        IN_DIRECTORY(what_was_handed_to_the_log_is_there_after_a_crash),
        IN_DIRECTORY(a_log_that_ends_within_a_record_loses_that_record_only),
        IN_DIRECTORY(a_log_with_zeros_behind_its_end_opens),
        IN_DIRECTORY(a_log_that_is_damaged_in_the_middle_stops_the_start),
        WITH_OPTIONS_FILE(options_of_families_can_be_changed),
        IN_DIRECTORY(an_option_can_be_changed_without_an_options_file_too),
        WITH_OPTIONS_FILE(compression_and_its_start_level_can_be_changed_one_by_one),
        IN_DIRECTORY(options_of_the_whole_database_are_refused_with_advice),
        WITH_OPTIONS_FILE(bad_names_and_values_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests_name("store_options", tests, NULL, NULL);
}
