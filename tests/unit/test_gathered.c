// SPDX-License-Identifier: Apache-2.0
//
// Gathered changes: what is found, what is dropped again, and what becomes a batch, also against a plain
// model.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/buffer.h"
#include "store/gathered.h"
#include "store/store_internal.h"
#include "store/write_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int open_gathered(void **state) {
    *state = gathered_open();
    return 0;
}

static int close_gathered(void **state) {
    gathered_close(*state);
    return 0;
}

static void put(struct gathered *gathered, enum column_family family, const char *key, const char *value) {
    struct bytes part = bytes_from_text(value);
    gathered_put(gathered, family, bytes_from_text(key), &part, 1);
}

static void expect_put(const struct gathered *gathered, enum column_family family, const char *key,
                       const char *wanted) {
    struct bytes value = {0};
    assert_int_equal(gathered_find(gathered, family, bytes_from_text(key), &value), GATHERED_PUT);
    assert_true(bytes_equal(value, bytes_from_text(wanted)));
}

static void expect_answer(const struct gathered *gathered, const char *key, enum gathered_answer wanted) {
    struct bytes value;
    assert_int_equal(gathered_find(gathered, FAMILY_DEFAULT, bytes_from_text(key), &value), wanted);
}

static void the_newest_change_of_an_entry_is_found(void **state) {
    struct gathered *gathered = *state;
    expect_answer(gathered, "a", GATHERED_UNCHANGED);
    put(gathered, FAMILY_DEFAULT, "a", "one");
    put(gathered, FAMILY_DEFAULT, "b", "");
    put(gathered, FAMILY_DEFAULT, "a", "two");
    expect_put(gathered, FAMILY_DEFAULT, "a", "two");
    expect_put(gathered, FAMILY_DEFAULT, "b", "");
    gathered_delete(gathered, FAMILY_DEFAULT, BYTES_LITERAL("a"));
    expect_answer(gathered, "a", GATHERED_DELETED);
    gathered_clear(gathered);
    expect_answer(gathered, "a", GATHERED_UNCHANGED);
    expect_answer(gathered, "b", GATHERED_UNCHANGED);
}

static void the_same_key_of_two_families_is_two_entries(void **state) {
    struct gathered *gathered = *state;
    put(gathered, FAMILY_DEFAULT, "a", "element");
    put(gathered, FAMILY_METADATA, "a", "metadata");
    gathered_delete(gathered, FAMILY_ZSET_SCORE, BYTES_LITERAL("a"));
    expect_put(gathered, FAMILY_DEFAULT, "a", "element");
    expect_put(gathered, FAMILY_METADATA, "a", "metadata");
}

static void a_value_is_the_concatenation_of_its_parts(void **state) {
    struct gathered *gathered = *state;
    struct bytes parts[] = {BYTES_LITERAL("ab"), BYTES_LITERAL(""), BYTES_LITERAL("c\0d")};
    struct bytes value = {0};
    gathered_put(gathered, FAMILY_DEFAULT, BYTES_LITERAL("key"), parts, 3);
    assert_int_equal(gathered_find(gathered, FAMILY_DEFAULT, BYTES_LITERAL("key"), &value), GATHERED_PUT);
    assert_true(bytes_equal(value, BYTES_LITERAL("abc\0d")));
}

static void what_is_dropped_leaves_what_was_there_before(void **state) {
    struct gathered *gathered = *state;
    put(gathered, FAMILY_DEFAULT, "a", "one");
    size_t count = gathered_count(gathered);
    put(gathered, FAMILY_DEFAULT, "a", "two");
    gathered_log_data(gathered, BYTES_LITERAL("name"));
    gathered_delete(gathered, FAMILY_DEFAULT, BYTES_LITERAL("a"));
    put(gathered, FAMILY_DEFAULT, "b", "new");
    gathered_drop_behind(gathered, count);
    assert_int_equal(gathered_count(gathered), count);
    expect_put(gathered, FAMILY_DEFAULT, "a", "one");
    expect_answer(gathered, "b", GATHERED_UNCHANGED);
}

// --- Batches ---

