// SPDX-License-Identifier: Apache-2.0
//
// The compaction filters in a real database: what they reclaim, and above all what they leave alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "store/compaction_filter.h"
#include "store/options.h"
#include "store/write_ahead_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    char directory[64];
    struct compaction_filters *filters;
    struct store_options options;
    rocksdb_t *database;
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    struct key_layout layout;
    struct write_ahead_log *log;
};

static void check(char *error) {
    if (error != NULL)
        fail_msg("RocksDB: %s", error);
}

static void open_database(struct fixture *fixture) {
    struct store_tuning tuning = store_tuning_default();
    tuning.disable_auto_compactions = true; // the tests say when
    fixture->filters = compaction_filters_open(fixture->layout.with_slot);
    store_options_open(&tuning, fixture->filters, &fixture->options);
    const char *names[FAMILY_COUNT];
    const rocksdb_options_t *options[FAMILY_COUNT];
    for (int family = 0; family < FAMILY_COUNT; family++) {
        names[family] = column_family_name((enum column_family)family);
        options[family] = fixture->options.families[family];
    }
    char *error = NULL;
    fixture->database = rocksdb_open_column_families(fixture->options.database, fixture->directory,
                                                     FAMILY_COUNT, names, options, fixture->families, &error);
    check(error);
    fixture->log = write_ahead_log_open(fixture->database, false);
    compaction_filters_attach(fixture->filters, fixture->database, fixture->families[FAMILY_METADATA],
                              fixture->log);
}

static void close_database(struct fixture *fixture) {
    compaction_filters_attach(fixture->filters, NULL, NULL, NULL);
    for (int family = 0; family < FAMILY_COUNT; family++)
        rocksdb_column_family_handle_destroy(fixture->families[family]);
    rocksdb_close(fixture->database);
    write_ahead_log_close(fixture->log);
    store_options_close(&fixture->options);
    compaction_filters_close(fixture->filters);
}

static struct fixture *make_fixture(bool with_slot) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/kvfence-filter.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->layout = (struct key_layout){.name_space = DEFAULT_NAMESPACE, .with_slot = with_slot};
    open_database(fixture);
    return fixture;
}

static int set_up(void **state) {
    *state = make_fixture(false);
    return 0;
}

static int set_up_with_slots(void **state) {
    *state = make_fixture(true);
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    close_database(fixture);
    char *error = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_destroy_db(options, fixture->directory, &error);
    check(error);
    rocksdb_options_destroy(options);
    free(fixture);
    return 0;
}

// --- Writing, compacting, looking ---

static void put(struct fixture *fixture, enum column_family family, struct bytes key, struct bytes value) {
    char *error = NULL;
    rocksdb_put_cf(fixture->database, fixture->options.write, fixture->families[family], key.data, key.length,
                   value.data, value.length, &error);
    check(error);
}

static bool is_there(struct fixture *fixture, enum column_family family, struct bytes key) {
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    char *error = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned_cf(fixture->database, read, fixture->families[family],
                                                         key.data, key.length, &error);
    check(error);
    rocksdb_pinnableslice_destroy(pin);
    rocksdb_readoptions_destroy(read);
    return pin != NULL;
}

static void put_metadata(struct fixture *fixture, const char *key, struct metadata metadata) {
    struct buffer raw = {0};
    char header[METADATA_HEADER_MAX];
    struct bytes value = {.data = header, .length = encode_metadata(header, &metadata)};
    encode_metadata_key(&raw, &fixture->layout, bytes_from_text(key));
    put(fixture, FAMILY_METADATA, buffer_bytes(&raw), value);
    buffer_release(&raw);
}

static bool has_metadata(struct fixture *fixture, const char *key) {
    struct buffer raw = {0};
    encode_metadata_key(&raw, &fixture->layout, bytes_from_text(key));
    bool there = is_there(fixture, FAMILY_METADATA, buffer_bytes(&raw));
    buffer_release(&raw);
    return there;
}

static void put_sub_key(struct fixture *fixture, enum column_family family, const char *key, uint64_t version,
                        const char *sub_key) {
    struct buffer raw = {0};
    encode_sub_key(&raw, &fixture->layout, bytes_from_text(key), version, bytes_from_text(sub_key));
    put(fixture, family, buffer_bytes(&raw), BYTES_LITERAL("value"));
    buffer_release(&raw);
}

