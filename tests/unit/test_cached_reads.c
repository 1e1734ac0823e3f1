// SPDX-License-Identifier: Apache-2.0
//
// Sessions in front of the read cache: whatever changes data is seen by the next read, and what must not come
// from the cache does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/number.h"
#include "store/apply.h"
#include "store/log_tail.h"
#include "store/session_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct bytes key = {"key", 3};

static uint64_t hits(const struct store_fixture *fixture) {
    return store_counters_now(fixture->store).cached_reads;
}

// After this the key's value comes from the cache, to every session.
static void cache_key(struct store_fixture *fixture, const char *value) {
    assert_true(store_fixture_has(fixture->sessions[0], "key", value));
    uint64_t before = hits(fixture);
    assert_true(store_fixture_has(fixture->sessions[0], "key", value));
    assert_true(store_fixture_has(fixture->sessions[1], "key", value));
    assert_int_equal(hits(fixture), before + 2);
}

static void set_and_cache(struct store_fixture *fixture) {
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "old"), STORE_OK);
    cache_key(fixture, "old");
}

static void expect(struct store_fixture *fixture, const char *value) {
    assert_true(store_fixture_has(fixture->sessions[0], "key", value));
    assert_true(store_fixture_has(fixture->sessions[1], "key", value));
}

static void begin_write(struct store_fixture *fixture) {
    session_write_begin(fixture->sessions[1], &key, 1);
}

static void commit(struct store_fixture *fixture) {
    assert_int_equal(store_commit(fixture->sessions[1]), STORE_OK);
    session_write_end(fixture->sessions[1]);
}

static void the_second_read_of_a_key_is_a_cached_one_that_counts_as_any(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *reader = fixture->sessions[0];
    set_and_cache(fixture);
    struct store_counters before = store_counters_now(fixture->store);
    uint64_t reads = session_reads(reader);
    assert_int_equal(store_settle(reader), SETTLED);
    assert_false(session_round_read(reader));
    assert_true(store_fixture_has(reader, "key", "old"));
    struct store_counters after = store_counters_now(fixture->store);
    assert_int_equal(after.cached_reads, before.cached_reads + 1);
    assert_int_equal(after.hits, before.hits + 1);
    assert_int_equal(session_reads(reader), reads + 1);
    assert_true(session_round_read(reader)); // its reply waits for the log like any
}

static void a_write_is_seen_by_all_at_once(void **state) {
    struct store_fixture *fixture = *state;
    set_and_cache(fixture);
    assert_int_equal(store_fixture_set(fixture->sessions[1], "key", "new"), STORE_OK);
    expect(fixture, "new");
    cache_key(fixture, "new");
}

static void a_deletion_is_seen(void **state) {
    struct store_fixture *fixture = *state;
    set_and_cache(fixture);
    begin_write(fixture);
    stage_delete(fixture->sessions[1], key);
    commit(fixture);
    expect(fixture, NULL);
}

static void a_new_expiry_is_seen_and_a_cached_key_expires(void **state) {
    struct store_fixture *fixture = *state;
    set_and_cache(fixture);
    struct metadata metadata = {.type = VALUE_STRING, .wide = true, .expire_ms = 1000};
    begin_write(fixture);
    stage_entry(fixture->sessions[1], key, &metadata, BYTES_LITERAL("old"));
    commit(fixture);
    cache_key(fixture, "old");
    struct store_value value;
    assert_int_equal(store_read(fixture->sessions[0], key, 1000, &value), STORE_OK);
    assert_int_equal(value.metadata.expire_ms, 1000);
    store_value_release(&value);
    assert_int_equal(store_read(fixture->sessions[0], key, 1001, &value), STORE_NOT_FOUND);
    assert_int_equal(store_exists(fixture->sessions[0], key, 1001), STORE_NOT_FOUND);
}

// As compaction does, which tells nobody: nobody has seen the key alive since its time was over.
static void reclaim_behind_the_cache(struct store *store) {
    struct buffer raw = {0};
    char *error = NULL;
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    encode_metadata_key(&raw, store_layout(store), key);
    rocksdb_delete_cf(store->database, options, store->families[FAMILY_METADATA], raw.data, raw.length,
                      &error);
    assert_null(error);
    rocksdb_writeoptions_destroy(options);
    buffer_release(&raw);
}

