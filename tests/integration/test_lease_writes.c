// SPDX-License-Identifier: Apache-2.0
//
// What clients and operators see of the lease, against the real server: what is refused without it and what
// goes on, the three modes, the switches between them, and the log.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "server_fixture.h"
#include "texts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 60000, SHORT_MS = 20, WRITERS = 8 };

#define BLOCKING "master-lease-mode block-write\n"
#define LOGGING  "master-lease-mode log-only\n"

static redisContext *client_of(void **state) {
    const struct own_server *own = *state;
    return own->client;
}

// A lease that was held, and ran out.
static void let_a_lease_run_out(redisContext *client) {
    long long before = lease_number(client, "lease_expirations");
    lease_grant(client, 1, SHORT_MS);
    await_expirations(client, before + 1);
}

static void set_mode(redisContext *client, const char *mode) {
    expect_text(client, "OK", "CONFIG SET master-lease-mode %s", mode);
}

// --- What is refused, and what is not ---

static void writes_flow_before_the_first_heartbeat(void **state) {
    redisContext *client = client_of(state);
    expect_lease_state(client, "none");
    expect_text(client, "OK", "SET key value");
}

static void a_cold_start_that_fences_waits_for_the_first_heartbeat(void **state) {
    redisContext *client = client_of(state);
    expect_lease_state(client, "expired");
    expect_error(client, LEASE_REFUSAL, "SET key value");
    lease_grant(client, 1, LONG_MS);
    expect_text(client, "OK", "SET key value");
}

static void writes_flow_under_the_lease_stop_with_it_and_come_back_with_the_next(void **state) {
    redisContext *client = client_of(state);
    lease_grant(client, 1, LONG_MS);
    expect_text(client, "OK", "SET key 1");
    let_a_lease_run_out(client);
    expect_error(client, LEASE_REFUSAL, "SET key 2");
    expect_text(client, "1", "GET key");
    lease_grant(client, 1, LONG_MS);
    expect_text(client, "OK", "SET key 3");
    assert_int_equal(lease_number(client, "lease_writes_refused"), 1);
}

static void reads_and_operation_go_on_without_the_lease(void **state) {
    redisContext *client = client_of(state);
    expect_text(client, "OK", "SET key value");
    let_a_lease_run_out(client);
    expect_text(client, "value", "GET key");
    expect_integer(client, 1, "EXISTS key");
    expect_text(client, "PONG", "PING");
    expect_text(client, "OK", "CONFIG SET timeout 0");
    expect_text(client, "OK", "CLIENT SETNAME me");
    expect_integer(client, 0, "DEL no-such-key"); // nothing to write
    (void)server_info_number(client, "stats", "commits_refused");
    freeReplyObject(command(client, "SLOWLOG GET"));
    expect_error(client, LEASE_REFUSAL, "DEL key");
    expect_error(client, LEASE_REFUSAL, "FLUSHALL");
}

static void expect_next_refusal(redisContext *client) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_memory_equal(reply->str, LEASE_REFUSAL, strlen(LEASE_REFUSAL));
    freeReplyObject(reply);
}

static void each_write_of_a_pipeline_is_refused_and_its_neighbours_are_answered(void **state) {
    redisContext *client = client_of(state);
    expect_text(client, "OK", "SET key old");
    let_a_lease_run_out(client);
    for (int i = 0; i < 100; i++) {
        send_command(client, "SET key new");
        send_command(client, "GET key");
        send_command(client, "INCR counter");
    }
    for (int i = 0; i < 100; i++) {
        expect_next_refusal(client);
        expect_next_text(client, "old");
        expect_next_refusal(client);
    }
    expect_integer(client, 1, "DBSIZE");
}

static void send_many_at_once(redisContext *client, int writes) {
    for (int i = 0; i < writes; i++)
        assert_int_equal(redisAppendCommand(client, "INCR key-%d", i), REDIS_OK);
    send_command(client, "PING");
}