static bool has_sub_key(struct fixture *fixture, enum column_family family, const char *key, uint64_t version,
                        const char *sub_key) {
    struct buffer raw = {0};
    encode_sub_key(&raw, &fixture->layout, bytes_from_text(key), version, bytes_from_text(sub_key));
    bool there = is_there(fixture, family, buffer_bytes(&raw));
    buffer_release(&raw);
    return there;
}

// A filter is asked only about what is in files.
static void flush(struct fixture *fixture, enum column_family family) {
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    char *error = NULL;
    rocksdb_flush_cf(fixture->database, options, fixture->families[family], &error);
    check(error);
    rocksdb_flushoptions_destroy(options);
}

static void compact_files(struct fixture *fixture, enum column_family family) {
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(options, 2); // force
    rocksdb_compact_range_cf_opt(fixture->database, fixture->families[family], options, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(options);
}

static void compact(struct fixture *fixture, enum column_family family) {
    flush(fixture, family);
    compact_files(fixture, family);
}

static struct metadata hash_of(uint64_t version, wall_ms_t expire_ms) {
    return (struct metadata){.type = VALUE_HASH, .version = version, .size = 1, .expire_ms = expire_ms};
}

// --- The metadata family ---

static void dead_keys_are_reclaimed_and_living_ones_kept(void **state) {
    struct fixture *fixture = *state;
    wall_ms_t now = clock_wall_ms();
    put_metadata(fixture, "expired", (struct metadata){.type = VALUE_STRING, .expire_ms = now - 1000});
    put_metadata(fixture, "emptied", (struct metadata){.type = VALUE_SET, .version = 1});
    put_metadata(fixture, "string", (struct metadata){.type = VALUE_STRING});
    put_metadata(fixture, "later", (struct metadata){.type = VALUE_STRING, .expire_ms = now + 3600000});
    put_metadata(fixture, "stream", (struct metadata){.type = VALUE_STREAM, .version = 1});
    compact(fixture, FAMILY_METADATA);
    assert_false(has_metadata(fixture, "expired"));
    assert_false(has_metadata(fixture, "emptied"));
    assert_true(has_metadata(fixture, "string"));
    assert_true(has_metadata(fixture, "later"));
    assert_true(has_metadata(fixture, "stream"));
    assert_int_equal(compaction_filters_dropped(fixture->filters), 2);
}

static void expired_keys_can_be_left_to_somebody_else(void **state) {
    struct fixture *fixture = *state;
    put_metadata(fixture, "expired",
                 (struct metadata){.type = VALUE_STRING, .expire_ms = clock_wall_ms() - 1000});
    put_metadata(fixture, "emptied", (struct metadata){.type = VALUE_SET, .version = 1});
    compaction_filters_keep_expired(fixture->filters, INT64_MAX);
    compact(fixture, FAMILY_METADATA);
    assert_true(has_metadata(fixture, "expired"));
    assert_false(has_metadata(fixture, "emptied"));
    compaction_filters_keep_expired(fixture->filters, 0);
    compact(fixture, FAMILY_METADATA);
    assert_false(has_metadata(fixture, "expired"));
}

static void expired_keys_can_be_left_for_a_while(void **state) {
    struct fixture *fixture = *state;
    wall_ms_t now = clock_wall_ms(), minute = 60000;
    const struct metadata before = {.type = VALUE_STRING, .expire_ms = now - 21 * minute};
    const struct metadata since = {.type = VALUE_STRING, .expire_ms = now - 19 * minute};
    const struct metadata hash = {.type = VALUE_HASH, .version = 5, .size = 2, .expire_ms = since.expire_ms};
    put_metadata(fixture, "before", before);
    put_metadata(fixture, "since", since);
    put_metadata(fixture, "hash", hash);
    put_metadata(fixture, "emptied", (struct metadata){.type = VALUE_SET, .version = 1});
    compaction_filters_keep_expired(fixture->filters, 20 * minute);
    compact(fixture, FAMILY_METADATA);
    assert_false(has_metadata(fixture, "before"));
    assert_true(has_metadata(fixture, "since"));
    assert_true(has_metadata(fixture, "hash"));
    assert_false(has_metadata(fixture, "emptied"));
}

static struct metadata hash_that_ended(wall_ms_t when) {
    return (struct metadata){.type = VALUE_HASH, .wide = true, .version = 5, .size = 2, .expire_ms = when};
}

static void collections_that_have_just_expired_are_kept_for_a_while(void **state) {
    struct fixture *fixture = *state;
    wall_ms_t now = clock_wall_ms(), minute = 60000;
    put_metadata(fixture, "just", hash_that_ended(now - minute));
    put_metadata(fixture, "long", hash_that_ended(now - 6 * minute));
    compact(fixture, FAMILY_METADATA);
    assert_true(has_metadata(fixture, "just"));
    assert_false(has_metadata(fixture, "long"));
}

// The master may have given them more time, of which nothing has come yet.
static void a_replica_keeps_collections_that_expired_since_it_was_level(void **state) {
    struct fixture *fixture = *state;
    wall_ms_t now = clock_wall_ms(), minute = 60000;
    put_metadata(fixture, "since", hash_that_ended(now - 20 * minute));
    put_metadata(fixture, "before", hash_that_ended(now - 60 * minute));
    put_metadata(fixture, "string", (struct metadata){.type = VALUE_STRING, .expire_ms = now - minute});
    put_sub_key(fixture, FAMILY_DEFAULT, "since", 5, "a");
    put_sub_key(fixture, FAMILY_DEFAULT, "before", 5, "a");
    compaction_filters_trust_clock(fixture->filters, now - 20 * minute);
    compact(fixture, FAMILY_METADATA);
    compact(fixture, FAMILY_DEFAULT);
    assert_true(has_metadata(fixture, "since"));
    assert_true(has_sub_key(fixture, FAMILY_DEFAULT, "since", 5, "a"));
    assert_false(has_metadata(fixture, "before"));
    assert_false(has_sub_key(fixture, FAMILY_DEFAULT, "before", 5, "a"));
    assert_false(has_metadata(fixture, "string")); // it would come back whole
}

static void a_replica_that_was_never_level_keeps_all_collections(void **state) {
    struct fixture *fixture = *state;
    put_metadata(fixture, "old", hash_that_ended(1000));
    put_sub_key(fixture, FAMILY_DEFAULT, "old", 5, "a");
    compaction_filters_trust_clock(fixture->filters, 0);
    compact(fixture, FAMILY_METADATA);
    compact(fixture, FAMILY_DEFAULT);
    assert_true(has_metadata(fixture, "old"));
    assert_true(has_sub_key(fixture, FAMILY_DEFAULT, "old", 5, "a"));
}

// Another master may have taken its place and given the key more time.
static void a_fenced_master_keeps_what_expired_since_it_lost_its_lease(void **state) {
    struct fixture *fixture = *state;
    wall_ms_t now = clock_wall_ms(), minute = 60000;
    put_metadata(fixture, "old", hash_that_ended(now - 30 * minute));
    put_sub_key(fixture, FAMILY_DEFAULT, "old", 5, "a");
    compaction_filters_fence(fixture->filters, now - 40 * minute);
    compaction_filters_fence(fixture->filters, now); // it is fenced still, and not anew
    compact(fixture, FAMILY_METADATA);
    compact(fixture, FAMILY_DEFAULT);
    assert_true(has_metadata(fixture, "old"));
    assert_true(has_sub_key(fixture, FAMILY_DEFAULT, "old", 5, "a"));
    compaction_filters_fence(fixture->filters, CLOCK_TRUSTED);
    compact(fixture, FAMILY_METADATA);
    compact(fixture, FAMILY_DEFAULT);
    assert_false(has_metadata(fixture, "old"));
    assert_false(has_sub_key(fixture, FAMILY_DEFAULT, "old", 5, "a"));
}

static void metadata_that_is_not_understood_is_kept(void **state) {
    struct fixture *fixture = *state;
    put(fixture, FAMILY_METADATA, BYTES_LITERAL("\x01nempty"), BYTES_LITERAL(""));
    put(fixture, FAMILY_METADATA, BYTES_LITERAL("\x01nshort"), BYTES_LITERAL("\x82\0\0"));
    put(fixture, FAMILY_METADATA, BYTES_LITERAL("\x01nnewer"), BYTES_LITERAL("\x8e\0\0\0\0\0\0\0\x01"));
    compact(fixture, FAMILY_METADATA);
    assert_true(is_there(fixture, FAMILY_METADATA, BYTES_LITERAL("\x01nempty")));
    assert_true(is_there(fixture, FAMILY_METADATA, BYTES_LITERAL("\x01nshort")));
    assert_true(is_there(fixture, FAMILY_METADATA, BYTES_LITERAL("\x01nnewer")));
    assert_int_equal(compaction_filters_dropped(fixture->filters), 0);
}

// --- Sub-keys ---

static void sub_keys_follow_their_metadata(void **state) {
    struct fixture *fixture = *state;
    static const enum column_family sub_key_families[] = {FAMILY_DEFAULT, FAMILY_ZSET_SCORE, FAMILY_STREAM};
    wall_ms_t now = clock_wall_ms(), minute = 60000;
    put_metadata(fixture, "living", hash_of(5, 0));
    put_metadata(fixture, "overwritten", (struct metadata){.type = VALUE_STRING});
    put_metadata(fixture, "emptied", (struct metadata){.type = VALUE_HASH, .version = 5});
    put_metadata(fixture, "just expired", hash_of(5, now - 4 * minute));
    put_metadata(fixture, "long expired", hash_of(5, now - 6 * minute));
    for (size_t i = 0; i < sizeof(sub_key_families) / sizeof(sub_key_families[0]); i++) {
        enum column_family family = sub_key_families[i];
        static const char *const keys[] = {"living",       "overwritten",  "emptied",
                                           "just expired", "long expired", "missing"};
        for (size_t key = 0; key < sizeof(keys) / sizeof(keys[0]); key++) {
            put_sub_key(fixture, family, keys[key], 5, "a");
            put_sub_key(fixture, family, keys[key], 5, "b");
        }
        put_sub_key(fixture, family, "living", 4, "of a predecessor");
        put_sub_key(fixture, family, "living", 6, "of nobody");
        compact(fixture, family);
        assert_true(has_sub_key(fixture, family, "living", 5, "a"));
        assert_true(has_sub_key(fixture, family, "living", 5, "b"));
        assert_true(has_sub_key(fixture, family, "just expired", 5, "a"));
        assert_false(has_sub_key(fixture, family, "living", 4, "of a predecessor"));
        assert_false(has_sub_key(fixture, family, "living", 6, "of nobody"));
        assert_false(has_sub_key(fixture, family, "overwritten", 5, "a"));
        assert_false(has_sub_key(fixture, family, "emptied", 5, "a"));
        assert_false(has_sub_key(fixture, family, "long expired", 5, "a"));
        assert_false(has_sub_key(fixture, family, "missing", 5, "a"));
        assert_false(has_sub_key(fixture, family, "missing", 5, "b"));
    }
}

static void sub_keys_that_are_not_understood_are_kept(void **state) {
    struct fixture *fixture = *state;
    put(fixture, FAMILY_DEFAULT, BYTES_LITERAL("short"), BYTES_LITERAL("value"));
    compact(fixture, FAMILY_DEFAULT);
    assert_true(is_there(fixture, FAMILY_DEFAULT, BYTES_LITERAL("short")));
}

static void sub_keys_of_metadata_that_is_not_understood_are_kept(void **state) {
    struct fixture *fixture = *state;
    struct buffer key = {0};
    encode_metadata_key(&key, &fixture->layout, BYTES_LITERAL("newer"));
    put(fixture, FAMILY_METADATA, buffer_bytes(&key), BYTES_LITERAL("\x8e\0\0\0\0\0\0\0\0"));
    buffer_release(&key);
    put_sub_key(fixture, FAMILY_DEFAULT, "newer", 5, "a");
    compact(fixture, FAMILY_DEFAULT);
    assert_true(has_sub_key(fixture, FAMILY_DEFAULT, "newer", 5, "a"));
}

static void sub_keys_are_kept_while_the_database_is_not_attached(void **state) {
    struct fixture *fixture = *state;
    put_sub_key(fixture, FAMILY_DEFAULT, "missing", 5, "a");
    compaction_filters_attach(fixture->filters, NULL, NULL, NULL);
    compact(fixture, FAMILY_DEFAULT);
    assert_true(has_sub_key(fixture, FAMILY_DEFAULT, "missing", 5, "a"));
    compaction_filters_attach(fixture->filters, fixture->database, fixture->families[FAMILY_METADATA],
                              fixture->log);
    compact(fixture, FAMILY_DEFAULT);
    assert_false(has_sub_key(fixture, FAMILY_DEFAULT, "missing", 5, "a"));
}

static void keys_of_other_namespaces_and_of_equal_beginnings_are_told_apart(void **state) {
    struct fixture *fixture = *state;
    put_metadata(fixture, "a", hash_of(5, 0));
    put_sub_key(fixture, FAMILY_DEFAULT, "a", 5, "x");
    put_sub_key(fixture, FAMILY_DEFAULT, "aa", 5, "x");
    struct key_layout other = {.name_space = BYTES_LITERAL("other"), .with_slot = fixture->layout.with_slot};
    struct key_layout ours = fixture->layout;
    fixture->layout = other;
    put_sub_key(fixture, FAMILY_DEFAULT, "a", 5, "x");
    compact(fixture, FAMILY_DEFAULT);
    assert_false(has_sub_key(fixture, FAMILY_DEFAULT, "a", 5, "x"));
    fixture->layout = ours;
    assert_true(has_sub_key(fixture, FAMILY_DEFAULT, "a", 5, "x"));
    assert_false(has_sub_key(fixture, FAMILY_DEFAULT, "aa", 5, "x"));
}

// --- The rest ---

static void published_messages_and_script_commands_are_reclaimed(void **state) {
    struct fixture *fixture = *state;
    put(fixture, FAMILY_PUBSUB, BYTES_LITERAL("channel"), BYTES_LITERAL("message"));
    put(fixture, FAMILY_PROPAGATE, BYTES_LITERAL("script"), BYTES_LITERAL("flush"));
    put(fixture, FAMILY_PROPAGATE, BYTES_LITERAL("scripts"), BYTES_LITERAL("not that key"));
    put(fixture, FAMILY_PROPAGATE, BYTES_LITERAL("lua_f_0123"), BYTES_LITERAL("return 1"));
    compact(fixture, FAMILY_PUBSUB);
    compact(fixture, FAMILY_PROPAGATE);
    assert_false(is_there(fixture, FAMILY_PUBSUB, BYTES_LITERAL("channel")));
    assert_false(is_there(fixture, FAMILY_PROPAGATE, BYTES_LITERAL("script")));
    assert_true(is_there(fixture, FAMILY_PROPAGATE, BYTES_LITERAL("scripts")));
    assert_true(is_there(fixture, FAMILY_PROPAGATE, BYTES_LITERAL("lua_f_0123")));
}

static void the_search_family_is_left_alone(void **state) {
    struct fixture *fixture = *state;
    put(fixture, FAMILY_SEARCH, BYTES_LITERAL("index"), BYTES_LITERAL("value"));
    compact(fixture, FAMILY_SEARCH);
    assert_true(is_there(fixture, FAMILY_SEARCH, BYTES_LITERAL("index")));
}

static void reclaiming_leaves_the_sequence_number_as_it_is(void **state) {
    struct fixture *fixture = *state;
    put_metadata(fixture, "expired", (struct metadata){.type = VALUE_STRING, .expire_ms = 1});
    put_sub_key(fixture, FAMILY_DEFAULT, "missing", 5, "a");
    uint64_t before = rocksdb_get_latest_sequence_number(fixture->database);
    compact(fixture, FAMILY_METADATA);
    compact(fixture, FAMILY_DEFAULT);
    assert_int_equal(compaction_filters_dropped(fixture->filters), 2);
    assert_int_equal(rocksdb_get_latest_sequence_number(fixture->database), before);
}

// --- At the same time ---

struct compactor {
    struct fixture *fixture;
    atomic_bool stop;
};

static void *compact_until_stopped(void *argument) {
    struct compactor *compactor = argument;
    while (!atomic_load(&compactor->stop))
        compact(compactor->fixture, FAMILY_DEFAULT);
    return NULL;
}

static void detaching_in_the_middle_of_compactions_neither_hangs_nor_loses_anything(void **state) {
    struct fixture *fixture = *state;
    enum { KEYS = 2000, TURNS = 200 };
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key:%d", i);
        put_metadata(fixture, key, hash_of(5, 0));
        put_sub_key(fixture, FAMILY_DEFAULT, key, 5, "field");
    }
    struct compactor compactor = {.fixture = fixture};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, compact_until_stopped, &compactor), 0);
    for (int turn = 0; turn < TURNS; turn++) {
        compaction_filters_attach(fixture->filters, NULL, NULL, NULL);
        compaction_filters_attach(fixture->filters, fixture->database, fixture->families[FAMILY_METADATA],
                                  fixture->log);
    }
    atomic_store(&compactor.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key:%d", i);
        assert_true(has_sub_key(fixture, FAMILY_DEFAULT, key, 5, "field"));
    }
    assert_int_equal(compaction_filters_dropped(fixture->filters), 0);
}

