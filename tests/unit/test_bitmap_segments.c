// SPDX-License-Identifier: Apache-2.0
//
// Keys of Kvrocks' bitmap type, put into the database as Kvrocks puts them: what the commands make of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"
#include "commands/bitmap_segments.h"
#include "commands/handlers.h"
#include "store/entry_view.h"

#include <stdio.h>
#include <stdlib.h>

enum { VERSION = 4711 };
static const wall_ms_t expires = FIXTURE_TIME + 60000;

static void put_bitmap(struct command_fixture *fixture, const char *key, uint64_t size) {
    struct metadata metadata = {
        .type = VALUE_BITMAP, .wide = true, .expire_ms = expires, .version = VERSION, .size = size};
    fixture_put_metadata(fixture, key, &metadata);
}

// Bits 0, 9 and 8192 + 7: bytes 80 40 ... in a string, 01 02 ... in Kvrocks' segments.
static void put_example(struct command_fixture *fixture) {
    put_bitmap(fixture, "b", 1025);
    fixture_put_sub_key(fixture, "b", VERSION, "0", BYTES_LITERAL("\x01\x02"));
    fixture_put_sub_key(fixture, "b", VERSION, "1024", BYTES_LITERAL("\x80"));
}

static void the_bits_of_each_byte_are_turned_round(void **state) {
    (void)state;
    char out[4] = {'x', 'x', 'x', 'x'};
    bitmap_segment_copy(out, 3, BYTES_LITERAL("\x01\x80\xd0\xff"));
    assert_memory_equal(out, "\x80\x01\x0bx", 4);
}

static void a_segment_that_is_shorter_than_its_room_leaves_the_rest_alone(void **state) {
    (void)state;
    char out[3] = {0};
    bitmap_segment_copy(out, 3, BYTES_LITERAL("\x01"));
    assert_memory_equal(out, "\x80\x00\x00", 3);
    bitmap_segment_copy(out, 3, (struct bytes){0});
    assert_memory_equal(out, "\x80\x00\x00", 3);
}

static void get_returns_the_string_that_the_bitmap_stands_for(void **state) {
    struct command_fixture *fixture = *state;
    put_bitmap(fixture, "b", 3);
    fixture_put_sub_key(fixture, "b", VERSION, "0", BYTES_LITERAL("\x86\x46\xf6"));
    assert_string_equal(fixture_run(fixture, command_get, "get", "b"), "$3\r\nabo\r\n");
    assert_string_equal(fixture_run(fixture, command_strlen, "strlen", "b"), ":3\r\n");
    assert_string_equal(fixture_run(fixture, command_getrange, "getrange", "b", "1", "-1"), "$2\r\nbo\r\n");
    assert_string_equal(fixture_run(fixture, command_mget, "mget", "b"), "*1\r\n$3\r\nabo\r\n");
}

static void a_view_has_the_string_of_its_moment(void **state) {
    struct command_fixture *fixture = *state;
    struct store_value value;
    const struct bitmap_limit limit = {3, "ERR too long"};
    put_bitmap(fixture, "b", 3);
    fixture_put_sub_key(fixture, "b", VERSION, "0", BYTES_LITERAL("\x86\x46\xf6"));
    struct entry_view *view = entry_view_open(fixture->session);
    const struct entry_source source = {.session = fixture->session, .view = view};
    fixture_put_sub_key(fixture, "b", VERSION, "0", BYTES_LITERAL("\x01"));
    fixture_run(fixture, command_del, "del", "b");
    assert_int_equal(entry_view_read(view, BYTES_LITERAL("b"), FIXTURE_TIME, &value), STORE_OK);
    assert_null(bitmap_segments_join(source, BYTES_LITERAL("b"), limit, &value));
    assert_true(bytes_equal(value.payload, BYTES_LITERAL("abo")));
    store_value_release(&value);
    value.metadata = (struct metadata){.type = VALUE_BITMAP, .version = VERSION, .size = 4};
    assert_string_equal(bitmap_segments_join(source, BYTES_LITERAL("b"), limit, &value), limit.error);
    entry_view_close(view);
}

static void segments_that_are_missing_or_short_are_zeros(void **state) {
    struct command_fixture *fixture = *state;
    put_bitmap(fixture, "b", 3000);
    fixture_put_sub_key(fixture, "b", VERSION, "2048", BYTES_LITERAL("\x01"));
    assert_string_equal(fixture_run(fixture, command_strlen, "strlen", "b"), ":3000\r\n");
    assert_string_equal(fixture_run(fixture, command_bitcount, "bitcount", "b"), ":1\r\n");
    assert_string_equal(fixture_run(fixture, command_bitpos, "bitpos", "b", "1"), ":16384\r\n");
}

static void what_a_segment_has_after_the_end_of_the_bitmap_is_not_read(void **state) {
    struct command_fixture *fixture = *state;
    put_bitmap(fixture, "b", 1);
    fixture_put_sub_key(fixture, "b", VERSION, "0", BYTES_LITERAL("\x01\xff"));
    assert_string_equal(fixture_run(fixture, command_bitcount, "bitcount", "b"), ":1\r\n");
    assert_string_equal(fixture_run(fixture, command_getbit, "getbit", "b", "8"), ":0\r\n");
}

