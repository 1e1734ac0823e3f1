// SPDX-License-Identifier: Apache-2.0
//
// Sending an output over a socket that takes as much as it likes.
#include "base/buffer.h"
#include "server/output_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int server, client; // the server's end does not block
};

static struct connection connect_pair(void) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    return (struct connection){.server = ends[0], .client = ends[1]};
}

static void disconnect(struct connection connection) {
    close(connection.server);
    close(connection.client);
}

// Reads exactly `count` bytes.
static void receive(int fd, struct buffer *received, size_t count) {
    char *to = buffer_reserve(received, count);
    for (size_t at = 0; at < count;) {
        ssize_t got = read(fd, to + at, count - at);
        assert_true(got > 0);
        at += (size_t)got;
    }
    received->length += count;
}

static void count_release(void *owner) {
    (*(int *)owner)++;
}

static void all_is_sent_in_order_and_the_memory_given_back(void **state) {
    (void)state;
    struct connection connection = connect_pair();
    struct output output = {0};
    int released = 0;
    output_append(&output, BYTES_LITERAL("one,"));
    struct output_block *deferred = output_defer(&output);
    output_append_reference(&output, BYTES_LITERAL("three,"), count_release, &released);
    output_append(&output, BYTES_LITERAL("four"));
    output_fill_deferred(&output, deferred, BYTES_LITERAL("two,"));
    assert_int_equal(output_send(&output, connection.server, SIZE_MAX), 18);
    assert_int_equal(released, 1);
    assert_int_equal(output.pending, 0);
    assert_null(output.first);
    struct buffer received = {0};
    receive(connection.client, &received, 18);
    assert_true(bytes_equal(buffer_bytes(&received), BYTES_LITERAL("one,two,three,four")));
    buffer_release(&received);
    disconnect(connection);
}

static void no_more_than_the_limit_is_sent(void **state) {
    (void)state;
    struct connection connection = connect_pair();
    struct output output = {0};
    int released = 0;
    output_append(&output, BYTES_LITERAL("abcd"));
    output_append_reference(&output, BYTES_LITERAL("efgh"), count_release, &released);
    output_append(&output, BYTES_LITERAL("ijkl"));
    struct buffer received = {0};
    static const size_t limits[] = {3, 1, 3, 0, 1, 10};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        size_t expected = limits[i] < output.pending ? limits[i] : output.pending;
        assert_int_equal(output_send(&output, connection.server, limits[i]), (int64_t)expected);
        receive(connection.client, &received, expected);
        assert_int_equal(released, received.length >= 8);
        assert_int_equal(output.pending, 12 - received.length);
    }
    assert_true(bytes_equal(buffer_bytes(&received), BYTES_LITERAL("abcdefghijkl")));
    buffer_release(&received);
    disconnect(connection);
}

static void a_partly_sent_output_can_be_appended_to_copied_and_truncated(void **state) {
    (void)state;
    struct connection connection = connect_pair();
    struct output output = {0};
    output_append(&output, BYTES_LITERAL("abcdef"));
    assert_int_equal(output_send(&output, connection.server, 4), 4);
    struct output_mark mark = output_mark(&output);
    output_append(&output, BYTES_LITERAL("ghi"));
    char copy[5];
    assert_int_equal(output.pending, sizeof(copy));
    output_copy(&output, copy);
    assert_memory_equal(copy, "efghi", sizeof(copy));
    output_truncate(&output, mark);
    assert_int_equal(output_send(&output, connection.server, SIZE_MAX), 2);
    struct buffer received = {0};
    receive(connection.client, &received, 6);
    assert_true(bytes_equal(buffer_bytes(&received), BYTES_LITERAL("abcdef")));
    buffer_release(&received);
    disconnect(connection);
}

static void a_full_socket_is_no_error_and_sending_goes_on_later(void **state) {
    (void)state;
    struct connection connection = connect_pair();
    struct output output = {0};
    struct buffer expected = {0};
    int released = 0;
    static char big[100000];
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)('a' + i % 23);
    enum { PARTS = 30 };
    for (size_t i = 0; i < PARTS; i++) {
        struct bytes part = {.data = big + i, .length = sizeof(big) - i};
        if (i % 2 == 0)
            output_append(&output, part);
        else
            output_append_reference(&output, part, count_release, &released);
        buffer_append(&expected, part);
    }
    struct buffer received = {0};
    int full = 0;
    while (output.pending > 0) {
        size_t before = output.pending;
        int64_t sent = output_send(&output, connection.server, SIZE_MAX);
        assert_true(sent >= 0);
        assert_int_equal(output.pending, before - (size_t)sent);
        if (output.pending > 0)
            full += output_send(&output, connection.server, SIZE_MAX) == 0;
        receive(connection.client, &received, expected.length - output.pending - received.length);
    }
    assert_true(full > 0);
    assert_int_equal(released, PARTS / 2);
    assert_true(bytes_equal(buffer_bytes(&received), buffer_bytes(&expected)));
    buffer_release(&received);
    buffer_release(&expected);
    disconnect(connection);
}

static void any_number_of_pieces_is_sent_at_once(void **state) {
    (void)state;
    struct connection connection = connect_pair();
    struct output output = {0};
    int released = 0;
    enum { PIECES = 500, TOTAL = PIECES * 3 };
    struct buffer expected = {0};
    for (int i = 0; i < PIECES; i++) {
        output_append_reference(&output, BYTES_LITERAL("abc"), count_release, &released);
        buffer_append_text(&expected, "abc");
    }
    assert_int_equal(output_send(&output, connection.server, SIZE_MAX), TOTAL);
    assert_int_equal(released, PIECES);
    struct buffer received = {0};
    receive(connection.client, &received, TOTAL);
    assert_true(bytes_equal(buffer_bytes(&received), buffer_bytes(&expected)));
    buffer_release(&received);
    buffer_release(&expected);
    disconnect(connection);
}

static void a_closed_connection_is_an_error(void **state) {
    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    struct connection connection = connect_pair();
    struct output output = {0};
    output_append(&output, BYTES_LITERAL("lost"));
    assert_int_equal(shutdown(connection.client, SHUT_RDWR), 0);
    assert_int_equal(output_send(&output, connection.server, SIZE_MAX), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(output.pending, 4);
    output_release(&output);
    disconnect(connection);
}

static void sending_nothing_gives_back_what_was_truncated(void **state) {
    (void)state;
    struct connection connection = connect_pair();
    struct output output = {0};
    (void)output_reserve(&output, 10);
    assert_int_equal(output_send(&output, connection.server, SIZE_MAX), 0);
    assert_null(output.first);
    disconnect(connection);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_sent_in_order_and_the_memory_given_back),
        cmocka_unit_test(no_more_than_the_limit_is_sent),
        cmocka_unit_test(a_partly_sent_output_can_be_appended_to_copied_and_truncated),
        cmocka_unit_test(a_full_socket_is_no_error_and_sending_goes_on_later),
        cmocka_unit_test(any_number_of_pieces_is_sent_at_once),
        cmocka_unit_test(a_closed_connection_is_an_error),
        cmocka_unit_test(sending_nothing_gives_back_what_was_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
