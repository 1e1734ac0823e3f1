// SPDX-License-Identifier: Apache-2.0
//
// Collections in the store: metadata, sub-keys and their iteration.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/buffer.h"
#include "store/collection.h"

static struct store_session *session_of(void **state) {
    return ((struct store_fixture *)*state)->sessions[0];
}

static struct collection begin(struct store_session *session, const char *key) {
    struct collection collection;
    struct bytes name = bytes_from_text(key);
    session_write_begin(session, &name, 1);
    assert_int_equal(collection_open_for_write(session, name, VALUE_HASH, 0, &collection), STORE_OK);
    return collection;
}

static void commit(struct collection *collection) {
    collection_save(collection);
    assert_int_equal(store_commit(collection->session), STORE_OK);
    session_write_end(collection->session);
}

// Puts each letter of `fields` as a field with its own letter as value.
static void put_fields(struct store_session *session, const char *key, const char *fields) {
    struct collection collection = begin(session, key);
    for (const char *field = fields; *field != '\0'; field++) {
        struct bytes letter = {field, 1};
        if (collection_has(&collection, letter) == STORE_NOT_FOUND)
            collection.metadata.size++;
        collection_put(&collection, FAMILY_DEFAULT, letter, letter);
    }
    commit(&collection);
}

static void remove_field(struct store_session *session, const char *key, const char *field) {
    struct collection collection = begin(session, key);
    collection_delete(&collection, FAMILY_DEFAULT, bytes_from_text(field));
    collection.metadata.size--;
    commit(&collection);
}

enum direction { FORWARDS, BACKWARDS };

// The fields from a position on as one text; from NULL on backwards: from the last.
static void assert_walk(const struct collection *collection, enum direction direction, const char *from,
                        const char *expected) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    struct buffer seen = {0};
    struct bytes sub_key;
    struct bytes value;
    if (direction == FORWARDS)
        collection_iterator_seek(iterator, bytes_from_text(from));
    else if (from == NULL)
        collection_iterator_seek_last(iterator);
    else
        collection_iterator_seek_back(iterator, bytes_from_text(from));
    while (direction == FORWARDS ? collection_iterator_next(iterator, &sub_key, &value)
                                 : collection_iterator_previous(iterator, &sub_key, &value)) {
        assert_true(bytes_equal(sub_key, value));
        buffer_append(&seen, sub_key);
    }
    assert_int_equal(collection_iterator_status(iterator), STORE_OK);
    collection_iterator_close(iterator);
    assert_true(bytes_equal(buffer_bytes(&seen), bytes_from_text(expected)));
    buffer_release(&seen);
}

static struct collection open_hash(struct store_session *session, const char *key) {
    struct collection collection;
    assert_int_equal(collection_open(session, bytes_from_text(key), VALUE_HASH, 0, &collection), STORE_OK);
    return collection;
}

static void a_walk_sees_the_sub_keys_in_order_and_none_of_its_neighbours(void **state) {
    struct store_session *session = session_of(state);
    put_fields(session, "hasg", "a");
    put_fields(session, "hash", "cab");
    put_fields(session, "hash2", "z");
    put_fields(session, "hasi", "z");
    struct collection collection = open_hash(session, "hash");
    assert_int_equal(collection.metadata.size, 3);
    assert_walk(&collection, FORWARDS, "", "abc");
    assert_walk(&collection, FORWARDS, "b", "bc");
    assert_walk(&collection, FORWARDS, "bb", "c");
    assert_walk(&collection, FORWARDS, "d", "");
    assert_walk(&collection, BACKWARDS, NULL, "cba");
    assert_walk(&collection, BACKWARDS, "bb", "ba");
    assert_walk(&collection, BACKWARDS, "b", "ba");
    assert_walk(&collection, BACKWARDS, "A", "");
}

