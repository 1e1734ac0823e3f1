// SPDX-License-Identifier: Apache-2.0
//
// How a client sets up its connection: AUTH, HELLO, RESET, QUIT and the small ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"
#include "texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct test_server open_server;   // without a password
static struct test_server locked_server; // with one
static const struct shared_server servers[] = {
    {&open_server, NULL, {NULL}},
    {&locked_server, "requirepass secret", {NULL}},
};

// The value beside `name` in a flat array or a map.
static const redisReply *field(const redisReply *reply, const char *name) {
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i]->str, name) == 0)
            return reply->element[i + 1];
    }
    fail_msg("the reply has no field '%s'", name);
    return NULL;
}

// Sends inline commands, the last of which is QUIT, and returns everything that comes back, for replies that
// hiredis does not read. The caller frees it.
static char *converse(const struct test_server *server, const char *commands) {
    int fd = server_connect_raw(server);
    size_t length = strlen(commands);
    assert_int_equal(write(fd, commands, length), length);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    size_t filled = 0;
    ssize_t count = 0;
    while ((count = read(fd, text + filled, (1 << 16) - 1 - filled)) > 0)
        filled += (size_t)count;
    assert_int_equal(count, 0);
    assert_int_equal(close(fd), 0);
    return text;
}

// A command whose last argument may hold any byte.
static redisReply *command_with_bytes(redisContext *connection, const char *name, const char *bytes,
                                      size_t length) {
    const char *arguments[] = {name, bytes};
    const size_t lengths[] = {strlen(name), length};
    redisReply *reply = redisCommandArgv(connection, 2, arguments, lengths);
    assert_non_null(reply);
    return reply;
}

static void expect_closed(redisContext *connection) {
    redisReply *reply = redisCommand(connection, "PING");
    assert_null(reply);
    assert_true(connection->err == REDIS_ERR_EOF || connection->err == REDIS_ERR_IO); // closed, or reset
}

// --- Small ones ---

static void ping_answers_pong_or_its_argument(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    expect_text(connection, "PONG", "PING");
    expect_text(connection, "hello", "PING hello");
    expect_error(connection, "ERR wrong number of arguments for 'ping' command", "PING a b");
    redisFree(connection);
}

static void echo_answers_bytes_as_they_are(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    redisReply *reply = command_with_bytes(connection, "ECHO", "a\0\r\nb", 5);
    assert_int_equal(reply->len, 5);
    assert_memory_equal(reply->str, "a\0\r\nb", 5);
    freeReplyObject(reply);
    redisFree(connection);
}

static void every_database_number_is_the_one_database(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    expect_text(connection, "OK", "SET shared value");
    expect_text(connection, "OK", "SELECT 15");
    expect_text(connection, "value", "GET shared");
    expect_error(connection, "ERR DB index is out of range", "SELECT -1");
    expect_error(connection, "ERR value is not an integer or out of range", "SELECT one");
    redisFree(connection);
}

static void quit_answers_and_closes(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    expect_text(connection, "OK", "QUIT");
    expect_closed(connection);
    redisFree(connection);
}

static void what_follows_quit_is_not_run(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    redisContext *other = server_connect(&open_server);
    expect_integer(other, 0, "EXISTS after-quit");
    assert_int_equal(redisAppendCommand(connection, "QUIT"), REDIS_OK);
    assert_int_equal(redisAppendCommand(connection, "SET after-quit 1"), REDIS_OK);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_ERR);
    expect_integer(other, 0, "EXISTS after-quit");
    redisFree(connection);
    redisFree(other);
}

static void cluster_clients_marks_are_accepted(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    expect_text(connection, "OK", "READONLY");
    expect_text(connection, "OK", "READWRITE");
    expect_text(connection, "OK", "ASKING");
    redisFree(connection);
}

// --- AUTH ---

static void auth_without_a_configured_password_says_so(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    expect_error(connection,
                 "ERR AUTH <password> called without any password configured for the default user.",
                 "AUTH anything");
    expect_text(connection, "OK", "AUTH default anything");
    expect_error(connection, "WRONGPASS ", "AUTH somebody anything");
    expect_error(connection, "ERR syntax error", "AUTH a b c");
    redisFree(connection);
}

