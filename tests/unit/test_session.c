// SPDX-License-Identifier: Apache-2.0
//
// What a session reads and stages: expiry, transactions, snapshots, iteration.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/number.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_expiring(struct store_session *session, const char *key, wall_ms_t expire_ms) {
    struct bytes name = bytes_from_text(key);
    session_write_begin(session, &name, 1);
    stage_string(session, name, expire_ms, &name, 1);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
}

static void a_key_is_gone_the_millisecond_after_it_expires(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    set_expiring(session, "key", 1000);
    assert_int_equal(store_exists(session, BYTES_LITERAL("key"), 1000), STORE_OK);
    assert_int_equal(store_exists(session, BYTES_LITERAL("key"), 1001), STORE_NOT_FOUND);
}

static void a_string_of_several_parts_is_their_concatenation(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    struct bytes key = BYTES_LITERAL("key");
    struct bytes parts[] = {BYTES_LITERAL("ab"), BYTES_LITERAL(""), BYTES_LITERAL("c\0d"),
                            BYTES_LITERAL("e")};
    session_write_begin(session, &key, 1);
    stage_string(session, key, 0, parts, 4);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    struct store_value value;
    assert_int_equal(store_read_typed(session, key, VALUE_STRING, 0, &value), STORE_OK);
    assert_true(bytes_equal(value.payload, BYTES_LITERAL("abc\0de")));
    store_value_release(&value);
}

static void another_type_is_a_wrong_type(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    assert_int_equal(store_fixture_set(session, "key", "value"), STORE_OK);
    struct store_value value;
    assert_int_equal(store_read_typed(session, BYTES_LITERAL("key"), VALUE_HASH, 0, &value),
                     STORE_WRONG_TYPE);
    assert_non_null(strstr(session_error(session, STORE_WRONG_TYPE), "WRONGTYPE"));
}

static void damaged_metadata_is_an_error_and_not_a_missing_key(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    struct buffer raw = {0};
    struct bytes key = BYTES_LITERAL("key");
    encode_metadata_key(&raw, store_layout(fixture->store), key);
    session_write_begin(session, &key, 1);
    stage_raw_put(session, FAMILY_METADATA, buffer_bytes(&raw), BYTES_LITERAL("\x81"));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    buffer_release(&raw);
    assert_int_equal(store_exists(session, key, 0), STORE_FAILED);
    assert_non_null(strstr(session_error(session, STORE_FAILED), "damaged"));
}

static void a_transaction_reads_what_it_has_staged_and_others_do_not(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    struct bytes key = BYTES_LITERAL("key");
    session_write_begin(session, &key, 1);
    session_transaction_begin(session);
    stage_string(session, key, 0, &key, 1);
    assert_true(store_fixture_has(session, "key", "key"));
    assert_true(store_fixture_has(fixture->sessions[1], "key", NULL));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "key"));
}

static void a_transaction_returns_to_its_savepoint(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    struct bytes kept = BYTES_LITERAL("kept");
    struct bytes dropped = BYTES_LITERAL("dropped");
    session_write_begin(session, &kept, 1);
    session_transaction_begin(session);
    session_savepoint(session);
    stage_string(session, kept, 0, &kept, 1);
    session_savepoint(session);
    stage_string(session, dropped, 0, &dropped, 1);
    session_rollback_to_savepoint(session);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_true(store_fixture_has(session, "kept", "kept"));
    assert_true(store_fixture_has(session, "dropped", NULL));
}

static void a_transaction_is_one_batch(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    uint64_t commits = store_counters_now(fixture->store).commits;
    struct bytes keys[] = {BYTES_LITERAL("a"), BYTES_LITERAL("b")};
    session_write_begin(session, keys, 2);
    session_transaction_begin(session);
    stage_string(session, keys[0], 0, &keys[0], 1);
    stage_string(session, keys[1], 0, &keys[1], 1);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_int_equal(store_counters_now(fixture->store).commits, commits + 1);
}

