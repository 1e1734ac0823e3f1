// SPDX-License-Identifier: Apache-2.0
//
// Clients that send what is no command, or not all of it, or far too much, or go away in the middle: they are
// answered as far as they can be, and nobody else notices. And every kind of socket they may come by.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raw_client.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPELINED = 200000, HALF_CLOSED = 3000, PATIENCE_SECONDS = 30 };
static const size_t big_value = (size_t)512 << 20;

static struct test_server server;
static const struct shared_server servers[] = {{&server, NULL, {NULL}}};

// --- What is no command ---

static void what_is_no_command_ends_its_connection_and_no_other(void **state) {
    (void)state;
    static const char *const requests[] = {
        "*x\r\n",
        "*1\r\nPING\r\n",
        "*1\r\n$x\r\n",
        "*1\r\n$-5\r\nPING\r\n",
        "*2000000000\r\n",
        "*99999999999999999999999\r\n",
        "*1\r\n$99999999999999999999999\r\n",
        "*1\r\n:1\r\n",
        "*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\na\r\n",
        "SET a \"unbalanced\r\n",
        "SET a 'unbalanced\r\n",
    };
    redisContext *other = server_connect(&server);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int fd = server_connect_raw(&server);
        raw_send_text(fd, requests[i]);
        raw_expect_last_words(fd, "-ERR Protocol error");
        expect_text(other, "PONG", "PING");
        assert_int_equal(close(fd), 0);
    }
    redisFree(other);
}

static void what_came_before_is_answered_first(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    raw_send_text(fd, "PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$x\r\nPING\r\n");
    raw_expect(fd, "+PONG\r\n+PONG\r\n");
    raw_expect_last_words(fd, "-ERR Protocol error");
    assert_int_equal(close(fd), 0);
}

static void noise_is_survived(void **state) {
    (void)state;
    unsigned seed = 4711;
    redisContext *other = server_connect(&server);
    for (int round = 0; round < 200; round++) {
        char noise[2048];
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (char)rand_r(&seed);
        noise[0] = "*$-\0A"[round % 5];
        int fd = server_connect_raw(&server);
        (void)raw_try_send(fd, noise, sizeof(noise));
        assert_int_equal(close(fd), 0);
    }
    expect_text(other, "PONG", "PING");
    redisFree(other);
}

static void an_endless_line_ends_its_connection(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    char *line = malloc(100000);
    assert_non_null(line);
    memset(line, 'a', 100000);
    (void)raw_try_send(fd, line, 100000);
    raw_expect_last_words(fd, "-ERR Protocol error: too big inline request");
    free(line);
    assert_int_equal(close(fd), 0);
}

static void commands_may_come_byte_by_byte(void **state) {
    (void)state;
    static const char request[] = "*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nvalue\r\nGET slow\r\n";
    int fd = server_connect_raw(&server);
    for (size_t i = 0; i + 1 < sizeof(request); i++)
        raw_send(fd, request + i, 1);
    raw_expect(fd, "+OK\r\n$5\r\nvalue\r\n");
    assert_int_equal(close(fd), 0);
}

static bool one_is_connected(void *context) {
    return server_info_number(context, "clients", "connected_clients") == 1;
}

static void a_command_that_is_not_finished_is_not_run(void **state) {
    (void)state;
    static const char request[] = "*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$200000\r\n";
    redisContext *other = server_connect(&server);
    char *part = calloc(1, 100000);
    assert_non_null(part);
    for (size_t length = 1; length < sizeof(request); length++) {
        int fd = server_connect_raw(&server);
        raw_send(fd, request, length);
        if (length + 1 == sizeof(request))
            raw_send(fd, part, 100000);
        assert_int_equal(close(fd), 0);
    }
    wait_until(one_is_connected, other, PATIENCE_SECONDS, "all that went away are noticed");
    expect_integer(other, 0, "EXISTS torn");
    free(part);
    redisFree(other);
}

// --- Much ---

