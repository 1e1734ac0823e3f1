// SPDX-License-Identifier: Apache-2.0
//
// A master and a replica that follows it by the log: what arrives, who is told what, and what broken links,
// killed and stopped processes leave behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raw_client.h"
#include "replication_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char settings[] = "replication-recv-timeout-ms 2000\n";

static int open_nodes(void **state) {
    static struct nodes nodes;
    nodes_open(&nodes, settings, settings);
    nodes.wire = wire_open(nodes.master.port);
    follow(nodes.to_replica, wire_port(nodes.wire));
    *state = &nodes;
    return 0;
}

static void write_some(redisContext *connection, const char *prefix, int count) {
    for (int i = 0; i < count; i++)
        assert_int_equal(redisAppendCommand(connection, "SET %s:%d value-%d", prefix, i, i), REDIS_OK);
    for (int i = 0; i < count; i++)
        expect_next_text(connection, "OK");
}

// A command whose words have no blanks in them.
static redisReply *run_words(redisContext *connection, const char *text) {
    const char *words[16];
    char copy[256];
    char *rest = copy;
    int count = 0;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    while ((words[count] = strtok_r(rest, " ", &rest)) != NULL)
        count++;
    redisReply *reply = redisCommandArgv(connection, count, words, NULL);
    assert_non_null(reply);
    return reply;
}

static void run_each(redisContext *connection, const char *const *commands, size_t count) {
    for (size_t i = 0; i < count; i++) {
        redisReply *reply = run_words(connection, commands[i]);
        if (reply->type == REDIS_REPLY_ERROR)
            fail_msg("'%s': %s", commands[i], reply->str);
        freeReplyObject(reply);
    }
}

// --- What arrives ---

static void a_replica_has_what_its_master_is_told(void **state) {
    static const char *const commands[] = {"SET string hello",
                                           "APPEND string -world",
                                           "SETRANGE string 2 LL",
                                           "INCRBY number 41",
                                           "INCRBYFLOAT float 1.5",
                                           "MSET a 1 b 2 c 3",
                                           "SETEX dying 10000 soon",
                                           "PEXPIRE string 10000000",
                                           "PERSIST string",
                                           "SETBIT bits 100 1",
                                           "BITOP NOT inverted bits",
                                           "HSET hash f 1 g 2 h 3",
                                           "HDEL hash g",
                                           "HINCRBY hash f 5",
                                           "COPY hash hash2",
                                           "RENAME hash2 hash3",
                                           "DEL b",
                                           "GETDEL c",
                                           "SET short x PX 1"};
    struct nodes *nodes = *state;
    run_each(nodes->to_master, commands, sizeof(commands) / sizeof(commands[0]));
    assert_same_data(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_replica, "heLLo-world", "GET string");
    expect_text(nodes->to_replica, "6", "HGET hash f");
    expect_null(nodes->to_replica, "GET b");
    expect_integer(nodes->to_replica, 10000, "TTL dying");
}

static void a_transaction_arrives_whole_and_flushall_empties_both(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "MULTI");
    expect_text(nodes->to_master, "QUEUED", "SET one 1");
    expect_text(nodes->to_master, "QUEUED", "HSET two f 2");
    expect_text(nodes->to_master, "QUEUED", "DEL one");
    freeReplyObject(command(nodes->to_master, "EXEC"));
    assert_same_data(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_replica, "2", "HGET two f");
    expect_text(nodes->to_master, "OK", "FLUSHALL");
    assert_same_data(nodes->to_master, nodes->to_replica);
    expect_integer(nodes->to_replica, 0, "DBSIZE");
}

static void big_values_arrive_as_they_are(void **state) {
    enum { SIZE = 20 << 20 };
    struct nodes *nodes = *state;
    char *value = malloc(SIZE);
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i++)
        value[i] = (char)(i * 2654435761U >> 13);
    const char *words[] = {"SET", "big", value};
    const size_t lengths[] = {3, 3, SIZE};
    redisReply *reply = redisCommandArgv(nodes->to_master, 3, words, lengths);
    assert_non_null(reply);
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    expect_text(nodes->to_master, "OK", "SET small 1");
    free(value);
    assert_same_data(nodes->to_master, nodes->to_replica);
    expect_integer(nodes->to_replica, SIZE, "STRLEN big");
}