static void nothing_is_served_before_the_password_was_given(void **state) {
    (void)state;
    redisContext *connection = server_connect(&locked_server);
    expect_error(connection, "NOAUTH Authentication required.", "PING");
    expect_error(connection, "NOAUTH Authentication required.", "INFO");
    expect_error(connection, "NOAUTH Authentication required.", "SHUTDOWN");
    expect_error(connection, "WRONGPASS invalid username-password pair or user is disabled.", "AUTH wrong");
    redisReply *reply = command_with_bytes(connection, "AUTH", "secret\0", 7);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    expect_error(connection, "WRONGPASS ", "AUTH %s", "");
    expect_error(connection, "WRONGPASS ", "AUTH somebody secret");
    expect_error(connection, "NOAUTH Authentication required.", "PING");
    expect_text(connection, "OK", "AUTH secret");
    expect_text(connection, "PONG", "PING");
    redisFree(connection);
}

static void a_failed_auth_does_not_end_an_authentication(void **state) {
    (void)state;
    redisContext *connection = server_connect(&locked_server);
    expect_text(connection, "OK", "AUTH default secret");
    expect_error(connection, "WRONGPASS ", "AUTH wrong");
    expect_text(connection, "PONG", "PING");
    redisFree(connection);
}

static void quit_needs_no_password(void **state) {
    (void)state;
    redisContext *connection = server_connect(&locked_server);
    expect_text(connection, "OK", "QUIT");
    expect_closed(connection);
    redisFree(connection);
}

static void a_new_password_holds_for_new_connections(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "CONFIG SET requirepass first");
    redisContext *late = server_connect(&own->server);
    expect_text(own->client, "PONG", "PING");
    expect_error(late, "NOAUTH ", "PING");
    expect_text(own->client, "OK", "CONFIG SET requirepass second");
    expect_error(late, "WRONGPASS ", "AUTH first");
    expect_text(late, "OK", "AUTH second");
    redisFree(late);
}

static void taking_the_password_away_lets_waiting_clients_in(void **state) {
    struct own_server *own = *state;
    redisContext *locked_out = server_connect(&own->server);
    expect_error(locked_out, "NOAUTH ", "PING");
    expect_text(own->client, "OK", "AUTH first");
    expect_text(own->client, "OK", "CONFIG SET requirepass %s", "");
    expect_text(locked_out, "PONG", "PING");
    redisReply *greeting = command(locked_out, "HELLO");
    assert_int_equal(greeting->type, REDIS_REPLY_ARRAY);
    freeReplyObject(greeting);
    redisFree(locked_out);
}

// --- HELLO ---

static void hello_tells_what_the_server_is(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    redisReply *reply = command(connection, "HELLO");
    assert_int_equal(reply->elements, 14);
    assert_string_equal(field(reply, "server")->str, "redis");
    assert_string_equal(field(reply, "version")->str, "7.0.15");
    assert_int_equal(field(reply, "proto")->integer, 2);
    assert_string_equal(field(reply, "mode")->str, "standalone");
    assert_string_equal(field(reply, "role")->str, "master");
    assert_int_equal(field(reply, "modules")->elements, 0);
    long long id = field(reply, "id")->integer;
    freeReplyObject(reply);
    expect_integer(connection, id, "CLIENT ID");
    redisFree(connection);
}

static void hello_switches_the_protocol_and_back(void **state) {
    (void)state;
    static const char *const wanted[] = {"%7\r\n",  "$5\r\nproto\r\n:3\r\n", "=", "txt:# CPU",
                                         "*14\r\n", "$5\r\nproto\r\n:2\r\n", "$", "# CPU"};
    char *text = converse(&open_server, "HELLO 3\r\nINFO cpu\r\nHELLO 2\r\nINFO cpu\r\nQUIT\r\n");
    EXPECT_IN_ORDER(text, wanted);
    free(text);
}

static void hello_refuses_what_it_does_not_understand(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    expect_error(connection, "NOPROTO unsupported protocol version", "HELLO 1");
    expect_error(connection, "NOPROTO unsupported protocol version", "HELLO 4");
    expect_error(connection, "ERR Protocol version is not an integer or out of range", "HELLO three");
    expect_error(connection, "ERR Syntax error in HELLO option 'NAME'", "HELLO 3 NAME x");
    expect_error(connection, "ERR Syntax error in HELLO option 'AUTH'", "HELLO 3 AUTH default");
    expect_error(connection, "ERR Client names cannot contain spaces", "HELLO 3 SETNAME %s", "a b");
    redisReply *reply = command(connection, "INFO cpu");
    assert_int_equal(reply->type, REDIS_REPLY_STRING); // none of them has changed the protocol
    freeReplyObject(reply);
    redisFree(connection);
}

