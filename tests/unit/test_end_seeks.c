// SPDX-License-Identifier: Apache-2.0
//
// Walks that begin at what is known of a sorted set's ends: what a reader meets there is what its own moment
// has, whatever others have learned meanwhile; and readers learn by themselves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/buffer.h"
#include "store/collection.h"
#include "store/session_internal.h"

static struct store_session *session_at(void **state, int index) {
    return ((struct store_fixture *)*state)->sessions[index];
}

// --- A set of letters ---

static struct collection begin(struct store_session *session) {
    struct collection set;
    session_write_begin(session, &BYTES_LITERAL("set"), 1);
    assert_int_equal(collection_open_for_write(session, BYTES_LITERAL("set"), VALUE_ZSET, 0, &set), STORE_OK);
    return set;
}

static void commit(struct collection *set) {
    collection_save(set);
    assert_int_equal(store_commit(set->session), STORE_OK);
    session_write_end(set->session);
}

static void put(struct store_session *session, const char *letters) {
    struct collection set = begin(session);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        collection_put(&set, FAMILY_ZSET_SCORE, (struct bytes){letter, 1}, (struct bytes){0});
        set.metadata.size++;
    }
    commit(&set);
}

static void take(struct store_session *session, const char *letters) {
    struct collection set = begin(session);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        collection_delete(&set, FAMILY_ZSET_SCORE, (struct bytes){letter, 1});
        set.metadata.size--;
    }
    commit(&set);
}

// Opens a walk of a reader, or of one who holds the lock.
static struct collection_iterator *open_walk(struct store_session *session, bool is_locked) {
    struct collection set;
    assert_int_equal(collection_open(session, BYTES_LITERAL("set"), VALUE_ZSET, 0, &set), STORE_OK);
    struct collection_iterator *walk = collection_iterator_open(&set, FAMILY_ZSET_SCORE);
    collection_iterator_use_ends(walk, &set, is_locked);
    return walk;
}

static void expect_first(struct collection_iterator *walk, const char *letter) {
    struct bytes met;
    collection_iterator_seek(walk, (struct bytes){0});
    assert_true(collection_iterator_next(walk, &met, NULL));
    assert_true(bytes_equal(met, bytes_from_text(letter)));
}

static void expect_last(struct collection_iterator *walk, const char *letter) {
    struct bytes met;
    collection_iterator_seek_last(walk);
    assert_true(collection_iterator_previous(walk, &met, NULL));
    assert_true(bytes_equal(met, bytes_from_text(letter)));
}

static void expect_ends(struct store_session *session, const char *first, const char *last) {
    struct collection_iterator *walk = open_walk(session, false);
    expect_first(walk, first);
    expect_last(walk, last);
    collection_iterator_close(walk);
}

// Takes a letter from an end as those do who pop: they walk to it with the lock held.
static void pop_first(struct store_session *session, const char *letter) {
    struct collection set = begin(session);
    struct collection_iterator *walk = open_walk(session, true);
    expect_first(walk, letter);
    collection_iterator_close(walk);
    collection_delete(&set, FAMILY_ZSET_SCORE, bytes_from_text(letter));
    set.metadata.size--;
    commit(&set);
}

// NULL: nothing is known.
static void expect_known(struct store_session *session, enum zset_end end, const char *letter) {
    struct collection set;
    struct buffer name = {0};
    struct buffer bound = {0};
    assert_int_equal(collection_open(session, BYTES_LITERAL("set"), VALUE_ZSET, 0, &set), STORE_OK);
    encode_sub_key(&name, &session->store->layout, set.key, set.metadata.version, (struct bytes){0});
    bool is_known = zset_ends_find(session->store->zset_ends, buffer_bytes(&name), end, UINT64_MAX, &bound);
    assert_int_equal(is_known, letter != NULL);
    if (letter != NULL)
        assert_true(bytes_equal(buffer_bytes(&bound), bytes_from_text(letter)));
    buffer_release(&name);
    buffer_release(&bound);
}

