// SPDX-License-Identifier: Apache-2.0
//
// Batches as RocksDB makes them, read back; and bytes that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/write_batch.h"

#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// A walk over a batch.
struct reader {
    struct bytes batch;
    size_t at;
};

// The next record that is no log data.
static bool next_change(struct reader *reader, struct write_batch_record *record) {
    bool found = false;
    do
        found = write_batch_next(reader->batch, &reader->at, record);
    while (found && record->kind == WRITE_BATCH_LOG_DATA);
    return found;
}

static bool is_damaged(const struct reader *reader) {
    return reader->at != reader->batch.length;
}

static struct bytes bytes_of(rocksdb_writebatch_t *batch) {
    struct bytes bytes;
    bytes.data = rocksdb_writebatch_data(batch, &bytes.length);
    return bytes;
}

static void expect_record(struct reader *reader, enum write_batch_kind kind, const char *key,
                          const char *value) {
    struct write_batch_record record;
    assert_true(next_change(reader, &record));
    assert_int_equal(record.kind, kind);
    assert_int_equal(record.family, 0);
    assert_true(bytes_equal(record.key, bytes_from_text(key)));
    assert_true(bytes_equal(record.value, bytes_from_text(value)));
}

static void expect_end(struct reader *reader) {
    struct write_batch_record record;
    assert_false(next_change(reader, &record));
    assert_false(is_damaged(reader));
}

static void changes_come_in_their_order_and_log_data_is_passed_over(void **state) {
    (void)state;
    struct reader reader;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put_log_data(batch, "5", 1);
    rocksdb_writebatch_put(batch, "key", 3, "value", 5);
    rocksdb_writebatch_delete(batch, "gone", 4);
    rocksdb_writebatch_put_log_data(batch, "6", 1);
    rocksdb_writebatch_singledelete(batch, "once", 4);
    rocksdb_writebatch_delete_range(batch, "a", 1, "b", 1);
    rocksdb_writebatch_put(batch, "", 0, "", 0);
    reader = (struct reader){bytes_of(batch), WRITE_BATCH_HEADER_SIZE};
    expect_record(&reader, WRITE_BATCH_PUT, "key", "value");
    expect_record(&reader, WRITE_BATCH_DELETE, "gone", "");
    expect_record(&reader, WRITE_BATCH_DELETE, "once", "");
    expect_record(&reader, WRITE_BATCH_DELETE_RANGE, "a", "b");
    expect_record(&reader, WRITE_BATCH_PUT, "", "");
    expect_end(&reader);
    rocksdb_writebatch_destroy(batch);
}

static void lengths_of_several_bytes_are_read(void **state) {
    (void)state;
    struct reader reader;
    struct write_batch_record record;
    enum { LENGTH = 300000 };
    char *value = malloc(LENGTH);
    assert_non_null(value);
    memset(value, 'v', LENGTH);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, value, 200, value, LENGTH);
    reader = (struct reader){bytes_of(batch), WRITE_BATCH_HEADER_SIZE};
    assert_true(next_change(&reader, &record));
    assert_int_equal(record.key.length, 200);
    assert_int_equal(record.value.length, LENGTH);
    expect_end(&reader);
    rocksdb_writebatch_destroy(batch);
    free(value);
}

// Reads what a family other than the default one looks like: RocksDB's own form, byte by byte.
static void families_are_told(void **state) {
    (void)state;
    static const char batch[] = "\0\0\0\0\0\0\0\0\2\0\0\0"
                                "\5\2\3abc\1v"
                                "\4\201\1\1k";
    struct reader reader;
    struct write_batch_record record;
    reader = (struct reader){(struct bytes){batch, sizeof(batch) - 1}, WRITE_BATCH_HEADER_SIZE};
    assert_true(next_change(&reader, &record));
    assert_int_equal(record.family, 2);
    assert_true(bytes_equal(record.value, BYTES_LITERAL("v")));
    assert_true(next_change(&reader, &record));
    assert_int_equal(record.family, 129);
    assert_int_equal(record.kind, WRITE_BATCH_DELETE);
    expect_end(&reader);
}

static void damage_is_noticed_wherever_it_is_cut_off(void **state) {
    (void)state;
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, "key", 3, "value", 5);
    struct bytes whole = bytes_of(batch);
    for (size_t length = 0; length < whole.length; length++) {
        struct reader reader;
        struct write_batch_record record;
        char *cut = malloc(length + 1); // so that a sanitizer sees each byte too far
        assert_non_null(cut);
        memcpy(cut, whole.data, length);
        reader = (struct reader){(struct bytes){cut, length}, WRITE_BATCH_HEADER_SIZE};
        bool found = next_change(&reader, &record);
        assert_false(found);
        assert_int_equal(is_damaged(&reader), length != 12); // only the header is an empty batch
        free(cut);
    }
    rocksdb_writebatch_destroy(batch);
}

static void any_bytes_come_to_an_end(void **state) {
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        char noise[64] = {0};
        struct reader reader;
        struct write_batch_record record;
        size_t length = 12 + (size_t)rand_r(&seed) % (sizeof(noise) - 12);
        for (size_t i = 12; i < length; i++)
            noise[i] = (char)(rand_r(&seed) % (round % 2 == 0 ? 256 : 16));
        reader = (struct reader){(struct bytes){noise, length}, WRITE_BATCH_HEADER_SIZE};
        while (next_change(&reader, &record))
            assert_true(record.key.length <= length && record.value.length <= length);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_come_in_their_order_and_log_data_is_passed_over),
        cmocka_unit_test(lengths_of_several_bytes_are_read),
        cmocka_unit_test(families_are_told),
        cmocka_unit_test(damage_is_noticed_wherever_it_is_cut_off),
        cmocka_unit_test(any_bytes_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