static void hello_authenticates_and_names_in_one_step(void **state) {
    (void)state;
    redisContext *connection = server_connect(&locked_server);
    expect_error(connection, "NOAUTH HELLO must be called with the client already authenticated", "HELLO 3");
    expect_error(connection, "WRONGPASS ", "HELLO 3 AUTH default wrong SETNAME early");
    freeReplyObject(command(connection, "HELLO 2 AUTH default secret SETNAME worker"));
    expect_text(connection, "worker", "CLIENT GETNAME");
    redisFree(connection);
}

static void a_refused_hello_leaves_the_name_alone(void **state) {
    (void)state;
    redisContext *connection = server_connect(&locked_server);
    expect_text(connection, "OK", "AUTH secret");
    expect_text(connection, "OK", "CLIENT SETNAME before");
    expect_error(connection, "WRONGPASS ", "HELLO 3 AUTH default wrong SETNAME after");
    expect_text(connection, "before", "CLIENT GETNAME");
    redisFree(connection);
}

static void resp3_can_be_disabled(void **state) {
    struct own_server *own = *state;
    redisReply *reply = command(own->client, "HELLO 3");
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(field(reply, "proto")->integer, 2);
    freeReplyObject(reply);
}

// --- RESET ---

static void reset_makes_the_connection_new(void **state) {
    (void)state;
    redisContext *connection = server_connect(&locked_server);
    freeReplyObject(command(connection, "HELLO 2 AUTH default secret SETNAME named"));
    expect_text(connection, "OK", "MULTI");
    expect_text(connection, "QUEUED", "SET never written");
    expect_text(connection, "RESET", "RESET");
    expect_error(connection, "NOAUTH ", "GET never");
    expect_text(connection, "OK", "AUTH secret");
    expect_null(connection, "CLIENT GETNAME");
    expect_null(connection, "GET never");
    expect_error(connection, "ERR EXEC without MULTI", "EXEC");
    redisFree(connection);
}

static void reset_returns_to_resp2(void **state) {
    (void)state;
    static const char *const wanted[] = {"%7\r\n", "+RESET\r\n$", "# CPU", "+OK\r\n"};
    char *text = converse(&open_server, "HELLO 3\r\nRESET\r\nINFO cpu\r\nQUIT\r\n");
    EXPECT_IN_ORDER(text, wanted);
    free(text);
}

static void reset_ends_watches(void **state) {
    (void)state;
    redisContext *connection = server_connect(&open_server);
    redisContext *other = server_connect(&open_server);
    expect_text(connection, "OK", "WATCH watched");
    expect_text(other, "OK", "SET watched changed");
    expect_text(connection, "RESET", "RESET");
    expect_text(connection, "OK", "MULTI");
    expect_text(connection, "QUEUED", "PING");
    redisReply *reply = command(connection, "EXEC");
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    freeReplyObject(reply);
    redisFree(connection);
    redisFree(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_answers_pong_or_its_argument),
        cmocka_unit_test(echo_answers_bytes_as_they_are),
        cmocka_unit_test(every_database_number_is_the_one_database),
        cmocka_unit_test(quit_answers_and_closes),
        cmocka_unit_test(what_follows_quit_is_not_run),
        cmocka_unit_test(cluster_clients_marks_are_accepted),
        cmocka_unit_test(auth_without_a_configured_password_says_so),
        cmocka_unit_test(nothing_is_served_before_the_password_was_given),
        cmocka_unit_test(a_failed_auth_does_not_end_an_authentication),
        cmocka_unit_test(quit_needs_no_password),
        own_server_test(a_new_password_holds_for_new_connections, ""),
        own_server_test(taking_the_password_away_lets_waiting_clients_in, "requirepass first"),
        cmocka_unit_test(hello_tells_what_the_server_is),
        cmocka_unit_test(hello_switches_the_protocol_and_back),
        cmocka_unit_test(hello_refuses_what_it_does_not_understand),
        cmocka_unit_test(hello_authenticates_and_names_in_one_step),
        cmocka_unit_test(a_refused_hello_leaves_the_name_alone),
        own_server_test(resp3_can_be_disabled, "resp3-enabled no"),
        cmocka_unit_test(reset_makes_the_connection_new),
        cmocka_unit_test(reset_returns_to_resp2),
        cmocka_unit_test(reset_ends_watches),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
