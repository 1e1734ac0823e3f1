// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's table of command names is made of.
#include "fence/command_entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/rename.h"
#include "commands/table.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 512 };

struct made {
    struct fence_entry entries[ENTRIES_MAX];
    size_t count;
};

// The server's own table, with rename-command's lines applied.
static void make_from_server(struct made *made, const char *renames) {
    static struct fence_word words[ENTRIES_MAX];
    char error[COMMANDS_RENAME_ERROR_SIZE];
    char *names = NULL;
    size_t count = 0;
    struct command *rows = commands_copy(&count);
    if (!commands_rename(rows, &count, bytes_from_text(renames), &names, error))
        fail_msg("%s", error);
    assert_true(count <= ENTRIES_MAX);
    for (size_t i = 0; i < count; i++)
        words[i] = (struct fence_word){rows[i].name, rows[i].original, (rows[i].flags & COMMAND_WRITE) != 0};
    made->count = fence_entries_make(words, count, made->entries);
    free(names);
    free(rows);
}

static const struct fence_command *find(const struct made *made, const char *name) {
    struct fence_command_name key = {{0}};
    memcpy(key.text, name, strlen(name));
    for (size_t i = 0; i < made->count; i++) {
        if (memcmp(&key, &made->entries[i].name, sizeof(key)) == 0)
            return &made->entries[i].command;
    }
    return NULL;
}

static void expect(const struct made *made, const char *name, unsigned kind, unsigned reads_up_to) {
    const struct fence_command *command = find(made, name);
    if (command == NULL)
        fail_msg("%s has no entry", name);
    else if (command->kind != kind || command->reads_up_to != reads_up_to)
        fail_msg("%s has kind %u, reads up to %u", name, command->kind, command->reads_up_to);
}

