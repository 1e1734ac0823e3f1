// SPDX-License-Identifier: Apache-2.0
//
// Three nodes in the hands of a controller that sends what kvrocks-controller sends: creation, probes with
// and without leases, failover, nodes that come and go, and slots that move, while clients follow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// {bar} is in slot 5061.
enum { A, B, C };

// A and B share the slots, C is A's replica.
static void create(struct controller *controller) {
    (void)snprintf(controller->nodes[A].slots, CONTROLLER_TEXT, "0-5060 5061 5062-8191");
    (void)snprintf(controller->nodes[B].slots, CONTROLLER_TEXT, "8192-16383");
    controller->nodes[C].master = A;
    for (int i = 0; i < CONTROLLER_NODES; i++)
        controller->nodes[i].is_member = true;
    controller_create(controller);
}

static redisContext *client_of(const struct controller *controller, int node) {
    return server_connect(&controller->nodes[node].server);
}

static void expect_at(const struct controller *controller, int node, const char *wanted, const char *key) {
    redisContext *client = client_of(controller, node);
    expect_text(client, wanted, "GET %s", key);
    redisFree(client);
}

static void set_at(const struct controller *controller, int node, const char *key, const char *value) {
    redisContext *client = client_of(controller, node);
    expect_text(client, "OK", "SET %s %s", key, value);
    redisFree(client);
}

static void expect_role(struct controller *controller, int node, const char *wanted) {
    long long sequence = 0;
    char role[16] = "";
    assert_true(controller_ask_state(controller, node, &sequence, role));
    assert_string_equal(role, wanted);
}

// --- Waiting for replicas ---

struct pair_of_nodes {
    struct controller *controller;
    int master, replica;
};

static bool is_level(void *context) {
    const struct pair_of_nodes *pair = context;
    long long sequences[2] = {0};
    char role[16];
    return controller_ask_state(pair->controller, pair->master, &sequences[0], role) &&
           controller_ask_state(pair->controller, pair->replica, &sequences[1], role) && sequences[0] != 0 &&
           sequences[0] == sequences[1];
}

static void await_level(struct controller *controller, int master, int replica) {
    struct pair_of_nodes pair = {controller, master, replica};
    wait_until(is_level, &pair, 60, "the replica has what its master has");
}

// --- Tests ---

static void free_nodes_become_a_cluster(void **state) {
    struct controller *controller = *state;
    create(controller);
    expect_role(controller, A, "master");
    expect_role(controller, B, "master");
    expect_role(controller, C, "slave");
    for (int i = 0; i < CONTROLLER_NODES; i++)
        assert_int_equal(controller_probe(controller, i).version, 1);
    set_at(controller, A, "{bar}", "1");
    set_at(controller, B, "foo", "2");
    assert_int_equal(controller_tick(controller), 0);
    assert_int_equal(controller->version, 1);
}

static void a_node_that_lost_its_memory_is_told_again(void **state) {
    struct controller *controller = *state;
    create(controller);
    redisContext *client = client_of(controller, B);
    expect_text(client, "OK", "CLUSTER RESET HARD");
    expect_error(client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER INFO");
    assert_int_equal(controller_tick(controller), 0);
    expect_text(client, "1", "CLUSTERX VERSION");
    expect_text(client, "OK", "SET foo 1");
    redisFree(client);
}

static void probes_with_heartbeats_keep_the_masters_leases(void **state) {
    struct controller *controller = *state;
    controller->lease_ms = 60000;
    controller->election_version = 1;
    create(controller);
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        redisContext *client = client_of(controller, i);
        expect_text(client, "OK", "CONFIG SET master-lease-mode block-write");
        redisFree(client);
    }
    assert_int_equal(controller_tick(controller), 0);
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        redisContext *client = client_of(controller, i);
        assert_int_equal(server_info_number(client, "lease", "lease_renewals") > 0, i != C);
        redisFree(client);
    }
    set_at(controller, A, "{bar}", "1");
    set_at(controller, B, "foo", "1");
}

static void a_replica_takes_the_place_of_a_dead_master(void **state) {
    struct controller *controller = *state;
    create(controller);
    set_at(controller, A, "{bar}", "kept");
    await_level(controller, A, C);
    server_kill(&controller->nodes[A].server);
    while (controller->nodes[A].failures < 3)
        assert_int_equal(controller_tick(controller), 1);
    assert_int_equal(controller_fail_over(controller, A), C);
    expect_role(controller, C, "master");
    expect_at(controller, C, "kept", "{bar}");
    set_at(controller, C, "{bar}", "new");
    server_restart(&controller->nodes[A].server);
    assert_int_equal(controller_tick(controller), 0); // it is behind, and is told
    expect_role(controller, A, "slave");
    await_level(controller, C, A);
    redisContext *client = client_of(controller, A);
    expect_text(client, "OK", "READONLY");
    expect_text(client, "new", "GET {bar}");
    expect_error(client, "MOVED 5061", "SET {bar} x");
    redisFree(client);
}

static void with_leases_the_new_master_waits_for_its_heartbeat(void **state) {
    struct controller *controller = *state;
    controller->lease_ms = 60000;
    create(controller);
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        redisContext *client = client_of(controller, i);
        expect_text(client, "OK", "CONFIG SET master-lease-mode block-write");
        expect_text(client, "OK", "CONFIG SET master-lease-cold-start fence");
        redisFree(client);
    }
    assert_int_equal(controller_tick(controller), 0);
    set_at(controller, A, "{bar}", "1");
    await_level(controller, A, C);
    server_kill(&controller->nodes[A].server);
    assert_int_equal(controller_fail_over(controller, A), C);
    redisContext *client = client_of(controller, C);
    expect_error(client, "READONLY", "SET {bar} 2");
    assert_int_equal(controller_tick(controller), 1);
    expect_text(client, "OK", "SET {bar} 2");
    redisFree(client);
}

