// SPDX-License-Identifier: Apache-2.0
//
// What the commands on keys do with types that no command makes yet but that Kvrocks' data may hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"
#include "commands/handlers.h"

#include <stdio.h>
#include <stdlib.h>

enum { VERSION = 77, SIZE = 5 };

static void put_key(struct command_fixture *fixture, const char *key, enum value_type type) {
    bool sub_keys = value_type_has_sub_keys(type);
    struct metadata metadata = {
        .type = type, .wide = true, .version = sub_keys ? VERSION : 0, .size = sub_keys ? SIZE : 0};
    fixture_put_metadata(fixture, key, &metadata);
}

static void every_type_can_be_named_found_and_deleted(void **state) {
    struct command_fixture *fixture = *state;
    for (enum value_type type = VALUE_STRING; type < VALUE_TYPE_COUNT; type++) {
        char wanted[64];
        put_key(fixture, "k", type);
        (void)snprintf(wanted, sizeof(wanted), "+%s\r\n", value_type_name(type));
        assert_string_equal(fixture_run(fixture, command_type, "type", "k"), wanted);
        assert_string_equal(fixture_run(fixture, command_exists, "exists", "k"), ":1\r\n");
        assert_string_equal(fixture_run(fixture, command_keys, "keys", "*"), "*1\r\n$1\r\nk\r\n");
        assert_string_equal(fixture_run(fixture, command_scan, "scan", "0", "TYPE", value_type_name(type)),
                            "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n");
        assert_string_equal(fixture_run(fixture, command_scan, "scan", "0", "TYPE", "other"),
                            "*2\r\n$1\r\n0\r\n*0\r\n");
        assert_string_equal(fixture_run(fixture, command_del, "del", "k", "k"), ":1\r\n");
        assert_string_equal(fixture_run(fixture, command_exists, "exists", "k"), ":0\r\n");
    }
}

static void expiry_leaves_type_version_and_size_alone(void **state) {
    struct command_fixture *fixture = *state;
    for (enum value_type type = VALUE_STRING; type < VALUE_TYPE_COUNT; type++) {
        put_key(fixture, "k", type);
        assert_string_equal(fixture_run(fixture, command_expire, "expire", "k", "100"), ":1\r\n");
        assert_string_equal(fixture_run(fixture, command_pttl, "pttl", "k"), ":100000\r\n");
        struct metadata metadata = fixture_metadata(fixture, "k");
        assert_int_equal(metadata.type, type);
        assert_int_equal(metadata.version, value_type_has_sub_keys(type) ? VERSION : 0);
        assert_int_equal(metadata.size, value_type_has_sub_keys(type) ? SIZE : 0);
        assert_int_equal(metadata.expire_ms, FIXTURE_TIME + 100000);
        assert_string_equal(fixture_run(fixture, command_persist, "persist", "k"), ":1\r\n");
        assert_string_equal(fixture_run(fixture, command_ttl, "ttl", "k"), ":-1\r\n");
    }
}

static void an_emptied_collection_is_no_key(void **state) {
    struct command_fixture *fixture = *state;
    struct metadata metadata = {.type = VALUE_HASH, .wide = true, .version = VERSION, .size = 0};
    fixture_put_metadata(fixture, "k", &metadata);
    assert_string_equal(fixture_run(fixture, command_exists, "exists", "k"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_type, "type", "k"), "+none\r\n");
    assert_string_equal(fixture_run(fixture, command_expire, "expire", "k", "100"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_del, "del", "k"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_dbsize, "dbsize"), ":0\r\n");
}

static void a_value_of_many_entries_is_copied_and_renamed_with_them(void **state) {
    struct command_fixture *fixture = *state;
    put_key(fixture, "h", VALUE_HASH);
    fixture_put_sub_key(fixture, "h", VERSION, "field", BYTES_LITERAL("value"));
    assert_string_equal(fixture_run(fixture, command_copy, "copy", "h", "copied"), ":1\r\n");
    assert_string_equal(fixture_run(fixture, command_rename, "rename", "h", "moved"), "+OK\r\n");
    assert_string_equal(fixture_run(fixture, command_hget, "hget", "copied", "field"), "$5\r\nvalue\r\n");
    assert_string_equal(fixture_run(fixture, command_hget, "hget", "moved", "field"), "$5\r\nvalue\r\n");
    assert_string_equal(fixture_run(fixture, command_exists, "exists", "h"), ":0\r\n");
    assert_int_not_equal(fixture_metadata(fixture, "moved").version, VERSION);
}

static void a_value_of_many_entries_can_be_replaced(void **state) {
    struct command_fixture *fixture = *state;
    put_key(fixture, "s", VALUE_STRING);
    put_key(fixture, "h", VALUE_HASH);
    assert_string_equal(fixture_run(fixture, command_renamenx, "renamenx", "s", "h"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_copy, "copy", "s", "h"), ":0\r\n");
    assert_string_equal(fixture_run(fixture, command_rename, "rename", "s", "h"), "+OK\r\n");
    assert_string_equal(fixture_run(fixture, command_type, "type", "h"), "+string\r\n");
    assert_string_equal(fixture_run(fixture, command_dbsize, "dbsize"), ":1\r\n");
}

static void json_is_one_entry_and_moves_whole(void **state) {
    struct command_fixture *fixture = *state;
    put_key(fixture, "j", VALUE_JSON);
    assert_string_equal(fixture_run(fixture, command_copy, "copy", "j", "k"), ":1\r\n");
    assert_string_equal(fixture_run(fixture, command_rename, "rename", "j", "l"), "+OK\r\n");
    assert_int_equal(fixture_metadata(fixture, "k").type, VALUE_JSON);
    assert_int_equal(fixture_metadata(fixture, "l").type, VALUE_JSON);
    assert_string_equal(fixture_run(fixture, command_dbsize, "dbsize"), ":2\r\n");
}

static void object_names_redis_encodings(void **state) {
    struct command_fixture *fixture = *state;
    static const struct {
        enum value_type type;
        const char *reply;
    } cases[] = {
        {VALUE_HASH, "$8\r\nlistpack\r\n"}, {VALUE_LIST, "$9\r\nquicklist\r\n"},
        {VALUE_SET, "$6\r\nintset\r\n"},    {VALUE_ZSET, "$8\r\nlistpack\r\n"},
        {VALUE_STREAM, "$6\r\nstream\r\n"}, {VALUE_JSON, "$3\r\nraw\r\n"},
        {VALUE_STRING, "$6\r\nembstr\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_key(fixture, "k", cases[i].type);
        assert_string_equal(fixture_run(fixture, command_object_encoding, "object", "encoding", "k"),
                            cases[i].reply);
    }
}

#define on_a_store(test) cmocka_unit_test_setup_teardown(test, command_fixture_open, command_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        on_a_store(every_type_can_be_named_found_and_deleted),
        on_a_store(expiry_leaves_type_version_and_size_alone),
        on_a_store(an_emptied_collection_is_no_key),
        on_a_store(a_value_of_many_entries_is_copied_and_renamed_with_them),
        on_a_store(a_value_of_many_entries_can_be_replaced),
        on_a_store(json_is_one_entry_and_moves_whole),
        on_a_store(object_names_redis_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
