// SPDX-License-Identifier: Apache-2.0
//
// Two nodes and their clients: who serves which key, where clients are sent, and that they find their way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "foo" is in slot 12182, B's half; "bar" in 5061, A's.
static void expect_moved(redisContext *client, const struct test_server *to, int slot, const char *verb,
                         const char *key) {
    char wanted[64];
    redisReply *reply = redisCommand(client, strcmp(verb, "SET") == 0 ? "SET %s 1" : "GET %s", key);
    assert_non_null(reply);
    (void)snprintf(wanted, sizeof(wanted), "MOVED %d 127.0.0.1:%d", slot, to->port);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_string_equal(reply->str, wanted);
    freeReplyObject(reply);
}

static void each_node_serves_its_slots_and_names_the_other_for_the_rest(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "SET bar 1");
    expect_text(pair->clients[1], "OK", "SET foo 1");
    expect_moved(pair->clients[0], &pair->servers[1], 12182, "SET", "foo");
    expect_moved(pair->clients[1], &pair->servers[0], 5061, "GET", "bar");
}

static void several_keys_must_be_of_one_slot(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "MSET {bar}1 a {bar}2 b");
    expect_integer(pair->clients[0], 2, "DEL {bar}1 {bar}2");
    // Both slots are A's own.
    expect_error(pair->clients[0], "CROSSSLOT Attempted to access keys that don't hash to the same slot",
                 "MSET bar a {b}1 b");
    expect_error(pair->clients[0], "CROSSSLOT", "MGET foo bar");
}

static void commands_without_keys_are_answered_by_every_node(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "SET bar 1");
    expect_integer(pair->clients[0], 1, "DBSIZE");
    expect_integer(pair->clients[1], 0, "DBSIZE");
    expect_text(pair->clients[1], "bar", "ECHO bar");
    expect_text(pair->clients[0], "OK", "FLUSHALL");
    expect_integer(pair->clients[0], 0, "DBSIZE");
}

// --- Transactions ---

static void a_redirected_command_breaks_its_transaction(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "MULTI");
    expect_text(pair->clients[0], "QUEUED", "SET bar 1");
    expect_moved(pair->clients[0], &pair->servers[1], 12182, "SET", "foo");
    expect_error(pair->clients[0], "EXECABORT", "EXEC");
    expect_null(pair->clients[0], "GET bar");
}

static void a_transaction_whose_slots_have_moved_is_redirected(void **state) {
    const struct node_pair *pair = *state;
    char wanted[64];
    node_pair_set(pair, SPLIT_ALL_TO_A, 1);
    redisContext *other = server_connect(&pair->servers[0]);
    expect_text(other, "OK", "MULTI");
    expect_text(other, "QUEUED", "SET foo 1");
    node_pair_set(pair, SPLIT_HALVES, 2);
    (void)snprintf(wanted, sizeof(wanted), "MOVED 12182 127.0.0.1:%d", pair->servers[1].port);
    expect_error(other, wanted, "EXEC");
    expect_error(other, "ERR EXEC without MULTI", "EXEC");
    redisFree(other);
    expect_null(pair->clients[1], "GET foo");
}

static void a_transaction_of_a_demoted_master_is_not_run(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_ALL_TO_A, 1);
    redisContext *other = server_connect(&pair->servers[0]);
    expect_text(other, "OK", "MULTI");
    expect_text(other, "QUEUED", "FLUSHALL");
    node_pair_set(pair, SPLIT_ALL_TO_B, 2);
    expect_error(other, "EXECABORT Transaction discarded because of: READONLY", "EXEC");
    redisFree(other);
}

static void what_is_watched_must_be_served_here(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "WATCH bar");
    expect_error(pair->clients[0], "MOVED 12182", "WATCH foo");
}

// --- Replicas ---

