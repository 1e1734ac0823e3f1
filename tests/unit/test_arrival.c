// SPDX-License-Identifier: Apache-2.0
//
// When bytes arrived: the rules by made-up readings, and what the kernel really says of real sockets.
#include "server/arrival.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// In the made-up readings the wall clock is this far ahead of boot time.
enum { WALL_AHEAD = 5000000 };
#define BOOT(ns) ((boot_ns_t){ns})

static struct wall_reading at(uint64_t boot_ns) {
    return (struct wall_reading){.boot = {boot_ns}, .wall_ns = (int64_t)boot_ns + WALL_AHEAD};
}

static uint64_t arrived(const struct arrival *arrival, size_t following, struct wall_reading now) {
    return arrival_of_command(arrival, following, &now).value;
}

static struct arrival opened_at(uint64_t known_empty) {
    struct arrival arrival;
    arrival_begin(&arrival, BOOT(known_empty));
    return arrival;
}

// A reading that began at `before` and left nothing unread; its last byte was stamped at boot time `stamped`.
static void drain(struct arrival *arrival, uint64_t before, size_t held, size_t count, uint64_t stamped) {
    arrival_note(arrival, &(struct arrival_reading){.before = BOOT(before),
                                                    .held = held,
                                                    .count = count,
                                                    .stamp_ns = (int64_t)stamped + WALL_AHEAD,
                                                    .drained = true});
}

static void read_part(struct arrival *arrival, uint64_t before, size_t held, size_t count, uint64_t stamped) {
    drain(arrival, before, held, count, stamped);
    arrival->drained = false;
    arrival->empty_at = arrival->newest_after;
}

static void the_last_command_of_a_reading_arrived_when_its_bytes_were_stamped(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 900, 0, 50, 400);
    assert_int_equal(arrived(&arrival, 0, at(1000)), 400);
}

static void a_command_that_something_followed_counts_from_when_the_socket_was_empty(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 900, 0, 50, 800);
    assert_int_equal(arrived(&arrival, 1, at(1000)), 100);
    drain(&arrival, 1900, 0, 50, 1800);
    assert_int_equal(arrived(&arrival, 49, at(2000)), 900);
}

static void without_a_stamp_a_command_counts_from_when_the_socket_was_empty(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    arrival_note(&arrival, &(struct arrival_reading){.before = BOOT(900), .count = 50, .drained = true});
    assert_int_equal(arrived(&arrival, 0, at(1000)), 100);
}

static void
a_reading_that_left_bytes_says_neither_whose_the_stamp_is_nor_that_the_socket_is_empty(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    read_part(&arrival, 900, 0, 50, 800);
    assert_int_equal(arrived(&arrival, 0, at(1000)), 100);
    drain(&arrival, 950, 0, 50, 900);
    assert_int_equal(arrived(&arrival, 7, at(1000)), 100);
    drain(&arrival, 1500, 0, 50, 1400);
    assert_int_equal(arrived(&arrival, 7, at(1600)), 950);
}

static void a_command_that_waits_in_memory_keeps_the_moment_of_its_own_reading(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 200, 0, 50, 150);  // the command, held back
    drain(&arrival, 900, 50, 20, 800); // what came after it
    drain(&arrival, 1900, 70, 30, 1800);
    assert_int_equal(arrived(&arrival, 50, at(2000)), 100);
    assert_int_equal(arrived(&arrival, 30, at(2000)), 100); // the second reading's: earlier than need be
    assert_int_equal(arrived(&arrival, 29, at(2000)), 900);
    assert_int_equal(arrived(&arrival, 0, at(2000)), 1800);
}

static void a_command_in_two_readings_arrived_with_its_last_byte(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 200, 0, 50, 150);
    drain(&arrival, 900, 20, 40, 800);
    assert_int_equal(arrived(&arrival, 0, at(1000)), 800);
    assert_int_equal(arrived(&arrival, 10, at(1000)), 200);
}