static void a_snapshot_does_not_see_later_writes(void **state) {
    struct store_fixture *fixture = *state;
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "old"), STORE_OK);
    session_snapshot_begin(fixture->sessions[1]);
    assert_int_equal(store_fixture_set(fixture->sessions[0], "key", "new"), STORE_OK);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "old"));
    session_snapshot_end(fixture->sessions[1]);
    assert_true(store_fixture_has(fixture->sessions[1], "key", "new"));
}

static size_t count_keys(struct store_session *session, wall_ms_t now) {
    struct key_iterator *iterator = key_iterator_open(session, now);
    key_iterator_seek(iterator, (struct bytes){0}, false);
    struct bytes key;
    struct metadata metadata;
    size_t count = 0;
    while (key_iterator_next(iterator, &key, &metadata, NULL))
        count++;
    assert_int_equal(key_iterator_status(iterator), STORE_OK);
    key_iterator_close(iterator);
    return count;
}

static void iteration_visits_living_keys_in_order(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    assert_int_equal(store_fixture_set(session, "b", "1"), STORE_OK);
    assert_int_equal(store_fixture_set(session, "c", "1"), STORE_OK);
    assert_int_equal(store_fixture_set(session, "a", "1"), STORE_OK);
    set_expiring(session, "aa", 10);
    struct key_iterator *iterator = key_iterator_open(session, 11);
    struct bytes key;
    struct metadata metadata;
    size_t examined = 0;
    key_iterator_seek(iterator, (struct bytes){0}, false);
    assert_true(key_iterator_next(iterator, &key, &metadata, &examined));
    assert_true(bytes_equal(key, BYTES_LITERAL("a")));
    assert_true(key_iterator_next(iterator, &key, &metadata, &examined));
    assert_true(bytes_equal(key, BYTES_LITERAL("b")));
    assert_int_equal(examined, 3);
    key_iterator_seek(iterator, BYTES_LITERAL("b"), true);
    assert_true(key_iterator_next(iterator, &key, &metadata, NULL));
    assert_true(bytes_equal(key, BYTES_LITERAL("c")));
    assert_false(key_iterator_next(iterator, &key, &metadata, NULL));
    assert_false(key_iterator_next(iterator, &key, &metadata, NULL));
    key_iterator_close(iterator);
}

static void iteration_finds_what_has_expired(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    assert_int_equal(store_fixture_set(session, "a", "1"), STORE_OK);
    set_expiring(session, "b", 10);
    set_expiring(session, "c", 20);
    set_expiring(session, "d", 10);
    struct key_iterator *iterator = key_iterator_open(session, 11);
    struct bytes key;
    struct metadata metadata;
    key_iterator_seek(iterator, (struct bytes){0}, false);
    assert_true(key_iterator_next_expired(iterator, &key, &metadata, NULL));
    assert_true(bytes_equal(key, BYTES_LITERAL("b")));
    assert_true(key_iterator_next_expired(iterator, &key, &metadata, NULL));
    assert_true(bytes_equal(key, BYTES_LITERAL("d")));
    assert_false(key_iterator_next_expired(iterator, &key, &metadata, NULL));
    key_iterator_close(iterator);
}

static void count_expired(void *count, struct bytes key) {
    assert_true(bytes_equal(key, BYTES_LITERAL("expired")));
    (*(int *)count)++;
}

static void who_wants_to_know_is_told_of_expired_keys_that_are_read(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *session = fixture->sessions[0];
    int count = 0;
    store_on_expired(fixture->store, count_expired, &count);
    set_expiring(session, "expired", 10);
    assert_int_equal(store_exists(session, BYTES_LITERAL("expired"), 10), STORE_OK);
    assert_int_equal(store_exists(session, BYTES_LITERAL("missing"), 11), STORE_NOT_FOUND);
    assert_int_equal(count, 0);
    assert_int_equal(store_exists(session, BYTES_LITERAL("expired"), 11), STORE_NOT_FOUND);
    assert_int_equal(count, 1);
    assert_false(store_has_expired(session, BYTES_LITERAL("expired"), 10));
    assert_false(store_has_expired(session, BYTES_LITERAL("missing"), 11));
    assert_true(store_has_expired(session, BYTES_LITERAL("expired"), 11));
    assert_int_equal(count, 1);
}