static void a_watched_key_that_the_master_changes_is_noticed(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "SET watched 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_replica, "OK", "WATCH watched");
    expect_text(nodes->to_replica, "OK", "MULTI");
    expect_text(nodes->to_replica, "QUEUED", "GET watched");
    expect_text(nodes->to_master, "OK", "SET watched 2");
    redisContext *other = server_connect(&nodes->replica);
    wait_in_step(nodes->to_master, other);
    redisFree(other);
    expect_null(nodes->to_replica, "EXEC");
}

// --- Who is told what ---

static void writes_are_refused_by_a_replica_and_its_role_is_told(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    expect_error(nodes->to_replica, "READONLY", "SET key 2");
    redisReply *role = command(nodes->to_replica, "ROLE");
    assert_int_equal(role->elements, 5);
    assert_string_equal(role->element[0]->str, "slave");
    assert_string_equal(role->element[3]->str, "connected");
    freeReplyObject(role);
    role = command(nodes->to_master, "ROLE");
    assert_int_equal(role->elements, 3);
    assert_int_equal(role->element[2]->elements, 1);
    freeReplyObject(role);
    assert_int_equal(server_info_number(nodes->to_master, "replication", "connected_slaves"), 1);
}

static void wait_counts_the_replicas_that_have_the_writes(void **state) {
    struct nodes *nodes = *state;
    wait_in_step(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_master, "OK", "SET key 1");
    expect_integer(nodes->to_master, 1, "WAIT 1 20000");
    expect_text(nodes->to_replica, "1", "GET key");
    expect_integer(nodes->to_master, 1, "WAIT 0 0");
    expect_integer(nodes->to_master, 1, "WAIT 2 50");
    expect_error(nodes->to_master, "ERR numreplicas", "WAIT -1 50");
    expect_error(nodes->to_master, "ERR timeout", "WAIT 1 -1");
    expect_error(nodes->to_replica, "ERR WAIT", "WAIT 1 50");
    wire_cut(nodes->wire);
    expect_text(nodes->to_master, "OK", "SET key 2");
    expect_integer(nodes->to_master, 0, "WAIT 1 100");
    send_command(nodes->to_master, "WAIT 1 0");
    wire_mend(nodes->wire);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(nodes->to_master, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
}

static bool sees_two(void *context) {
    return server_info_number(context, "replication", "connected_slaves") == 2;
}

static void acknowledge(int fd, long long sequence) {
    char text[96];
    char number[24];
    int length = snprintf(number, sizeof(number), "%lld", sequence);
    (void)snprintf(text, sizeof(text), "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$%d\r\n%s\r\n", length, number);
    raw_send_text(fd, text);
}

// A node that has been promoted writes under numbers that its former master may use for something else.
static void what_was_never_sent_to_a_replica_is_not_acknowledged_by_it(void **state) {
    struct nodes *nodes = *state;
    char psync[48];
    wait_in_step(nodes->to_master, nodes->to_replica);
    int fake = server_connect_raw(&nodes->master);
    long long sequence = server_info_number(nodes->to_master, "replication", "master_repl_offset");
    (void)snprintf(psync, sizeof(psync), "PSYNC %lld\r\n", sequence + 1);
    raw_send_text(fake, psync);
    raw_expect(fake, "+OK\r\n");
    wait_until(sees_two, nodes->to_master, 60, "both replicas are fed");
    wire_cut(nodes->wire);
    expect_text(nodes->to_master, "OK", "SET key 1");
    acknowledge(fake, sequence + 1000);
    expect_integer(nodes->to_master, 0, "WAIT 1 300");
    acknowledge(fake, server_info_number(nodes->to_master, "replication", "master_repl_offset"));
    expect_integer(nodes->to_master, 1, "WAIT 1 20000");
    (void)close(fake);
}

static bool has_no_replica(void *context) {
    return server_info_number(context, "replication", "connected_slaves") == 0;
}

// A connection that is fed from the end of the master's data on, and has announced this port.
static int connect_as_replica(const struct nodes *nodes, int port) {
    char text[96];
    int fake = server_connect_raw(&nodes->master);
    (void)snprintf(text, sizeof(text), "REPLCONF listening-port %d\r\nPSYNC %lld\r\n", port,
                   server_info_number(nodes->to_master, "replication", "master_repl_offset") + 1);
    raw_send_text(fake, text);
    raw_expect(fake, "+OK\r\n+OK\r\n");
    return fake;
}

static bool two_are_level(void *context) {
    const struct nodes *nodes = context;
    redisReply *info = command(nodes->to_master, "INFO replication");
    const char *first = strstr(info->str, ",lag=0");
    bool level = first != NULL && strstr(first + 1, ",lag=0") != NULL;
    freeReplyObject(info);
    return level;
}

// Its old connection is not given up yet when it comes back after a break that nobody told the master of.
static void a_replica_that_is_connected_twice_counts_once(void **state) {
    struct nodes *nodes = *state;
    wire_cut(nodes->wire);
    wait_until(has_no_replica, nodes->to_master, 60, "the replica is gone");
    int old = connect_as_replica(nodes, 4711);
    int again = connect_as_replica(nodes, 4711);
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_until(two_are_level, nodes, 60, "both connections were sent everything");
    long long end = server_info_number(nodes->to_master, "replication", "master_repl_offset");
    acknowledge(old, end);
    expect_integer(nodes->to_master, 1, "WAIT 1 20000");
    acknowledge(again, end);
    expect_integer(nodes->to_master, 1, "WAIT 2 300");
    int other = connect_as_replica(nodes, 4712);
    acknowledge(other, end);
    expect_integer(nodes->to_master, 2, "WAIT 2 20000");
    (void)close(other);
    (void)close(again);
    (void)close(old);
}

static bool is_stale(void *context) {
    redisReply *reply = command(context, "GET key");
    bool stale = reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MASTERDOWN", 10) == 0;
    freeReplyObject(reply);
    return stale;
}

static void old_data_are_served_or_not_as_configured(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    wire_cut(nodes->wire);
    expect_text(nodes->to_replica, "OK", "CONFIG SET slave-serve-stale-data no");
    wait_until(is_stale, nodes->to_replica, 60, "old data are refused");
    expect_text(nodes->to_replica, "OK", "CONFIG SET slave-serve-stale-data yes");
    expect_text(nodes->to_replica, "1", "GET key");
    expect_text(nodes->to_replica, "OK", "CONFIG SET slave-serve-stale-data no");
    wire_mend(nodes->wire);
    wait_in_step(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_replica, "1", "GET key");
}

static void a_master_with_a_password_is_followed_only_with_it(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_replica, "OK", "REPLICAOF NO ONE");
    expect_text(nodes->to_master, "OK", "CONFIG SET requirepass secret");
    follow(nodes->to_replica, wire_port(nodes->wire));
    server_wait_log(&nodes->replica, "NOAUTH");
    expect_text(nodes->to_replica, "OK", "CONFIG SET masterauth secret");
    expect_text(nodes->to_master, "OK", "AUTH secret");
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
}