static void what_was_seen_dead_does_not_come_back_when_the_clock_does(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    struct bytes value = BYTES_LITERAL("old");
    begin_write(fixture);
    stage_string(fixture->sessions[1], key, 1000, &value, 1);
    commit(fixture);
    cache_key(fixture, "old");
    assert_int_equal(store_exists(session, key, 1001), STORE_NOT_FOUND);
    assert_int_equal(store_exists(session, key, 1000), STORE_OK); // as long as it is there
    assert_int_equal(store_exists(session, key, 1001), STORE_NOT_FOUND);
    reclaim_behind_the_cache(fixture->store);
    assert_int_equal(store_exists(session, key, 1000), STORE_NOT_FOUND);
}

static void an_entry_put_as_encoded_is_seen(void **state) {
    struct store_fixture *fixture = *state;
    struct buffer raw = {0};
    set_and_cache(fixture);
    encode_metadata_key(&raw, store_layout(fixture->store), key);
    begin_write(fixture);
    stage_raw_delete(fixture->sessions[1], FAMILY_METADATA, buffer_bytes(&raw));
    commit(fixture);
    expect(fixture, NULL);
    begin_write(fixture);
    stage_raw_put(fixture->sessions[1], FAMILY_METADATA, buffer_bytes(&raw),
                  (struct bytes){"\x81\0\0\0\0\0\0\0\0raw", 12});
    commit(fixture);
    expect(fixture, "raw");
    buffer_release(&raw);
}

static void deleting_everything_is_seen_in_and_out_of_transactions(void **state) {
    struct store_fixture *fixture = *state;
    for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
        set_and_cache(fixture);
        session_write_begin_exclusive(fixture->sessions[1]);
        if (in_transaction)
            session_transaction_begin(fixture->sessions[1]);
        assert_int_equal(stage_delete_all(fixture->sessions[1]), STORE_OK);
        commit(fixture);
        expect(fixture, NULL);
    }
}

static void a_transaction_reads_past_the_cache_and_its_commit_is_seen(void **state) {
    struct store_fixture *fixture = *state;
    struct bytes value = BYTES_LITERAL("new");
    set_and_cache(fixture);
    begin_write(fixture);
    session_transaction_begin(fixture->sessions[1]);
    stage_string(fixture->sessions[1], key, 0, &value, 1);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "new"));
    assert_true(store_fixture_has(fixture->sessions[0], "key", "old"));
    commit(fixture);
    expect(fixture, "new");
}

static void a_command_that_a_transaction_took_back_does_no_harm(void **state) {
    struct store_fixture *fixture = *state;
    struct bytes value = BYTES_LITERAL("new");
    set_and_cache(fixture);
    begin_write(fixture);
    session_transaction_begin(fixture->sessions[1]);
    session_savepoint(fixture->sessions[1]);
    stage_string(fixture->sessions[1], key, 0, &value, 1);
    session_rollback_to_savepoint(fixture->sessions[1]);
    stage_delete(fixture->sessions[1], BYTES_LITERAL("other"));
    commit(fixture);
    expect(fixture, "old");
}

static void a_snapshot_sees_its_moment_and_leaves_nothing_of_it(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *reader = fixture->sessions[0];
    assert_int_equal(store_fixture_set(reader, "key", "old"), STORE_OK);
    session_snapshot_begin(reader);
    assert_int_equal(store_fixture_set(fixture->sessions[1], "key", "new"), STORE_OK);
    cache_key(&(struct store_fixture){.store = fixture->store,
                                      .sessions = {fixture->sessions[1], fixture->sessions[1]}},
              "new");
    assert_true(store_fixture_has(reader, "key", "old"));
    assert_true(store_fixture_has(reader, "key", "old"));
    session_snapshot_end(reader);
    expect(fixture, "new");
}

static void a_write_that_is_refused_leaves_the_cache_alone(void **state) {
    (void)state;
    struct store_fixture fixture = {0};
    struct check_double check = {0};
    store_fixture_open(&fixture, &check);
    set_and_cache(&fixture);
    check.answers[STORE_GATE_COMMIT] = "READONLY not now";
    assert_int_equal(store_fixture_set(fixture.sessions[1], "key", "new"), STORE_REFUSED);
    cache_key(&fixture, "old");
    store_fixture_close(&fixture);
}

