// SPDX-License-Identifier: Apache-2.0
//
// CONFIG's replies. The statistics' reset is counted here instead of being done.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/handlers.h"
#include "server/config.h"
#include "server/config_internal.h"
#include "server/server.h"

#include <stdlib.h>

static int resets;

void server_reset_stats(struct server *server) {
    assert_non_null(server);
    resets++;
}

static int open_server(void **state) {
    struct server *server = calloc(1, sizeof(*server));
    assert_non_null(server);
    server->config = config_open();
    *state = server;
    return 0;
}

static int close_server(void **state) {
    struct server *server = *state;
    config_close(server->config);
    free(server);
    return 0;
}

// Runs the command with the words up to NULL in the protocol's version and compares the whole reply.
static void assert_reply(struct server *server, command_function *function, uint8_t protocol,
                         const char *const *words, const char *expected) {
    struct bytes arguments[16];
    struct reply reply = {.protocol = protocol};
    struct command_context context = {.server = server, .arguments = arguments, .reply = &reply};
    for (; words[context.count] != NULL; context.count++)
        arguments[context.count] = bytes_from_text(words[context.count]);
    function(&context);
    char *text = calloc(1, reply.output.pending + 1);
    assert_non_null(text);
    output_copy(&reply.output, text);
    output_release(&reply.output);
    assert_string_equal(text, expected);
    free(text);
}

static void get_answers_names_and_values(void **state) {
    const char *const one[] = {"CONFIG", "GET", "port", NULL};
    assert_reply(*state, command_config_get, 2, one, "*2\r\n$4\r\nport\r\n$4\r\n6666\r\n");
    const char *const none[] = {"CONFIG", "GET", "nosuch", NULL};
    assert_reply(*state, command_config_get, 2, none, "*0\r\n");
}

static void get_answers_a_map_in_resp3(void **state) {
    const char *const one[] = {"CONFIG", "GET", "PORT", NULL};
    assert_reply(*state, command_config_get, 3, one, "%1\r\n$4\r\nport\r\n$4\r\n6666\r\n");
}

static void get_answers_each_name_once_for_several_patterns(void **state) {
    const char *const words[] = {"CONFIG", "GET", "port", "por?", "timeout", "TIMEOUT", NULL};
    assert_reply(*state, command_config_get, 2, words,
                 "*4\r\n$4\r\nport\r\n$4\r\n6666\r\n$7\r\ntimeout\r\n$1\r\n0\r\n");
}

static void get_answers_every_line_of_a_directive_of_several_lines(void **state) {
    struct server *server = *state;
    char error[CONFIG_ERROR_SIZE];
    const char *const words[] = {"CONFIG", "GET", "rename-command", "rename*", NULL};
    assert_true(config_load_text(server->config, "some.conf",
                                 BYTES_LITERAL("rename-command A B\nrename-command C D\n"), error));
    assert_reply(server, command_config_get, 2, words,
                 "*4\r\n$14\r\nrename-command\r\n$3\r\nA B\r\n$14\r\nrename-command\r\n$3\r\nC D\r\n");
}

static void set_answers_ok_or_the_error(void **state) {
    struct server *server = *state;
    const char *const right[] = {"CONFIG", "SET", "timeout", "5", "maxclients", "7", NULL};
    assert_reply(server, command_config_set, 2, right, "+OK\r\n");
    assert_int_equal(config_integer(server->config, CONFIG_TIMEOUT), 5);
    assert_int_equal(config_integer(server->config, CONFIG_MAXCLIENTS), 7);
    const char *const unknown[] = {"CONFIG", "SET", "nosuch", "5", NULL};
    assert_reply(server, command_config_set, 2, unknown,
                 "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n");
    const char *const odd[] = {"CONFIG", "SET", "timeout", "6", "maxclients", NULL};
    assert_reply(server, command_config_set, 2, odd, "-ERR syntax error\r\n");
    assert_int_equal(config_integer(server->config, CONFIG_TIMEOUT), 5);
}

static void rewrite_without_a_file_is_an_error(void **state) {
    const char *const words[] = {"CONFIG", "REWRITE", NULL};
    assert_reply(*state, command_config_rewrite, 2, words,
                 "-ERR The server is running without a config file\r\n");
}

static void resetstat_resets_once(void **state) {
    const char *const words[] = {"CONFIG", "RESETSTAT", NULL};
    resets = 0;
    assert_reply(*state, command_config_resetstat, 2, words, "+OK\r\n");
    assert_int_equal(resets, 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, open_server, close_server)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(get_answers_names_and_values),
        CASE(get_answers_a_map_in_resp3),
        CASE(get_answers_each_name_once_for_several_patterns),
        CASE(get_answers_every_line_of_a_directive_of_several_lines),
        CASE(set_answers_ok_or_the_error),
        CASE(rewrite_without_a_file_is_an_error),
        CASE(resetstat_resets_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
