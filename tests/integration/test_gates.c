// SPDX-License-Identifier: Apache-2.0
//
// The two gates seen by clients over real sockets: a server inside this process, with a check function that
// the test answers for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/table.h"
#include "harness.h"
#include "inner_server.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

// One that changes something when "key" holds a string and "sorted" a sorted set, for each write command of
// the table.
static const char *const samples[] = {
    "APPEND key x",
    "BITFIELD key SET u8 0 1",
    "BITOP NOT other key",
    "CAD key value",
    "CAS key value x",
    "COPY key other",
    "DECR counter",
    "DECRBY counter 2",
    "DEL key",
    "EXPIRE key 100",
    "EXPIREAT key 99999999999",
    "FLUSHALL",
    "FLUSHDB",
    "GETDEL key",
    "GETEX key EX 10",
    "GETSET key x",
    "INCR counter",
    "INCRBY counter 2",
    "INCRBYFLOAT counter 2.5",
    "MSET key 1 b 2",
    "MSETNX x 1 y 2",
    "PERSIST expiring",
    "PEXPIRE key 100000",
    "PEXPIREAT key 99999999999999",
    "PSETEX key 100000 x",
    "RENAME key other",
    "RENAMENX key other",
    "SET key x",
    "SETBIT key 1 0",
    "SETEX key 100 x",
    "SETNX x 1",
    "SETRANGE key 2 x",
    "UNLINK key",
    "ZADD sorted 4 d",
    "ZDIFFSTORE other 1 sorted",
    "ZINCRBY sorted 1 a",
    "ZINTERSTORE other 1 sorted",
    "ZMPOP 1 sorted MIN",
    "ZPOPMAX sorted",
    "ZPOPMIN sorted",
    "ZRANGESTORE other sorted 0 -1",
    "ZREM sorted a",
    "ZREMRANGEBYLEX sorted - +",
    "ZREMRANGEBYRANK sorted 0 -1",
    "ZREMRANGEBYSCORE sorted 0 9",
    "ZUNIONSTORE other 1 sorted",
};

static bool is_sample_of(const char *sample, const char *name) {
    size_t length = strlen(name);
    return strncasecmp(sample, name, length) == 0 && (sample[length] == ' ' || sample[length] == '\0');
}

static void every_write_command_of_the_table_has_a_sample(void **state) {
    (void)state;
    size_t count = 0;
    struct command *rows = commands_copy(&count);
    for (size_t i = 0; i < count; i++) {
        // MOVE is an error whatever its arguments: there is one keyspace.
        bool found = (rows[i].flags & COMMAND_WRITE) == 0 || strcmp(rows[i].name, "move") == 0;
        for (size_t at = 0; at < sizeof(samples) / sizeof(samples[0]); at++)
            found = found || is_sample_of(samples[at], rows[i].name);
        if (!found)
            fail_msg("no sample shows that '%s' is refused", rows[i].name);
    }
    free(rows);
}

static void expect_refused(redisContext *connection, const char *sample) {
    redisReply *reply = redisCommand(connection, sample);
    assert_non_null(reply);
    if (reply->type != REDIS_REPLY_ERROR || strstr(reply->str, "master lease expired") == NULL)
        fail_msg("'%s' was not refused: %s", sample, reply->str == NULL ? "" : reply->str);
    freeReplyObject(reply);
}

static void every_write_command_is_refused_and_changes_nothing(void **state) {
    struct gated_server *gated = *state;
    redisContext *connection = server_connect(&gated->inner.address);
    expect_text(connection, "OK", "SET key value");
    expect_text(connection, "OK", "SET counter 1");
    expect_text(connection, "OK", "SET expiring value EX 1000");
    expect_integer(connection, 3, "ZADD sorted 1 a 2 b 3 c");
    uint64_t sequence = store_latest_sequence(gated->inner.server->store);
    atomic_store(&gated->gates.at_commit, "READONLY master lease expired");
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        expect_refused(connection, samples[i]);
    assert_int_equal(store_latest_sequence(gated->inner.server->store), sequence);
    expect_text(connection, "value", "GET key");
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
        cmocka_unit_test(every_write_command_of_the_table_has_a_sample),
        WITH_SERVER(every_write_command_is_refused_and_changes_nothing),
        WITH_SERVER(a_late_write_closes_its_connection_without_a_word_and_others_go_on),
        WITH_SERVER(late_transactions_and_flushes_are_not_acknowledged_either),
        cmocka_unit_test_setup_teardown(a_late_round_closes_its_writers_and_answers_its_readers,
                                        start_with_one_worker, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