// --- What goes wrong ---

static void broken_links_need_no_full_copy(void **state) {
    struct nodes *nodes = *state;
    write_some(nodes->to_master, "first", 100);
    wait_in_step(nodes->to_master, nodes->to_replica);
    for (int i = 0; i < 10; i++) {
        wire_cut_after(nodes->wire, 500 + (uint64_t)i * 777);
        write_some(nodes->to_master, "more", 100);
    }
    assert_same_data(nodes->to_master, nodes->to_replica);
    wire_cut(nodes->wire);
    write_some(nodes->to_master, "meanwhile", 1000);
    wire_mend(nodes->wire);
    assert_same_data(nodes->to_master, nodes->to_replica);
    assert_int_equal(server_info_number(nodes->to_master, "stats", "sync_full"), 0);
}

static void reconnect(redisContext **connection, const struct test_server *server) {
    redisFree(*connection);
    *connection = server_connect(server);
}

static void killing_either_side_loses_and_invents_nothing(void **state) {
    struct nodes *nodes = *state;
    for (int i = 0; i < 3; i++) {
        write_some(nodes->to_master, "before", 200);
        server_kill(&nodes->master);
        server_restart(&nodes->master);
        reconnect(&nodes->to_master, &nodes->master);
        write_some(nodes->to_master, "between", 200);
        server_kill(&nodes->replica);
        write_some(nodes->to_master, "alone", 200);
        server_restart(&nodes->replica);
        reconnect(&nodes->to_replica, &nodes->replica);
        follow(nodes->to_replica, wire_port(nodes->wire));
    }
    assert_same_data(nodes->to_master, nodes->to_replica);
    assert_int_equal(server_info_number(nodes->to_master, "stats", "sync_full"), 0);
}

