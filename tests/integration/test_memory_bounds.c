// SPDX-License-Identifier: Apache-2.0
//
// What one client can make the server keep in memory for it is bounded, and the server outlives who goes too
// far.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct test_server open_server;   // without a password
static struct test_server locked_server; // with one
static const struct shared_server servers[] = {
    {&open_server, NULL, {NULL}},
    {&locked_server, "requirepass secret", {NULL}},
};

// Sends `text` again and again and reads nothing, until the server has closed the connection (true) or has
// taken `most` bytes, or nothing more for half a minute (false).
static bool is_closed_while_sending(int fd, const char *text, size_t most) {
    struct timeval patience = {.tv_sec = 30};
    size_t length = strlen(text);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    size_t sent = 0;
    while (sent < most) {
        ssize_t count = send(fd, text, length, MSG_NOSIGNAL);
        if (count < 0 && (errno == EPIPE || errno == ECONNRESET))
            return true;
        if (count <= 0)
            return false;
        sent += (size_t)count;
    }
    return false;
}

// `count` times the line `line`, malloc'ed.
static char *repeated(const char *line, size_t count) {
    size_t length = strlen(line);
    char *text = malloc(length * count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, line, length);
    text[length * count] = '\0';
    return text;
}

static void a_stranger_that_does_not_read_is_closed(void **state) {
    (void)state;
    char *text = repeated("PING\r\n", 4096);
    int fd = server_connect_raw(&locked_server);
    assert_true(is_closed_while_sending(fd, text, 256 << 20));
    assert_int_equal(close(fd), 0);
    free(text);
}

static void who_came_before_the_password_was_removed_has_everybodys_limits(void **state) {
    (void)state;
    redisContext *stranger = server_connect(&locked_server);
    redisContext *owner = server_connect(&locked_server);
    expect_error(stranger, "NOAUTH", "GET key");
    expect_text(owner, "OK", "AUTH secret");
    expect_text(owner, "OK", "CONFIG SET requirepass %s", "");
    char *big = repeated("0123456789", 10000); // longer than a stranger's longest argument
    expect_text(stranger, "OK", "SET key %s", big);
    expect_text(owner, "OK", "CONFIG SET requirepass secret");
    free(big);
    redisFree(stranger);
    redisFree(owner);
}

// Every one of them stages half a gigabyte anew.
static void a_transaction_too_big_to_be_held_is_one_error_and_writes_nothing(void **state) {
    (void)state;
    redisContext *client = server_connect(&open_server);
    expect_text(client, "OK", "MULTI");
    for (int i = 0; i < 4; i++)
        expect_text(client, "QUEUED", "SETBIT huge %u 1", UINT32_MAX);
    expect_error(client, "ERR the changes are too big to be made at once, more than 1024 MB", "EXEC");
    expect_integer(client, 0, "EXISTS huge");
    expect_text(client, "OK", "SET small 1");
    redisFree(client);
}

static void what_multi_queues_is_bounded_and_shown(void **state) {
    (void)state;
    redisContext *client = server_connect(&open_server);
    redisContext *watcher = server_connect(&open_server);
    expect_text(client, "OK", "CONFIG SET client-query-buffer-limit 1mb");
    char *big = repeated("0123456789", 40000);
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "SET one %s", big);
    assert_int_equal(client_list_count(watcher, " multi-mem=400"), 1);
    expect_text(client, "QUEUED", "SET two %s", big);
    expect_error(client, "ERR the transaction takes more than client-query-buffer-limit bytes",
                 "SET three %s", big);
    expect_text(client, "QUEUED", "SET four 4");
    expect_error(client, "EXECABORT", "EXEC");
    expect_integer(client, 0, "EXISTS one two three four");
    assert_int_equal(client_list_count(watcher, " multi-mem=400"), 0);
    expect_text(client, "OK", "CONFIG SET client-query-buffer-limit 1gb");
    free(big);
    redisFree(client);
    redisFree(watcher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_that_does_not_read_is_closed),
        cmocka_unit_test(who_came_before_the_password_was_removed_has_everybodys_limits),
        cmocka_unit_test(a_transaction_too_big_to_be_held_is_one_error_and_writes_nothing),
        cmocka_unit_test(what_multi_queues_is_bounded_and_shown),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