// The batch in a row: "+key=value" "-key" "#log data".
static void describe(struct bytes batch, struct buffer *out) {
    struct write_batch_record record;
    for (size_t at = WRITE_BATCH_HEADER_SIZE; write_batch_next(batch, &at, &record);) {
        static const char *const signs[] = {
            [WRITE_BATCH_PUT] = "+", [WRITE_BATCH_DELETE] = "-", [WRITE_BATCH_LOG_DATA] = "#"};
        buffer_append_format(out, "%s%.*s", signs[record.kind], (int)record.key.length, record.key.data);
        if (record.kind == WRITE_BATCH_PUT)
            buffer_append_format(out, "=%.*s", (int)record.value.length, record.value.data);
    }
}

static void expect_batch(struct store_fixture *fixture, const struct gathered *gathered, const char *wanted) {
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    struct buffer shown = {0};
    struct bytes bytes;
    gathered_write(gathered, fixture->store->families, batch);
    bytes.data = rocksdb_writebatch_data(batch, &bytes.length);
    describe(bytes, &shown);
    buffer_append(&shown, (struct bytes){"", 1});
    assert_string_equal(shown.data, wanted);
    buffer_release(&shown);
    rocksdb_writebatch_destroy(batch);
}

static void the_batch_has_the_changes_in_their_order(void **state) {
    struct gathered *gathered = *state;
    struct store_fixture fixture = {0};
    store_fixture_open(&fixture, NULL);
    gathered_log_data(gathered, BYTES_LITERAL("hash"));
    put(gathered, FAMILY_DEFAULT, "f1", "v1");
    put(gathered, FAMILY_METADATA, "h", "1");
    gathered_delete(gathered, FAMILY_DEFAULT, BYTES_LITERAL("f0"));
    expect_batch(&fixture, gathered, "#hash+f1=v1+h=1-f0");
    store_fixture_close(&fixture);
}

static void only_the_last_of_an_entrys_metadata_is_written_and_all_of_its_elements(void **state) {
    struct gathered *gathered = *state;
    struct store_fixture fixture = {0};
    store_fixture_open(&fixture, NULL);
    put(gathered, FAMILY_DEFAULT, "f", "1");
    put(gathered, FAMILY_METADATA, "h", "1");
    put(gathered, FAMILY_METADATA, "other", "x");
    size_t count = gathered_count(gathered);
    put(gathered, FAMILY_DEFAULT, "f", "2");
    put(gathered, FAMILY_METADATA, "h", "2");
    expect_batch(&fixture, gathered, "+f=1+other=x+f=2+h=2");
    gathered_drop_behind(gathered, count);
    expect_batch(&fixture, gathered, "+f=1+h=1+other=x");
    gathered_delete(gathered, FAMILY_METADATA, BYTES_LITERAL("h"));
    expect_batch(&fixture, gathered, "+f=1+other=x-h");
    store_fixture_close(&fixture);
}

// Whoever makes commands of the log again would else find the old elements under the new key.
static void a_deletion_is_always_written(void **state) {
    struct gathered *gathered = *state;
    struct store_fixture fixture = {0};
    store_fixture_open(&fixture, NULL);
    gathered_log_data(gathered, BYTES_LITERAL("hash"));
    put(gathered, FAMILY_METADATA, "h", "1");
    gathered_delete(gathered, FAMILY_METADATA, BYTES_LITERAL("h"));
    put(gathered, FAMILY_METADATA, "h", "2");
    put(gathered, FAMILY_METADATA, "h", "3");
    expect_batch(&fixture, gathered, "#hash-h+h=3");
    store_fixture_close(&fixture);
}

static void metadata_of_different_names_is_all_written(void **state) {
    struct gathered *gathered = *state;
    struct store_fixture fixture = {0};
    store_fixture_open(&fixture, NULL);
    gathered_log_data(gathered, BYTES_LITERAL("push"));
    put(gathered, FAMILY_METADATA, "l", "1");
    size_t count = gathered_count(gathered);
    gathered_log_data(gathered, BYTES_LITERAL("pop"));
    put(gathered, FAMILY_METADATA, "l", "2");
    expect_batch(&fixture, gathered, "#push+l=1#pop+l=2");
    gathered_drop_behind(gathered, count);
    put(gathered, FAMILY_METADATA, "l", "3");
    expect_batch(&fixture, gathered, "#push+l=3");
    store_fixture_close(&fixture);
}

