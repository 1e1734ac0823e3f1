// SPDX-License-Identifier: Apache-2.0
//
// The command table: names in any case, containers and their subcommands, and where the keys are.
#include "server/command.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct command rows[] = {
    {.name = "get", .first_key = 1, .last_key = 1, .key_step = 1},
    {.name = "client"},
    {.name = "client|list"},
    {.name = "client|kill"},
    {.name = "mset", .first_key = 1, .last_key = -1, .key_step = 2},
    {.name = "bitop", .first_key = 2, .last_key = -1, .key_step = 1},
    {.name = "object"},
    {.name = "object|encoding", .first_key = 2, .last_key = 2, .key_step = 1},
    {.name = "ping"},
};
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static int open_table(void **state) {
    *state = command_table_open(rows, ROW_COUNT);
    return 0;
}

static int close_table(void **state) {
    command_table_close(*state);
    return 0;
}

static const char *resolved(void **state, size_t count, const char *first, const char *second) {
    struct bytes arguments[2] = {bytes_from_text(first), bytes_from_text(second)};
    const struct command *command = command_table_resolve(*state, arguments, count);
    return command == NULL ? "none" : command->name;
}

static void every_row_knows_its_place_and_is_found_by_its_name(void **state) {
    assert_int_equal(command_table_count(*state), ROW_COUNT);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        assert_int_equal(rows[i].index, i);
        assert_ptr_equal(command_table_at(*state, i), &rows[i]);
        assert_ptr_equal(command_table_find(*state, bytes_from_text(rows[i].name)), &rows[i]);
    }
}

static void a_name_is_found_in_any_case(void **state) {
    assert_ptr_equal(command_table_find(*state, BYTES_LITERAL("GeT")), &rows[0]);
    assert_ptr_equal(command_table_find(*state, BYTES_LITERAL("CLIENT|List")), &rows[2]);
}

static void names_that_are_not_in_the_table_are_not_found(void **state) {
    static const char *const absent[] = {"", "ge", "gett", "g\xc5t", "get ", "|", "client|", "@ET", "`et"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_null(command_table_find(*state, bytes_from_text(absent[i])));
    assert_null(command_table_find(*state, BYTES_LITERAL("get\0")));
    assert_null(command_table_find(*state, BYTES_LITERAL("get\0x")));
}

static void a_name_longer_than_any_command_is_not_found(void **state) {
    char name[4096];
    memset(name, 'g', sizeof(name));
    for (size_t length = 50; length < sizeof(name); length += 7)
        assert_null(command_table_find(*state, (struct bytes){.data = name, .length = length}));
}

static void a_container_with_a_known_subcommand_resolves_to_the_subcommand(void **state) {
    assert_string_equal(resolved(state, 2, "CLIENT", "LIST"), "client|list");
    assert_string_equal(resolved(state, 2, "object", "Encoding"), "object|encoding");
}

static void a_container_alone_or_with_an_unknown_subcommand_resolves_to_itself(void **state) {
    assert_string_equal(resolved(state, 1, "client", "list"), "client");
    assert_string_equal(resolved(state, 2, "client", "lists"), "client");
    assert_string_equal(resolved(state, 2, "client", ""), "client");
    char endless[200];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_string_equal(resolved(state, 2, "client", endless), "client");
}

static void a_plain_command_does_not_mind_its_first_argument(void **state) {
    assert_string_equal(resolved(state, 2, "GET", "list"), "get");
    assert_string_equal(resolved(state, 2, "ping", "|"), "ping");
}

static void a_client_cannot_call_a_subcommand_by_its_name_in_the_table(void **state) {
    assert_string_equal(resolved(state, 1, "client|list", ""), "none");
    assert_string_equal(resolved(state, 2, "client|list", "x"), "none");
    assert_string_equal(resolved(state, 2, "client|", "list"), "none");
}

static void nothing_resolves_to_nothing(void **state) {
    assert_string_equal(resolved(state, 0, "get", ""), "none");
    assert_string_equal(resolved(state, 1, "", ""), "none");
    assert_string_equal(resolved(state, 2, "nope", "list"), "none");
}

static void only_commands_with_subcommands_are_containers(void **state) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        bool expected = strcmp(rows[i].name, "client") == 0 || strcmp(rows[i].name, "object") == 0;
        assert_int_equal(command_is_container(*state, &rows[i]), expected);
    }
}