static void a_replica_serves_reads_to_those_who_have_said_readonly(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_ALL_TO_B, 1);
    redisContext *client = pair->clients[0];
    expect_moved(client, &pair->servers[1], 12182, "GET", "foo");
    expect_text(client, "OK", "READONLY");
    assert_int_equal(client_list_count(client, "flags=r"), 1);
    expect_null(client, "GET foo");
    expect_moved(client, &pair->servers[1], 12182, "SET", "foo");
    expect_text(client, "OK", "READWRITE");
    expect_moved(client, &pair->servers[1], 12182, "GET", "foo");
    expect_text(client, "OK", "READONLY");
    expect_text(client, "RESET", "RESET");
    expect_moved(client, &pair->servers[1], 12182, "GET", "foo");
}

static void the_roles_change_with_the_topology(void **state) {
    const struct node_pair *pair = *state;
    for (int version = 1; version < 20; version += 2) {
        node_pair_set(pair, SPLIT_ALL_TO_A, version);
        expect_text(pair->clients[0], "OK", "SET foo %d", version);
        expect_moved(pair->clients[1], &pair->servers[0], 12182, "SET", "foo");
        node_pair_set(pair, SPLIT_ALL_TO_B, version + 1);
        expect_text(pair->clients[1], "OK", "SET foo %d", version);
        expect_moved(pair->clients[0], &pair->servers[1], 12182, "SET", "foo");
    }
}

// --- Clients that follow ---

// What redis-cli, started at one of the nodes, prints.
static void run_cli(const struct test_server *server, const char *arguments, char *out, size_t size) {
    char line[512];
    (void)snprintf(line, sizeof(line), "timeout 60 redis-cli -c -p %d %s 2>&1", server->port, arguments);
    FILE *pipe = popen(line, "re");
    assert_non_null(pipe);
    out[fread(out, 1, size - 1, pipe)] = '\0';
    (void)pclose(pipe);
}

static void redis_cli_follows_redirections_both_ways(void **state) {
    const struct node_pair *pair = *state;
    char line[256];
    char out[256];
    node_pair_set(pair, SPLIT_HALVES, 1);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(line, sizeof(line), "set key-%d value-%d", i, i);
        run_cli(&pair->servers[i % 2], line, out, sizeof(out));
        assert_non_null(strstr(out, "OK"));
        (void)snprintf(line, sizeof(line), "get key-%d", i);
        run_cli(&pair->servers[(i + 1) % 2], line, out, sizeof(out));
        (void)snprintf(line, sizeof(line), "value-%d\n", i);
        assert_non_null(strstr(out, line));
    }
    redisReply *first = command(pair->clients[0], "DBSIZE");
    redisReply *second = command(pair->clients[1], "DBSIZE");
    assert_true(first->integer > 0 && second->integer > 0);
    assert_int_equal(first->integer + second->integer, 20);
    freeReplyObject(first);
    freeReplyObject(second);
}

static void redis_cli_finds_the_whole_cluster_at_one_node(void **state) {
    const struct node_pair *pair = *state;
    char out[4096];
    char line[64];
    node_pair_set(pair, SPLIT_HALVES, 1);
    (void)snprintf(line, sizeof(line), "--cluster check 127.0.0.1:%d", pair->servers[0].port);
    run_cli(&pair->servers[0], line, out, sizeof(out));
    if (strstr(out, "All 16384 slots covered") == NULL)
        fail_msg("redis-cli says: %s", out);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, node_pair_open, node_pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_node_serves_its_slots_and_names_the_other_for_the_rest),
        CASE(several_keys_must_be_of_one_slot),
        CASE(commands_without_keys_are_answered_by_every_node),
        CASE(a_redirected_command_breaks_its_transaction),
        CASE(a_transaction_whose_slots_have_moved_is_redirected),
        CASE(a_transaction_of_a_demoted_master_is_not_run),
        CASE(what_is_watched_must_be_served_here),
        CASE(a_replica_serves_reads_to_those_who_have_said_readonly),
        CASE(the_roles_change_with_the_topology),
        CASE(redis_cli_follows_redirections_both_ways),
        CASE(redis_cli_finds_the_whole_cluster_at_one_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