// How many entries a walk over `field` and what follows has in either direction, taking neither name nor
// value.
static size_t count_entries(const struct collection *collection, enum direction direction, const char *from) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    size_t count = 0;
    if (direction == FORWARDS)
        collection_iterator_seek(iterator, bytes_from_text(from));
    else
        collection_iterator_seek_back(iterator, bytes_from_text(from));
    while (direction == FORWARDS ? collection_iterator_next(iterator, NULL, NULL)
                                 : collection_iterator_previous(iterator, NULL, NULL))
        count++;
    collection_iterator_close(iterator);
    return count;
}

static void a_walk_ends_with_the_collection_also_for_who_looks_at_no_name(void **state) {
    struct store_session *session = session_of(state);
    struct bytes name = BYTES_LITERAL("hash");
    put_fields(session, "hasg", "abcx");
    put_fields(session, "hash", "abc");
    put_fields(session, "hasi", "abcx");
    struct collection collection = open_hash(session, "hash");
    assert_int_equal(count_entries(&collection, FORWARDS, "b"), 2);
    assert_int_equal(count_entries(&collection, BACKWARDS, "b"), 2);
    assert_int_equal(count_entries(&collection, FORWARDS, "x"), 0);
    session_write_begin(session, &name, 1);
    session_transaction_begin(session);
    collection_delete(&collection, FAMILY_DEFAULT, BYTES_LITERAL("a"));
    assert_int_equal(count_entries(&collection, FORWARDS, ""), 2);
    assert_int_equal(count_entries(&collection, BACKWARDS, "c"), 2);
    session_write_end(session);
}

static void within_a_transaction_walks_and_reads_see_what_is_staged(void **state) {
    struct store_session *session = session_of(state);
    put_fields(session, "hash", "ac");
    put_fields(session, "hasi", "z");
    struct collection collection = begin(session, "hash");
    session_transaction_begin(session);
    collection_put(&collection, FAMILY_DEFAULT, BYTES_LITERAL("b"), BYTES_LITERAL("b"));
    collection_delete(&collection, FAMILY_DEFAULT, BYTES_LITERAL("a"));
    assert_int_equal(collection_has(&collection, BYTES_LITERAL("a")), STORE_NOT_FOUND);
    assert_int_equal(collection_has(&collection, BYTES_LITERAL("b")), STORE_OK);
    assert_walk(&collection, FORWARDS, "", "bc");
    assert_walk(&collection, BACKWARDS, NULL, "cb");
    commit(&collection);
    collection = open_hash(session, "hash");
    assert_walk(&collection, FORWARDS, "", "bc");
}

static void a_command_that_asks_for_it_reads_what_it_has_staged(void **state) {
    struct store_session *session = session_of(state);
    put_fields(session, "hash", "ac");
    struct collection collection = begin(session, "hash");
    collection_read_own_writes(session);
    collection_put(&collection, FAMILY_DEFAULT, BYTES_LITERAL("b"), BYTES_LITERAL("b"));
    collection_delete(&collection, FAMILY_DEFAULT, BYTES_LITERAL("a"));
    assert_int_equal(collection_has(&collection, BYTES_LITERAL("a")), STORE_NOT_FOUND);
    assert_int_equal(collection_has(&collection, BYTES_LITERAL("b")), STORE_OK);
    assert_int_equal(collection_has(&collection, BYTES_LITERAL("c")), STORE_OK);
    commit(&collection);
    collection = open_hash(session, "hash");
    assert_walk(&collection, FORWARDS, "", "bc");
}

static void a_snapshot_keeps_the_collection_as_it_was(void **state) {
    struct store_fixture *fixture = *state;
    struct store_session *reader = fixture->sessions[1];
    put_fields(fixture->sessions[0], "hash", "ab");
    session_snapshot_begin(reader);
    put_fields(fixture->sessions[0], "hash", "c");
    struct collection collection = open_hash(reader, "hash");
    assert_int_equal(collection.metadata.size, 2);
    assert_walk(&collection, FORWARDS, "", "ab");
    session_snapshot_end(reader);
}