static void writes_that_are_sent_together_are_counted_one_by_one(void **state) {
    enum { WRITES = 150 };
    redisContext *client = client_of(state);
    let_a_lease_run_out(client);
    send_many_at_once(client, WRITES);
    for (int i = 0; i < WRITES; i++)
        expect_next_refusal(client);
    expect_next_text(client, "PONG");
    assert_int_equal(lease_number(client, "lease_writes_refused"), WRITES);
    redisReply *reply = command(client, "INFO errorstats");
    (void)text_after(reply->str, "errorstat_READONLY:count=150\r\n");
    freeReplyObject(reply);
    set_mode(client, "log-only");
    send_many_at_once(client, WRITES);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
        freeReplyObject(reply);
    }
    expect_next_text(client, "PONG");
    assert_int_equal(lease_number(client, "lease_writes_logged"), WRITES);
}

static void exec_is_refused_as_a_whole(void **state) {
    redisContext *client = client_of(state);
    let_a_lease_run_out(client);
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "SET a 1");
    expect_text(client, "QUEUED", "GET a");
    expect_text(client, "QUEUED", "INCR b");
    expect_error(client, LEASE_REFUSAL, "EXEC");
    expect_integer(client, 0, "EXISTS a b");
    expect_text(client, "OK", "MULTI"); // one that only reads
    expect_text(client, "QUEUED", "GET a");
    redisReply *reply = command(client, "EXEC");
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    freeReplyObject(reply);
}

static void a_refusal_is_counted_like_other_errors_and_ends_no_connection(void **state) {
    redisContext *client = client_of(state);
    let_a_lease_run_out(client);
    for (int i = 0; i < 5; i++)
        expect_error(client, LEASE_REFUSAL, "SET key value");
    assert_int_equal(server_info_number(client, "stats", "commits_refused"), 5);
    assert_int_equal(lease_number(client, "lease_writes_refused"), 5);
    redisReply *reply = command(client, "INFO errorstats");
    (void)text_after(reply->str, "errorstat_READONLY:count=5\r\n");
    freeReplyObject(reply);
}

// --- Modes ---

static void disabled_answers_and_records_heartbeats_and_refuses_nothing(void **state) {
    redisContext *client = client_of(state);
    let_a_lease_run_out(client);
    expect_lease_state(client, "expired");
    expect_text(client, "OK", "SET key value");
    assert_int_equal(lease_number(client, "lease_writes_refused"), 0);
    assert_int_equal(lease_number(client, "lease_writes_logged"), 0);
    assert_int_equal(lease_number(client, "lease_election_version"), 1);
}

static void a_switch_takes_effect_at_once_and_keeps_the_lease(void **state) {
    redisContext *client = client_of(state);
    let_a_lease_run_out(client);
    for (int i = 0; i < 3; i++) {
        expect_text(client, "OK", "SET key value");
        set_mode(client, "block-write");
        expect_error(client, LEASE_REFUSAL, "SET key value");
        set_mode(client, "log-only");
        expect_text(client, "OK", "SET key value");
        set_mode(client, "disabled");
    }
    lease_grant(client, 1, LONG_MS);
    set_mode(client, "block-write");
    expect_lease_state(client, "held");
    expect_text(client, "OK", "SET key value");
}

static void the_cold_start_directive_takes_effect_at_once(void **state) {
    redisContext *client = client_of(state);
    expect_text(client, "OK", "CONFIG SET master-lease-cold-start fence");
    expect_error(client, LEASE_REFUSAL, "SET key value");
    expect_text(client, "OK", "CONFIG SET master-lease-cold-start allow");
    expect_text(client, "OK", "SET key value");
    let_a_lease_run_out(client);
    expect_text(client, "OK", "CONFIG SET master-lease-cold-start fence");
    expect_text(client, "OK", "CONFIG SET master-lease-cold-start allow");
    expect_error(client, LEASE_REFUSAL, "SET key value"); // it frees nobody who had a lease
}