static void writes_are_told_from_what_does_not_change_data(void **state) {
    (void)state;
    static const char *const writes[] = {"SET", "DEL", "INCR", "MSET", "EXPIRE", "FLUSHALL", "RENAME"};
    static const char *const others[] = {"GET",      "PING",     "INFO",      "CONFIG", "CLUSTER",
                                         "CLUSTERX", "SLAVEOF",  "REPLICAOF", "MULTI",  "DISCARD",
                                         "WATCH",    "SHUTDOWN", "CLIENT"};
    struct made made;
    make_from_server(&made, "");
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        expect(&made, writes[i], FENCE_COMMAND_WRITE, 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        expect(&made, others[i], FENCE_COMMAND_NO_WRITE, 0);
}

static void every_write_of_the_server_is_a_write_or_may_be_one(void **state) {
    (void)state;
    struct made made;
    size_t count = 0;
    make_from_server(&made, "");
    struct command *rows = commands_copy(&count);
    for (size_t i = 0; i < count; i++) {
        char name[FENCE_NAME_SIZE] = {0};
        if ((rows[i].flags & COMMAND_WRITE) == 0)
            continue;
        for (size_t j = 0; rows[i].name[j] != '\0'; j++)
            name[j] = (char)(rows[i].name[j] - (rows[i].name[j] >= 'a' && rows[i].name[j] <= 'z' ? 32 : 0));
        const struct fence_command *command = find(&made, name);
        if (command == NULL ||
            (command->kind != FENCE_COMMAND_WRITE && command->kind != FENCE_COMMAND_MAY_WRITE))
            fail_msg("%s is a write that the kernel does not know", name);
    }
    free(rows);
}

static void commands_whose_words_decide_are_exceptions(void **state) {
    (void)state;
    struct made made;
    make_from_server(&made, "");
    expect(&made, "GETEX", FENCE_COMMAND_WRITE, 2);
    expect(&made, "BITFIELD", FENCE_COMMAND_MAY_WRITE, 5);
    expect(&made, "BITFIELD_RO", FENCE_COMMAND_NO_WRITE, 0);
    expect(&made, "EXEC", FENCE_COMMAND_MAY_WRITE, 0);
}

static void a_renamed_command_is_known_by_its_new_name_only(void **state) {
    (void)state;
    struct made made;
    make_from_server(&made, "set Put\ngetex fetch\nexec run\nclusterx ctl\nflushall \"\"");
    expect(&made, "PUT", FENCE_COMMAND_WRITE, 0);
    expect(&made, "FETCH", FENCE_COMMAND_WRITE, 2);
    expect(&made, "RUN", FENCE_COMMAND_MAY_WRITE, 0);
    expect(&made, "CTL", FENCE_COMMAND_NO_WRITE, 0);
    static const char *const gone[] = {"SET", "GETEX", "EXEC", "CLUSTERX", "FLUSHALL"};
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        assert_null(find(&made, gone[i]));
}

static void a_container_that_writes_leaves_it_to_its_subcommands(void **state) {
    (void)state;
    static const struct fence_word words[] = {
        {"xgroup", "xgroup", false},           {"xgroup|create", "xgroup|create", true},
        {"xgroup|help", "xgroup|help", false}, {"xgroups", "xgroups", false},
        {"object", "object", false},           {"object|freq", "object|freq", false}};
    struct made made;
    made.count = fence_entries_make(words, sizeof(words) / sizeof(words[0]), made.entries);
    expect(&made, "XGROUP", FENCE_COMMAND_CONTAINER, 0);
    expect(&made, "XGROUP|CREATE", FENCE_COMMAND_WRITE, 0);
    expect(&made, "XGROUP|HELP", FENCE_COMMAND_NO_WRITE, 0);
    expect(&made, "XGROUPS", FENCE_COMMAND_NO_WRITE, 0);
    expect(&made, "OBJECT", FENCE_COMMAND_NO_WRITE, 0);
    assert_null(find(&made, "OBJECT|FREQ"));
}

static void a_name_that_does_not_fit_is_left_out(void **state) {
    (void)state;
    static const struct fence_word words[] = {{"a234567890123456789012345678901", "set", true},
                                              {"b2345678901234567890123456789012", "del", true},
                                              {"get", "get", false}};
    struct made made;
    made.count = fence_entries_make(words, 3, made.entries);
    assert_int_equal(made.count, 2);
    expect(&made, "A234567890123456789012345678901", FENCE_COMMAND_WRITE, 0);
    expect(&made, "GET", FENCE_COMMAND_NO_WRITE, 0);
}

static void servers_that_disagree_leave_it_to_the_server(void **state) {
    (void)state;
    const struct fence_command write = {.kind = FENCE_COMMAND_WRITE}, read = {.kind = FENCE_COMMAND_NO_WRITE},
                               getex = {.kind = FENCE_COMMAND_WRITE, .reads_up_to = 2};
    assert_int_equal(fence_command_merge(&write, &write).kind, FENCE_COMMAND_WRITE);
    assert_int_equal(fence_command_merge(&getex, &getex).reads_up_to, 2);
    assert_int_equal(fence_command_merge(&write, &read).kind, FENCE_COMMAND_MAY_WRITE);
    assert_int_equal(fence_command_merge(&read, &write).kind, FENCE_COMMAND_MAY_WRITE);
    assert_int_equal(fence_command_merge(&getex, &write).kind, FENCE_COMMAND_MAY_WRITE);
    assert_int_equal(fence_command_merge(&getex, &write).reads_up_to, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_are_told_from_what_does_not_change_data),
        cmocka_unit_test(every_write_of_the_server_is_a_write_or_may_be_one),
        cmocka_unit_test(commands_whose_words_decide_are_exceptions),
        cmocka_unit_test(a_renamed_command_is_known_by_its_new_name_only),
        cmocka_unit_test(a_container_that_writes_leaves_it_to_its_subcommands),
        cmocka_unit_test(a_name_that_does_not_fit_is_left_out),
        cmocka_unit_test(servers_that_disagree_leave_it_to_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