// Leaves the fixture's database behind as a crash would leave it, and opens the copy.
static void crash(struct fixture *fixture) {
    char command[256], crashed[80];
    (void)snprintf(crashed, sizeof(crashed), "%s.crashed", fixture->directory);
    (void)snprintf(command, sizeof(command), "cp -r %s %s", fixture->directory, crashed);
    assert_int_equal(system(command), 0);
    close_database(fixture);
    (void)snprintf(command, sizeof(command), "rm -rf %s && mv %s %s", fixture->directory, crashed,
                   fixture->directory);
    assert_int_equal(system(command), 0);
    open_database(fixture);
}

static void a_crash_does_not_bring_a_key_back_without_its_elements(void **state) {
    struct fixture *fixture = *state;
    put_metadata(fixture, "hash", hash_of(5, 0));
    put_sub_key(fixture, FAMILY_DEFAULT, "hash", 5, "field");
    flush(fixture, FAMILY_DEFAULT);
    // Overwritten by a string, which so far is in memory only: in no file, that of the log included.
    put_metadata(fixture, "hash", (struct metadata){.type = VALUE_STRING});
    compact_files(fixture, FAMILY_DEFAULT);
    assert_false(has_sub_key(fixture, FAMILY_DEFAULT, "hash", 5, "field"));
    crash(fixture);
    struct buffer key = {0};
    encode_metadata_key(&key, &fixture->layout, BYTES_LITERAL("hash"));
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    char *error = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned_cf(
        fixture->database, read, fixture->families[FAMILY_METADATA], key.data, key.length, &error);
    check(error);
    assert_non_null(pin);
    struct bytes raw;
    raw.data = rocksdb_pinnableslice_value(pin, &raw.length);
    struct metadata metadata;
    assert_true(decode_metadata(raw, &metadata));
    assert_true(metadata.type == VALUE_STRING || has_sub_key(fixture, FAMILY_DEFAULT, "hash", 5, "field"));
    rocksdb_pinnableslice_destroy(pin);
    rocksdb_readoptions_destroy(read);
    buffer_release(&key);
}

