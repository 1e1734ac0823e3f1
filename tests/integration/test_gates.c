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
#include <string.h>

// Answers for the check function; asked by the server's workers.
struct gates {
    _Atomic(const char *) at_commit, at_settle;
};

struct gated_server {
    struct inner_server inner;
    struct gates gates;
};

static const char *ask(void *context, enum store_gate gate) {
    struct gates *gates = context;
    return atomic_load(gate == STORE_GATE_COMMIT ? &gates->at_commit : &gates->at_settle);
}

static int start(void **state) {
    struct gated_server *gated = calloc(1, sizeof(*gated));
    assert_non_null(gated);
    inner_server_open(&gated->inner, 2, ask, &gated->gates);
    *state = gated;
    return 0;
}

static int stop(void **state) {
    struct gated_server *gated = *state;
    inner_server_discard(&gated->inner);
    free(gated);
    return 0;
}

static void expect_next_text(redisContext *connection, const char *wanted) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_non_null(reply->str);
    assert_string_equal(reply->str, wanted);
    freeReplyObject(reply);
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

static void every_kind_of_write_is_refused(void **state) {
    static const char *const writes[] = {
        "SET key 1",        "DEL key",           "EXPIRE key 100",  "RENAME key other",
        "APPEND key x",     "SETBIT key 1 1",    "GETDEL key",      "MSET key 1 b 2",
        "INCR counter",     "FLUSHALL",          "FLUSHDB",         "COPY key other",
        "SETRANGE key 2 x", "BITOP NOT key key", "GETEX key EX 10", "MSETNX x 1 y 2",
    };
    struct gated_server *gated = *state;
    redisContext *connection = server_connect(&gated->inner.address);
    expect_text(connection, "OK", "SET key value");
    atomic_store(&gated->gates.at_commit, "READONLY master lease expired");
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        redisReply *reply = redisCommand(connection, writes[i]);
        assert_non_null(reply);
        if (reply->type != REDIS_REPLY_ERROR || strstr(reply->str, "master lease expired") == NULL)
            fail_msg("'%s' was not refused: %s", writes[i], reply->str == NULL ? "" : reply->str);
        freeReplyObject(reply);
    }
    expect_text(connection, "value", "GET key");
    expect_integer(connection, 1, "DBSIZE");
    expect_integer(connection, -1, "TTL key");
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

static void a_late_round_does_not_close_those_who_only_read(void **state) {
    struct gated_server *gated = *state;
    redisContext *reader = server_connect(&gated->inner.address);
    atomic_store(&gated->gates.at_settle, "READONLY master lease expired");
    for (int i = 0; i < 200; i++) {
        redisContext *writer = server_connect(&gated->inner.address);
        assert_int_equal(redisAppendCommand(writer, "SET key %d", i), REDIS_OK);
        int done = 0;
        assert_int_equal(redisBufferWrite(writer, &done), REDIS_OK);
        freeReplyObject(command(reader, "GET key"));
        redisFree(writer);
    }
    expect_text(reader, "PONG", "PING");
    redisFree(reader);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_refused_write_gets_its_error_and_its_neighbours_in_the_pipeline_are_right),
        WITH_SERVER(a_refused_transaction_is_one_error_and_changes_nothing),
        WITH_SERVER(every_kind_of_write_is_refused),
        WITH_SERVER(a_late_write_closes_its_connection_without_a_word_and_others_go_on),
        WITH_SERVER(a_late_round_does_not_close_those_who_only_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
