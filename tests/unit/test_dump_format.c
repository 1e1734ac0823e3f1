// SPDX-License-Identifier: Apache-2.0
//
// The format of DUMP and RESTORE: what Redis writes is read, what is damaged is refused, and what is written
// reads back.
#include "commands/dump_reader.h"
#include "commands/dump_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dump_fixtures.h"

#include "base/crc64.h"
#include "base/lzf.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

// As the fixtures write it.
static void describe(const struct dump_value *value, struct buffer *out) {
    char score[NUMBER_FLOAT_SIZE];
    buffer_append_text(out, value_type_name(value->type));
    for (size_t i = 0; i < value->count; i++) {
        struct bytes element = dump_value_at(value, i);
        if (value->type == VALUE_ZSET) {
            size_t length = number_write_double(score, dump_value_score(value, i));
            buffer_append_format(out, " '%.*s'", (int)length, score);
        }
        buffer_append_text(out, " '");
        buffer_append(out, element);
        buffer_append_text(out, "'");
    }
}

static bool reads_as(struct bytes payload, const char *wanted) {
    struct dump_value value;
    struct buffer text = {0};
    const char *error = dump_read(payload, &value);
    if (error == NULL)
        describe(&value, &text);
    bool same = error == NULL && bytes_equal(buffer_bytes(&text), bytes_from_text(wanted));
    if (!same)
        print_error("%s: %.*s instead of %s\n", error == NULL ? "" : error, (int)text.length,
                    text.data == NULL ? "" : text.data, wanted);
    buffer_release(&text);
    dump_value_release(&value);
    return same;
}

static void what_redis_dumps_is_read(void **state) {
    (void)state;
    for (size_t i = 0; dump_fixture_at(i) != NULL; i++) {
        const struct dump_fixture *fixture = dump_fixture_at(i);
        if (fixture->wanted != NULL && !reads_as(fixture->payload, fixture->wanted))
            fail_msg("%s", fixture->description);
    }
}

static void what_is_damaged_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; dump_fixture_at(i) != NULL; i++) {
        const struct dump_fixture *fixture = dump_fixture_at(i);
        struct buffer payload = {0};
        struct dump_value value;
        if (fixture->wanted != NULL)
            continue;
        buffer_append(&payload, fixture->payload);
        dump_write_footer(&payload);
        const char *error = dump_read(buffer_bytes(&payload), &value);
        if (error == NULL)
            fail_msg("%s is read", fixture->description);
        assert_string_equal(error, "ERR Bad data format");
        assert_int_equal(value.count, 0);
        buffer_release(&payload);
    }
}

static void every_byte_counts_and_none_may_be_missing(void **state) {
    (void)state;
    static const char wrong[] = "ERR DUMP payload version or checksum are wrong";
    struct bytes payload = dump_fixture_at(0)->payload;
    struct dump_value value;
    for (size_t i = 0; i < payload.length; i++) {
        struct buffer copy = {0};
        buffer_append(&copy, payload);
        copy.data[i] = (char)(copy.data[i] ^ 4);
        assert_string_equal(dump_read(buffer_bytes(&copy), &value), wrong);
        buffer_release(&copy);
        assert_string_equal(dump_read((struct bytes){payload.data, i}, &value), wrong);
    }
}