static void nodes_come_and_go(void **state) {
    struct controller *controller = *state;
    create(controller);
    controller_remove(controller, C);
    // A replica that is not asked to delete anything keeps its master's keys, if it had any.
    redisContext *client = client_of(controller, C);
    expect_error(client, "CLUSTERDOWN The cluster is not initialized", "CLUSTER INFO");
    redisFree(client);
    controller->nodes[C].is_member = true; // as a master without slots
    controller->nodes[C].slots[0] = '\0';
    controller_publish(controller);
    expect_role(controller, C, "master");
    assert_int_equal(controller_probe(controller, C).version, controller->version);
    assert_int_equal(controller_tick(controller), 0);
}

// What redis-cli -c, started at one of the nodes, prints.
static void expect_cli(const struct controller *controller, int node, const char *arguments,
                       const char *wanted) {
    char line[256];
    char out[256];
    (void)snprintf(line, sizeof(line), "timeout 60 redis-cli -c -p %d %s 2>&1",
                   controller->nodes[node].server.port, arguments);
    FILE *pipe = popen(line, "re");
    assert_non_null(pipe);
    out[fread(out, 1, sizeof(out) - 1, pipe)] = '\0';
    (void)pclose(pipe);
    if (strstr(out, wanted) == NULL)
        fail_msg("redis-cli %s prints '%s'", arguments, out);
}

static void slots_move_and_clients_follow(void **state) {
    struct controller *controller = *state;
    create(controller);
    set_at(controller, A, "{bar}1", "one");
    assert_true(controller_migrate(controller, "5061", A, B));
    assert_int_equal(controller_tick(controller), 0);
    expect_at(controller, B, "one", "{bar}1");
    expect_cli(controller, A, "get {bar}1", "one");
    expect_cli(controller, A, "set {bar}2 two", "OK");
    expect_cli(controller, C, "get {bar}2", "two"); // a replica of the former owner
    assert_true(controller_migrate(controller, "5061", B, A));
    expect_cli(controller, B, "get {bar}2", "two");
    expect_at(controller, A, "one", "{bar}1");
    await_level(controller, A, C); // what was moved has reached the replica, too
}

static void a_master_that_is_replaced_ends_its_migration(void **state) {
    struct controller *controller = *state;
    create(controller);
    redisContext *client = client_of(controller, A);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(redisAppendCommand(client, "SET {bar}%d %d", i, i), REDIS_OK);
    for (int i = 0; i < 1000; i++)
        expect_next_text(client, "OK");
    await_level(controller, A, C);
    expect_text(client, "OK", "CONFIG SET migrate-speed 20");
    expect_text(client, "OK", "CLUSTERX MIGRATE 5061 %s", controller->nodes[B].id);
    assert_int_equal(controller_fail_over(controller, A), C);
    server_wait_log(&controller->nodes[A].server, "their migration has failed");
    redisContext *winner = client_of(controller, C);
    expect_integer(winner, 1000, "CLUSTER COUNTKEYSINSLOT 5061");
    expect_text(winner, "OK", "SET {bar}7 new");
    expect_error(client, "MOVED 5061", "SET {bar}7 old");
    await_level(controller, C, A);
    redisFree(winner);
    redisFree(client);
}

static void a_node_goes_to_a_cluster_that_counts_from_lower(void **state) {
    struct controller *controller = *state;
    char path[256];
    controller->lease_ms = 60000;
    controller->election_version = 50;
    create(controller);
    assert_int_equal(controller_tick(controller), 0);
    controller_remove(controller, B);
    controller->election_version = 1; // of the other cluster
    redisContext *client = client_of(controller, B);
    expect_error(client, "ERR election version mismatch", "CLUSTERX HEARTBEAT 1 60000");
    redisFree(client);
    server_stop(&controller->nodes[B].server);
    (void)snprintf(path, sizeof(path), "%s/lease.state", controller->nodes[B].server.directory);
    assert_int_equal(remove(path), 0);
    (void)snprintf(path, sizeof(path), "%s/kvfence.conf", controller->nodes[B].server.directory);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    assert_true(fputs("\nmaster-lease-mode block-write\nmaster-lease-cold-start fence\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    server_restart(&controller->nodes[B].server);
    controller->nodes[B].is_member = true;
    for (int i = 0; i < CONTROLLER_NODES; i++)
        controller->nodes[i].is_member = i == B;
    (void)snprintf(controller->nodes[B].slots, CONTROLLER_TEXT, "0-16383");
    controller_create(controller);
    client = client_of(controller, B);
    expect_error(client, "READONLY", "SET foo 1");
    assert_int_equal(controller_tick(controller), 0);
    expect_text(client, "OK", "SET foo 1");
    redisFree(client);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, controller_open, controller_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(free_nodes_become_a_cluster),
        CASE(a_node_that_lost_its_memory_is_told_again),
        CASE(probes_with_heartbeats_keep_the_masters_leases),
        CASE(a_replica_takes_the_place_of_a_dead_master),
        CASE(with_leases_the_new_master_waits_for_its_heartbeat),
        CASE(nodes_come_and_go),
        CASE(slots_move_and_clients_follow),
        CASE(a_master_that_is_replaced_ends_its_migration),
        CASE(a_node_goes_to_a_cluster_that_counts_from_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