#define IN_DATABASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DATABASE(dead_keys_are_reclaimed_and_living_ones_kept),
        IN_DATABASE(expired_keys_can_be_left_to_somebody_else),
        IN_DATABASE(expired_keys_can_be_left_for_a_while),
        IN_DATABASE(collections_that_have_just_expired_are_kept_for_a_while),
        IN_DATABASE(a_replica_keeps_collections_that_expired_since_it_was_level),
        IN_DATABASE(a_replica_that_was_never_level_keeps_all_collections),
        IN_DATABASE(a_fenced_master_keeps_what_expired_since_it_lost_its_lease),
        IN_DATABASE(metadata_that_is_not_understood_is_kept),
        IN_DATABASE(sub_keys_follow_their_metadata),
        {"sub_keys_follow_their_metadata_with_slots", sub_keys_follow_their_metadata, set_up_with_slots,
         tear_down, NULL},
        IN_DATABASE(sub_keys_that_are_not_understood_are_kept),
        IN_DATABASE(sub_keys_of_metadata_that_is_not_understood_are_kept),
        IN_DATABASE(sub_keys_are_kept_while_the_database_is_not_attached),
        IN_DATABASE(keys_of_other_namespaces_and_of_equal_beginnings_are_told_apart),
        IN_DATABASE(published_messages_and_script_commands_are_reclaimed),
        IN_DATABASE(the_search_family_is_left_alone),
        IN_DATABASE(reclaiming_leaves_the_sequence_number_as_it_is),
        IN_DATABASE(detaching_in_the_middle_of_compactions_neither_hangs_nor_loses_anything),
        IN_DATABASE(a_crash_does_not_bring_a_key_back_without_its_elements),
    };
    return cmocka_run_group_tests_name("compaction_filter", tests, NULL, NULL);
}
