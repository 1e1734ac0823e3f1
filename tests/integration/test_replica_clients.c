// SPDX-License-Identifier: Apache-2.0
//
// What clients of a replica see of its master's changes while these come: messages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "replication_pair.h"
#include "reply_text.h"

#include <stdio.h>

struct nodes {
    struct test_server master, replica;
    redisContext *to_master, *to_replica;
};

static bool feeds_one(void *context) {
    return server_info_number(context, "replication", "connected_slaves") == 1;
}

static int open_nodes(void **state) {
    static struct nodes nodes;
    server_start(&nodes.master, "master-lease-mode block-write\n");
    server_start(&nodes.replica, NULL);
    nodes.to_master = server_connect(&nodes.master);
    nodes.to_replica = server_connect(&nodes.replica);
    follow(nodes.to_replica, nodes.master.port);
    wait_in_step(nodes.to_master, nodes.to_replica);
    wait_until(feeds_one, nodes.to_master, 60, "the master counts its replica");
    *state = &nodes;
    return 0;
}

static int close_nodes(void **state) {
    struct nodes *nodes = *state;
    redisFree(nodes->to_master);
    redisFree(nodes->to_replica);
    server_discard(&nodes->replica);
    server_discard(&nodes->master);
    return 0;
}

static long long sequence(redisContext *connection) {
    return server_info_number(connection, "replication", "master_repl_offset");
}

// --- Messages ---

static redisContext *subscribe(const struct test_server *server) {
    redisContext *subscriber = server_connect(server);
    send_command(subscriber, "SUBSCRIBE news");
    expect_coming(subscriber, "['subscribe' 'news' 1]");
    send_command(subscriber, "PSUBSCRIBE n*");
    expect_coming(subscriber, "['psubscribe' 'n*' 2]");
    return subscriber;
}

static void expect_message(redisContext *subscriber, const char *payload) {
    char text[128];
    (void)snprintf(text, sizeof(text), "['message' 'news' '%s']", payload);
    expect_coming(subscriber, text);
    (void)snprintf(text, sizeof(text), "['pmessage' 'n*' 'news' '%s']", payload);
    expect_coming(subscriber, text);
}

static void messages_of_the_master_reach_the_subscribers_of_its_replica(void **state) {
    struct nodes *nodes = *state;
    redisContext *subscriber = subscribe(&nodes->replica);
    expect_reply(nodes->to_master, "0", "PUBLISH news first");
    expect_reply(nodes->to_master, "0", "PUBLISH other unheard");
    expect_reply(nodes->to_master, "0", "PUBLISH news second");
    expect_message(subscriber, "first");
    expect_message(subscriber, "second");
    assert_same_data(nodes->to_master, nodes->to_replica);
    redisFree(subscriber);
}

static void messages_of_a_transaction_reach_the_replica_with_its_changes(void **state) {
    struct nodes *nodes = *state;
    redisContext *subscriber = subscribe(&nodes->replica);
    expect_reply(nodes->to_master, "OK", "MULTI");
    expect_reply(nodes->to_master, "QUEUED", "PUBLISH news one");
    expect_reply(nodes->to_master, "QUEUED", "SET key value");
    expect_reply(nodes->to_master, "QUEUED", "PUBLISH news two");
    expect_reply(nodes->to_master, "[0 OK 0]", "EXEC");
    expect_message(subscriber, "one");
    expect_reply(nodes->to_replica, "'value'", "GET key");
    expect_message(subscriber, "two");
    redisFree(subscriber);
}

static void a_replicas_own_messages_stay_where_they_are(void **state) {
    struct nodes *nodes = *state;
    redisContext *here = subscribe(&nodes->replica);
    redisContext *there = subscribe(&nodes->master);
    long long before = sequence(nodes->to_replica);
    expect_reply(nodes->to_replica, "2", "PUBLISH news local");
    expect_message(here, "local");
    assert_int_equal(sequence(nodes->to_replica), before);
    expect_reply(nodes->to_master, "2", "PUBLISH news global");
    expect_message(there, "global"); // and not the other one before it
    expect_message(here, "global");
    redisFree(here);
    redisFree(there);
}

static bool feeds_none(void *context) {
    return server_info_number(context, "replication", "connected_slaves") == 0;
}

static void without_a_replica_a_message_is_not_written(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_replica, "OK", "REPLICAOF NO ONE");
    wait_until(feeds_none, nodes->to_master, 60, "the master misses its replica");
    long long before = sequence(nodes->to_master);
    expect_reply(nodes->to_master, "0", "PUBLISH news m");
    assert_int_equal(sequence(nodes->to_master), before);
}

static void a_fenced_master_keeps_its_messages_to_itself(void **state) {
    struct nodes *nodes = *state;
    redisContext *subscriber = subscribe(&nodes->master);
    redisContext *remote = subscribe(&nodes->replica);
    lease_grant(nodes->to_master, 1, 1);
    await_expirations(nodes->to_master, 1);
    expect_reply(nodes->to_master, "2", "PUBLISH news fenced");
    expect_reply(nodes->to_master, "OK", "MULTI");
    expect_reply(nodes->to_master, "QUEUED", "PUBLISH news again");
    expect_reply(nodes->to_master, "[2]", "EXEC");
    expect_message(subscriber, "fenced");
    expect_message(subscriber, "again");
    assert_int_equal(lease_number(nodes->to_master, "lease_writes_refused"), 0);
    lease_grant(nodes->to_master, 1, 60000);
    expect_reply(nodes->to_master, "2", "PUBLISH news free");
    expect_message(subscriber, "free");
    expect_message(remote, "free");
    redisFree(remote);
    redisFree(subscriber);
}

static void a_pause_of_writes_holds_what_replicas_would_be_told(void **state) {
    struct nodes *nodes = *state;
    redisContext *publisher = server_connect(&nodes->master);
    redisContext *in_multi = server_connect(&nodes->master);
    expect_reply(in_multi, "OK", "MULTI");
    expect_reply(in_multi, "QUEUED", "PUBLISH news m");
    expect_reply(nodes->to_master, "OK", "CLIENT PAUSE 100000 WRITE");
    long long before = sequence(nodes->to_master);
    send_command(publisher, "PUBLISH news m");
    send_command(in_multi, "EXEC");
    expect_silence(publisher, 100);
    expect_silence(in_multi, 10);
    assert_int_equal(sequence(nodes->to_master), before);
    expect_reply(nodes->to_master, "OK", "CLIENT UNPAUSE");
    expect_coming(publisher, "0");
    expect_coming(in_multi, "[0]");
    redisFree(publisher);
    redisFree(in_multi);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_nodes, close_nodes)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(messages_of_the_master_reach_the_subscribers_of_its_replica),
        CASE(messages_of_a_transaction_reach_the_replica_with_its_changes),
        CASE(a_replicas_own_messages_stay_where_they_are),
        CASE(without_a_replica_a_message_is_not_written),
        CASE(a_fenced_master_keeps_its_messages_to_itself),
        CASE(a_pause_of_writes_holds_what_replicas_would_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
