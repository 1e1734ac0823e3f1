// SPDX-License-Identifier: Apache-2.0
//
// rename-command applied to a table of commands.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/rename.h"

#include <stdlib.h>

struct table {
    struct command rows[5];
    size_t count;
    char *names;
};

static char error[COMMANDS_RENAME_ERROR_SIZE];

static struct table some_table(void) {
    return (struct table){.rows = {{.name = "get", .arity = 2},
                                   {.name = "config", .arity = -2},
                                   {.name = "config|get", .arity = -3},
                                   {.name = "config|set", .arity = -4},
                                   {.name = "getset", .arity = 3}},
                          .count = 5};
}

static bool apply(struct table *table, const char *lines) {
    return commands_rename(table->rows, &table->count, bytes_from_text(lines), &table->names, error);
}

static void assert_renamed(const char *lines, const char *const *expected) {
    struct table table = some_table();
    if (!apply(&table, lines))
        fail_msg("%s", error);
    size_t count = 0;
    for (; expected[count] != NULL; count++) {
        assert_true(count < table.count);
        assert_string_equal(table.rows[count].name, expected[count]);
    }
    assert_int_equal(table.count, count);
    free(table.names);
}

static void assert_refused(const char *lines, const char *words) {
    struct table table = some_table();
    assert_false(apply(&table, lines));
    assert_string_equal(error, words);
}

static void a_command_gets_another_name_in_lower_case(void **state) {
    (void)state;
    const char *const expected[] = {"holen", "config", "config|get", "config|set", "getset", NULL};
    assert_renamed("GET Holen", expected);
}

static void without_lines_nothing_changes(void **state) {
    (void)state;
    const char *const expected[] = {"get", "config", "config|get", "config|set", "getset", NULL};
    assert_renamed("", expected);
}

static void subcommands_follow_their_container(void **state) {
    (void)state;
    const char *const expected[] = {"get", "secret", "secret|get", "secret|set", "getset", NULL};
    assert_renamed("config secret", expected);
}

static void a_removed_command_takes_its_subcommands_along(void **state) {
    (void)state;
    const char *const expected[] = {"get", "getset", NULL};
    assert_renamed("config \"\"", expected);
}

static void rows_keep_what_they_are_when_others_are_removed(void **state) {
    (void)state;
    struct table table = some_table();
    assert_true(apply(&table, "get \"\"\ngetset get"));
    assert_int_equal(table.count, 4);
    assert_string_equal(table.rows[3].name, "get");
    assert_int_equal(table.rows[3].arity, 3);
    free(table.names);
}

static void lines_are_applied_one_after_the_other(void **state) {
    (void)state;
    const char *const swapped[] = {"getset", "config", "config|get", "config|set", "get", NULL};
    assert_renamed("get other\ngetset get\nother getset", swapped);
    const char *const twice[] = {"get", "b", "b|get", "b|set", "getset", NULL};
    assert_renamed("config a\na b", twice);
}

static void wrong_names_are_told(void **state) {
    (void)state;
    assert_refused("nosuch x", "No such command in rename-command: 'nosuch'");
    assert_refused("config|set x", "No such command in rename-command: 'config|set'");
    assert_refused("get getset", "The new name in rename-command is already that of a command: 'getset'");
    assert_refused("get GET", "The new name in rename-command is already that of a command: 'GET'");
    assert_refused("get \"\"\nget x", "No such command in rename-command: 'get'");
    assert_refused("get a|b", "Invalid new name in rename-command: 'a|b'");
    assert_refused("get abcdefghijklmnopqrstuvwxyzabcdefgh",
                   "Invalid new name in rename-command: 'abcdefghijklmnopqrstuvwxyzabcdefgh'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gets_another_name_in_lower_case),
        cmocka_unit_test(without_lines_nothing_changes),
        cmocka_unit_test(subcommands_follow_their_container),
        cmocka_unit_test(a_removed_command_takes_its_subcommands_along),
        cmocka_unit_test(rows_keep_what_they_are_when_others_are_removed),
        cmocka_unit_test(lines_are_applied_one_after_the_other),
        cmocka_unit_test(wrong_names_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