static void a_writer_reads_from_the_cache_and_puts_nothing_in(void **state) {
    struct store_fixture *fixture = *state;
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "old"), STORE_OK);
    uint64_t before = hits(fixture);
    begin_write(fixture);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "old"));
    assert_true(store_fixture_has(fixture->sessions[1], "key", "old"));
    assert_int_equal(hits(fixture), before);
    session_write_end(fixture->sessions[1]);
    cache_key(fixture, "old");
    before = hits(fixture);
    begin_write(fixture);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "old"));
    assert_int_equal(hits(fixture), before + 1);
    session_write_end(fixture->sessions[1]);
}

static void emptied_slots_are_seen(void **state) {
    struct store_fixture *fixture = *state;
    char error[STORE_ERROR_SIZE];
    store_fixture_shut(fixture);
    const struct store_config config = {.directory = fixture->directory,
                                        .layout = {.name_space = DEFAULT_NAMESPACE, .with_slot = true},
                                        .tuning = store_tuning_default(),
                                        .sessions = 2,
                                        .read_cache_bytes = 1 << 20};
    assert_true(store_open(&config, &fixture->store, error));
    for (size_t i = 0; i < 2; i++)
        fixture->sessions[i] = session_open(fixture->store, i);
    set_and_cache(fixture);
    assert_int_equal(store_fixture_set(fixture->sessions[1], "key", "new"), STORE_OK);
    cache_key(fixture, "new");
    session_write_begin_exclusive(fixture->sessions[1]);
    stage_delete_slots(fixture->sessions[1], key_slot(key), key_slot(key));
    commit(fixture);
    expect(fixture, NULL);
}

static void another_database_in_the_place_of_this_one_is_seen(void **state) {
    struct store_fixture *fixture = *state;
    struct store_fixture copy = {0};
    char error[STORE_ERROR_SIZE];
    (void)snprintf(copy.directory, sizeof(copy.directory), "%.50s-copy", fixture->directory);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "copied"), STORE_OK);
    assert_int_equal(store_settle(fixture->sessions[0]), SETTLED);
    assert_null(store_checkpoint(fixture->store, copy.directory));
    set_and_cache(fixture);
    if (!store_replace(fixture->store, copy.directory, error))
        fail_msg("%s", error);
    expect(fixture, "copied");
    store_fixture_close(&copy); // with the database that was replaced
}

// The master's whole log, into a store that has cached what it had before.
static void apply_log(struct store *from, struct store_session *to) {
    char error[STORE_ERROR_SIZE];
    struct bytes batch;
    struct log_tail *tail = log_tail_open(from, store_latest_sequence(session_store(to)) + 1);
    while (log_tail_next(tail, &batch) == LOG_TAIL_BATCH) {
        session_write_begin(to, NULL, 0);
        if (store_apply(to, batch, error) != APPLIED)
            fail_msg("%s", error);
        session_write_end(to);
    }
    log_tail_close(tail);
}

static void delete_everything(struct store_session *session) {
    session_write_begin_exclusive(session);
    assert_int_equal(stage_delete_all(session), STORE_OK);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
}

static void what_the_master_has_written_is_seen(void **state) {
    struct store_fixture *replica = *state;
    struct store_fixture master = {0};
    store_fixture_open(&master, NULL);
    static const char *const values[] = {"one", "two", NULL, "three"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (values[i] != NULL)
            assert_int_equal(store_fixture_set(master.sessions[0], "key", values[i]), STORE_OK);
        else
            delete_everything(master.sessions[0]);
        assert_int_equal(store_settle(master.sessions[0]), SETTLED);
        apply_log(master.store, replica->sessions[1]);
        expect(replica, values[i]);
        if (values[i] != NULL)
            cache_key(replica, values[i]);
    }
    store_fixture_close(&master);
}

// --- Threads ---

enum { KEYS = 6, READERS = 2, WRITERS = 2, WRITES = 3000 };

struct race {
    struct store *store;
    _Atomic uint64_t seen[KEYS]; // what somebody has read already, or has been told to have written
    atomic_int writing;
    _Atomic uint64_t stale;
};

struct racer {
    struct race *race;
    size_t index;
    unsigned seed;
};

static struct bytes race_key(size_t i) {
    static const char names[] = "abcdef";
    return (struct bytes){&names[i], 1};
}

static uint64_t read_number(struct store_session *session, size_t i) {
    struct store_value value;
    int64_t number = 0;
    enum store_status status = store_read(session, race_key(i), 0, &value);
    if (status == STORE_NOT_FOUND)
        return 0;
    always_assert(status == STORE_OK && number_read_integer(value.payload, &number),
                  "what was written can be read");
    store_value_release(&value);
    return (uint64_t)number;
}

