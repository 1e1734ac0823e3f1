// SPDX-License-Identifier: Apache-2.0
//
// The two gates seen by clients over real sockets: a server inside this process, with a check function that
// the test answers for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"
#include "inner_server.h"

#include <stdatomic.h>
#include <stdlib.h>

// Answers for the check function; asked by the server's workers.
struct gates {
    _Atomic(const char *) at_commit, at_settle;
};

struct gated_server {
    struct inner_server inner;
    struct gates gates;
};

static const char *ask(void *context, enum store_gate gate, uint64_t writes) {
    (void)writes;
    struct gates *gates = context;
    return atomic_load(gate == STORE_GATE_COMMIT ? &gates->at_commit : &gates->at_settle);
}

static int start_with_workers(void **state, int workers) {
    struct gated_server *gated = calloc(1, sizeof(*gated));
    assert_non_null(gated);
    inner_server_open(&gated->inner, workers, ask, &gated->gates);
    *state = gated;
    return 0;
}

static int start(void **state) {
    return start_with_workers(state, 2);
}

static int start_with_one_worker(void **state) {
    return start_with_workers(state, 1);
}

static int stop(void **state) {
    struct gated_server *gated = *state;
    inner_server_discard(&gated->inner);
    free(gated);
    return 0;
}

static void a_refused_write_gets_its_error_and_its_neighbours_in_the_pipeline_are_right(void **state) {
    struct gated_server *gated = *state;
    redisContext *connection = server_connect(&gated->inner.address);
    expect_text(connection, "OK", "SET key old");
    atomic_store(&gated->gates.at_commit, "READONLY master lease expired");
    assert_int_equal(redisAppendCommand(connection, "GET key"), REDIS_OK);
    assert_int_equal(redisAppendCommand(connection, "SET key new"), REDIS_OK);
    assert_int_equal(redisAppendCommand(connection, "GET key"), REDIS_OK);
    assert_int_equal(redisAppendCommand(connection, "PING"), REDIS_OK);
    expect_next_text(connection, "old");
    expect_next_text(connection, "READONLY master lease expired");
    expect_next_text(connection, "old");
    expect_next_text(connection, "PONG");
    atomic_store(&gated->gates.at_commit, NULL);
    expect_text(connection, "OK", "SET key new");
    redisFree(connection);
}

static void a_refused_transaction_is_one_error_and_changes_nothing(void **state) {
    struct gated_server *gated = *state;
    redisContext *connection = server_connect(&gated->inner.address);
    expect_text(connection, "OK", "MULTI");
    expect_text(connection, "QUEUED", "SET a 1");
    expect_text(connection, "QUEUED", "GET a");
    expect_text(connection, "QUEUED", "INCR b");
    atomic_store(&gated->gates.at_commit, "READONLY master lease expired");
    expect_error(connection, "READONLY master lease expired", "EXEC");
    expect_text(connection, "PONG", "PING");
    expect_integer(connection, 0, "EXISTS a b");
    redisFree(connection);
}

static void a_late_write_closes_its_connection_without_a_word_and_others_go_on(void **state) {
    struct gated_server *gated = *state;
    redisContext *writer = server_connect(&gated->inner.address);
    redisContext *reader = server_connect(&gated->inner.address);
    expect_text(writer, "OK", "SET key old");
    atomic_store(&gated->gates.at_settle, "READONLY master lease expired");
    assert_int_equal(redisAppendCommand(writer, "PING"), REDIS_OK);
    assert_int_equal(redisAppendCommand(writer, "SET key new"), REDIS_OK);
    redisReply *reply = NULL;
    assert_int_not_equal(redisGetReply(writer, (void **)&reply), REDIS_OK);
    assert_null(reply);
    expect_text(reader, "new",
                "GET key"); // it was stored: the outcome was unknown to the writer, and is known now
    expect_text(reader, "PONG", "PING");
    redisFree(writer);
    redisFree(reader);
}

static void expect_closed_without_a_word(redisContext *connection) {
    redisReply *reply = NULL;
    assert_int_not_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_null(reply);
    redisFree(connection);
}

static void late_transactions_and_flushes_are_not_acknowledged_either(void **state) {
    struct gated_server *gated = *state;
    redisContext *transaction = server_connect(&gated->inner.address);
    redisContext *flush = server_connect(&gated->inner.address);
    expect_text(transaction, "OK", "MULTI");
    expect_text(transaction, "QUEUED", "SET key value");
    atomic_store(&gated->gates.at_settle, "READONLY master lease expired");
    assert_int_equal(redisAppendCommand(transaction, "EXEC"), REDIS_OK);
    expect_closed_without_a_word(transaction);
    assert_int_equal(redisAppendCommand(flush, "FLUSHALL"), REDIS_OK);
    expect_closed_without_a_word(flush);
}

// All wait for the one worker, which sleeps, and so are served in one round.
static void a_late_round_closes_its_writers_and_answers_its_readers(void **state) {
    struct gated_server *gated = *state;
    redisContext *sleeper = server_connect(&gated->inner.address);
    redisContext *reader = server_connect(&gated->inner.address);
    redisContext *writer = server_connect(&gated->inner.address);
    expect_text(reader, "PONG", "PING");
    expect_text(writer, "OK", "SET key old");
    atomic_store(&gated->gates.at_settle, "READONLY master lease expired");
    send_command(sleeper, "DEBUG SLEEP 0.5");
    send_command(writer, "SET key new");
    send_command(reader, "GET key");
    send_command(reader, "GET key");
    expect_next_text(sleeper, "OK");
    expect_closed_without_a_word(writer);
    for (int i = 0; i < 2; i++) {
        redisReply *reply = NULL; // before or after the write: both are right
        assert_int_equal(redisGetReply(reader, (void **)&reply), REDIS_OK);
        freeReplyObject(reply);
    }
    expect_text(reader, "new", "GET key");
    redisFree(sleeper);
    redisFree(reader);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_refused_write_gets_its_error_and_its_neighbours_in_the_pipeline_are_right),
        WITH_SERVER(a_refused_transaction_is_one_error_and_changes_nothing),
        WITH_SERVER(a_late_write_closes_its_connection_without_a_word_and_others_go_on),
        WITH_SERVER(late_transactions_and_flushes_are_not_acknowledged_either),
        cmocka_unit_test_setup_teardown(a_late_round_closes_its_writers_and_answers_its_readers,
                                        start_with_one_worker, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
