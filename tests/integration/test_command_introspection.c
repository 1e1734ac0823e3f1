// SPDX-License-Identifier: Apache-2.0
//
// COMMAND: what clients and redis-cli learn about the commands, and HELP.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"
#include "texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct test_server server;
static redisContext *connection;
static const struct shared_server servers[] = {{&server, NULL, {&connection}}};

static bool holds(const redisReply *array, const char *word) {
    for (size_t i = 0; i < array->elements; i++) {
        if (strcmp(array->element[i]->str, word) == 0)
            return true;
    }
    return false;
}

// The value beside `name` in a flat array.
static const redisReply *field(const redisReply *array, const char *name) {
    static const redisReply none;
    for (size_t i = 0; i + 1 < array->elements; i += 2) {
        if (strcmp(array->element[i]->str, name) == 0)
            return array->element[i + 1];
    }
    fail_msg("there is no field '%s'", name);
    return &none;
}

static redisReply *entry_of(const char *name) {
    redisReply *reply = command(connection, "COMMAND INFO %s", name);
    assert_int_equal(reply->elements, 1);
    assert_int_equal(reply->element[0]->type, REDIS_REPLY_ARRAY);
    return reply;
}

// A whole command in one text.
static redisReply *command_line(const char *line) {
    const char *arguments[16] = {NULL};
    int count = 0;
    char copy[256];
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *rest = copy, *word = NULL; count < 16 && (word = strtok_r(rest, " ", &rest)) != NULL;)
        arguments[count++] = word;
    redisReply *reply = redisCommandArgv(connection, count, arguments, NULL);
    assert_non_null(reply);
    return reply;
}

// --- Entries ---

enum {
    NAME,
    ARITY,
    FLAGS,
    FIRST_KEY,
    LAST_KEY,
    KEY_STEP,
    CATEGORIES,
    TIPS,
    KEY_SPECIFICATIONS,
    SUBCOMMANDS,
    FIELDS
};

static void check_entry(const redisReply *entry) {
    assert_int_equal(entry->elements, FIELDS);
    const char *name = entry->element[NAME]->str;
    long long arity = entry->element[ARITY]->integer;
    if (arity == 0)
        fail_msg("'%s' has no arity", name);
    bool fast = holds(entry->element[CATEGORIES], "@fast");
    if (fast == holds(entry->element[CATEGORIES], "@slow") || fast != holds(entry->element[FLAGS], "fast"))
        fail_msg("'%s' is neither fast nor slow", name);
    if (holds(entry->element[FLAGS], "write") && !holds(entry->element[CATEGORIES], "@write"))
        fail_msg("'%s' writes and is not of @write", name);
    bool has_keys = entry->element[FIRST_KEY]->integer != 0;
    if (has_keys != (entry->element[KEY_SPECIFICATIONS]->elements != 0))
        fail_msg("'%s' has keys without specification, or the other way round", name);
    for (size_t i = 0; i < entry->element[SUBCOMMANDS]->elements; i++) {
        const redisReply *subcommand = entry->element[SUBCOMMANDS]->element[i];
        assert_int_equal(strncmp(subcommand->element[NAME]->str, name, strlen(name)), 0);
        check_entry(subcommand);
    }
}

static void every_command_has_a_whole_entry(void **state) {
    (void)state;
    redisReply *all = command(connection, "COMMAND");
    assert_true(all->elements > 50);
    for (size_t i = 0; i < all->elements; i++)
        check_entry(all->element[i]);
    expect_integer(connection, (long long)all->elements, "COMMAND COUNT");
    redisReply *same = command(connection, "COMMAND INFO");
    assert_int_equal(same->elements, all->elements);
    freeReplyObject(same);
    freeReplyObject(all);
}

static void an_entry_is_what_redis_tells(void **state) {
    (void)state;
    redisReply *reply = entry_of("GeT");
    const redisReply *entry = reply->element[0];
    assert_string_equal(entry->element[NAME]->str, "get");
    assert_int_equal(entry->element[ARITY]->integer, 2);
    assert_true(holds(entry->element[FLAGS], "readonly"));
    assert_int_equal(entry->element[FIRST_KEY]->integer, 1);
    assert_int_equal(entry->element[LAST_KEY]->integer, 1);
    assert_int_equal(entry->element[KEY_STEP]->integer, 1);
    assert_true(holds(entry->element[CATEGORIES], "@read"));
    assert_true(holds(entry->element[CATEGORIES], "@string"));
    const redisReply *specification = entry->element[KEY_SPECIFICATIONS]->element[0];
    assert_true(holds(field(specification, "flags"), "RO"));
    assert_string_equal(field(field(specification, "begin_search"), "type")->str, "index");
    assert_int_equal(field(field(field(specification, "find_keys"), "spec"), "lastkey")->integer, 0);
    freeReplyObject(reply);
}