static void a_stopped_replica_is_cut_off_and_comes_back(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    server_pause(&nodes->replica);
    write_some(nodes->to_master, "unheard", 100);
    wait_until(has_no_replica, nodes->to_master, 90, "the stopped replica is cut off");
    assert_true(server_log_contains(&nodes->master, "it acknowledges nothing any more"));
    server_continue(&nodes->replica);
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void a_stopped_master_is_left_and_found_again(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    server_pause(&nodes->master);
    server_wait_log(&nodes->replica, "nothing has moved for too long");
    expect_text(nodes->to_replica, "1", "GET key");
    server_continue(&nodes->master);
    expect_text(nodes->to_master, "OK", "SET key 2");
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void a_slow_replica_does_not_slow_its_master(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "SET key 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    wire_limit(nodes->wire, 100 << 10);
    write_some(nodes->to_master, "fast", 20000);
    assert_true(server_info_number(nodes->to_replica, "replication", "master_repl_offset") <
                server_info_number(nodes->to_master, "replication", "master_repl_offset"));
    wire_limit(nodes->wire, 0);
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void replicas_of_replicas_have_the_same_data(void **state) {
    struct nodes *nodes = *state;
    struct test_server third;
    server_start(&third, settings);
    redisContext *to_third = server_connect(&third);
    follow(to_third, nodes->replica.port);
    write_some(nodes->to_master, "passed-on", 500);
    wait_in_step(nodes->to_master, nodes->to_replica);
    assert_same_data(nodes->to_master, to_third);
    redisFree(to_third);
    server_discard(&third);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, open_nodes, nodes_close)
        WITH_NODES(a_replica_has_what_its_master_is_told),
        WITH_NODES(a_transaction_arrives_whole_and_flushall_empties_both),
        WITH_NODES(big_values_arrive_as_they_are),
        WITH_NODES(a_watched_key_that_the_master_changes_is_noticed),
        WITH_NODES(writes_are_refused_by_a_replica_and_its_role_is_told),
        WITH_NODES(wait_counts_the_replicas_that_have_the_writes),
        WITH_NODES(what_was_never_sent_to_a_replica_is_not_acknowledged_by_it),
        WITH_NODES(a_replica_that_is_connected_twice_counts_once),
        WITH_NODES(old_data_are_served_or_not_as_configured),
        WITH_NODES(a_master_with_a_password_is_followed_only_with_it),
        WITH_NODES(broken_links_need_no_full_copy),
        WITH_NODES(killing_either_side_loses_and_invents_nothing),
        WITH_NODES(a_stopped_replica_is_cut_off_and_comes_back),
        WITH_NODES(a_stopped_master_is_left_and_found_again),
        WITH_NODES(a_slow_replica_does_not_slow_its_master),
        WITH_NODES(replicas_of_replicas_have_the_same_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