static void look_often(struct store_session *session, const char *first, const char *last) {
    for (int i = 0; i < 40; i++)
        expect_ends(session, first, last);
}

// --- What is met ---

static void a_snapshot_meets_what_was_popped_behind_it(void **state) {
    struct store_session *reader = session_at(state, 0);
    struct store_session *popper = session_at(state, 1);
    put(popper, "abcdefghij");
    pop_first(popper, "a");
    session_snapshot_begin(reader);
    pop_first(popper, "b");
    pop_first(popper, "c");
    pop_first(popper, "d");
    expect_ends(reader, "b", "j");
    session_snapshot_end(reader);
    expect_ends(reader, "e", "j");
}

static void a_walk_meets_what_was_popped_since_it_was_opened(void **state) {
    struct store_session *reader = session_at(state, 0);
    struct store_session *popper = session_at(state, 1);
    put(popper, "abcdefghij");
    pop_first(popper, "a");
    struct collection_iterator *walk = open_walk(reader, false);
    pop_first(popper, "b");
    pop_first(popper, "c");
    expect_first(walk, "b");
    collection_iterator_close(walk);
}

// --- What readers learn ---

static void readers_learn_the_ends_when_they_have_passed_over_much(void **state) {
    struct store_session *reader = session_at(state, 0);
    put(reader, "abcdefghij");
    take(reader, "abcij");
    expect_known(reader, ZSET_FIRST, NULL);
    look_often(reader, "d", "h");
    expect_known(reader, ZSET_FIRST, "d");
    expect_known(reader, ZSET_LAST, "h");
    take(reader, "d");
    look_often(reader, "e", "h");
    expect_known(reader, ZSET_FIRST, "e");
    put(reader, "bx");
    expect_known(reader, ZSET_FIRST, "b");
    expect_known(reader, ZSET_LAST, "x");
    expect_ends(reader, "b", "x");
}

static void readers_learn_nothing_while_somebody_is_inside(void **state) {
    struct store_session *reader = session_at(state, 0);
    struct store_session *writer = session_at(state, 1);
    put(writer, "defgh");
    struct collection set = begin(writer);
    collection_put(&set, FAMILY_ZSET_SCORE, BYTES_LITERAL("a"), (struct bytes){0});
    set.metadata.size++;
    look_often(reader, "d", "h");
    expect_known(reader, ZSET_FIRST, NULL);
    commit(&set);
    expect_ends(reader, "a", "h");
    session_write_begin_exclusive(writer); // locks no keys
    look_often(reader, "a", "h");
    expect_known(reader, ZSET_FIRST, NULL);
    session_write_end(writer);
    look_often(reader, "a", "h");
    expect_known(reader, ZSET_FIRST, "a");
}

static void in_a_transaction_ends_are_met_with_what_is_staged(void **state) {
    struct store_session *session = session_at(state, 0);
    put(session, "abcdefg");
    pop_first(session, "a");
    pop_first(session, "b");
    struct collection set = begin(session);
    session_transaction_begin(session);
    collection_delete(&set, FAMILY_ZSET_SCORE, BYTES_LITERAL("c"));
    struct collection_iterator *walk = open_walk(session, true);
    expect_first(walk, "d");
    collection_iterator_close(walk);
    collection_put(&set, FAMILY_ZSET_SCORE, BYTES_LITERAL("a"), (struct bytes){0});
    walk = open_walk(session, true);
    expect_first(walk, "a");
    collection_iterator_close(walk);
    session_write_end(session); // nothing of it is committed
    expect_ends(session, "c", "g");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_snapshot_meets_what_was_popped_behind_it),
        WITH_STORE(a_walk_meets_what_was_popped_since_it_was_opened),
        WITH_STORE(readers_learn_the_ends_when_they_have_passed_over_much),
        WITH_STORE(readers_learn_nothing_while_somebody_is_inside),
        WITH_STORE(in_a_transaction_ends_are_met_with_what_is_staged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