static void segments_of_another_version_do_not_count(void **state) {
    struct command_fixture *fixture = *state;
    put_bitmap(fixture, "b", 1);
    fixture_put_sub_key(fixture, "b", VERSION - 1, "0", BYTES_LITERAL("\xff"));
    assert_string_equal(fixture_run(fixture, command_bitcount, "bitcount", "b"), ":0\r\n");
}

static void getbit_reads_single_bits(void **state) {
    struct command_fixture *fixture = *state;
    static const struct {
        const char *offset, *reply;
    } cases[] = {{"0", ":1\r\n"},    {"1", ":0\r\n"},    {"9", ":1\r\n"},    {"14", ":0\r\n"},
                 {"8000", ":0\r\n"}, {"8199", ":1\r\n"}, {"8192", ":0\r\n"}, {"4294967295", ":0\r\n"}};
    put_example(fixture);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(fixture_run(fixture, command_getbit, "getbit", "b", cases[i].offset),
                            cases[i].reply);
}

static void setbit_makes_it_a_string_that_keeps_bits_and_expiry(void **state) {
    struct command_fixture *fixture = *state;
    put_example(fixture);
    assert_string_equal(fixture_run(fixture, command_setbit, "setbit", "b", "1", "1"), ":0\r\n");
    struct metadata metadata = fixture_metadata(fixture, "b");
    assert_int_equal(metadata.type, VALUE_STRING);
    assert_int_equal(metadata.expire_ms, expires);
    assert_string_equal(fixture_run(fixture, command_strlen, "strlen", "b"), ":1025\r\n");
    assert_string_equal(fixture_run(fixture, command_bitcount, "bitcount", "b"), ":4\r\n");
    assert_string_equal(fixture_run(fixture, command_getbit, "getbit", "b", "8199"), ":1\r\n");
}

static void string_and_bit_writes_work_on_it(void **state) {
    struct command_fixture *fixture = *state;
    put_example(fixture);
    assert_string_equal(fixture_run(fixture, command_append, "append", "b", "xyz"), ":1028\r\n");
    put_example(fixture);
    assert_string_equal(
        fixture_run(fixture, command_bitfield, "bitfield", "b", "SET", "u8", "8", "255", "GET", "u8", "0"),
        "*2\r\n:64\r\n:128\r\n");
    put_example(fixture);
    assert_string_equal(fixture_run(fixture, command_bitop, "bitop", "NOT", "b", "b"), ":1025\r\n");
    assert_string_equal(fixture_run(fixture, command_getbit, "getbit", "b", "0"), ":0\r\n");
    put_example(fixture);
    assert_string_equal(fixture_run(fixture, command_set, "set", "b", "v"), "+OK\r\n");
    assert_string_equal(fixture_run(fixture, command_get, "get", "b"), "$1\r\nv\r\n");
}

static void get_refuses_a_bitmap_that_is_longer_than_configured(void **state) {
    struct command_fixture *fixture = *state;
    uint64_t limit = (uint64_t)config_integer(fixture->server.config, CONFIG_MAX_BITMAP_TO_STRING_MB) << 20;
    put_bitmap(fixture, "b", limit + 1);
    fixture_put_sub_key(fixture, "b", VERSION, "0", BYTES_LITERAL("\x03"));
    assert_string_equal(fixture_run(fixture, command_get, "get", "b"),
                        "-ERR The size of the bitmap string exceeds the configuration item "
                        "max-bitmap-to-string-mb\r\n");
    assert_string_equal(fixture_run(fixture, command_bitcount, "bitcount", "b"), ":2\r\n");
    assert_string_equal(fixture_run(fixture, command_getbit, "getbit", "b", "1"), ":1\r\n");
}

static void an_empty_bitmap_is_no_key(void **state) {
    struct command_fixture *fixture = *state;
    put_bitmap(fixture, "b", 0);
    assert_string_equal(fixture_run(fixture, command_get, "get", "b"), "$-1\r\n");
    assert_string_equal(fixture_run(fixture, command_setbit, "setbit", "b", "0", "1"), ":0\r\n");
    assert_int_equal(fixture_metadata(fixture, "b").expire_ms, 0);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, command_fixture_open, command_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_of_each_byte_are_turned_round),
        cmocka_unit_test(a_segment_that_is_shorter_than_its_room_leaves_the_rest_alone),
        with_store(get_returns_the_string_that_the_bitmap_stands_for),
        with_store(a_view_has_the_string_of_its_moment),
        with_store(segments_that_are_missing_or_short_are_zeros),
        with_store(what_a_segment_has_after_the_end_of_the_bitmap_is_not_read),
        with_store(segments_of_another_version_do_not_count),
        with_store(getbit_reads_single_bits),
        with_store(setbit_makes_it_a_string_that_keeps_bits_and_expiry),
        with_store(string_and_bit_writes_work_on_it),
        with_store(get_refuses_a_bitmap_that_is_longer_than_configured),
        with_store(an_empty_bitmap_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
