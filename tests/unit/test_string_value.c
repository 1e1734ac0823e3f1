// SPDX-License-Identifier: Apache-2.0
//
// What the string commands do with keys of other types, and how they write: parts, padding, expiry.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"
#include "commands/handlers.h"

#include <stdio.h>
#include <stdlib.h>

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

static void put_hash(struct command_fixture *fixture, const char *key) {
    struct metadata metadata = {.type = VALUE_HASH, .wide = true, .version = 1, .size = 1};
    fixture_put_metadata(fixture, key, &metadata);
}

static void commands_that_need_a_string_refuse_other_types(void **state) {
    struct command_fixture *fixture = *state;
    put_hash(fixture, "h");
    assert_string_equal(fixture_run(fixture, command_get, "get", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_getdel, "getdel", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_getex, "getex", "h", "EX", "0"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_getset, "getset", "h", "v"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_set, "set", "h", "v", "GET"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_strlen, "strlen", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_append, "append", "h", "v"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_getrange, "getrange", "h", "0", "1"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_setrange, "setrange", "h", "0", ""), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_incr, "incr", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_incrbyfloat, "incrbyfloat", "h", "a"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_cas, "cas", "h", "a", "b"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_cad, "cad", "h", "a"), WRONG_TYPE);
}

static void bit_commands_refuse_other_types(void **state) {
    struct command_fixture *fixture = *state;
    put_hash(fixture, "h");
    assert_string_equal(fixture_run(fixture, command_setbit, "setbit", "h", "0", "1"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_getbit, "getbit", "h", "0"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_bitcount, "bitcount", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_bitpos, "bitpos", "h", "1"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_bitop, "bitop", "OR", "d", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_bitfield, "bitfield", "h"), WRONG_TYPE);
    assert_string_equal(fixture_run(fixture, command_bitfield_ro, "bitfield_ro", "h"), WRONG_TYPE);
}

static void lcs_says_so_in_its_own_words(void **state) {
    struct command_fixture *fixture = *state;
    put_hash(fixture, "h");
    assert_string_equal(fixture_run(fixture, command_lcs, "lcs", "missing", "h"),
                        "-ERR The specified keys must contain string values\r\n");
}

static void mget_takes_other_types_for_missing(void **state) {
    struct command_fixture *fixture = *state;
    put_hash(fixture, "h");
    assert_string_equal(fixture_run(fixture, command_set, "set", "k", "v"), "+OK\r\n");
    assert_string_equal(fixture_run(fixture, command_mget, "mget", "h", "k", "missing"),
                        "*3\r\n$-1\r\n$1\r\nv\r\n$-1\r\n");
}

static void set_replaces_a_key_of_any_type(void **state) {
    struct command_fixture *fixture = *state;
    put_hash(fixture, "h");
    assert_string_equal(fixture_run(fixture, command_set, "set", "h", "v", "XX"), "+OK\r\n");
    assert_string_equal(fixture_run(fixture, command_get, "get", "h"), "$1\r\nv\r\n");
    put_hash(fixture, "h");
    assert_string_equal(fixture_run(fixture, command_setnx, "setnx", "h", "v"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_msetnx, "msetnx", "x", "1", "h", "v"), ":0\r\n");
    assert_int_equal(fixture_metadata(fixture, "h").type, VALUE_HASH);
}

static void writes_into_a_string_keep_its_expiry(void **state) {
    struct command_fixture *fixture = *state;
    wall_ms_t expires = FIXTURE_TIME + 10000;
    assert_string_equal(fixture_run(fixture, command_set, "set", "k", "1", "EX", "10"), "+OK\r\n");
    assert_int_equal(fixture_metadata(fixture, "k").expire_ms, expires);
    (void)fixture_run(fixture, command_incr, "incr", "k");
    (void)fixture_run(fixture, command_append, "append", "k", "0");
    (void)fixture_run(fixture, command_setrange, "setrange", "k", "0", "3");
    (void)fixture_run(fixture, command_incrbyfloat, "incrbyfloat", "k", "0.5");
    (void)fixture_run(fixture, command_setbit, "setbit", "k", "7", "0");
    (void)fixture_run(fixture, command_bitfield, "bitfield", "k", "SET", "u8", "0", "52");
    (void)fixture_run(fixture, command_set, "set", "k", "45", "KEEPTTL");
    assert_int_equal(fixture_metadata(fixture, "k").expire_ms, expires);
    assert_string_equal(fixture_run(fixture, command_get, "get", "k"), "$2\r\n45\r\n");
}

