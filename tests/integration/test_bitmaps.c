// SPDX-License-Identifier: Apache-2.0
//
// The bit commands against the real server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNTAX      "-ERR syntax error"
#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define BAD_OFFSET  "-ERR bit offset is not an integer or out of range"
#define BAD_BIT     "-ERR bit is not an integer or out of range"
#define BAD_TYPE                                                                                             \
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, NULL, {&client}}};

static void setbit_makes_a_string(void **state) {
    (void)state;
    expect_reply(client, "0", "SETBIT k 1 1");
    expect_reply(client, "0", "SETBIT k 7 1");
    expect_reply(client, "'A'", "GET k");
    expect_reply(client, "string", "TYPE k");
    expect_reply(client, "1", "SETBIT k 7 0");
    expect_reply(client, "'@'", "GET k");
    expect_reply(client, "0", "SETBIT k 1000007 1");
    expect_reply(client, "125001", "STRLEN k");
    expect_reply(client, "1", "GETBIT k 1000007");
    expect_reply(client, "0", "GETBIT k 1000008");
    expect_reply(client, "0", "GETBIT missing 0");
}

static void setting_a_bit_to_0_makes_the_string_too(void **state) {
    (void)state;
    expect_reply(client, "0", "SETBIT k 15 0");
    expect_reply(client, "2", "STRLEN k");
}

static void bits_and_their_offsets_must_make_sense(void **state) {
    (void)state;
    static const char *const offsets[] = {"-1", "a", "1.5", "#1", "4294967296", "9223372036854775808", " 1"};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        expect_reply(client, BAD_OFFSET, "SETBIT k %s 1", offsets[i]);
        expect_reply(client, BAD_OFFSET, "GETBIT k %s", offsets[i]);
    }
    expect_reply(client, BAD_BIT, "SETBIT k 1 2");
    expect_reply(client, BAD_BIT, "SETBIT k 1 -1");
    expect_reply(client, BAD_BIT, "SETBIT k 1 x");
    expect_reply(client, "0", "EXISTS k");
}

static void bitcount_takes_bytes_or_bits(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k foobar");
    expect_reply(client, "26", "BITCOUNT k");
    expect_reply(client, "4", "BITCOUNT k 0 0");
    expect_reply(client, "6", "BITCOUNT k 1 1 BYTE");
    expect_reply(client, "17", "BITCOUNT k 5 30 bit");
    expect_reply(client, "26", "BITCOUNT k -100 100");
    expect_reply(client, "4", "BITCOUNT k -1 -1");
    expect_reply(client, "0", "BITCOUNT k 3 2");
    expect_reply(client, "0", "BITCOUNT k 100 200");
    expect_reply(client, "0", "BITCOUNT missing");
    expect_reply(client, SYNTAX, "BITCOUNT k 0");
    expect_reply(client, SYNTAX, "BITCOUNT k 0 1 FOO");
    expect_reply(client, SYNTAX, "BITCOUNT k 0 1 BIT BIT");
    expect_reply(client, NOT_INTEGER, "BITCOUNT k a 1");
}

static void bitpos_without_an_end_sees_zeros_behind_the_string(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k %b", "\xff\xff", (size_t)2);
    expect_reply(client, "16", "BITPOS k 0");
    expect_reply(client, "16", "BITPOS k 0 1");
    expect_reply(client, "-1", "BITPOS k 0 0 -1");
    expect_reply(client, "-1", "BITPOS k 0 2");
    expect_reply(client, "-1", "BITPOS k 0 0 100 BIT");
    expect_reply(client, "OK", "SET k %b", "\x00\x00", (size_t)2);
    expect_reply(client, "-1", "BITPOS k 1");
    expect_reply(client, "0", "BITPOS missing 0");
    expect_reply(client, "-1", "BITPOS missing 1");
    expect_reply(client, "OK", "SET none %s", "");
    expect_reply(client, "-1", "BITPOS none 0");
}

static void bitpos_looks_only_into_its_range(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k %b", "\x00\xff\xf0", (size_t)3);
    expect_reply(client, "8", "BITPOS k 1");
    expect_reply(client, "16", "BITPOS k 1 2");
    expect_reply(client, "20", "BITPOS k 0 2 -1 BYTE");
    expect_reply(client, "9", "BITPOS k 1 9 15 BIT");
    expect_reply(client, "-1", "BITPOS k 1 0 7 BIT");
    expect_reply(client, "-1", "BITPOS k 1 0 0");
    expect_reply(client, "-ERR The bit argument must be 1 or 0.", "BITPOS k 2");
    expect_reply(client, NOT_INTEGER, "BITPOS k x");
    expect_reply(client, NOT_INTEGER, "BITPOS k 1 x");
    expect_reply(client, SYNTAX, "BITPOS k 1 0 1 FOO");
    expect_reply(client, SYNTAX, "BITPOS k 1 0 1 BIT BIT");
}

