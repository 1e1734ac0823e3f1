// SPDX-License-Identifier: Apache-2.0
//
// Publishing and subscribing: who gets what, in both protocols, across workers, and what becomes of a
// subscriber that does not read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"
#include "lease_client.h"
#include "raw_client.h"
#include "reply_text.h"
#include "server_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_NOW ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"

static struct test_server server;
static redisContext *client;
static redisContext *other;
static const struct shared_server servers[] = {{&server, "workers 3", {&client, &other}}};

// What comes next: an array or push of texts, joined by blanks; integers count as texts.
static void expect_next(redisContext *connection, const char *wanted) {
    redisReply *reply = NULL;
    char text[256] = "";
    if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
        fail_msg("%s instead of '%s'", connection->errstr, wanted);
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *element = reply->element[i];
        size_t length = strlen(text);
        if (element->type == REDIS_REPLY_INTEGER)
            (void)snprintf(text + length, sizeof(text) - length, "%s%lld", i == 0 ? "" : " ",
                           element->integer);
        else
            (void)snprintf(text + length, sizeof(text) - length, "%s%s", i == 0 ? "" : " ",
                           element->type == REDIS_REPLY_NIL ? "nil" : element->str);
    }
    assert_string_equal(text, wanted);
    freeReplyObject(reply);
}

static void messages_reach_channels_and_patterns(void **state) {
    (void)state;
    send_command(other, "SUBSCRIBE x y x");
    expect_next(other, "subscribe x 1");
    expect_next(other, "subscribe y 2");
    expect_next(other, "subscribe x 2");
    send_command(other, "PSUBSCRIBE x* ?");
    expect_next(other, "psubscribe x* 3");
    expect_next(other, "psubscribe ? 4");
    expect_reply(client, "3", "PUBLISH x hello");
    expect_next(other, "message x hello");
    expect_next(other, "pmessage x* x hello");
    expect_next(other, "pmessage ? x hello");
    expect_reply(client, "1", "PUBLISH xyz there");
    expect_next(other, "pmessage x* xyz there");
    expect_reply(client, "0", "PUBLISH nobody there");
    expect_silence(other, 30);
}

static void several_messages_go_out_with_one_command(void **state) {
    (void)state;
    send_command(other, "SUBSCRIBE x");
    expect_next(other, "subscribe x 1");
    send_command(other, "PSUBSCRIBE ?");
    expect_next(other, "psubscribe ? 2");
    expect_reply(client, "4", "MPUBLISH x one two");
    expect_next(other, "message x one");
    expect_next(other, "pmessage ? x one");
    expect_next(other, "message x two");
    expect_next(other, "pmessage ? x two");
    expect_reply(client, "0", "MPUBLISH nobody one two three");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "MPUBLISH x three");
    expect_reply(client, "[2]", "EXEC");
    expect_next(other, "message x three");
    expect_next(other, "pmessage ? x three");
    expect_silence(other, 30);
}

static void subscriptions_end_one_by_one_or_all_at_once(void **state) {
    (void)state;
    send_command(other, "SUBSCRIBE x y z");
    expect_next(other, "subscribe x 1");
    expect_next(other, "subscribe y 2");
    expect_next(other, "subscribe z 3");
    send_command(other, "UNSUBSCRIBE y nothing");
    expect_next(other, "unsubscribe y 2");
    expect_next(other, "unsubscribe nothing 2");
    expect_reply(client, "0", "PUBLISH y m");
    send_command(other, "UNSUBSCRIBE");
    expect_next(other, "unsubscribe x 1");
    expect_next(other, "unsubscribe z 0");
    send_command(other, "UNSUBSCRIBE");
    expect_next(other, "unsubscribe nil 0");
    send_command(other, "PUNSUBSCRIBE");
    expect_next(other, "punsubscribe nil 0");
    expect_reply(other, "nil", "GET k");
}

static void shard_channels_are_apart_from_the_others(void **state) {
    (void)state;
    send_command(other, "SSUBSCRIBE x");
    expect_next(other, "ssubscribe x 1");
    expect_reply(client, "0", "PUBLISH x m");
    expect_reply(client, "1", "SPUBLISH x m");
    expect_next(other, "smessage x m");
    expect_reply(client, "['x']", "PUBSUB SHARDCHANNELS");
    expect_reply(client, "['x' 1 'y' 0]", "PUBSUB SHARDNUMSUB x y");
    expect_reply(client, "[]", "PUBSUB CHANNELS");
    send_command(other, "SUNSUBSCRIBE");
    expect_next(other, "sunsubscribe x 0");
}

