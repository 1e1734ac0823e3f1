// SPDX-License-Identifier: Apache-2.0
//
// CLIENT PAUSE at the moments when it begins and ends: against writes that are under way, against the clock's
// tick, against another pause. A server inside this process, whose commits the test can hold up and whose
// ticks are the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATOR, FIRST, SECOND, THIRD, CONNECTIONS, TRIES = 20, SHORT_MS = 200 };

struct paused_server {
    struct inner_server inner;
    redisContext *connections[CONNECTIONS]; // each on a worker of its own
    _Atomic bool hold_commits;
    sem_t held, may_commit;
};

static const char *hold_up(void *context, enum store_gate gate, uint64_t writes) {
    (void)writes;
    struct paused_server *paused = context;
    if (gate == STORE_GATE_COMMIT && atomic_exchange(&paused->hold_commits, false)) {
        (void)sem_post(&paused->held);
        (void)sem_wait(&paused->may_commit);
    }
    return NULL;
}

static int start(void **state) {
    struct paused_server *paused = calloc(1, sizeof(*paused));
    assert_non_null(paused);
    assert_int_equal(sem_init(&paused->held, 0, 0), 0);
    assert_int_equal(sem_init(&paused->may_commit, 0, 0), 0);
    inner_server_open(&paused->inner, CONNECTIONS, hold_up, paused);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        paused->connections[i] = server_connect(&paused->inner.address);
        expect_text(paused->connections[i], "PONG", "PING");
    }
    *state = paused;
    return 0;
}

static int stop(void **state) {
    struct paused_server *paused = *state;
    (void)sem_post(&paused->may_commit); // for a test that has failed before it did
    for (size_t i = 0; i < CONNECTIONS; i++)
        redisFree(paused->connections[i]);
    inner_server_discard(&paused->inner);
    free(paused);
    return 0;
}

static bool one_is_paused(void *connection) {
    return client_list_count(connection, " flags=b ") == 1;
}

static bool two_set(void *connection) {
    return client_list_count(connection, " cmd=set ") == 2;
}

// --- Writes that are under way ---

static void a_pause_is_answered_when_the_writes_under_way_are_over(void **state) {
    struct paused_server *paused = *state;
    atomic_store(&paused->hold_commits, true);
    send_command(paused->connections[FIRST], "SET first 1");
    (void)sem_wait(&paused->held);
    send_command(paused->connections[SECOND], "CLIENT PAUSE 100000 WRITE");
    expect_silence(paused->connections[SECOND], SHORT_MS);
    (void)sem_post(&paused->may_commit);
    expect_next_text(paused->connections[SECOND], "OK");
    expect_next_text(paused->connections[FIRST], "OK");
    expect_text(paused->connections[SECOND], "1", "GET first");
}

static void hold_up_the_first(struct paused_server *paused) {
    atomic_store(&paused->hold_commits, true);
    send_command(paused->connections[FIRST], "SET first 1");
    (void)sem_wait(&paused->held);
    send_command(paused->connections[SECOND], "CLIENT PAUSE 100000 WRITE");
    expect_silence(paused->connections[SECOND], SHORT_MS);
}

static void a_write_that_waits_while_the_pause_begins_is_held_by_it(void **state) {
    struct paused_server *paused = *state;
    hold_up_the_first(paused);
    send_command(paused->connections[THIRD], "SET third 3");
    wait_until(two_set, paused->connections[OPERATOR], 30, "the third has begun");
    (void)sem_post(&paused->may_commit);
    expect_next_text(paused->connections[SECOND], "OK");
    expect_silence(paused->connections[THIRD], SHORT_MS);
    expect_null(paused->connections[SECOND], "GET third");
    expect_text(paused->connections[OPERATOR], "OK", "CLIENT UNPAUSE");
    expect_next_text(paused->connections[THIRD], "OK");
    expect_text(paused->connections[SECOND], "3", "GET third");
}

static bool an_exec_has_begun(void *connection) {
    return client_list_count(connection, " cmd=exec ") == 1;
}