static void the_directives_are_told_checked_and_written_to_the_file(void **state) {
    struct own_server *own = *state;
    redisReply *reply = command(own->client, "CONFIG GET master-lease-*");
    assert_int_equal(reply->elements, 4);
    assert_string_equal(reply->element[1]->str, "disabled");
    assert_string_equal(reply->element[3]->str, "allow");
    freeReplyObject(reply);
    expect_error(own->client, "ERR CONFIG SET failed", "CONFIG SET master-lease-mode blockwrite");
    expect_error(own->client, "ERR CONFIG SET failed", "CONFIG SET master-lease-cold-start deny");
    expect_text(own->client, "OK", "CONFIG SET master-lease-mode BLOCK-WRITE master-lease-cold-start fence");
    expect_text(own->client, "OK", "CONFIG REWRITE");
    own_server_restart(own);
    expect_error(own->client, LEASE_REFUSAL, "SET key value");
}

// --- Switching under load ---

struct writer {
    const struct test_server *server;
    _Atomic bool *finished;
    uint64_t accepted, refused;
    const char *wrong; // a reply that is neither
};

static void *write_on(void *argument) {
    struct writer *writer = argument;
    redisContext *connection = server_connect(writer->server);
    while (!atomic_load(writer->finished) && writer->wrong == NULL) {
        redisReply *reply = redisCommand(connection, "INCR counter");
        if (reply == NULL) { // a round that was late at the switch
            redisFree(connection);
            connection = server_connect(writer->server);
            continue;
        }
        if (reply->type == REDIS_REPLY_INTEGER)
            writer->accepted++;
        else if (strncmp(reply->str, LEASE_REFUSAL, strlen(LEASE_REFUSAL)) == 0)
            writer->refused++;
        else
            writer->wrong = strdup(reply->str);
        freeReplyObject(reply);
    }
    redisFree(connection);
    return NULL;
}

static long long counter_of(redisContext *client) {
    redisReply *reply = command(client, "GET counter");
    long long value = reply->str == NULL ? 0 : strtoll(reply->str, NULL, 10);
    freeReplyObject(reply);
    return value;
}

static void a_switch_under_load_leaves_nothing_half_done(void **state) {
    enum { SWITCHES = 60 };
    struct own_server *own = *state;
    _Atomic bool finished = false;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    let_a_lease_run_out(own->client);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.server = &own->server, .finished = &finished};
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
    for (int i = 0; i < SWITCHES; i++) {
        set_mode(own->client, "block-write");
        // What the check let pass before may be stored for a moment. The pause begins when that is over.
        expect_text(own->client, "OK", "CLIENT PAUSE 1 WRITE");
        expect_text(own->client, "OK", "CLIENT UNPAUSE");
        long long before = counter_of(own->client);
        let_boot_time_pass(5);
        assert_int_equal(counter_of(own->client), before);
        set_mode(own->client, i % 2 == 0 ? "disabled" : "log-only");
        expect_text(own->client, "OK", "SET other value");
    }
    atomic_store(&finished, true);
    uint64_t accepted = 0;
    uint64_t refused = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_null(writers[i].wrong);
        accepted += writers[i].accepted;
        refused += writers[i].refused;
    }
    assert_true(accepted > 0 && refused > 0);
    assert_true((uint64_t)counter_of(own->client) >= accepted); // late ones were stored and not acknowledged
}

// --- The log ---

static void an_expiry_is_noticed_when_it_happens_and_told_once(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 1, SHORT_MS);
    server_wait_log(&own->server, "master lease expired"); // without any write
    assert_int_equal(lease_number(own->client, "lease_expirations"), 1);
    for (int i = 0; i < 50; i++)
        expect_error(own->client, LEASE_REFUSAL, "SET key value");
    let_boot_time_pass(300); // a few ticks
    assert_int_equal(server_log_count(&own->server, "master lease expired"), 1);
    assert_int_equal(lease_number(own->client, "lease_expirations"), 1);
}

