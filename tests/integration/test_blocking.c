// SPDX-License-Identifier: Apache-2.0
//
// Commands that wait for an element: who is served and when, what ends a wait, and what does not. The clients
// of these tests belong to different workers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"
#include "lease_client.h"
#include "reply_text.h"
#include "server_fixture.h"

#include <stdlib.h>
#include <string.h>

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"

static struct test_server server;
static redisContext *client;
static redisContext *other;
static const struct shared_server servers[] = {{&server, "workers 3", {&client, &other}}};

struct wanted_waiters {
    redisContext *connection;
    long long count;
};

static bool so_many_wait(void *context) {
    const struct wanted_waiters *wanted = context;
    return server_info_number(wanted->connection, "clients", "blocked_clients") == wanted->count;
}

static void await_waiters(redisContext *connection, long long count) {
    struct wanted_waiters wanted = {connection, count};
    wait_until(so_many_wait, &wanted, 20, "so many clients wait");
}

// The next reply, as it would be if the command had not had to wait.
static void expect_next_pair(redisContext *connection, const char *first, const char *second) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 2);
    assert_string_equal(reply->element[0]->str, first);
    assert_string_equal(reply->element[1]->str, second);
    freeReplyObject(reply);
}

static void expect_next_nil(redisContext *connection) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
}

static void what_has_elements_is_answered_at_once(void **state) {
    (void)state;
    expect_reply(client, "5", "RPUSH l a b c d e");
    expect_reply(client, "['l' 'a']", "BLPOP x l 0");
    expect_reply(client, "['l' 'e']", "BRPOP x l 0");
    expect_reply(client, "['l' ['d' 'c']]", "BLMPOP 0 2 x l RIGHT COUNT 2");
    expect_reply(client, "'b'", "BLMOVE l m LEFT RIGHT 0");
    expect_reply(client, "'b'", "BRPOPLPUSH m n 0");
    expect_reply(client, "['b']", "LRANGE n 0 -1");
    expect_reply(client, "0", "EXISTS l m");
}

static void sorted_sets_are_waited_for_like_lists(void **state) {
    (void)state;
    expect_reply(client, "3", "ZADD z 1 a 2 b 3 c");
    expect_reply(client, "['z' 'a' '1']", "BZPOPMIN x z 0");
    expect_reply(client, "['z' 'c' '3']", "BZPOPMAX x z 0");
    expect_reply(client, "['z' [['b' '2']]]", "BZMPOP 0 2 x z MIN COUNT 5");
    expect_reply(client, "nil", "BZPOPMIN z 0.01");
    send_command(other, "BZPOPMIN z 0");
    await_waiters(client, 1);
    redisContext *next = server_connect(&server);
    send_command(next, "BLPOP z 0");
    await_waiters(client, 2);
    expect_reply(client, "1", "RPUSH z e");
    expect_next_pair(next, "z", "e");
    expect_silence(other, 20);
    expect_reply(client, "1", "ZADD z 7 m");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(other, (void **)&reply), REDIS_OK);
    assert_string_equal(reply->element[1]->str, "m");
    assert_string_equal(reply->element[2]->str, "7");
    freeReplyObject(reply);
    redisFree(next);
}

static void arguments_are_checked_before_anything_waits(void **state) {
    (void)state;
    expect_reply(client, "-ERR timeout is not a float or out of range", "BLPOP l x");
    expect_reply(client, "-ERR timeout is not a float or out of range", "BLMOVE a b LEFT LEFT nan");
    expect_reply(client, "-ERR timeout is negative", "BRPOP l -0.5");
    expect_reply(client, "-ERR timeout is out of range", "BRPOPLPUSH a b 1e30");
    expect_reply(client, "-ERR numkeys should be greater than 0", "BLMPOP x 0 l LEFT");
    expect_reply(client, "-ERR timeout is not a float or out of range", "BLMPOP x 1 l LEFT");
    expect_reply(client, "-ERR syntax error", "BLMOVE a b UP LEFT x");
    expect_reply(client, "-ERR wrong number of arguments for 'blpop' command", "BLPOP l");
    expect_reply(client, "OK", "SET s v");
    expect_reply(client, WRONG_TYPE, "BLPOP s 0");
    expect_reply(client, WRONG_TYPE, "BLPOP x s 0");
    expect_reply(client, WRONG_TYPE, "BLMOVE s x LEFT LEFT 0");
    expect_reply(client, "0", "EXISTS x");
}