static void a_transaction_that_waits_while_the_pause_begins_runs_whole_after_it(void **state) {
    struct paused_server *paused = *state;
    redisContext *third = paused->connections[THIRD];
    expect_text(third, "OK", "MULTI");
    expect_text(third, "QUEUED", "INCR third");
    hold_up_the_first(paused);
    send_command(third, "EXEC");
    wait_until(an_exec_has_begun, paused->connections[OPERATOR], 30, "EXEC has begun");
    (void)sem_post(&paused->may_commit);
    expect_next_text(paused->connections[SECOND], "OK");
    expect_silence(third, SHORT_MS);
    expect_text(paused->connections[OPERATOR], "OK", "CLIENT UNPAUSE");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(third, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->elements, 1);
    assert_int_equal(reply->element[0]->integer, 1);
    freeReplyObject(reply);
}

static void a_pause_within_a_transaction_begins_with_it(void **state) {
    struct paused_server *paused = *state;
    redisContext *first = paused->connections[FIRST];
    expect_text(first, "OK", "MULTI");
    expect_text(first, "QUEUED", "SET before 1");
    expect_text(first, "QUEUED", "CLIENT PAUSE 100000 WRITE");
    expect_text(first, "QUEUED", "SET after 1");
    redisReply *reply = command(first, "EXEC");
    assert_int_equal(reply->elements, 3);
    freeReplyObject(reply);
    send_command(paused->connections[SECOND], "SET other 1");
    wait_until(one_is_paused, paused->connections[OPERATOR], 30, "the write waits");
    expect_text(first, "OK", "CLIENT UNPAUSE");
    expect_next_text(paused->connections[SECOND], "OK");
}

// --- The end ---

static bool is_over(void *server) {
    const struct server *paused = server;
    return clock_duration_us() >= atomic_load(&paused->pause_until_us);
}

// The workers look at their clients ten times a second. A pause that begins and ends between two looks is
// hit or missed by chance, so there are several.
static void a_pause_that_ends_between_two_ticks_of_a_worker_lets_its_clients_go_on(void **state) {
    struct paused_server *paused = *state;
    for (int i = 0; i < TRIES; i++) {
        expect_text(paused->connections[OPERATOR], "OK", "CLIENT PAUSE 10");
        send_command(paused->connections[FIRST], "PING");
        wait_until(is_over, paused->inner.server, 30, "the time of the pause is over");
        server_tick(paused->inner.server);
        expect_next_text(paused->connections[FIRST], "PONG");
    }
}

static void *tick(void *server) {
    server_tick(server);
    return NULL;
}

static bool is_forgotten(struct server *server) {
    struct pollfd nothing = {.fd = -1};
    for (int ms = 0; ms < SHORT_MS && atomic_load(&server->pause_mode) != PAUSE_NONE; ms++)
        (void)poll(&nothing, 1, 1);
    return atomic_load(&server->pause_mode) == PAUSE_NONE;
}

static void a_pause_that_begins_while_an_old_one_is_forgotten_stays(void **state) {
    struct paused_server *paused = *state;
    struct server *server = paused->inner.server;
    pthread_t ticker;
    expect_text(paused->connections[OPERATOR], "OK", "CLIENT PAUSE 1");
    wait_until(is_over, server, 30, "the time of the pause is over");
    pthread_mutex_lock(&server->registry_lock); // as CLIENT PAUSE does
    assert_int_equal(pthread_create(&ticker, NULL, tick, server), 0);
    bool forgotten = is_forgotten(server);
    atomic_store(&server->pause_until_us, clock_duration_us() + 100000000);
    pthread_mutex_unlock(&server->registry_lock);
    assert_int_equal(pthread_join(ticker, NULL), 0);
    assert_false(forgotten);
    assert_int_equal(atomic_load(&server->pause_mode), PAUSE_ALL);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_pause_is_answered_when_the_writes_under_way_are_over),
        WITH_SERVER(a_write_that_waits_while_the_pause_begins_is_held_by_it),
        WITH_SERVER(a_transaction_that_waits_while_the_pause_begins_runs_whole_after_it),
        WITH_SERVER(a_pause_within_a_transaction_begins_with_it),
        WITH_SERVER(a_pause_that_ends_between_two_ticks_of_a_worker_lets_its_clients_go_on),
        WITH_SERVER(a_pause_that_begins_while_an_old_one_is_forgotten_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