static void bitop_combines_and_stores(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a foobar b abcdef short ab");
    expect_reply(client, "6", "BITOP AND d a b");
    expect_reply(client, "'`bc`ab'", "GET d");
    expect_reply(client, "6", "BITOP or d a b");
    expect_reply(client, "'goofev'", "GET d");
    expect_reply(client, "6", "BITOP XOR d a a");
    expect_reply(client, "-1", "BITPOS d 1");
    expect_reply(client, "6", "BITOP OR d short missing a");
    expect_reply(client, "6", "BITOP NOT d a");
    expect_reply(client, "6", "BITOP NOT d d");
    expect_reply(client, "'foobar'", "GET d");
}

static void bitop_of_nothing_deletes_the_destination(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET d x EX 100");
    expect_reply(client, "1", "BITOP OR d d missing");
    expect_reply(client, "-1", "TTL d");
    expect_reply(client, "0", "BITOP AND d missing");
    expect_reply(client, "0", "EXISTS d");
    expect_reply(client, SYNTAX, "BITOP FOO d a");
    expect_reply(client, "-ERR BITOP NOT must be called with a single source key.", "BITOP NOT d a b");
}

static void bitfield_reads_and_writes_in_order(void **state) {
    (void)state;
    expect_reply(client, "[1 0]", "BITFIELD k INCRBY i5 100 1 GET u4 0");
    expect_reply(client, "[0 5 8 8]", "BITFIELD k SET u8 #0 5 SET u8 #0 8 GET u8 0 GET u8 #0");
    expect_reply(client, "[8 0]", "BITFIELD_RO k GET u8 0 GET i5 100000");
    expect_reply(client, "14", "STRLEN k");
    expect_reply(client, "[]", "BITFIELD k");
    expect_reply(client, "[]", "BITFIELD missing OVERFLOW SAT");
    expect_reply(client, "[0]", "BITFIELD missing GET u8 1000");
    expect_reply(client, "0", "EXISTS missing");
}

static void bitfield_follows_the_overflow_rules(void **state) {
    (void)state;
    expect_reply(client, "[3 0]", "BITFIELD k INCRBY u2 0 3 INCRBY u2 0 1");
    expect_reply(client, "[3 3]", "BITFIELD k OVERFLOW SAT INCRBY u2 0 3 INCRBY u2 0 1");
    expect_reply(client, "[nil 3]", "BITFIELD k OVERFLOW FAIL INCRBY u2 0 1 GET u2 0");
    expect_reply(
        client, "[0 -128 nil 127]",
        "BITFIELD k SET i8 8 127 INCRBY i8 8 1 OVERFLOW FAIL INCRBY i8 8 -1 OVERFLOW SAT INCRBY i8 8 "
        "300");
    expect_reply(client, "[nil]", "BITFIELD fresh OVERFLOW FAIL SET u8 0 256");
    expect_reply(client, "1", "STRLEN fresh");
}

static void bitfield_refuses_what_it_does_not_understand(void **state) {
    (void)state;
    expect_reply(client, BAD_TYPE, "BITFIELD k GET u64 0");
    expect_reply(client, BAD_TYPE, "BITFIELD k GET i65 0");
    expect_reply(client, BAD_TYPE, "BITFIELD k GET x8 0");
    expect_reply(client, BAD_OFFSET, "BITFIELD k GET u8 -1");
    expect_reply(client, BAD_OFFSET, "BITFIELD k GET u8 #9223372036854775807");
    expect_reply(client, NOT_INTEGER, "BITFIELD k SET u8 0 x");
    expect_reply(client, "-ERR Invalid OVERFLOW type specified", "BITFIELD k OVERFLOW FOO");
    expect_reply(client, SYNTAX, "BITFIELD k GET u8");
    expect_reply(client, SYNTAX, "BITFIELD k SET u8 0 1 FOO");
    expect_reply(client, "-ERR BITFIELD_RO only supports the GET subcommand", "BITFIELD_RO k SET u8 0 1");
    expect_reply(client, "0", "EXISTS k");
}

static void bit_commands_see_each_other_in_a_transaction(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SETBIT k 0 1");
    expect_reply(client, "QUEUED", "BITFIELD k INCRBY u8 8 5");
    expect_reply(client, "QUEUED", "BITOP NOT d k");
    expect_reply(client, "QUEUED", "BITCOUNT d");
    expect_reply(client, "[0 [5] 2 13]", "EXEC");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(setbit_makes_a_string, empty_database),
        cmocka_unit_test_setup(setting_a_bit_to_0_makes_the_string_too, empty_database),
        cmocka_unit_test_setup(bits_and_their_offsets_must_make_sense, empty_database),
        cmocka_unit_test_setup(bitcount_takes_bytes_or_bits, empty_database),
        cmocka_unit_test_setup(bitpos_without_an_end_sees_zeros_behind_the_string, empty_database),
        cmocka_unit_test_setup(bitpos_looks_only_into_its_range, empty_database),
        cmocka_unit_test_setup(bitop_combines_and_stores, empty_database),
        cmocka_unit_test_setup(bitop_of_nothing_deletes_the_destination, empty_database),
        cmocka_unit_test_setup(bitfield_reads_and_writes_in_order, empty_database),
        cmocka_unit_test_setup(bitfield_follows_the_overflow_rules, empty_database),
        cmocka_unit_test_setup(bitfield_refuses_what_it_does_not_understand, empty_database),
        cmocka_unit_test_setup(bit_commands_see_each_other_in_a_transaction, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