static void a_wait_ends_with_its_time(void **state) {
    (void)state;
    expect_reply(client, "nil", "BLPOP l 0.02");
    expect_reply(client, "nil", "BLMOVE l m LEFT LEFT 0.02");
    expect_reply(client, "nil", "BLMPOP 0.0001 1 l LEFT");
    expect_reply(client, "1", "RPUSH l a");
    expect_reply(client, "'a'", "LPOP l");
    await_waiters(client, 0);
}

static void who_came_first_is_served_first(void **state) {
    (void)state;
    enum { WAITERS = 30 };
    redisContext *waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = server_connect(&server);
        send_command(waiters[i], i % 2 == 0 ? "BLPOP x q 0" : "BLMPOP 0 2 q y LEFT");
        await_waiters(client, i + 1);
    }
    for (int i = 0; i < WAITERS; i++) {
        char element[8];
        redisReply *reply = NULL;
        (void)snprintf(element, sizeof(element), "%d", i);
        freeReplyObject(command(client, "RPUSH q %s", element));
        assert_int_equal(redisGetReply(waiters[i], (void **)&reply), REDIS_OK);
        const redisReply *popped = i % 2 == 0 ? reply->element[1] : reply->element[1]->element[0];
        assert_string_equal(popped->str, element);
        freeReplyObject(reply);
        redisFree(waiters[i]);
    }
}

static void one_push_serves_as_many_as_it_has_elements_for(void **state) {
    (void)state;
    enum { WAITERS = 20 };
    redisContext *waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = server_connect(&server);
        send_command(waiters[i], "BLPOP q 0");
        await_waiters(client, i + 1);
    }
    expect_reply(client, "4", "RPUSH q 0 1 2 3");
    await_waiters(client, WAITERS - 4);
    for (int i = 4; i < WAITERS; i++)
        freeReplyObject(command(client, "RPUSH q %d", i));
    for (int i = 0; i < WAITERS; i++) {
        char element[8];
        (void)snprintf(element, sizeof(element), "%d", i);
        expect_next_pair(waiters[i], "q", element);
        redisFree(waiters[i]);
    }
    expect_reply(client, "0", "EXISTS q");
}

static void every_way_for_a_list_to_appear_wakes_who_waits(void **state) {
    (void)state;
    static const char *const ways[] = {"RENAME", "COPY"};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        expect_reply(client, "1", "RPUSH source e");
        send_command(other, "BLPOP q 0");
        await_waiters(client, 1);
        freeReplyObject(command(client, "%s source q", ways[i]));
        expect_next_pair(other, "q", "e");
        freeReplyObject(command(client, "DEL source"));
    }
    expect_reply(client, "1", "RPUSH source e");
    send_command(other, "BLPOP q 0");
    await_waiters(client, 1);
    expect_reply(client, "'e'", "LMOVE source q LEFT LEFT");
    expect_next_pair(other, "q", "e");
}

static void a_transaction_is_over_before_anybody_is_served(void **state) {
    (void)state;
    send_command(other, "BLPOP a b 0");
    await_waiters(client, 1);
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "RPUSH a gone");
    expect_text(client, "QUEUED", "LPOP a");
    expect_text(client, "QUEUED", "RPUSH b x");
    expect_text(client, "QUEUED", "RPUSH a y");
    expect_reply(client, "[1 'gone' 1 1]", "EXEC");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(other, (void **)&reply), REDIS_OK);
    assert_string_not_equal(reply->element[1]->str, "gone");
    freeReplyObject(reply);
}

static void nothing_waits_inside_a_transaction(void **state) {
    (void)state;
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "BLPOP l 0");
    expect_text(client, "QUEUED", "BLMOVE l m LEFT LEFT 0");
    expect_text(client, "QUEUED", "BLMPOP 0 1 l LEFT");
    expect_text(client, "QUEUED", "RPUSH l a");
    expect_text(client, "QUEUED", "BRPOP l 0");
    expect_reply(client, "[nil nil nil 1 ['l' 'a']]", "EXEC");
}

static void a_key_of_another_type_is_waited_out(void **state) {
    (void)state;
    send_command(other, "BLPOP q 0");
    await_waiters(client, 1);
    expect_reply(client, "OK", "SET q text");
    expect_silence(other, 50);
    expect_reply(client, "1", "DEL q");
    expect_reply(client, "1", "RPUSH q e");
    expect_next_pair(other, "q", "e");
}

static void what_cannot_be_moved_is_left_for_the_next_one(void **state) {
    (void)state;
    send_command(other, "BLMOVE q string LEFT LEFT 0");
    await_waiters(client, 1);
    redisContext *next = server_connect(&server);
    send_command(next, "BLPOP q 0");
    await_waiters(client, 2);
    expect_reply(client, "OK", "SET string v");
    expect_reply(client, "1", "RPUSH q e");
    expect_next_text(other, &WRONG_TYPE[1]);
    expect_next_pair(next, "q", "e");
    redisFree(next);
}