static void iteration_in_a_transaction_sees_its_changes(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    assert_int_equal(store_fixture_set(session, "a", "1"), STORE_OK);
    assert_int_equal(store_fixture_set(session, "b", "1"), STORE_OK);
    struct bytes keys[] = {BYTES_LITERAL("a"), BYTES_LITERAL("c")};
    session_write_begin(session, keys, 2);
    session_transaction_begin(session);
    stage_delete(session, keys[0]);
    stage_string(session, keys[1], 0, &keys[1], 1);
    struct bytes later = BYTES_LITERAL("d");
    stage_string(session, later, 0, &later, 1);
    assert_int_equal(count_keys(session, 0), 3);
    session_write_end(session);
    assert_int_equal(count_keys(session, 0), 2);
}

static void deleting_everything_leaves_nothing_in_and_out_of_transactions(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
        assert_int_equal(store_fixture_set(session, "a", "1"), STORE_OK);
        assert_int_equal(store_fixture_set(session, "\xff\xff", "1"), STORE_OK);
        session_write_begin_exclusive(session);
        if (in_transaction)
            session_transaction_begin(session);
        assert_int_equal(stage_delete_all(session), STORE_OK);
        assert_int_equal(store_commit(session), STORE_OK);
        session_write_end(session);
        assert_int_equal(count_keys(session, 0), 0);
    }
}

// Looks until it is found or told to be missing; *looks is raised by each look.
static enum random_key_step draw_key(struct store_session *session, struct buffer *drawn, int *looks) {
    struct random_key *random = random_key_open(session, 11);
    struct bytes key = {0};
    enum random_key_step step = RANDOM_KEY_GOES_ON;
    for (; step == RANDOM_KEY_GOES_ON; (*looks)++)
        step = random_key_look(random, &key);
    buffer_clear(drawn);
    buffer_append(drawn, key);
    random_key_close(random);
    return step;
}

static void random_keys_reach_all_living_keys_and_no_dead_one(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    enum { KEYS = 20, DRAWS = 4000 };
    bool seen[KEYS] = {false};
    struct buffer drawn = {0};
    int looks = 0;
    assert_int_equal(draw_key(session, &drawn, &looks), RANDOM_KEY_MISSING);
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key:%d", i);
        assert_int_equal(store_fixture_set(session, key, "1"), STORE_OK);
    }
    set_expiring(session, "key:dead", 10);
    for (int i = 0; i < DRAWS; i++) {
        int64_t number = -1;
        assert_int_equal(draw_key(session, &drawn, &looks), RANDOM_KEY_FOUND);
        assert_true(drawn.length > 4 && memcmp(drawn.data, "key:", 4) == 0);
        assert_true(number_read_integer((struct bytes){drawn.data + 4, drawn.length - 4}, &number));
        seen[number] = true;
    }
    for (int i = 0; i < KEYS; i++)
        assert_true(seen[i]);
    buffer_release(&drawn);
}

enum { MANY_DEAD = 60000, AT_ONCE = 64 };

static void add_many_dead_keys(struct store_session *session) {
    struct bytes value = BYTES_LITERAL("dead");
    session_write_begin_exclusive(session);
    for (int i = 0; i < MANY_DEAD; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "dead:%06d", i);
        stage_string(session, bytes_from_text(key), 10, &value, 1);
    }
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
}