static void keys_that_are_used_differently_have_their_own_specifications(void **state) {
    (void)state;
    redisReply *reply = entry_of("rename");
    const redisReply *specifications = reply->element[0]->element[KEY_SPECIFICATIONS];
    assert_int_equal(specifications->elements, 2);
    assert_true(holds(field(specifications->element[0], "flags"), "delete"));
    assert_true(holds(field(specifications->element[1], "flags"), "OW"));
    const redisReply *search = field(specifications->element[1], "begin_search");
    assert_int_equal(field(field(search, "spec"), "index")->integer, 2);
    freeReplyObject(reply);
}

static void unknown_names_have_empty_entries(void **state) {
    (void)state;
    redisReply *reply = command(connection, "COMMAND INFO nosuch client|list client|nosuch");
    assert_int_equal(reply->elements, 3);
    assert_int_equal(reply->element[0]->type, REDIS_REPLY_NIL);
    assert_string_equal(reply->element[1]->element[NAME]->str, "client|list");
    assert_int_equal(reply->element[2]->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
}

// --- LIST ---

static void names_are_filtered_by_pattern_and_category(void **state) {
    (void)state;
    redisReply *reply = command(connection, "COMMAND LIST");
    assert_true(holds(reply, "get"));
    assert_true(holds(reply, "client|kill"));
    freeReplyObject(reply);
    reply = command(connection, "COMMAND LIST FILTERBY PATTERN M*SET");
    assert_int_equal(reply->elements, 1);
    assert_string_equal(reply->element[0]->str, "mset");
    freeReplyObject(reply);
    reply = command(connection, "COMMAND LIST FILTERBY ACLCAT bitmap");
    assert_true(holds(reply, "setbit"));
    assert_false(holds(reply, "get"));
    freeReplyObject(reply);
    reply = command(connection, "COMMAND LIST FILTERBY MODULE any");
    assert_int_equal(reply->elements, 0);
    freeReplyObject(reply);
    expect_error(connection, "ERR syntax error", "COMMAND LIST FILTERBY COLOUR red");
    expect_error(connection, "ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP.", "COMMAND NOSUCH");
}

// --- GETKEYS ---

static void expect_keys(const char *whole_command, const char *wanted) {
    char request[128];
    char found[128] = "";
    (void)snprintf(request, sizeof(request), "COMMAND GETKEYS %s", whole_command);
    redisReply *reply = command_line(request);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    for (size_t i = 0; i < reply->elements; i++) {
        strncat(found, i == 0 ? "" : " ", sizeof(found) - strlen(found) - 1);
        strncat(found, reply->element[i]->str, sizeof(found) - strlen(found) - 1);
    }
    assert_string_equal(found, wanted);
    freeReplyObject(reply);
}

static void keys_are_picked_out_of_commands(void **state) {
    (void)state;
    expect_keys("GET a", "a");
    expect_keys("MSET a 1 b 2", "a b");
    expect_keys("BITOP AND a b c", "a b c");
    expect_keys("DEL a b c", "a b c");
    expect_keys("OBJECT ENCODING a", "a");
    expect_keys("MEMORY USAGE a", "a");
    expect_error(connection, "ERR Invalid command specified", "COMMAND GETKEYS NOSUCH a");
    expect_error(connection, "ERR The command has no key arguments", "COMMAND GETKEYS ECHO a");
    expect_error(connection, "ERR Invalid number of arguments specified for command",
                 "COMMAND GETKEYS GET a b");
}

static void expect_use(const char *whole_command, const char *wanted) {
    char request[128];
    (void)snprintf(request, sizeof(request), "COMMAND GETKEYSANDFLAGS %s", whole_command);
    redisReply *reply = command_line(request);
    if (reply->type != REDIS_REPLY_ARRAY || !holds(reply->element[0]->element[1], wanted))
        fail_msg("the key of '%s' is not %s", whole_command, wanted);
    freeReplyObject(reply);
}

static void how_a_key_is_used_depends_on_the_options(void **state) {
    (void)state;
    expect_use("SET a 1", "OW");
    expect_use("SET a 1 GET", "RW");
    expect_use("BITFIELD a GET u8 0", "RO");
    expect_use("BITFIELD a SET u8 0 1", "RW");
    expect_use("GET a", "RO");
}

// --- DOCS ---

// The whole reply to COMMAND DOCS as it is sent: its nesting is deeper than hiredis reads. The caller frees
// it.
static char *docs_of(const char *names) {
    enum { DOCS_MAX = 1 << 20 };
    static const char end[] = "+PONG\r\n";
    char request[128];
    int fd = server_connect_raw(&server);
    int length = snprintf(request, sizeof(request), "COMMAND DOCS %s\r\nPING\r\n", names);
    assert_int_equal(write(fd, request, (size_t)length), length);
    char *text = calloc(1, DOCS_MAX);
    assert_non_null(text);
    size_t filled = 0;
    while (filled < sizeof(end) || strcmp(text + filled - (sizeof(end) - 1), end) != 0) {
        ssize_t count = read(fd, text + filled, DOCS_MAX - 1 - filled);
        assert_true(count > 0);
        filled += (size_t)count;
    }
    assert_int_equal(close(fd), 0);
    return text;
}

static bool needs_arguments(const redisReply *entry) {
    long long arity = entry->element[ARITY]->integer;
    bool is_subcommand = strchr(entry->element[NAME]->str, '|') != NULL;
    long long words = is_subcommand ? 2 : 1;
    return entry->element[SUBCOMMANDS]->elements == 0 && (arity > words || arity < -words);
}

// A syntax that cannot be read would leave a command that needs arguments without any.
static void check_docs(const redisReply *entry) {
    static const char *const required[] = {"$7\r\nsummary\r\n$", "$5\r\nsince\r\n$", "$5\r\ngroup\r\n$",
                                           "$10\r\ncomplexity\r\n$"};
    const char *name = entry->element[NAME]->str;
    char *docs = docs_of(name);
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        if (strstr(docs, required[i]) == NULL)
            fail_msg("'%s' is not documented whole: %s", name, docs);
    }
    if (needs_arguments(entry) && strstr(docs, "\r\narguments\r\n*") == NULL)
        fail_msg("'%s' takes arguments and documents none: %s", name, docs);
    free(docs);
    for (size_t i = 0; i < entry->element[SUBCOMMANDS]->elements; i++)
        check_docs(entry->element[SUBCOMMANDS]->element[i]);
}

