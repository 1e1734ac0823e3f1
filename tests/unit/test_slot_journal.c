// SPDX-License-Identifier: Apache-2.0
//
// Which of a store's writes the journal of some slots notes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/slot_journal.h"

#include "store/encoding.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <string.h>

// "bar" is in slot 5061, "foo" in 12182.
static const struct slot_range slots = {5000, 5061};
enum { MOST = 100000 };
static const struct key_layout layout = {.name_space = DEFAULT_NAMESPACE, .with_slot = true};

struct desk {
    struct slot_journal *journal;
    rocksdb_writebatch_t *batch;
    struct slot_changes changes;
};

static int open_desk(void **state) {
    static struct desk desk;
    desk = (struct desk){.journal = slot_journal_open(slots, MOST), .batch = rocksdb_writebatch_create()};
    *state = &desk;
    return 0;
}

static int close_desk(void **state) {
    struct desk *desk = *state;
    slot_changes_release(&desk->changes);
    slot_journal_close(desk->journal);
    rocksdb_writebatch_destroy(desk->batch);
    return 0;
}

// A record of a family that RocksDB's batches in memory can only be given by an open database: written by
// hand.
static void put(struct buffer *batch, enum column_family family, struct bytes key) {
    const char head[] = {5, (char)family, (char)key.length};
    if (batch->length == 0)
        buffer_append(batch, (struct bytes){"\0\0\0\0\0\0\0\0\1\0\0\0", 12});
    buffer_append(batch, (struct bytes){head, sizeof(head)});
    buffer_append(batch, key);
    buffer_append(batch, (struct bytes){"\1v", 2});
}

static void note_key(struct desk *desk, const char *name) {
    struct buffer key = {0};
    struct buffer batch = {0};
    encode_metadata_key(&key, &layout, bytes_from_text(name));
    put(&batch, FAMILY_METADATA, buffer_bytes(&key));
    slot_journal_observe(desk->journal, buffer_bytes(&batch));
    buffer_release(&key);
    buffer_release(&batch);
}

static void note_element(struct desk *desk, enum column_family family, const char *name,
                         const char *element) {
    struct buffer key = {0};
    struct buffer batch = {0};
    encode_sub_key(&key, &layout, bytes_from_text(name), 1, bytes_from_text(element));
    put(&batch, family, buffer_bytes(&key));
    slot_journal_observe(desk->journal, buffer_bytes(&batch));
    buffer_release(&key);
    buffer_release(&batch);
}

static void keys_of_the_slots_are_noted_once_and_others_not(void **state) {
    struct desk *desk = *state;
    note_key(desk, "bar");
    note_key(desk, "foo");
    note_key(desk, "{bar}2");
    note_key(desk, "bar");
    assert_int_equal(slot_journal_count(desk->journal), 2);
    slot_journal_take(desk->journal, &desk->changes);
    assert_int_equal(HASH_CNT(handle, desk->changes.keys), 2);
    assert_false(desk->changes.is_unknown);
    assert_false(slot_journal_is_overfull(desk->journal));
    assert_int_equal(slot_journal_count(desk->journal), 0); // and it begins anew
}

static void elements_are_noted_under_their_key(void **state) {
    struct desk *desk = *state;
    note_element(desk, FAMILY_DEFAULT, "bar", "a");
    note_element(desk, FAMILY_DEFAULT, "bar", "b");
    note_element(desk, FAMILY_DEFAULT, "bar", "a");
    note_element(desk, FAMILY_ZSET_SCORE, "bar", "c"); // the other half of what is noted already
    note_element(desk, FAMILY_DEFAULT, "foo", "a");
    slot_journal_take(desk->journal, &desk->changes);
    assert_int_equal(HASH_CNT(handle, desk->changes.keys), 1);
    if (desk->changes.keys == NULL)
        fail_msg("no key was noted");
    assert_int_equal(HASH_CNT(handle, desk->changes.keys->elements), 2);
    assert_int_equal(desk->changes.count, 3);
}

static void ranges_and_damage_leave_it_unknown_what_has_changed(void **state) {
    struct desk *desk = *state;
    struct bytes batch;
    rocksdb_writebatch_delete_range(desk->batch, "a", 1, "b", 1);
    batch.data = rocksdb_writebatch_data(desk->batch, &batch.length);
    slot_journal_observe(desk->journal, batch);
    slot_journal_take(desk->journal, &desk->changes);
    assert_true(desk->changes.is_unknown);
    slot_journal_observe(desk->journal, (struct bytes){batch.data, batch.length - 1});
    slot_journal_take(desk->journal, &desk->changes);
    assert_true(desk->changes.is_unknown);
    slot_journal_take(desk->journal, &desk->changes);
    assert_false(desk->changes.is_unknown);
}

// Each of these keys takes more than its name, as a map of its elements belongs to it.
static void what_is_too_much_is_not_noted_and_said(void **state) {
    struct desk *desk = *state;
    char name[32];
    for (int i = 0; i < MOST / 100; i++) {
        (void)snprintf(name, sizeof(name), "{bar}%d", i);
        note_element(desk, FAMILY_DEFAULT, name, "a");
    }
    assert_true(slot_journal_is_overfull(desk->journal));
    assert_in_range(slot_journal_count(desk->journal), 2, MOST / 200);
    slot_journal_take(desk->journal, &desk->changes);
    assert_true(desk->changes.is_unknown);
    assert_in_range(desk->changes.memory, MOST, MOST + 2000);
    note_key(desk, "bar");
    assert_int_equal(slot_journal_count(desk->journal), 0);
    assert_true(slot_journal_is_overfull(desk->journal));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_desk, close_desk)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(keys_of_the_slots_are_noted_once_and_others_not),
        CASE(elements_are_noted_under_their_key),
        CASE(ranges_and_damage_leave_it_unknown_what_has_changed),
        CASE(what_is_too_much_is_not_noted_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