static void a_collection_without_elements_is_gone(void **state) {
    struct store_session *session = session_of(state);
    struct collection collection;
    put_fields(session, "hash", "a");
    remove_field(session, "hash", "a");
    assert_int_equal(collection_open(session, BYTES_LITERAL("hash"), VALUE_HASH, 0, &collection),
                     STORE_NOT_FOUND);
}

static void nothing_is_stored_for_a_collection_that_stays_empty(void **state) {
    struct store_session *session = session_of(state);
    struct collection collection = begin(session, "hash");
    collection_save(&collection);
    assert_false(session_has_staged(session));
    session_write_end(session);
}

static void a_new_collection_does_not_see_the_elements_of_the_one_before(void **state) {
    struct store_session *session = session_of(state);
    put_fields(session, "hash", "abc");
    struct bytes name = BYTES_LITERAL("hash");
    struct collection collection;
    session_write_begin(session, &name, 1);
    collection_open_anew(session, name, VALUE_HASH, &collection);
    collection_put(&collection, FAMILY_DEFAULT, BYTES_LITERAL("d"), BYTES_LITERAL("d"));
    collection.metadata.size = 1;
    commit(&collection);
    collection = open_hash(session, "hash");
    assert_walk(&collection, FORWARDS, "", "d");
    assert_walk(&collection, BACKWARDS, NULL, "d");
}

static void what_a_type_adds_to_the_metadata_comes_back(void **state) {
    struct store_session *session = session_of(state);
    struct collection collection = begin(session, "list");
    collection.metadata.size = 1;
    memcpy(collection.extra, "0123456789abcdef", 16);
    collection.extra_length = 16;
    commit(&collection);
    collection = open_hash(session, "list");
    assert_int_equal(collection.extra_length, 16);
    assert_memory_equal(collection.extra, "0123456789abcdef", 16);
}

static void a_key_of_another_type_is_not_opened(void **state) {
    struct store_session *session = session_of(state);
    struct collection collection;
    assert_int_equal(store_fixture_set(session, "text", "value"), STORE_OK);
    assert_int_equal(collection_open(session, BYTES_LITERAL("text"), VALUE_HASH, 0, &collection),
                     STORE_WRONG_TYPE);
}

static void count_key(void *context, struct bytes key, bool all) {
    assert_false(all);
    assert_true(bytes_equal(key, BYTES_LITERAL("hash")));
    (*(int *)context)++;
}

static void watchers_hear_of_a_collection_once_however_many_elements_change(void **state) {
    struct store_session *session = session_of(state);
    struct collection collection = begin(session, "hash");
    int heard = 0;
    session_track_keys(session);
    collection_put(&collection, FAMILY_DEFAULT, BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    collection_put(&collection, FAMILY_DEFAULT, BYTES_LITERAL("b"), BYTES_LITERAL("2"));
    collection.metadata.size = 2;
    collection_save(&collection);
    assert_int_equal(store_commit(session), STORE_OK);
    session_each_committed_key(session, count_key, &heard);
    session_write_end(session);
    assert_int_equal(heard, 1);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_walk_sees_the_sub_keys_in_order_and_none_of_its_neighbours),
        WITH_STORE(a_walk_ends_with_the_collection_also_for_who_looks_at_no_name),
        WITH_STORE(within_a_transaction_walks_and_reads_see_what_is_staged),
        WITH_STORE(a_command_that_asks_for_it_reads_what_it_has_staged),
        WITH_STORE(a_snapshot_keeps_the_collection_as_it_was),
        WITH_STORE(a_collection_without_elements_is_gone),
        WITH_STORE(nothing_is_stored_for_a_collection_that_stays_empty),
        WITH_STORE(a_new_collection_does_not_see_the_elements_of_the_one_before),
        WITH_STORE(what_a_type_adds_to_the_metadata_comes_back),
        WITH_STORE(a_key_of_another_type_is_not_opened),
        WITH_STORE(watchers_hear_of_a_collection_once_however_many_elements_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