static void among_dead_keys_is_looked_bit_by_bit_and_all_round(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    struct buffer drawn = {0};
    int looks = 0;
    add_many_dead_keys(session);
    assert_int_equal(draw_key(session, &drawn, &looks), RANDOM_KEY_MISSING);
    assert_in_range(looks, MANY_DEAD / AT_ONCE, MANY_DEAD / AT_ONCE + 4);
    // Wherever the one is that lives: in front of them, in their middle or behind them.
    static const char *const living[] = {"alive", "dead:020000", "key"};
    for (size_t i = 0; i < sizeof(living) / sizeof(living[0]); i++) {
        assert_int_equal(store_fixture_set(session, living[i], "1"), STORE_OK);
        for (int draws = 0; draws < 5; draws++) {
            assert_int_equal(draw_key(session, &drawn, &looks), RANDOM_KEY_FOUND);
            assert_true(bytes_equal(buffer_bytes(&drawn), bytes_from_text(living[i])));
        }
        set_expiring(session, living[i], 10);
    }
    buffer_release(&drawn);
}

// One key in a hundred.
static void some_keys_among_many_dead_ones_are_drawn_at_once(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    enum { EACH = 100, DRAWS = 200 };
    struct buffer drawn = {0};
    int looks = 0;
    add_many_dead_keys(session);
    for (int i = 0; i < MANY_DEAD; i += EACH) {
        char key[24];
        (void)snprintf(key, sizeof(key), "dead:%06d", i + i / EACH % EACH);
        assert_int_equal(store_fixture_set(session, key, "1"), STORE_OK);
    }
    for (int i = 0; i < DRAWS; i++)
        assert_int_equal(draw_key(session, &drawn, &looks), RANDOM_KEY_FOUND);
    assert_in_range(looks, DRAWS, DRAWS + DRAWS / 10);
    buffer_release(&drawn);
}

static void note_key(void *context, struct bytes key, bool all) {
    struct buffer *noted = context;
    buffer_append_text(noted, all ? "*" : " ");
    buffer_append(noted, key);
}

static void committed_keys_are_told_to_those_who_track_them(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    struct buffer noted = {0};
    struct bytes keys[] = {BYTES_LITERAL("one"), BYTES_LITERAL("two")};
    session_write_begin(session, keys, 2);
    session_track_keys(session);
    stage_string(session, keys[0], 0, &keys[0], 1);
    stage_delete(session, keys[1]);
    assert_int_equal(store_commit(session), STORE_OK);
    session_each_committed_key(session, note_key, &noted);
    session_write_end(session);
    assert_true(bytes_equal(buffer_bytes(&noted), BYTES_LITERAL(" one two")));
    buffer_release(&noted);
}

// Stages `count` strings of 100 bytes.
static void stage_strings(struct store_session *session, size_t count) {
    static const char value[100] = {0};
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "big%zu", i);
        struct bytes part = {value, sizeof(value)};
        stage_string(session, bytes_from_text(name), 0, &part, 1);
    }
}

static void expect_nothing_is_stored(struct store_session *session) {
    assert_int_equal(store_commit(session), STORE_FAILED);
    assert_non_null(strstr(session_error(session, STORE_FAILED), "too big to be made at once"));
    session_write_end(session);
    assert_int_equal(store_exists(session, BYTES_LITERAL("big0"), 0), STORE_NOT_FOUND);
}

static void changes_beyond_what_a_session_holds_fail_as_a_whole(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    session->staged_most = 10000;
    for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
        session_write_begin_exclusive(session);
        if (in_transaction == 1)
            session_transaction_begin(session);
        stage_strings(session, 20);
        assert_false(session_is_overfull(session));
        stage_strings(session, 100);
        assert_true(session_is_overfull(session));
        expect_nothing_is_stored(session);
        assert_int_equal(store_fixture_set(session, "key", "value"), STORE_OK); // the session goes on
    }
}

