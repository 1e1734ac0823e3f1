// SPDX-License-Identifier: Apache-2.0
//
// Single entries as of one moment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "store/collection.h"
#include "store/entry_view.h"

#include <rocksdb/c.h>
#include <stdio.h>

static struct store_session *session_of(void **state) {
    return ((struct store_fixture *)*state)->sessions[0];
}

static void set(struct store_session *session, const char *key, const char *value, wall_ms_t expire_ms) {
    struct bytes name = bytes_from_text(key);
    struct bytes text = bytes_from_text(value);
    session_write_begin(session, &name, 1);
    stage_string(session, name, expire_ms, &text, 1);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
}

static void expect(struct entry_view *view, const char *key, const char *value) {
    struct store_value found;
    enum store_status status = entry_view_read(view, bytes_from_text(key), 1000, &found);
    assert_int_equal(status, value == NULL ? STORE_NOT_FOUND : STORE_OK);
    if (value != NULL)
        assert_true(bytes_equal(found.payload, bytes_from_text(value)));
}

static void what_changes_later_is_not_seen(void **state) {
    struct store_session *session = session_of(state);
    set(session, "b", "old", 0);
    set(session, "d", "stays", 0);
    struct entry_view *view = entry_view_open(session);
    set(session, "b", "new", 0);
    set(session, "c", "new", 0);
    session_write_begin(session, &BYTES_LITERAL("d"), 1);
    stage_delete(session, BYTES_LITERAL("d"));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    expect(view, "d", "stays");
    expect(view, "b", "old");
    expect(view, "c", NULL);
    expect(view, "a", NULL);
    expect(view, "e", NULL);
    entry_view_close(view);
}

static void the_moment_is_that_of_the_sessions_snapshot(void **state) {
    struct store_session *session = session_of(state);
    struct store_session *other = ((struct store_fixture *)*state)->sessions[1];
    set(session, "a", "old", 0);
    session_snapshot_begin(session);
    set(other, "a", "new", 0);
    struct entry_view *view = entry_view_open(session);
    session_snapshot_end(session);
    expect(view, "a", "old");
    entry_view_close(view);
}

static void a_key_whose_time_is_over_is_not_found(void **state) {
    struct store_session *session = session_of(state);
    set(session, "dead", "x", 999);
    set(session, "alive", "y", 1001);
    struct entry_view *view = entry_view_open(session);
    expect(view, "dead", NULL);
    expect(view, "alive", "y");
    entry_view_close(view);
}

static void count_told(void *context, struct bytes key) {
    int *told = context;
    assert_true(bytes_equal(key, BYTES_LITERAL("dead")));
    ++*told;
}

static void a_key_that_is_met_dead_is_counted_and_told_as_by_other_reads(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = session_of(state);
    int told = 0;
    store_on_expired(fixture->store, count_told, &told);
    set(session, "dead", "x", 999);
    set(session, "alive", "y", 1001);
    struct entry_view *view = entry_view_open(session);
    expect(view, "dead", NULL);
    expect(view, "alive", "y");
    expect(view, "never", NULL);
    assert_int_equal(told, 1);
    assert_int_equal(store_counters_now(fixture->store).expired_reads, 1);
    entry_view_close(view);
    store_on_expired(fixture->store, NULL, NULL);
}

// Of what a view shows later the reply must not tell before it is in the log.
static void opening_is_a_read_so_that_settling_flushes_what_will_be_shown(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *reader = session_of(state);
    uint64_t reads = session_reads(reader);
    set(fixture->sessions[1], "key", "value", 0);
    struct entry_view *view = entry_view_open(reader);
    assert_true(session_round_read(reader));
    assert_true(session_reads(reader) > reads);
    assert_int_equal(store_settle(reader), SETTLED);
    assert_int_equal(store_counters_now(fixture->store).wal_flushes, 1);
    expect(view, "key", "value");
    entry_view_close(view);
}

static void sub_keys_are_found_by_their_version(void **state) {
    struct store_session *session = session_of(state);
    struct collection hash;
    struct store_value found;
    session_write_begin(session, &BYTES_LITERAL("hash"), 1);
    assert_int_equal(collection_open_for_write(session, BYTES_LITERAL("hash"), VALUE_HASH, 0, &hash),
                     STORE_OK);
    collection_put(&hash, FAMILY_DEFAULT, BYTES_LITERAL("field"), BYTES_LITERAL("value"));
    hash.metadata.size = 1;
    collection_save(&hash);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    struct entry_view *view = entry_view_open(session);
    uint64_t version = hash.metadata.version;
    assert_int_equal(
        entry_view_read_sub_key(view, BYTES_LITERAL("hash"), version, BYTES_LITERAL("field"), &found),
        STORE_OK);
    assert_true(bytes_equal(found.payload, BYTES_LITERAL("value")));
    assert_int_equal(
        entry_view_read_sub_key(view, BYTES_LITERAL("hash"), version, BYTES_LITERAL("f"), &found),
        STORE_NOT_FOUND);
    assert_int_equal(
        entry_view_read_sub_key(view, BYTES_LITERAL("hash"), version + 1, BYTES_LITERAL("field"), &found),
        STORE_NOT_FOUND);
    entry_view_close(view);
}

static void set_and_delete(struct store_session *session, int count) {
    char name[32];
    for (int i = 0; i < count; i++) {
        struct bytes key = {name, (size_t)snprintf(name, sizeof(name), "gone-%06d", i)};
        set(session, name, "value", 0);
        session_write_begin(session, &key, 1);
        stage_delete(session, key);
        assert_int_equal(store_commit(session), STORE_OK);
        session_write_end(session);
    }
}

// What was deleted is in RocksDB until it is compacted, and a walk passes it one by one.
static void a_missing_key_costs_no_walk_over_its_deleted_neighbours(void **state) {
    enum { GONE = 2000, ASKED = 50 };
    struct store_session *session = session_of(state);
    char name[32];
    set_and_delete(session, GONE);
    set(session, "here", "value", 0);
    struct entry_view *view = entry_view_open(session);
    rocksdb_set_perf_level(rocksdb_enable_count);
    rocksdb_perfcontext_t *counters = rocksdb_perfcontext_create();
    rocksdb_perfcontext_reset(counters);
    for (int i = 0; i < ASKED; i++) {
        (void)snprintf(name, sizeof(name), "gone-%06d", i * (GONE / ASKED));
        expect(view, name, NULL);
    }
    expect(view, "here", "value");
    uint64_t passed = rocksdb_perfcontext_metric(counters, rocksdb_internal_delete_skipped_count);
    rocksdb_perfcontext_destroy(counters);
    rocksdb_set_perf_level(rocksdb_disable);
    entry_view_close(view);
    assert_in_range(passed, 0, 4 * ASKED);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(what_changes_later_is_not_seen),
        WITH_STORE(the_moment_is_that_of_the_sessions_snapshot),
        WITH_STORE(a_key_whose_time_is_over_is_not_found),
        WITH_STORE(a_key_that_is_met_dead_is_counted_and_told_as_by_other_reads),
        WITH_STORE(opening_is_a_read_so_that_settling_flushes_what_will_be_shown),
        WITH_STORE(sub_keys_are_found_by_their_version),
        WITH_STORE(a_missing_key_costs_no_walk_over_its_deleted_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