static void an_element_goes_from_one_waiter_to_another(void **state) {
    (void)state;
    send_command(other, "BLMOVE a b LEFT RIGHT 0");
    await_waiters(client, 1);
    redisContext *next = server_connect(&server);
    send_command(next, "BLPOP b 0");
    await_waiters(client, 2);
    expect_reply(client, "1", "RPUSH a e");
    expect_next_text(other, "e");
    expect_next_pair(next, "b", "e");
    redisFree(next);
}

static void what_a_client_sends_behind_waits_too(void **state) {
    (void)state;
    redisAppendCommand(other, "BLPOP q 0");
    send_command(other, "ECHO behind");
    await_waiters(client, 1);
    expect_silence(other, 30);
    expect_reply(client, "1", "RPUSH q e");
    expect_next_pair(other, "q", "e");
    expect_next_text(other, "behind");
}

static void a_closed_connection_takes_no_element(void **state) {
    (void)state;
    redisContext *gone = server_connect(&server);
    redisContext *killed = server_connect(&server);
    long long id = reply_integer_of(killed, "CLIENT ID");
    send_command(gone, "BLPOP q 0");
    await_waiters(client, 1);
    send_command(killed, "BLPOP q 0");
    await_waiters(client, 2);
    send_command(other, "BLPOP q 0");
    await_waiters(client, 3);
    redisFree(gone);
    expect_integer(client, 1, "CLIENT KILL ID %lld", id);
    await_waiters(client, 1);
    expect_reply(client, "1", "RPUSH q e");
    expect_next_pair(other, "q", "e");
    redisFree(killed);
}

static void an_operator_can_end_a_wait(void **state) {
    (void)state;
    long long id = reply_integer_of(other, "CLIENT ID");
    expect_integer(client, 0, "CLIENT UNBLOCK %lld", id);
    send_command(other, "BLPOP q 0");
    await_waiters(client, 1);
    expect_integer(client, 1, "CLIENT UNBLOCK %lld", id);
    expect_next_nil(other);
    expect_integer(client, 0, "CLIENT UNBLOCK %lld ERROR", id);
    send_command(other, "BLMOVE q r LEFT LEFT 0");
    await_waiters(client, 1);
    expect_integer(client, 1, "CLIENT UNBLOCK %lld ERROR", id);
    expect_next_text(other, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    expect_integer(client, 0, "CLIENT UNBLOCK 999999");
    expect_error(client, "ERR CLIENT UNBLOCK reason should be", "CLIENT UNBLOCK %lld MAYBE", id);
}

static void a_pause_of_writes_holds_the_element_back(void **state) {
    (void)state;
    send_command(other, "BLPOP q 0");
    await_waiters(client, 1);
    expect_text(client, "OK", "CLIENT PAUSE 100000 WRITE");
    redisContext *pusher = server_connect(&server);
    send_command(pusher, "RPUSH q e");
    expect_silence(other, 50);
    expect_text(client, "OK", "CLIENT UNPAUSE");
    expect_next_pair(other, "q", "e");
    redisFree(pusher);
}

static void who_becomes_a_replica_keeps_nobody_waiting(void **state) {
    struct own_server *own = *state;
    redisContext *waiter = server_connect(&own->server);
    send_command(waiter, "BLPOP q 0");
    await_waiters(own->client, 1);
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    expect_next_text(waiter,
                     "UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
                     "replica?)");
    redisFree(waiter);
}

static void a_wait_ends_with_the_lease(void **state) {
    struct own_server *own = *state;
    redisContext *waiter = server_connect(&own->server);
    lease_grant(own->client, 1, 400);
    send_command(waiter, "BLPOP q 0");
    await_waiters(own->client, 1);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(waiter, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_memory_equal(reply->str, LEASE_REFUSAL, strlen(LEASE_REFUSAL));
    freeReplyObject(reply);
    expect_error(waiter, LEASE_REFUSAL, "BLPOP q 0");
    await_waiters(own->client, 0);
    redisFree(waiter);
}

static void an_element_that_is_there_is_not_taken_without_the_lease(void **state) {
    struct own_server *own = *state;
    expect_integer(own->client, 1, "RPUSH q e");
    lease_grant(own->client, 1, 1);
    await_expirations(own->client, 1);
    expect_error(own->client, LEASE_REFUSAL, "BLPOP q 0");
    expect_error(own->client, LEASE_REFUSAL, "BLMOVE q r LEFT LEFT 0");
    expect_integer(own->client, 1, "LLEN q");
    expect_integer(own->client, 0, "EXISTS r");
}

static void a_slot_that_moves_takes_who_waits_for_it_along(void **state) {
    struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_ALL_TO_A, 1);
    redisContext *waiter = server_connect(&pair->servers[0]);
    send_command(waiter, "BLPOP foo 0"); // slot 12182
    await_waiters(pair->clients[0], 1);
    node_pair_set(pair, SPLIT_HALVES, 2);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(waiter, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_memory_equal(reply->str, "MOVED 12182 ", 12);
    freeReplyObject(reply);
    redisFree(waiter);
}

// Pushers and waiters on all workers, some of whom give up: every element comes out exactly once.
static void under_load_no_element_is_lost_or_doubled(void **state) {
    (void)state;
    enum { WAITERS = 40, ELEMENTS = 400 };
    redisContext *waiters[WAITERS];
    bool seen[ELEMENTS] = {false};
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = server_connect(&server);
        for (int j = 0; j < ELEMENTS / WAITERS; j++)
            redisAppendCommand(waiters[i], "BLPOP q%d q%d q%d 0", j % 3, (j + 1) % 3, (j + 2) % 3);
        int done = 0;
        while (done == 0)
            assert_int_equal(redisBufferWrite(waiters[i], &done), REDIS_OK);
    }
    for (int i = 0; i < ELEMENTS; i++)
        redisAppendCommand(i % 2 == 0 ? client : other, "RPUSH q%d %d", i % 3, i);
    for (int i = 0; i < ELEMENTS; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(i % 2 == 0 ? client : other, (void **)&reply), REDIS_OK);
        freeReplyObject(reply);
    }
    for (int i = 0; i < WAITERS; i++) {
        for (int j = 0; j < ELEMENTS / WAITERS; j++) {
            redisReply *reply = NULL;
            assert_int_equal(redisGetReply(waiters[i], (void **)&reply), REDIS_OK);
            long element = strtol(reply->element[1]->str, NULL, 10);
            assert_false(seen[element]);
            seen[element] = true;
            freeReplyObject(reply);
        }
        redisFree(waiters[i]);
    }
    expect_reply(client, "0", "EXISTS q0 q1 q2");
}

