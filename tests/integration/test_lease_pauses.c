// SPDX-License-Identifier: Apache-2.0
//
// A process that does not run while its lease does: stopped with heartbeats and writes waiting in its
// sockets, it must count each heartbeat from when it arrived, and never from later, however they lie in the
// sockets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "raw_client.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LEASE_MS = 300, LONG_MS = 600, VERY_LONG_MS = 60000 };

#define HEARTBEAT "CLUSTERX HEARTBEAT 1 300\r\n"
#define FENCED    "master-lease-mode block-write\nworkers 2"

// A server that holds a lease, and stops with it.
static void hold_and_stop(const struct own_server *own) {
    lease_grant(own->client, 1, LEASE_MS);
    server_pause(&own->server);
}

static void expect_refused(redisContext *connection) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, LEASE_REFUSAL, strlen(LEASE_REFUSAL)) != 0)
        fail_msg("a write that had to be refused was answered with: %s", reply->str);
    freeReplyObject(reply);
}

static void take_replies(redisContext *connection, int count) {
    redisReply *reply = NULL;
    for (int i = 0; i < count; i++) {
        assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
        assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
}

// After the stop: the write that waited is refused, and the heartbeats, which are among so many commands
// whose replies the controller is owed, make no difference. Only a new one does.
static void expect_fenced(const struct own_server *own, redisContext *writer, redisContext *controller,
                          int replies, int heartbeats) {
    server_continue(&own->server);
    expect_refused(writer);
    take_replies(controller, replies);
    expect_lease_state(own->client, "expired");
    expect_error(own->client, LEASE_REFUSAL, "SET after 1");
    assert_int_equal(lease_number(own->client, "lease_late_heartbeats"), heartbeats);
    lease_grant(own->client, 1, VERY_LONG_MS);
    expect_text(own->client, "OK", "SET after 1");
}

static void a_heartbeat_and_a_write_that_waited_in_two_sockets_do_not_pass(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    redisContext *controller = server_connect(&own->server);
    hold_and_stop(own);
    raw_send_text(controller->fd, HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    expect_fenced(own, writer, controller, 1, 1);
    redisFree(controller);
    redisFree(writer);
}

static void a_heartbeat_and_a_write_that_waited_in_one_socket_do_not_pass(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    hold_and_stop(own);
    send_command(writer, "CLUSTERX HEARTBEAT 1 %d", LEASE_MS);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    server_continue(&own->server);
    take_replies(writer, 1); // the heartbeat's
    expect_refused(writer);
    expect_lease_state(own->client, "expired");
    assert_int_equal(lease_number(own->client, "lease_late_heartbeats"), 1);
    redisFree(writer);
}

static void a_heartbeat_on_a_connection_made_meanwhile_does_not_count_from_its_acceptance(void **state) {
    struct own_server *own = *state;
    hold_and_stop(own);
    redisContext *controller = server_connect(&own->server);
    redisContext *writer = server_connect(&own->server);
    raw_send_text(controller->fd, HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    expect_fenced(own, writer, controller, 1, 1);
    redisFree(controller);
    redisFree(writer);
}

// Nor one that something followed on it, which has no stamp of its own.
static void a_heartbeat_that_was_followed_on_a_connection_made_meanwhile_does_not_count(void **state) {
    struct own_server *own = *state;
    hold_and_stop(own);
    redisContext *controller = server_connect(&own->server);
    redisContext *writer = server_connect(&own->server);
    raw_send_text(controller->fd, HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    raw_send_text(controller->fd, "PING\r\n"); // takes its stamp with it
    expect_fenced(own, writer, controller, 2, 1);
    redisFree(controller);
    redisFree(writer);
}

static void a_heartbeat_behind_other_commands_in_its_segment_counts_from_its_arrival(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    redisContext *controller = server_connect(&own->server);
    hold_and_stop(own);
    raw_send_text(controller->fd, "PING\r\nGET before\r\n" HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    expect_fenced(own, writer, controller, 3, 1);
    redisFree(controller);
    redisFree(writer);
}

static void a_heartbeat_does_not_take_the_stamp_of_what_followed_it(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    redisContext *controller = server_connect(&own->server);
    hold_and_stop(own);
    raw_send_text(controller->fd, HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    raw_send_text(controller->fd, "PING\r\n");
    expect_fenced(own, writer, controller, 2, 1);
    redisFree(controller);
    redisFree(writer);
}

// Part of the next command is enough, and so is an empty line.
static void a_heartbeat_does_not_take_the_stamp_of_a_few_bytes_more(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    redisContext *controller = server_connect(&own->server);
    hold_and_stop(own);
    raw_send_text(controller->fd, HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    raw_send_text(controller->fd, "\r\nP");
    expect_fenced(own, writer, controller, 1, 1);
    redisFree(controller);
    redisFree(writer);
}

static void two_heartbeats_that_waited_are_both_old(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    redisContext *controller = server_connect(&own->server);
    hold_and_stop(own);
    raw_send_text(controller->fd, HEARTBEAT);
    raw_send_text(controller->fd, HEARTBEAT);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    expect_fenced(own, writer, controller, 2, 2);
    redisFree(controller);
    redisFree(writer);
}

// The heartbeats of an hour may wait on as many connections.
static void old_heartbeats_on_many_connections_do_not_count(void **state) {
    enum { CONTROLLERS = 40 };
    struct own_server *own = *state;
    redisContext *controllers[CONTROLLERS];
    redisContext *writer = server_connect(&own->server);
    for (size_t i = 0; i < CONTROLLERS; i++)
        controllers[i] = server_connect(&own->server);
    hold_and_stop(own);
    for (size_t i = 0; i < CONTROLLERS; i++)
        raw_send_text(controllers[i]->fd, i % 2 == 0 ? HEARTBEAT : HEARTBEAT "PING\r\n");
    let_boot_time_pass(LONG_MS);
    send_command(writer, "SET stopped 1");
    server_continue(&own->server);
    expect_refused(writer);
    for (size_t i = 0; i < CONTROLLERS; i++)
        take_replies(controllers[i], 1);
    expect_lease_state(own->client, "expired");
    assert_int_equal(lease_number(own->client, "lease_late_heartbeats"), CONTROLLERS);
    for (size_t i = 0; i < CONTROLLERS; i++)
        redisFree(controllers[i]);
    redisFree(writer);
}

static void a_heartbeat_that_came_late_enough_lets_the_write_pass(void **state) {
    struct own_server *own = *state;
    redisContext *writer = server_connect(&own->server);
    redisContext *controller = server_connect(&own->server);
    lease_grant(controller, 1, LEASE_MS);
    server_pause(&own->server);
    let_boot_time_pass(LONG_MS);
    send_command(controller, "CLUSTERX HEARTBEAT 1 %d", VERY_LONG_MS);
    let_boot_time_pass(LONG_MS);
    server_continue(&own->server);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(controller, (void **)&reply), REDIS_OK);
    freeReplyObject(reply);
    expect_text(writer, "OK", "SET stopped 1");
    // It counts from its arrival and no later; nor much earlier, as it had a stamp of its own.
    long long left = lease_number(controller, "lease_deadline_ms");
    assert_in_range(left, 1, VERY_LONG_MS - LONG_MS);
    assert_in_range(lease_number(controller, "lease_late_heartbeats"), 0, 0);
    redisFree(controller);
    redisFree(writer);
}

static void the_lease_runs_while_the_process_does_not(void **state) {
    struct own_server *own = *state;
    hold_and_stop(own);
    let_boot_time_pass(LONG_MS);
    send_command(own->client, "SET stopped 1");
    server_continue(&own->server);
    expect_refused(own->client);
    await_expirations(own->client, 1);
}

static void a_stop_that_ends_within_the_lease_costs_nothing(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 1, VERY_LONG_MS);
    server_pause(&own->server);
    let_boot_time_pass(LEASE_MS);
    server_continue(&own->server);
    expect_text(own->client, "OK", "SET after 1");
    expect_lease_state(own->client, "held");
}

// --- Where there are no stamps ---

static redisContext *connect_unix(const struct own_server *own) {
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/socket", own->server.directory);
    redisContext *connection = redisConnectUnix(path);
    assert_non_null(connection);
    assert_int_equal(connection->err, 0);
    return connection;
}

static int start_with_unix_socket(void **state) {
    struct own_server *own = NULL;
    if (own_server_start(state) != 0)
        return -1;
    own = *state;
    char config[160];
    (void)snprintf(config, sizeof(config), "%s/kvfence.conf", own->server.directory);
    FILE *file = fopen(config, "ae");
    assert_non_null(file);
    assert_true(fprintf(file, "unixsocket %s/socket\n", own->server.directory) > 0);
    assert_int_equal(fclose(file), 0);
    own_server_restart(own);
    return 0;
}

static void a_heartbeat_that_waited_in_a_unix_socket_does_not_count(void **state) {
    struct own_server *own = *state;
    redisContext *controller = connect_unix(own);
    redisContext *writer = server_connect(&own->server);
    lease_grant(controller, 1, LEASE_MS);
    hold_and_stop(own);
    send_command(controller, "CLUSTERX HEARTBEAT 1 %d", LEASE_MS);
    send_command(writer, "SET stopped 1");
    let_boot_time_pass(LONG_MS);
    expect_fenced(own, writer, controller, 1, 1);
    redisFree(controller);
    redisFree(writer);
}

// The first heartbeat of a connection that was silent for longer counts from before the silence; from the
// second on the server looks at the socket.
static void a_unix_sockets_heartbeats_count_from_shortly_before_they_came(void **state) {
    struct own_server *own = *state;
    redisContext *controller = connect_unix(own);
    lease_grant(controller, 1, LEASE_MS);
    let_boot_time_pass(2 * LONG_MS);
    lease_grant(controller, 1, VERY_LONG_MS);
    expect_text(own->client, "OK", "SET key 1");
    assert_in_range(lease_number(controller, "lease_deadline_ms"), VERY_LONG_MS - LONG_MS, VERY_LONG_MS);
    redisFree(controller);
}

#define FENCED_TEST(test) own_server_test(test, FENCED)
#define UNIX_TEST(test)                                                                                      \
    cmocka_unit_test_prestate_setup_teardown(test, start_with_unix_socket, own_server_discard,               \
                                             (char[]){FENCED})

int main(void) {
    const struct CMUnitTest tests[] = {
        FENCED_TEST(a_heartbeat_and_a_write_that_waited_in_two_sockets_do_not_pass),
        FENCED_TEST(a_heartbeat_and_a_write_that_waited_in_one_socket_do_not_pass),
        FENCED_TEST(a_heartbeat_on_a_connection_made_meanwhile_does_not_count_from_its_acceptance),
        FENCED_TEST(a_heartbeat_that_was_followed_on_a_connection_made_meanwhile_does_not_count),
        FENCED_TEST(a_heartbeat_behind_other_commands_in_its_segment_counts_from_its_arrival),
        FENCED_TEST(a_heartbeat_does_not_take_the_stamp_of_what_followed_it),
        FENCED_TEST(a_heartbeat_does_not_take_the_stamp_of_a_few_bytes_more),
        FENCED_TEST(two_heartbeats_that_waited_are_both_old),
        FENCED_TEST(old_heartbeats_on_many_connections_do_not_count),
        FENCED_TEST(a_heartbeat_that_came_late_enough_lets_the_write_pass),
        FENCED_TEST(the_lease_runs_while_the_process_does_not),
        FENCED_TEST(a_stop_that_ends_within_the_lease_costs_nothing),
        UNIX_TEST(a_heartbeat_that_waited_in_a_unix_socket_does_not_count),
        UNIX_TEST(a_unix_sockets_heartbeats_count_from_shortly_before_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