static void very_many_changes_are_found_as_quickly_and_cleared(void **state) {
    enum { MANY = 200000 };
    struct gathered *gathered = *state;
    char name[24];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            (void)snprintf(name, sizeof(name), "key-%d", i);
            expect_answer(gathered, name, GATHERED_UNCHANGED);
            put(gathered, FAMILY_DEFAULT, name, name);
        }
        for (int i = 0; i < MANY; i += 1000) {
            (void)snprintf(name, sizeof(name), "key-%d", i);
            expect_put(gathered, FAMILY_DEFAULT, name, name);
        }
        gathered_clear(gathered);
    }
}

// --- Against a model ---

enum { MODEL_KEYS = 40, MODEL_STEPS = 40000, MODEL_MOST = 1500 };

struct model {
    enum gathered_answer answers[FAMILY_COUNT][MODEL_KEYS];
    unsigned values[FAMILY_COUNT][MODEL_KEYS];
};

static size_t name_of(unsigned key, char out[16]) {
    return (size_t)snprintf(out, 16, "key-%u", key);
}

static void change_at_random(struct gathered *gathered, struct model *model, unsigned *seed) {
    char name[16];
    unsigned key = (unsigned)rand_r(seed) % MODEL_KEYS;
    enum column_family family = (unsigned)rand_r(seed) % FAMILY_COUNT;
    unsigned value = (unsigned)rand_r(seed);
    struct bytes raw = {name, name_of(key, name)};
    struct bytes part = {(const char *)&value, sizeof(value)};
    bool deletes = value % 4 == 0;
    if (deletes)
        gathered_delete(gathered, family, raw);
    else
        gathered_put(gathered, family, raw, &part, 1);
    model->answers[family][key] = deletes ? GATHERED_DELETED : GATHERED_PUT;
    model->values[family][key] = value;
}

static void expect_model(const struct gathered *gathered, const struct model *model) {
    for (unsigned family = 0; family < FAMILY_COUNT; family++) {
        for (unsigned key = 0; key < MODEL_KEYS; key++) {
            char name[16];
            struct bytes value = {0};
            assert_int_equal(
                gathered_find(gathered, family, (struct bytes){name, name_of(key, name)}, &value),
                model->answers[family][key]);
            if (model->answers[family][key] == GATHERED_PUT)
                assert_memory_equal(value.data, &model->values[family][key], sizeof(unsigned));
        }
    }
}

static void random_changes_are_found_and_dropped_as_in_a_model(void **state) {
    struct gathered *gathered = *state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    struct model now = {0};
    struct model saved = {0};
    size_t saved_count = 0;
    for (int step = 0; step < MODEL_STEPS; step++) {
        unsigned choice = (unsigned)rand_r(&seed) % 100;
        if ((choice == 0 && (unsigned)rand_r(&seed) % 16 == 0) || gathered_count(gathered) > MODEL_MOST) {
            gathered_clear(gathered);
            now = saved = (struct model){0};
            saved_count = 0;
        } else if (choice < 5) {
            saved = now;
            saved_count = gathered_count(gathered);
        } else if (choice < 10) {
            gathered_drop_behind(gathered, saved_count);
            now = saved;
        } else if (choice < 15) {
            gathered_log_data(gathered, BYTES_LITERAL("a name"));
        } else {
            change_at_random(gathered, &now, &seed);
        }
        if (step % 16 == 0)
            expect_model(gathered, &now);
    }
}

#define WITH_GATHERED(test) cmocka_unit_test_setup_teardown(test, open_gathered, close_gathered)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_GATHERED(the_newest_change_of_an_entry_is_found),
        WITH_GATHERED(the_same_key_of_two_families_is_two_entries),
        WITH_GATHERED(a_value_is_the_concatenation_of_its_parts),
        WITH_GATHERED(what_is_dropped_leaves_what_was_there_before),
        WITH_GATHERED(the_batch_has_the_changes_in_their_order),
        WITH_GATHERED(only_the_last_of_an_entrys_metadata_is_written_and_all_of_its_elements),
        WITH_GATHERED(a_deletion_is_always_written),
        WITH_GATHERED(metadata_of_different_names_is_all_written),
        WITH_GATHERED(very_many_changes_are_found_as_quickly_and_cleared),
        WITH_GATHERED(random_changes_are_found_and_dropped_as_in_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