static void in_resp2_a_subscriber_may_do_little_else(void **state) {
    (void)state;
    send_command(other, "SUBSCRIBE x");
    expect_next(other, "subscribe x 1");
    expect_reply(other, "-ERR Can't execute 'get'" NOT_NOW, "GET k");
    expect_reply(other, "-ERR Can't execute 'client|id'" NOT_NOW, "CLIENT ID");
    expect_reply(other, "-ERR Can't execute 'publish'" NOT_NOW, "PUBLISH x m");
    expect_reply(other, "['pong' '']", "PING");
    expect_reply(other, "['pong' 'm']", "PING m");
    expect_reply(other, "RESET", "RESET");
    expect_reply(other, "nil", "GET k");
    expect_reply(client, "['x' 0]", "PUBSUB NUMSUB x");
    send_command(other, "SUBSCRIBE x");
    expect_next(other, "subscribe x 1");
    expect_reply(other, "OK", "QUIT");
}

// By hand, as the client library does not know what a push is.
static void in_resp3_a_subscriber_may_do_everything(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    raw_send_text(fd, "CLIENT REPLY OFF\r\nHELLO 3\r\nCLIENT REPLY ON\r\nSUBSCRIBE x\r\n");
    raw_expect(fd, "+OK\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
    raw_send_text(fd, "GET k\r\nPUBLISH x self\r\nPING\r\n");
    raw_expect(fd, "_\r\n>3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$4\r\nself\r\n:1\r\n+PONG\r\n");
    raw_send_text(fd, "UNSUBSCRIBE\r\nUNSUBSCRIBE\r\n");
    raw_expect(fd, ">3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:0\r\n>3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n");
    raw_send_text(fd, "CLIENT REPLY OFF\r\nSUBSCRIBE x\r\nPUBLISH x self\r\n");
    raw_expect(fd, ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
    raw_expect(fd, ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$4\r\nself\r\n");
    (void)close(fd);
}

static void what_there_is_can_be_listed(void **state) {
    (void)state;
    send_command(other, "SUBSCRIBE x");
    expect_next(other, "subscribe x 1");
    send_command(other, "PSUBSCRIBE p* q*");
    expect_next(other, "psubscribe p* 2");
    expect_next(other, "psubscribe q* 3");
    send_command(other, "SSUBSCRIBE s");
    expect_next(other, "ssubscribe s 1");
    expect_reply(client, "['x']", "PUBSUB CHANNELS");
    expect_reply(client, "[]", "PUBSUB CHANNELS y*");
    expect_reply(client, "['x' 1 'z' 0]", "PUBSUB NUMSUB x z");
    expect_reply(client, "[]", "PUBSUB NUMSUB");
    expect_reply(client, "2", "PUBSUB NUMPAT");
    assert_int_equal(client_list_count(client, " flags=P db=0 sub=1 psub=2 ssub=1 "), 1);
    assert_int_equal(server_info_number(client, "stats", "pubsub_channels"), 1);
    assert_int_equal(server_info_number(client, "stats", "pubsub_patterns"), 2);
    expect_reply(client, "-ERR unknown subcommand 'NOPE'. Try PUBSUB HELP.", "PUBSUB NOPE");
    expect_reply(client, "1", "CLIENT KILL TYPE pubsub");
    expect_reply(client, "0", "CLIENT KILL TYPE pubsub");
}

static void subscribing_is_no_part_of_a_transaction_and_publishing_is(void **state) {
    (void)state;
    send_command(other, "SUBSCRIBE x");
    expect_next(other, "subscribe x 1");
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "PUBLISH x m");
    expect_text(client, "QUEUED", "SET k v");
    expect_silence(other, 30);
    expect_reply(client, "[1 OK]", "EXEC");
    expect_next(other, "message x m");
    expect_text(client, "OK", "MULTI");
    expect_error(client, "ERR SUBSCRIBE is not allowed in transactions", "SUBSCRIBE y");
    expect_error(client, "EXECABORT", "EXEC");
}

// Each on a connection of its own, so on all workers.
static void everybody_gets_everything_in_order(void **state) {
    (void)state;
    enum { SUBSCRIBERS = 30, MESSAGES = 200 };
    redisContext *subscribers[SUBSCRIBERS];
    for (int i = 0; i < SUBSCRIBERS; i++) {
        subscribers[i] = server_connect(&server);
        send_command(subscribers[i], i % 2 == 0 ? "SUBSCRIBE news" : "PSUBSCRIBE n?ws");
        expect_next(subscribers[i], i % 2 == 0 ? "subscribe news 1" : "psubscribe n?ws 1");
    }
    for (int i = 0; i < MESSAGES; i++)
        expect_reply(client, "30", "PUBLISH news %d", i);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        for (int j = 0; j < MESSAGES; j++) {
            char wanted[64];
            (void)snprintf(wanted, sizeof(wanted), i % 2 == 0 ? "message news %d" : "pmessage n?ws news %d",
                           j);
            expect_next(subscribers[i], wanted);
        }
        redisFree(subscribers[i]);
    }
}

static bool nobody_subscribes(void *context) {
    redisReply *reply = command(context, "PUBSUB NUMSUB big");
    bool nobody = reply->element[1]->integer == 0;
    freeReplyObject(reply);
    return nobody;
}

static void who_does_not_read_is_closed_and_nobody_else_notices(void **state) {
    struct own_server *own = *state;
    enum { MESSAGES = 300, LENGTH = 100000 };
    redisContext *deaf = server_connect(&own->server);
    redisContext *attentive = server_connect(&own->server);
    send_command(deaf, "SUBSCRIBE big");
    expect_next(deaf, "subscribe big 1");
    send_command(attentive, "SUBSCRIBE small");
    expect_next(attentive, "subscribe small 1");
    char *text = calloc(1, LENGTH + 1);
    assert_non_null(text);
    memset(text, 'x', LENGTH);
    for (int i = 0; i < MESSAGES; i++) {
        freeReplyObject(command(own->client, "PUBLISH big %s", text));
        expect_integer(own->client, 1, "PUBLISH small %d", i);
    }
    wait_until(nobody_subscribes, own->client, 20, "the deaf subscriber is closed");
    for (int i = 0; i < MESSAGES; i++) {
        char wanted[32];
        (void)snprintf(wanted, sizeof(wanted), "message small %d", i);
        expect_next(attentive, wanted);
    }
    assert_true(server_log_contains(&own->server, "client-output-buffer-limit"));
    free(text);
    redisFree(deaf);
    redisFree(attentive);
}

static void a_subscriber_is_not_idle(void **state) {
    struct own_server *own = *state;
    redisContext *subscriber = server_connect(&own->server);
    send_command(subscriber, "SUBSCRIBE x");
    expect_next(subscriber, "subscribe x 1");
    redisContext *idle = server_connect(&own->server);
    expect_text(idle, "PONG", "PING");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(idle, (void **)&reply), REDIS_ERR); // closed by the server
    redisContext *publisher = server_connect(&own->server);
    expect_integer(publisher, 1, "PUBLISH x m");
    expect_next(subscriber, "message x m");
    redisFree(publisher);
    redisFree(idle);
    redisFree(subscriber);
}

