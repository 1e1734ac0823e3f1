// SPDX-License-Identifier: Apache-2.0
//
// What clients of a replica see of its master's changes while these come: messages, and reads and
// transactions as of one moment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "replication_pair.h"
#include "reply_text.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static bool feeds_one(void *context) {
    return server_info_number(context, "replication", "connected_slaves") == 1;
}

static int open_nodes(void **state) {
    static struct nodes nodes;
    nodes_open(&nodes, "master-lease-mode block-write\n", NULL);
    follow(nodes.to_replica, nodes.master.port);
    wait_in_step(nodes.to_master, nodes.to_replica);
    wait_until(feeds_one, nodes.to_master, 60, "the master counts its replica");
    *state = &nodes;
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
    expect_reply(nodes->to_master, "0", "MPUBLISH news second third");
    expect_message(subscriber, "first");
    expect_message(subscriber, "second");
    expect_message(subscriber, "third");
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

// --- One moment ---

// Writes on a connection of its own until it is told to end; `rounds` tells how far it is.
struct writer {
    const struct test_server *server;
    const char *format; // with the round's number four times
    _Atomic long rounds;
    atomic_bool ends;
    pthread_t thread;
};

static void *write_rounds(void *argument) {
    enum { AT_ONCE = 32 };
    struct writer *writer = argument;
    redisContext *connection = server_connect(writer->server);
    for (int round = 0; !atomic_load(&writer->ends); round++) {
        (void)redisAppendCommand(connection, writer->format, round, round, round, round);
        if (round % AT_ONCE != 0)
            continue;
        for (int i = 0; i < (round == 0 ? 1 : AT_ONCE); i++) {
            redisReply *reply = NULL;
            if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
                return NULL;
            freeReplyObject(reply);
            (void)atomic_fetch_add(&writer->rounds, 1);
        }
    }
    redisFree(connection);
    return NULL;
}

static bool has_begun(void *context) {
    struct writer *writer = context;
    return atomic_load(&writer->rounds) > 1;
}

static void writer_begin(struct writer *writer) {
    assert_int_equal(pthread_create(&writer->thread, NULL, write_rounds, writer), 0);
    wait_until(has_begun, writer, 60, "the writer writes");
}

static void writer_end(struct writer *writer) {
    atomic_store(&writer->ends, true);
    assert_int_equal(pthread_join(writer->thread, NULL), 0);
}

static bool is_over(uint64_t begun_us) {
    enum { LENGTH_US = 700000 };
    return clock_duration_us() - begun_us > LENGTH_US;
}

static void expect_all_equal(const redisReply *reply) {
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    for (size_t i = 1; i < reply->elements; i++) {
        assert_int_equal(reply->element[i]->type, REDIS_REPLY_STRING);
        assert_string_equal(reply->element[i]->str, reply->element[0]->str);
    }
}

static redisReply *next_reply(redisContext *connection) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    return reply;
}

// Several reads far apart, in one transaction.
static redisReply *read_in_transaction(redisContext *connection) {
    enum { READS = 40 };
    assert_int_equal(redisAppendCommand(connection, "MULTI"), REDIS_OK);
    for (int i = 0; i < READS; i++)
        assert_int_equal(redisAppendCommand(connection, i % 2 == 0 ? "GET {k}a" : "GET {k}d"), REDIS_OK);
    assert_int_equal(redisAppendCommand(connection, "EXEC"), REDIS_OK);
    for (int i = 0; i <= READS; i++)
        freeReplyObject(next_reply(connection));
    return next_reply(connection);
}

static void a_transaction_on_a_replica_reads_one_moment(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_master, "OK", "MSET {k}a 0 {k}b 0 {k}c 0 {k}d 0");
    wait_in_step(nodes->to_master, nodes->to_replica);
    struct writer writer = {.server = &nodes->master, .format = "MSET {k}a %d {k}b %d {k}c %d {k}d %d"};
    writer_begin(&writer);
    for (uint64_t begun = clock_duration_us(); !is_over(begun);) {
        redisReply *values = read_in_transaction(nodes->to_replica);
        expect_all_equal(values);
        freeReplyObject(values);
        values = command(nodes->to_replica, "MGET {k}a {k}b {k}c {k}d");
        expect_all_equal(values);
        freeReplyObject(values);
    }
    writer_end(&writer);
}

static void a_transaction_on_a_replica_sees_no_change_of_what_it_watches(void **state) {
    struct nodes *nodes = *state;
    size_t run = 0;
    size_t kept_out = 0;
    expect_text(nodes->to_master, "OK", "SET key start");
    wait_in_step(nodes->to_master, nodes->to_replica);
    struct writer writer = {.server = &nodes->master, .format = "SET key %d EX 1000%d"};
    writer_begin(&writer);
    for (uint64_t begun = clock_duration_us(); !is_over(begun);) {
        expect_text(nodes->to_replica, "OK", "WATCH key");
        redisReply *before = command(nodes->to_replica, "GET key");
        expect_text(nodes->to_replica, "OK", "MULTI");
        expect_text(nodes->to_replica, "QUEUED", "GET key");
        redisReply *after = command(nodes->to_replica, "EXEC");
        if (after->type == REDIS_REPLY_ARRAY)
            assert_string_equal(after->element[0]->str, before->str);
        run += after->type == REDIS_REPLY_ARRAY;
        kept_out += after->type == REDIS_REPLY_NIL;
        freeReplyObject(before);
        freeReplyObject(after);
    }
    writer_end(&writer);
    assert_true(run + kept_out > 0);
}

static void sort_reads_the_keys_that_its_patterns_name_as_of_one_moment(void **state) {
    struct nodes *nodes = *state;
    expect_reply(nodes->to_master, "4", "RPUSH list a b c d");
    expect_text(nodes->to_master, "OK", "MSET wa 0 wb 0 wc 0 wd 0");
    struct writer writer = {.server = &nodes->master, .format = "MSET wa %d wb %d wc %d wd %d"};
    writer_begin(&writer);
    for (uint64_t begun = clock_duration_us(); !is_over(begun);) {
        redisReply *values = command(nodes->to_master, "SORT list BY nosort GET w*");
        expect_all_equal(values);
        freeReplyObject(values);
    }
    writer_end(&writer);
}

static void an_element_of_a_list_that_is_turned_is_always_there(void **state) {
    struct nodes *nodes = *state;
    expect_reply(nodes->to_master, "2", "RPUSH list x x");
    wait_in_step(nodes->to_master, nodes->to_replica);
    struct writer writer = {.server = &nodes->master, .format = "LMOVE list list LEFT RIGHT"};
    writer_begin(&writer);
    for (uint64_t begun = clock_duration_us(); !is_over(begun);) {
        expect_text(nodes->to_master, "x", "LINDEX list 0");
        expect_text(nodes->to_replica, "x", "LINDEX list 0");
    }
    writer_end(&writer);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_nodes, nodes_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(messages_of_the_master_reach_the_subscribers_of_its_replica),
        CASE(messages_of_a_transaction_reach_the_replica_with_its_changes),
        CASE(a_replicas_own_messages_stay_where_they_are),
        CASE(without_a_replica_a_message_is_not_written),
        CASE(a_fenced_master_keeps_its_messages_to_itself),
        CASE(a_pause_of_writes_holds_what_replicas_would_be_told),
        CASE(a_transaction_on_a_replica_reads_one_moment),
        CASE(a_transaction_on_a_replica_sees_no_change_of_what_it_watches),
        CASE(sort_reads_the_keys_that_its_patterns_name_as_of_one_moment),
        CASE(an_element_of_a_list_that_is_turned_is_always_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