static void renewals_are_told_only_when_they_change_something(void **state) {
    struct own_server *own = *state;
    for (int i = 0; i < 20; i++)
        lease_grant(own->client, 1, LONG_MS);
    assert_int_equal(server_log_count(&own->server, "master lease held"), 1);
    lease_grant(own->client, 2, LONG_MS);
    assert_int_equal(server_log_count(&own->server, "master lease held"), 2);
    assert_int_equal(lease_number(own->client, "lease_renewals"), 21);
}

// The sum of the numbers in the log's lines of log-only mode.
static long long logged_writes(const struct test_server *server) {
    char path[192];
    char *log = NULL;
    size_t size = 0;
    long long sum = 0;
    (void)snprintf(path, sizeof(path), "%s/output.log", server->directory);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(getdelim(&log, &size, '\0', file) > 0);
    static const char words[] = "master lease expired, and ";
    for (const char *at = strstr(log, words); at != NULL; at = strstr(at + 1, words))
        sum += strtoll(at + strlen(words), NULL, 10);
    free(log);
    (void)fclose(file);
    return sum;
}

struct logged {
    const struct test_server *server;
    long long wanted;
};

static bool all_are_logged(void *context) {
    const struct logged *logged = context;
    return logged_writes(logged->server) >= logged->wanted;
}

static void log_only_lets_writes_through_and_its_few_lines_stand_for_all_of_them(void **state) {
    enum { WRITES = 3000 };
    struct own_server *own = *state;
    let_a_lease_run_out(own->client);
    long long begin = boot_ms();
    for (int i = 0; i < WRITES; i++)
        expect_text(own->client, "OK", "SET key value");
    assert_int_equal(lease_number(own->client, "lease_writes_logged"), WRITES);
    struct logged logged = {&own->server, WRITES};
    wait_until(all_are_logged, &logged, 30, "all writes are told of");
    assert_int_equal(logged_writes(&own->server), WRITES);
    size_t lines = server_log_count(&own->server, "writes went through without it");
    assert_true(lines >= 1 && (long long)lines <= (boot_ms() - begin) / 1000 + 2);
    assert_int_equal(lease_number(own->client, "lease_writes_refused"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(writes_flow_before_the_first_heartbeat, BLOCKING),
        own_server_test(a_cold_start_that_fences_waits_for_the_first_heartbeat,
                        BLOCKING "master-lease-cold-start fence"),
        own_server_test(writes_flow_under_the_lease_stop_with_it_and_come_back_with_the_next, BLOCKING),
        own_server_test(reads_and_operation_go_on_without_the_lease, BLOCKING),
        own_server_test(each_write_of_a_pipeline_is_refused_and_its_neighbours_are_answered, BLOCKING),
        own_server_test(writes_that_are_sent_together_are_counted_one_by_one, BLOCKING),
        own_server_test(exec_is_refused_as_a_whole, BLOCKING),
        own_server_test(a_refusal_is_counted_like_other_errors_and_ends_no_connection, BLOCKING),
        own_server_test(disabled_answers_and_records_heartbeats_and_refuses_nothing, ""),
        own_server_test(a_switch_takes_effect_at_once_and_keeps_the_lease, ""),
        own_server_test(the_cold_start_directive_takes_effect_at_once, BLOCKING),
        own_server_test(the_directives_are_told_checked_and_written_to_the_file, ""),
        own_server_test(a_switch_under_load_leaves_nothing_half_done, ""),
        own_server_test(an_expiry_is_noticed_when_it_happens_and_told_once, BLOCKING),
        own_server_test(renewals_are_told_only_when_they_change_something, BLOCKING),
        own_server_test(log_only_lets_writes_through_and_its_few_lines_stand_for_all_of_them, LOGGING),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