static void tell(_Atomic uint64_t *seen, uint64_t value) {
    uint64_t known = atomic_load_explicit(seen, memory_order_relaxed);
    while (known < value && !atomic_compare_exchange_weak_explicit(seen, &known, value, memory_order_acq_rel,
                                                                   memory_order_relaxed))
        ;
}

static void check(struct race *race, struct store_session *session, size_t i) {
    uint64_t known = atomic_load_explicit(&race->seen[i], memory_order_acquire);
    uint64_t value = read_number(session, i);
    if (value < known)
        atomic_fetch_add(&race->stale, 1);
    tell(&race->seen[i], value);
}

static void stage_number(struct store_session *session, size_t i, uint64_t number) {
    char text[NUMBER_INTEGER_SIZE];
    struct bytes value = {text, number_write_integer(text, (int64_t)number)};
    stage_string(session, race_key(i), 0, &value, 1);
}

// INCR of two keys, every other time in a transaction.
static void *write_on(void *argument) {
    struct racer *racer = argument;
    struct race *race = racer->race;
    struct store_session *session = session_open(race->store, racer->index);
    for (int write = 0; write < WRITES; write++) {
        size_t first = (size_t)rand_r(&racer->seed) % KEYS;
        size_t second = (first + 1) % KEYS;
        const struct bytes keys[] = {race_key(first), race_key(second)};
        session_write_begin(session, keys, 2);
        if (write % 2 == 0)
            session_transaction_begin(session);
        uint64_t numbers[] = {read_number(session, first) + 1, read_number(session, second) + 1};
        stage_number(session, first, numbers[0]);
        stage_number(session, second, numbers[1]);
        always_assert(store_commit(session) == STORE_OK, "what was staged can be written");
        tell(&race->seen[first], numbers[0]);
        tell(&race->seen[second], numbers[1]);
        session_write_end(session);
        check(race, session, first);
    }
    session_close(session);
    atomic_fetch_sub(&race->writing, 1);
    return NULL;
}

static void *read_on(void *argument) {
    struct racer *racer = argument;
    struct store_session *session = session_open(racer->race->store, racer->index);
    while (atomic_load(&racer->race->writing) != 0)
        check(racer->race, session, (size_t)rand_r(&racer->seed) % KEYS);
    session_close(session);
    return NULL;
}

static void no_session_reads_less_than_another_has_read_or_written(void **state) {
    struct store_fixture *fixture = *state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    char error[STORE_ERROR_SIZE];
    store_fixture_shut(fixture);
    const struct store_config config = {.directory = fixture->directory,
                                        .layout = {.name_space = DEFAULT_NAMESPACE},
                                        .tuning = store_tuning_default(),
                                        .sessions = READERS + WRITERS,
                                        .read_cache_bytes = 1 << 10};
    static struct race race;
    race = (struct race){.writing = WRITERS};
    assert_true(store_open(&config, &race.store, error));
    struct racer racers[READERS + WRITERS];
    pthread_t threads[READERS + WRITERS];
    for (unsigned i = 0; i < READERS + WRITERS; i++) {
        racers[i] = (struct racer){.race = &race, .index = i, .seed = seed + i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? read_on : write_on, &racers[i]), 0);
    }
    for (unsigned i = 0; i < READERS + WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(race.stale, 0);
    assert_true(store_counters_now(race.store).cached_reads > 0);
    store_close(race.store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_second_read_of_a_key_is_a_cached_one_that_counts_as_any),
        TEST(a_write_is_seen_by_all_at_once),
        TEST(a_deletion_is_seen),
        TEST(a_new_expiry_is_seen_and_a_cached_key_expires),
        TEST(what_was_seen_dead_does_not_come_back_when_the_clock_does),
        TEST(an_entry_put_as_encoded_is_seen),
        TEST(deleting_everything_is_seen_in_and_out_of_transactions),
        TEST(a_transaction_reads_past_the_cache_and_its_commit_is_seen),
        TEST(a_command_that_a_transaction_took_back_does_no_harm),
        TEST(a_snapshot_sees_its_moment_and_leaves_nothing_of_it),
        cmocka_unit_test(a_write_that_is_refused_leaves_the_cache_alone),
        TEST(a_writer_reads_from_the_cache_and_puts_nothing_in),
        TEST(emptied_slots_are_seen),
        TEST(another_database_in_the_place_of_this_one_is_seen),
        TEST(what_the_master_has_written_is_seen),
        TEST(no_session_reads_less_than_another_has_read_or_written),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