static void what_is_left_of_the_reading_before_came_after_the_socket_was_empty_before_that(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 200, 0, 50, 150);
    drain(&arrival, 300, 0, 50, 250);
    drain(&arrival, 900, 30, 40, 800);
    assert_int_equal(arrived(&arrival, 40, at(1000)), 200);
}

static void a_stamp_from_before_a_step_of_the_wall_clock_is_not_used(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 900, 0, 50, 800);
    struct wall_reading now = at(1000);
    now.steady_since = BOOT(101);
    assert_int_equal(arrived(&arrival, 0, now), 100);
    now.steady_since = BOOT(100);
    assert_int_equal(arrived(&arrival, 0, now), 800);
}

static void a_stamp_from_the_future_or_from_before_the_host_was_up_is_not_used(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 900, 0, 50, 1001);
    assert_int_equal(arrived(&arrival, 0, at(1000)), 100);
    arrival.stamp_ns = WALL_AHEAD; // boot time 0
    assert_int_equal(arrived(&arrival, 0, at(1000)), 100);
    arrival.stamp_ns = WALL_AHEAD + 1000;
    assert_int_equal(arrived(&arrival, 0, at(1000)), 1000);
}

// A network card's packet can be stamped a little before it reaches the socket.
static void a_stamp_older_than_the_empty_socket_is_the_safe_side(void **state) {
    (void)state;
    struct arrival arrival = opened_at(100);
    drain(&arrival, 900, 0, 50, 90);
    assert_int_equal(arrived(&arrival, 0, at(1000)), 90);
}

// --- Real sockets ---

struct connection {
    int client, server;
    struct arrival arrival;
    struct wall_steps *steps;
};

static void open_tcp(struct connection *connection) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listening >= 0 && arrival_enable(listening));
    assert_int_equal(bind(listening, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &length), 0);
    connection->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    arrival_begin(&connection->arrival, clock_boot());
    assert_int_equal(connect(connection->client, (struct sockaddr *)&address, length), 0);
    // cppcheck-suppress nullPointer ; the address may be left out
    connection->server = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(connection->server >= 0);
    connection->steps = wall_steps_open();
    (void)close(listening);
}

static void close_both(struct connection *connection) {
    (void)close(connection->client);
    (void)close(connection->server);
    wall_steps_close(connection->steps);
}