static void a_fenced_master_and_a_replica_deliver_messages(void **state) {
    struct own_server *own = *state;
    redisContext *subscriber = server_connect(&own->server);
    send_command(subscriber, "SUBSCRIBE x");
    expect_next(subscriber, "subscribe x 1");
    lease_grant(own->client, 1, 1);
    await_expirations(own->client, 1);
    expect_integer(own->client, 1, "PUBLISH x fenced");
    expect_next(subscriber, "message x fenced");
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    expect_integer(own->client, 1, "PUBLISH x replica");
    expect_next(subscriber, "message x replica");
    redisFree(subscriber);
}

static void shard_channels_follow_their_slots(void **state) {
    struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_ALL_TO_A, 1);
    redisContext *subscriber = server_connect(&pair->servers[0]);
    send_command(subscriber, "SSUBSCRIBE foo"); // slot 12182
    expect_next(subscriber, "ssubscribe foo 1");
    send_command(subscriber, "SSUBSCRIBE bar"); // slot 5061
    expect_next(subscriber, "ssubscribe bar 2");
    expect_reply(pair->clients[0], "-CROSSSLOT Attempted to access keys that don't hash to the same slot",
                 "SSUBSCRIBE a b");
    node_pair_set(pair, SPLIT_HALVES, 2);
    expect_next(subscriber, "sunsubscribe foo 1");
    expect_error(pair->clients[0], "MOVED 12182", "SPUBLISH foo m");
    expect_integer(pair->clients[0], 1, "SPUBLISH bar m");
    expect_next(subscriber, "smessage bar m");
    redisFree(subscriber);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_reach_channels_and_patterns, empty_database),
        cmocka_unit_test_setup(several_messages_go_out_with_one_command, empty_database),
        cmocka_unit_test_setup(subscriptions_end_one_by_one_or_all_at_once, empty_database),
        cmocka_unit_test_setup(shard_channels_are_apart_from_the_others, empty_database),
        cmocka_unit_test_setup(in_resp2_a_subscriber_may_do_little_else, empty_database),
        cmocka_unit_test_setup(in_resp3_a_subscriber_may_do_everything, empty_database),
        cmocka_unit_test_setup(what_there_is_can_be_listed, empty_database),
        cmocka_unit_test_setup(subscribing_is_no_part_of_a_transaction_and_publishing_is, empty_database),
        cmocka_unit_test_setup(everybody_gets_everything_in_order, empty_database),
        own_server_test(who_does_not_read_is_closed_and_nobody_else_notices,
                        "client-output-buffer-limit pubsub 1mb 0 0"),
        own_server_test(a_subscriber_is_not_idle, "timeout 1"),
        own_server_test(a_fenced_master_and_a_replica_deliver_messages, "master-lease-mode block-write"),
        cmocka_unit_test_setup_teardown(shard_channels_follow_their_slots, node_pair_open, node_pair_close),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