static void a_server_stops_while_clients_wait(void **state) {
    struct own_server *own = *state;
    redisContext *waiter = server_connect(&own->server);
    send_command(waiter, "BLPOP q 100");
    await_waiters(own->client, 1);
    server_stop(&own->server);
    redisFree(waiter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_has_elements_is_answered_at_once, empty_database),
        cmocka_unit_test_setup(sorted_sets_are_waited_for_like_lists, empty_database),
        cmocka_unit_test_setup(arguments_are_checked_before_anything_waits, empty_database),
        cmocka_unit_test_setup(a_wait_ends_with_its_time, empty_database),
        cmocka_unit_test_setup(who_came_first_is_served_first, empty_database),
        cmocka_unit_test_setup(one_push_serves_as_many_as_it_has_elements_for, empty_database),
        cmocka_unit_test_setup(every_way_for_a_list_to_appear_wakes_who_waits, empty_database),
        cmocka_unit_test_setup(a_transaction_is_over_before_anybody_is_served, empty_database),
        cmocka_unit_test_setup(nothing_waits_inside_a_transaction, empty_database),
        cmocka_unit_test_setup(a_key_of_another_type_is_waited_out, empty_database),
        cmocka_unit_test_setup(what_cannot_be_moved_is_left_for_the_next_one, empty_database),
        cmocka_unit_test_setup(an_element_goes_from_one_waiter_to_another, empty_database),
        cmocka_unit_test_setup(what_a_client_sends_behind_waits_too, empty_database),
        cmocka_unit_test_setup(a_closed_connection_takes_no_element, empty_database),
        cmocka_unit_test_setup(an_operator_can_end_a_wait, empty_database),
        cmocka_unit_test_setup(a_pause_of_writes_holds_the_element_back, empty_database),
        cmocka_unit_test_setup(under_load_no_element_is_lost_or_doubled, empty_database),
        own_server_test(who_becomes_a_replica_keeps_nobody_waiting, ""),
        own_server_test(a_wait_ends_with_the_lease, "master-lease-mode block-write"),
        own_server_test(an_element_that_is_there_is_not_taken_without_the_lease,
                        "master-lease-mode block-write"),
        own_server_test(a_server_stops_while_clients_wait, ""),
        cmocka_unit_test_setup_teardown(a_slot_that_moves_takes_who_waits_for_it_along, node_pair_open,
                                        node_pair_close),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