static void a_value_may_have_512_megabytes(void **state) {
    (void)state;
    static const char header[] = "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$536870912\r\n";
    char *value = malloc(big_value);
    char *back = malloc(big_value);
    assert_true(value != NULL && back != NULL);
    uint64_t next = 88172645463325252U;
    for (size_t i = 0; i < big_value; i += sizeof(next)) {
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        memcpy(value + i, &next, sizeof(next));
    }
    int fd = server_connect_raw(&server);
    raw_send_text(fd, header);
    raw_send(fd, value, big_value);
    raw_send_text(fd, "\r\n");
    raw_expect(fd, "+OK\r\n");
    raw_send_text(fd, "GET big\r\n");
    raw_expect(fd, "$536870912\r\n");
    raw_read(fd, back, big_value);
    raw_expect(fd, "\r\n");
    assert_int_equal(memcmp(value, back, big_value), 0);
    raw_send_text(fd, "DEL big\r\n");
    raw_expect(fd, ":1\r\n");
    free(value);
    free(back);
    assert_int_equal(close(fd), 0);
}

static void a_value_beyond_the_limit_is_refused_before_it_is_sent(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    raw_send_text(fd, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$536870913\r\n");
    raw_expect_last_words(fd, "-ERR Protocol error: invalid bulk length");
    assert_int_equal(close(fd), 0);
    redisContext *connection = server_connect(&server);
    expect_text(connection, "OK", "CONFIG SET proto-max-bulk-len 1mb");
    fd = server_connect_raw(&server);
    raw_send_text(fd, "*2\r\n$4\r\nECHO\r\n$1048577\r\n");
    raw_expect_last_words(fd, "-ERR Protocol error: invalid bulk length");
    assert_int_equal(close(fd), 0);
    expect_text(connection, "OK", "CONFIG SET proto-max-bulk-len 512mb");
    redisFree(connection);
}

static void a_long_pipeline_may_be_sent_before_anything_is_read(void **state) {
    (void)state;
    static const char command_text[] = "*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n";
    char wanted[32];
    int fd = server_connect_raw(&server);
    for (int i = 0; i < PIPELINED; i++)
        raw_send(fd, command_text, sizeof(command_text) - 1);
    for (int i = 1; i <= PIPELINED; i++) {
        (void)snprintf(wanted, sizeof(wanted), ":%d\r\n", i);
        raw_expect(fd, wanted);
    }
    assert_int_equal(close(fd), 0);
}

// --- Half-closed connections ---

static void expect_replies_and_end(int fd, int count) {
    for (int i = 0; i < count; i++)
        raw_expect(fd, "+PONG\r\n");
    raw_expect_closed(fd);
    assert_int_equal(close(fd), 0);
}

static void a_client_that_has_said_all_gets_its_replies(void **state) {
    (void)state;
    for (int round = 0; round < 50; round++) {
        int fd = server_connect_raw(&server);
        for (int i = 0; i < HALF_CLOSED / 50; i++)
            raw_send_text(fd, "PING\r\n");
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        expect_replies_and_end(fd, HALF_CLOSED / 50);
    }
}

// More than the sockets hold, so that most is still with the server when it learns of the end.
static void a_client_that_has_said_all_gets_big_replies_too(void **state) {
    (void)state;
    enum { SIZE = 1 << 20, REPLIES = 200 };
    redisContext *other = server_connect(&server);
    char *value = malloc(SIZE);
    assert_non_null(value);
    memset(value, 'v', SIZE);
    redisReply *reply = redisCommand(other, "SET megabyte %b", value, (size_t)SIZE);
    assert_non_null(reply);
    freeReplyObject(reply);
    int fd = server_connect_raw(&server);
    for (int i = 0; i < REPLIES; i++)
        raw_send_text(fd, "GET megabyte\r\n");
    raw_send_text(fd, "SET last done\r\n*1\r\n$4\r\nPI");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    for (int i = 0; i < REPLIES; i++) {
        raw_expect(fd, "$1048576\r\n");
        raw_read(fd, value, SIZE);
        raw_expect(fd, "\r\n");
    }
    raw_expect(fd, "+OK\r\n");
    raw_expect_closed(fd);
    expect_text(other, "done", "GET last");
    free(value);
    assert_int_equal(close(fd), 0);
    redisFree(other);
}

static void a_client_that_has_said_all_waits_for_the_end_of_a_pause(void **state) {
    (void)state;
    redisContext *other = server_connect(&server);
    expect_text(other, "OK", "CLIENT PAUSE 100000 ALL");
    int fd = server_connect_raw(&server);
    raw_send_text(fd, "PING\r\nPING\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_text(other, "OK", "CLIENT UNPAUSE");
    expect_replies_and_end(fd, 2);
    redisFree(other);
}

static void a_client_that_is_gone_is_closed_although_it_left_replies_unread(void **state) {
    (void)state;
    redisContext *other = server_connect(&server);
    int fd = server_connect_raw(&server);
    for (int i = 0; i < 200; i++)
        raw_send_text(fd, "GET megabyte\r\n");
    assert_int_equal(close(fd), 0);
    wait_until(one_is_connected, other, PATIENCE_SECONDS, "the client is gone");
    redisFree(other);
}

// --- Sockets ---

static void a_unix_socket_serves(void **state) {
    (void)state;
    struct test_server own = {0};
    char config[200];
    char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/kvfence-test-%d.sock", (int)getpid());
    (void)snprintf(config, sizeof(config), "unixsocket %s\nunixsocketperm 700", path);
    server_start(&own, config);
    redisContext *connection = redisConnectUnix(path);
    assert_non_null(connection);
    assert_int_equal(connection->err, 0);
    expect_text(connection, "OK", "SET by unix");
    redisFree(connection);
    connection = server_connect(&own);
    expect_text(connection, "unix", "GET by");
    redisFree(connection);
    server_kill(&own); // which leaves the socket's file behind
    server_restart(&own);
    connection = redisConnectUnix(path);
    assert_int_equal(connection->err, 0);
    expect_text(connection, "unix", "GET by");
    redisFree(connection);
    server_stop(&own);
    assert_int_not_equal(access(path, F_OK), 0);
    server_discard(&own);
}

static void several_addresses_and_ipv6_serve(void **state) {
    (void)state;
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "::1"};
    struct test_server own = {0};
    server_start(&own, "bind 127.0.0.1 127.0.0.2 ::1");
    for (size_t i = 0; i < 3; i++) {
        redisContext *connection = redisConnect(addresses[i], own.port);
        assert_non_null(connection);
        if (connection->err != 0)
            fail_msg("%s: %s", addresses[i], connection->errstr);
        expect_text(connection, "PONG", "PING");
        redisReply *reply = command(connection, "CLIENT LIST");
        if (strstr(reply->str, i == 2 ? "addr=[::1]:" : "addr=127.0.0.") == NULL)
            fail_msg("no address in '%s'", reply->str);
        freeReplyObject(reply);
        redisFree(connection);
    }
    server_discard(&own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_command_ends_its_connection_and_no_other),
        cmocka_unit_test(what_came_before_is_answered_first),
        cmocka_unit_test(noise_is_survived),
        cmocka_unit_test(an_endless_line_ends_its_connection),
        cmocka_unit_test(commands_may_come_byte_by_byte),
        cmocka_unit_test(a_command_that_is_not_finished_is_not_run),
        cmocka_unit_test(a_value_may_have_512_megabytes),
        cmocka_unit_test(a_value_beyond_the_limit_is_refused_before_it_is_sent),
        cmocka_unit_test(a_long_pipeline_may_be_sent_before_anything_is_read),
        cmocka_unit_test(a_client_that_has_said_all_gets_its_replies),
        cmocka_unit_test(a_client_that_has_said_all_gets_big_replies_too),
        cmocka_unit_test(a_client_that_has_said_all_waits_for_the_end_of_a_pause),
        cmocka_unit_test(a_client_that_is_gone_is_closed_although_it_left_replies_unread),
        cmocka_unit_test(a_unix_socket_serves),
        cmocka_unit_test(several_addresses_and_ipv6_serve),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