static void a_newer_version_is_refused(void **state) {
    (void)state;
    struct buffer payload = {0};
    struct dump_value value;
    buffer_append(&payload, BYTES_LITERAL("\0\1a\x0b\0"));
    uint64_t checksum = crc64(0, buffer_bytes(&payload));
    for (int i = 0; i < 8; i++, checksum >>= 8) {
        char byte = (char)(checksum & 0xff);
        buffer_append(&payload, (struct bytes){&byte, 1});
    }
    assert_string_equal(dump_read(buffer_bytes(&payload), &value),
                        "ERR DUMP payload version or checksum are wrong");
    buffer_release(&payload);
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    static const char *const texts[] = {"",     "a",     "0",      "-1",         "127",         "128",
                                        "-129", "32768", "-32769", "2147483647", "-2147483648", "2147483648",
                                        "00",   "1.5",   "+1",     " 1",         "-0"};
    size_t count = sizeof(texts) / sizeof(texts[0]);
    struct buffer payload = {0};
    struct dump_value value;
    dump_write_type(&payload, DUMP_LIST);
    dump_write_count(&payload, count);
    for (size_t i = 0; i < count; i++)
        dump_write_string(&payload, bytes_from_text(texts[i]));
    dump_write_footer(&payload);
    assert_null(dump_read(buffer_bytes(&payload), &value));
    assert_int_equal(value.type, VALUE_LIST);
    assert_int_equal(value.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(bytes_equal(dump_value_at(&value, i), bytes_from_text(texts[i])));
    dump_value_release(&value);
    buffer_release(&payload);
}

static void lengths_of_each_form_read_back(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 63, 64, 16383, 16384, 70000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct buffer payload = {0};
        struct dump_value value;
        char *text = malloc(lengths[i] + 1);
        assert_non_null(text);
        memset(text, 'x', lengths[i] + 1);
        dump_write_type(&payload, DUMP_STRING);
        dump_write_string(&payload, (struct bytes){text, lengths[i]});
        dump_write_footer(&payload);
        assert_null(dump_read(buffer_bytes(&payload), &value));
        assert_int_equal(dump_value_at(&value, 0).length, lengths[i]);
        dump_value_release(&value);
        buffer_release(&payload);
        free(text);
    }
}

static void scores_read_back_to_the_last_bit(void **state) {
    (void)state;
    static const double scores[] = {0, -0.0, 1, -1.5, 1e308, 5e-324, 0.1};
    size_t count = sizeof(scores) / sizeof(scores[0]);
    struct buffer payload = {0};
    struct dump_value value;
    dump_write_type(&payload, DUMP_ZSET);
    dump_write_count(&payload, count);
    for (size_t i = 0; i < count; i++) {
        char member = (char)('a' + i);
        dump_write_string(&payload, (struct bytes){&member, 1});
        dump_write_score(&payload, scores[i]);
    }
    dump_write_footer(&payload);
    assert_null(dump_read(buffer_bytes(&payload), &value));
    for (size_t i = 0; i < count; i++) {
        double score = dump_value_score(&value, i);
        assert_memory_equal(&score, &scores[i], sizeof(score));
    }
    dump_value_release(&value);
    buffer_release(&payload);
}

static void the_checksum_is_the_one_that_redis_uses(void **state) {
    (void)state;
    struct bytes text = BYTES_LITERAL("123456789");
    assert_true(crc64(0, text) == 0xe9c6d914c4b8d9caU);
    uint64_t first = crc64(0, (struct bytes){text.data, 4});
    assert_true(crc64(first, (struct bytes){text.data + 4, 5}) == 0xe9c6d914c4b8d9caU);
    assert_true(crc64(0, (struct bytes){0}) == 0);
}

static void compressed_bytes_make_exactly_what_they_say(void **state) {
    (void)state;
    char out[16];
    struct bytes literal = BYTES_LITERAL("\x02"
                                         "abc");
    struct bytes repeated = BYTES_LITERAL("\x00"
                                          "a\xe0\x01\x00"); // "a" and ten more of it
    assert_true(lzf_decompress(literal, out, 3));
    assert_memory_equal(out, "abc", 3);
    assert_false(lzf_decompress(literal, out, 2));
    assert_false(lzf_decompress(literal, out, 4));
    assert_true(lzf_decompress(repeated, out, 11));
    assert_memory_equal(out, "aaaaaaaaaaa", 11);
    assert_false(lzf_decompress(repeated, out, 10));
    assert_false(lzf_decompress(repeated, out, 12));
    assert_true(lzf_decompress((struct bytes){0}, out, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_redis_dumps_is_read),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(every_byte_counts_and_none_may_be_missing),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(lengths_of_each_form_read_back),
        cmocka_unit_test(scores_read_back_to_the_last_bit),
        cmocka_unit_test(the_checksum_is_the_one_that_redis_uses),
        cmocka_unit_test(compressed_bytes_make_exactly_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