static void every_command_is_documented(void **state) {
    (void)state;
    char wanted[32];
    redisReply *all = command(connection, "COMMAND");
    for (size_t i = 0; i < all->elements; i++)
        check_docs(all->element[i]);
    char *docs = docs_of("");
    (void)snprintf(wanted, sizeof(wanted), "*%zu\r\n", 2 * all->elements);
    assert_int_equal(strncmp(docs, wanted, strlen(wanted)), 0);
    free(docs);
    freeReplyObject(all);
}

static void arguments_are_told_as_a_tree(void **state) {
    (void)state;
    static const char *const wanted[] = {"*2\r\n$3\r\nset\r\n",      "arguments\r\n",         "$3\r\nkey\r\n",
                                         "key_spec_index\r\n:0\r\n", "$5\r\noneof\r\n",       "+optional\r\n",
                                         "arguments\r\n*2\r\n",      "$10\r\npure-token\r\n", "$2\r\nNX\r\n"};
    char *docs = docs_of("set nosuch");
    EXPECT_IN_ORDER(docs, wanted);
    free(docs);
}

// --- HELP ---

static void every_container_helps(void **state) {
    (void)state;
    redisReply *all = command(connection, "COMMAND");
    for (size_t i = 0; i < all->elements; i++) {
        const redisReply *entry = all->element[i];
        const char *name = entry->element[NAME]->str;
        size_t subcommands = entry->element[SUBCOMMANDS]->elements;
        if (subcommands == 0)
            continue;
        redisReply *help = command(connection, "%s HELP", name);
        assert_int_equal(help->type, REDIS_REPLY_ARRAY);
        if (help->elements < 1 + 2 * subcommands)
            fail_msg("%s HELP is too short", name);
        assert_int_equal(strncasecmp(help->element[0]->str, name, strlen(name)), 0);
        freeReplyObject(help);
    }
    freeReplyObject(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_a_whole_entry),
        cmocka_unit_test(an_entry_is_what_redis_tells),
        cmocka_unit_test(keys_that_are_used_differently_have_their_own_specifications),
        cmocka_unit_test(unknown_names_have_empty_entries),
        cmocka_unit_test(names_are_filtered_by_pattern_and_category),
        cmocka_unit_test(keys_are_picked_out_of_commands),
        cmocka_unit_test(how_a_key_is_used_depends_on_the_options),
        cmocka_unit_test(every_command_is_documented),
        cmocka_unit_test(arguments_are_told_as_a_tree),
        cmocka_unit_test(every_container_helps),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