static void writes_of_a_whole_string_drop_its_expiry(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_set, "set", "k", "1", "EX", "10");
    (void)fixture_run(fixture, command_getset, "getset", "k", "2");
    assert_int_equal(fixture_metadata(fixture, "k").expire_ms, 0);
    (void)fixture_run(fixture, command_psetex, "psetex", "k", "500", "3");
    assert_int_equal(fixture_metadata(fixture, "k").expire_ms, FIXTURE_TIME + 500);
    assert_string_equal(fixture_run(fixture, command_cas, "cas", "k", "3", "4"), ":1\r\n");
    assert_int_equal(fixture_metadata(fixture, "k").expire_ms, 0);
}

static void getex_deletes_a_key_whose_time_has_passed(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_set, "set", "k", "v");
    assert_string_equal(fixture_run(fixture, command_getex, "getex", "k", "PXAT", "5"), "$1\r\nv\r\n");
    assert_string_equal(fixture_run(fixture, command_get, "get", "k"), "$-1\r\n");
}

static void a_write_far_behind_the_end_fills_up_with_zeros(void **state) {
    struct command_fixture *fixture = *state;
    (void)fixture_run(fixture, command_set, "set", "k", "ab");
    assert_string_equal(fixture_run(fixture, command_setrange, "setrange", "k", "200000", "z"),
                        ":200001\r\n");
    assert_string_equal(fixture_run(fixture, command_bitpos, "bitpos", "k", "1", "2"), ":1600001\r\n");
    assert_string_equal(fixture_run(fixture, command_getrange, "getrange", "k", "0", "1"), "$2\r\nab\r\n");
    assert_string_equal(fixture_run(fixture, command_getrange, "getrange", "k", "200000", "-1"),
                        "$1\r\nz\r\n");
}

static void strings_may_not_grow_over_the_limit(void **state) {
    static const char too_long[] = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    struct command_fixture *fixture = *state;
    char error[CONFIG_ERROR_SIZE] = "";
    struct bytes pair[] = {BYTES_LITERAL("proto-max-bulk-len"), BYTES_LITERAL("1048576")};
    assert_true(config_set(fixture->server.config, pair, 1, error));
    assert_string_equal(fixture_run(fixture, command_setrange, "setrange", "k", "1048575", "x"),
                        ":1048576\r\n");
    assert_string_equal(fixture_run(fixture, command_append, "append", "k", "x"), too_long);
    assert_string_equal(fixture_run(fixture, command_setrange, "setrange", "k", "1048576", "x"), too_long);
    assert_string_equal(fixture_run(fixture, command_setrange, "setrange", "k", "9223372036854775807", "x"),
                        too_long);
    assert_string_equal(fixture_run(fixture, command_setbit, "setbit", "k", "8388607", "0"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_setbit, "setbit", "k", "8388608", "0"),
                        "-ERR bit offset is not an integer or out of range\r\n");
    assert_string_equal(fixture_run(fixture, command_strlen, "strlen", "k"), ":1048576\r\n");
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, command_fixture_open, command_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        with_store(commands_that_need_a_string_refuse_other_types),
        with_store(bit_commands_refuse_other_types),
        with_store(lcs_says_so_in_its_own_words),
        with_store(mget_takes_other_types_for_missing),
        with_store(set_replaces_a_key_of_any_type),
        with_store(writes_into_a_string_keep_its_expiry),
        with_store(writes_of_a_whole_string_drop_its_expiry),
        with_store(getex_deletes_a_key_whose_time_has_passed),
        with_store(a_write_far_behind_the_end_fills_up_with_zeros),
        with_store(strings_may_not_grow_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