static void what_failed_half_way_counts_as_held_until_the_end(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    session->staged_most = 10000;
    session_write_begin_exclusive(session);
    session_transaction_begin(session);
    session_savepoint(session);
    stage_strings(session, 100);
    session_rollback_to_savepoint(session);
    stage_strings(session, 1);
    expect_nothing_is_stored(session);
}

static void one_value_alone_may_be_larger_than_what_a_session_holds_of_many(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    session->staged_most = 100;
    assert_int_equal(store_fixture_set(session, "key", "value"), STORE_OK);
}

static void deleting_everything_in_a_transaction_is_bounded_too(void **state) {
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    session_write_begin_exclusive(session);
    stage_strings(session, 100);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    session->staged_most = 10000;
    session_write_begin_exclusive(session);
    session_transaction_begin(session);
    assert_int_equal(stage_delete_all(session), STORE_OK);
    assert_int_equal(store_commit(session), STORE_FAILED);
    session_write_end(session);
    assert_int_equal(store_exists(session, BYTES_LITERAL("big0"), 0), STORE_OK);
}

static void memory_for_long_and_many_keys_is_given_back(void **state) {
    enum { LENGTH = 4 << 20, MANY = 1 << 19, KEPT = 1 << 20 };
    struct store_session *session = ((struct store_fixture *)*state)->sessions[0];
    char *text = calloc(1, LENGTH);
    struct bytes *keys = calloc(MANY, sizeof(*keys));
    assert_non_null(text);
    assert_non_null(keys);
    for (size_t i = 0; i < MANY; i++)
        keys[i] = (struct bytes){(const char *)&keys[i], sizeof(keys[i].data)};
    keys[0] = (struct bytes){text, LENGTH};
    assert_int_equal(store_exists(session, keys[0], 0), STORE_NOT_FOUND);
    assert_int_equal(store_settle(session), SETTLED);
    assert_in_range(session->key.capacity, 0, KEPT);
    session_write_begin(session, keys, MANY);
    session_track_keys(session);
    stage_delete(session, keys[0]);
    session_write_end(session);
    assert_in_range(session->key.capacity, 0, KEPT);
    assert_in_range(session->tracked.capacity, 0, KEPT);
    assert_in_range(session->locked.capacity * sizeof(*session->locked.stripes), 0, KEPT);
    free(text);
    free(keys);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_key_is_gone_the_millisecond_after_it_expires),
        WITH_STORE(a_string_of_several_parts_is_their_concatenation),
        WITH_STORE(another_type_is_a_wrong_type),
        WITH_STORE(damaged_metadata_is_an_error_and_not_a_missing_key),
        WITH_STORE(a_transaction_reads_what_it_has_staged_and_others_do_not),
        WITH_STORE(a_transaction_returns_to_its_savepoint),
        WITH_STORE(a_transaction_is_one_batch),
        WITH_STORE(a_snapshot_does_not_see_later_writes),
        WITH_STORE(iteration_visits_living_keys_in_order),
        WITH_STORE(iteration_finds_what_has_expired),
        WITH_STORE(who_wants_to_know_is_told_of_expired_keys_that_are_read),
        WITH_STORE(iteration_in_a_transaction_sees_its_changes),
        WITH_STORE(deleting_everything_leaves_nothing_in_and_out_of_transactions),
        WITH_STORE(random_keys_reach_all_living_keys_and_no_dead_one),
        WITH_STORE(among_dead_keys_is_looked_bit_by_bit_and_all_round),
        WITH_STORE(some_keys_among_many_dead_ones_are_drawn_at_once),
        WITH_STORE(committed_keys_are_told_to_those_who_track_them),
        WITH_STORE(memory_for_long_and_many_keys_is_given_back),
        WITH_STORE(changes_beyond_what_a_session_holds_fail_as_a_whole),
        WITH_STORE(what_failed_half_way_counts_as_held_until_the_end),
        WITH_STORE(one_value_alone_may_be_larger_than_what_a_session_holds_of_many),
        WITH_STORE(deleting_everything_in_a_transaction_is_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