static void an_empty_table_finds_nothing(void **state) {
    (void)state;
    struct command none;
    struct command_table *table = command_table_open(&none, 0);
    assert_int_equal(command_table_count(table), 0);
    assert_null(command_table_find(table, BYTES_LITERAL("get")));
    command_table_close(table);
    command_table_close(NULL);
}

static void a_thousand_commands_are_all_found(void **state) {
    (void)state;
    enum { MANY = 1000 };
    static char names[MANY][16];
    struct command *many = calloc(MANY, sizeof(*many));
    assert_non_null(many);
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "command%zu", i);
        many[i].name = names[i];
    }
    struct command_table *table = command_table_open(many, MANY);
    for (size_t i = 0; i < MANY; i++) {
        char upper[16] = "";
        for (size_t at = 0; names[i][at] != '\0'; at++)
            upper[at] = (char)toupper(names[i][at]);
        assert_ptr_equal(command_table_find(table, bytes_from_text(upper)), &many[i]);
    }
    assert_null(command_table_find(table, BYTES_LITERAL("command1000")));
    command_table_close(table);
    free(many);
}

static void keys_are_found_where_the_row_says(void **state) {
    (void)state;
    size_t at[8] = {0};
    assert_int_equal(command_key_positions(&rows[0], NULL, 2, at, 8), 1);
    assert_int_equal(at[0], 1);
    assert_int_equal(command_key_positions(&rows[4], NULL, 5, at, 8), 2);
    assert_int_equal(at[0], 1);
    assert_int_equal(at[1], 3);
    assert_int_equal(command_key_positions(&rows[5], NULL, 6, at, 8), 4);
    assert_int_equal(at[0], 2);
    assert_int_equal(at[3], 5);
    assert_int_equal(command_key_positions(&rows[8], NULL, 3, at, 8), 0);
}

static void more_keys_than_room_are_counted_and_not_written(void **state) {
    (void)state;
    size_t at[3] = {0, 0, 77};
    assert_int_equal(command_key_positions(&rows[5], NULL, 100, at, 2), 98);
    assert_int_equal(at[1], 3);
    assert_int_equal(at[2], 77);
    assert_int_equal(command_key_positions(&rows[5], NULL, 100, NULL, 0), 98);
}

static void keys_beyond_the_arguments_are_not_keys(void **state) {
    (void)state;
    size_t at[4];
    assert_int_equal(command_key_positions(&rows[0], NULL, 1, at, 4), 0);
    assert_int_equal(command_key_positions(&rows[5], NULL, 2, at, 4), 0);
    assert_int_equal(command_key_positions(&rows[4], NULL, 0, at, 4), 0);
}

static void every_group_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int group = 0; group < GROUP_COUNT; group++)
        for (int other = 0; other < group; other++)
            assert_string_not_equal(command_group_name((enum command_group)group),
                                    command_group_name((enum command_group)other));
    assert_string_equal(command_group_name(GROUP_STRING), "string");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_knows_its_place_and_is_found_by_its_name),
        cmocka_unit_test(a_name_is_found_in_any_case),
        cmocka_unit_test(names_that_are_not_in_the_table_are_not_found),
        cmocka_unit_test(a_name_longer_than_any_command_is_not_found),
        cmocka_unit_test(a_container_with_a_known_subcommand_resolves_to_the_subcommand),
        cmocka_unit_test(a_container_alone_or_with_an_unknown_subcommand_resolves_to_itself),
        cmocka_unit_test(a_plain_command_does_not_mind_its_first_argument),
        cmocka_unit_test(a_client_cannot_call_a_subcommand_by_its_name_in_the_table),
        cmocka_unit_test(nothing_resolves_to_nothing),
        cmocka_unit_test(only_commands_with_subcommands_are_containers),
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(a_thousand_commands_are_all_found),
        cmocka_unit_test(keys_are_found_where_the_row_says),
        cmocka_unit_test(more_keys_than_room_are_counted_and_not_written),
        cmocka_unit_test(keys_beyond_the_arguments_are_not_keys),
        cmocka_unit_test(every_group_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, open_table, close_table);
}
