// SPDX-License-Identifier: Apache-2.0
//
// What one client can make the server keep in memory for it is bounded, and the server outlives who goes too
// far.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct test_server open_server;   // without a password
static struct test_server locked_server; // with one

static int start_servers(void **state) {
    (void)state;
    server_start(&open_server, NULL);
    server_start(&locked_server, "requirepass secret");
    return 0;
}

static int stop_servers(void **state) {
    (void)state;
    server_discard(&open_server);
    server_discard(&locked_server);
    return 0;
}

// Sends `text` again and again and reads nothing, until the server has closed the connection (true) or has
// taken `most` bytes, or nothing more for two seconds (false).
static bool is_closed_while_sending(int fd, const char *text, size_t most) {
    struct timeval patience = {.tv_sec = 2};
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_that_does_not_read_is_closed),
        cmocka_unit_test(who_came_before_the_password_was_removed_has_everybodys_limits),
    };
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