static void send_text(const struct connection *connection, const char *text) {
    assert_int_equal(send(connection->client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void await_bytes(const struct connection *connection) {
    struct pollfd readable = {.fd = connection->server, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 10000), 1);
}

static size_t receive(struct connection *connection) {
    char room[1024];
    ssize_t count = arrival_receive(&connection->arrival, connection->server, room, sizeof(room), 0);
    assert_true(count > 0);
    return (size_t)count;
}

// The kernel begins to stamp packets a moment after it was asked to.
static void await_stamps(struct connection *connection) {
    boot_ns_t begin = clock_boot();
    do {
        send_text(connection, "x");
        await_bytes(connection);
        (void)receive(connection);
        assert_true(clock_boot().value - begin.value < 10000000000U);
    } while (connection->arrival.stamp_ns == 0);
}

static void let_pass(int milliseconds) {
    assert_int_equal(poll(NULL, 0, milliseconds), 0);
}

static uint64_t arrived_now(const struct connection *connection, size_t following) {
    return arrived(&connection->arrival, following, wall_steps_read(connection->steps));
}

static void bytes_that_lay_in_the_socket_are_as_old_as_that(void **state) {
    (void)state;
    struct connection connection;
    open_tcp(&connection);
    await_stamps(&connection);
    uint64_t before = clock_boot().value;
    send_text(&connection, "heartbeat");
    await_bytes(&connection);
    uint64_t after = clock_boot().value;
    let_pass(100);
    assert_int_equal(receive(&connection), strlen("heartbeat"));
    uint64_t moment = arrived_now(&connection, 0);
    assert_in_range(moment, before, after);
    close_both(&connection);
}

static void bytes_that_were_followed_are_as_old_as_the_empty_socket(void **state) {
    (void)state;
    struct connection connection;
    open_tcp(&connection);
    await_stamps(&connection);
    uint64_t before = clock_boot().value;
    arrival_look(&connection.arrival, connection.server);
    uint64_t looked = clock_boot().value;
    send_text(&connection, "heartbeat");
    let_pass(50);
    send_text(&connection, "more");
    let_pass(50);
    arrival_look(&connection.arrival, connection.server); // not empty: says nothing
    assert_int_equal(receive(&connection), strlen("heartbeatmore"));
    assert_in_range(arrived_now(&connection, strlen("more")), before, looked);
    assert_in_range(arrived_now(&connection, 0), looked + 50000000, clock_boot().value - 50000000);
    close_both(&connection);
}

static void a_reading_that_finds_nothing_proves_the_socket_empty(void **state) {
    (void)state;
    struct connection connection;
    char room[8];
    open_tcp(&connection);
    uint64_t before = clock_boot().value;
    assert_int_equal(arrival_receive(&connection.arrival, connection.server, room, sizeof(room), 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_in_range(connection.arrival.empty_at.value, before, clock_boot().value);
    close_both(&connection);
}

static void a_full_reading_proves_nothing(void **state) {
    (void)state;
    struct connection connection;
    char room[4];
    open_tcp(&connection);
    uint64_t empty = connection.arrival.empty_at.value;
    send_text(&connection, "1234");
    await_bytes(&connection);
    assert_int_equal(arrival_receive(&connection.arrival, connection.server, room, sizeof(room), 0), 4);
    assert_int_equal(connection.arrival.empty_at.value, empty);
    assert_int_equal(arrived_now(&connection, 0), empty);
    close_both(&connection);
}

static void a_unix_socket_has_no_stamps_and_takes_the_empty_moment(void **state) {
    (void)state;
    struct connection connection;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    connection = (struct connection){.client = pair[0], .server = pair[1], .steps = wall_steps_open()};
    arrival_begin(&connection.arrival, clock_boot());
    uint64_t empty = connection.arrival.empty_at.value;
    send_text(&connection, "heartbeat");
    assert_int_equal(receive(&connection), strlen("heartbeat"));
    assert_int_equal(arrived_now(&connection, 0), empty);
    close_both(&connection);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_command_of_a_reading_arrived_when_its_bytes_were_stamped),
        cmocka_unit_test(a_command_that_something_followed_counts_from_when_the_socket_was_empty),
        cmocka_unit_test(without_a_stamp_a_command_counts_from_when_the_socket_was_empty),
        cmocka_unit_test(
            a_reading_that_left_bytes_says_neither_whose_the_stamp_is_nor_that_the_socket_is_empty),
        cmocka_unit_test(a_command_that_waits_in_memory_keeps_the_moment_of_its_own_reading),
        cmocka_unit_test(a_command_in_two_readings_arrived_with_its_last_byte),
        cmocka_unit_test(what_is_left_of_the_reading_before_came_after_the_socket_was_empty_before_that),
        cmocka_unit_test(a_stamp_from_before_a_step_of_the_wall_clock_is_not_used),
        cmocka_unit_test(a_stamp_from_the_future_or_from_before_the_host_was_up_is_not_used),
        cmocka_unit_test(a_stamp_older_than_the_empty_socket_is_the_safe_side),
        cmocka_unit_test(bytes_that_lay_in_the_socket_are_as_old_as_that),
        cmocka_unit_test(bytes_that_were_followed_are_as_old_as_the_empty_socket),
        cmocka_unit_test(a_reading_that_finds_nothing_proves_the_socket_empty),
        cmocka_unit_test(a_full_reading_proves_nothing),
        cmocka_unit_test(a_unix_socket_has_no_stamps_and_takes_the_empty_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
