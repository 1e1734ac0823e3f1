// SPDX-License-Identifier: Apache-2.0
//
// What a replica tells its master: which sequence numbers it has, and that these are durable by then. The
// test is the master, at the other end of a socket.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"
#include "replication/follower_internal.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/watch_table.h"
#include "store/apply.h"
#include "store/log_tail.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACKNOWLEDGEMENT(digit) "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$1\r\n" digit "\r\n"

struct stage {
    struct store_fixture from, to; // the master's store, the replica's
    struct server server;
    struct follower follower;
    int master; // the master's end
};

static int open_stage(void **state) {
    struct stage *stage = calloc(1, sizeof(*stage));
    struct role_master master = {.host = "127.0.0.1", .port = 1};
    int ends[2];
    assert_non_null(stage);
    store_fixture_open(&stage->from, NULL);
    store_fixture_open(&stage->to, NULL);
    stage->server.config = config_open();
    stage->server.store = stage->to.store;
    stage->server.watch_table = watch_table_open();
    stage->server.pubsub = pubsub_open(1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct follower *follower = &stage->follower;
    follower->server = &stage->server;
    follower->session = stage->to.sessions[0];
    follower->role = role_open(&master);
    follower->following = role_view(follower->role);
    follower->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    follower->link = (struct link){.fd = -1, .wake = follower->wake, .timeout_ms = 20000};
    link_adopt(&follower->link, ends[0]);
    stage->master = ends[1];
    *state = stage;
    return 0;
}

static int close_stage(void **state) {
    struct stage *stage = *state;
    link_close(&stage->follower.link);
    (void)close(stage->follower.wake);
    (void)close(stage->master);
    role_close(stage->follower.role);
    pubsub_close(stage->server.pubsub);
    watch_table_close(stage->server.watch_table);
    config_close(stage->server.config);
    store_fixture_close(&stage->from);
    store_fixture_close(&stage->to);
    free(stage);
    return 0;
}

// --- The master's side ---

static void send_bytes(struct stage *stage, struct bytes bytes) {
    assert_int_equal(send(stage->master, bytes.data, bytes.length, MSG_NOSIGNAL), bytes.length);
}

static void send_bulk(struct stage *stage, struct bytes bulk) {
    char header[32];
    (void)snprintf(header, sizeof(header), "$%zu\r\n", bulk.length);
    send_bytes(stage, bytes_from_text(header));
    send_bytes(stage, bulk);
    send_bytes(stage, BYTES_LITERAL("\r\n"));
}

static void end_sending(struct stage *stage) {
    assert_int_equal(shutdown(stage->master, SHUT_WR), 0);
}

// Until the replica has closed its end, or so much has come.
static void receive(struct stage *stage, char *text, size_t size) {
    size_t length = 0;
    ssize_t count = 0;
    while (length < size - 1 && (count = recv(stage->master, text + length, size - 1 - length, 0)) > 0)
        length += (size_t)count;
    text[length] = '\0';
}

static void write_on_master(struct stage *stage, const char *key) {
    assert_int_equal(store_fixture_set(stage->from.sessions[0], key, "value"), STORE_OK);
    assert_int_equal(store_settle(stage->from.sessions[0]), SETTLED);
}

// The master's whole log, as it is sent or as it is applied.
static void send_log(struct stage *stage) {
    struct log_tail *tail = log_tail_open(stage->from.store, 1);
    struct bytes batch;
    while (log_tail_next(tail, &batch) == LOG_TAIL_BATCH)
        send_bulk(stage, batch);
    log_tail_close(tail);
}

static void apply_log(struct stage *stage) {
    struct log_tail *tail = log_tail_open(stage->from.store, 1);
    struct store_session *session = stage->to.sessions[0];
    char error[STORE_ERROR_SIZE];
    struct bytes batch;
    session_write_begin(session, NULL, 0);
    while (log_tail_next(tail, &batch) == LOG_TAIL_BATCH)
        assert_int_equal(store_apply(session, batch, error), APPLIED);
    session_write_end(session);
    log_tail_close(tail);
}

// Runs the stream to its end and returns what the replica said.
static void follow(struct stage *stage, uint64_t latest, char *text, size_t size) {
    end_sending(stage);
    (void)follower_stream(&stage->follower, latest);
    link_close(&stage->follower.link);
    receive(stage, text, size);
}

// --- What is acknowledged ---

static void what_was_applied_is_acknowledged_when_asked_for(void **state) {
    struct stage *stage = *state;
    char text[256];
    write_on_master(stage, "a");
    send_log(stage);
    send_bulk(stage, BYTES_LITERAL("_getack"));
    follow(stage, 0, text, sizeof(text));
    assert_string_equal(text, ACKNOWLEDGEMENT("0") ACKNOWLEDGEMENT("3")); // where it begins, and ends
    assert_true(store_fixture_has(stage->to.sessions[0], "a", "value"));
}

// It has been promoted meanwhile: its own writes have the numbers that its old master gives to others.
static void writes_of_its_own_are_never_acknowledged(void **state) {
    struct stage *stage = *state;
    char text[256];
    write_on_master(stage, "a");
    apply_log(stage);
    assert_int_equal(store_fixture_set(stage->to.sessions[0], "own", "1"), STORE_OK);
    assert_true(store_latest_sequence(stage->to.store) > 3);
    send_bulk(stage, BYTES_LITERAL("_getack"));
    follow(stage, 3, text, sizeof(text));
    assert_string_equal(text, ACKNOWLEDGEMENT("3") ACKNOWLEDGEMENT("3"));
}

// --- What is durable ---

struct question {
    struct stage *stage;
    bool was_durable;
};

// Looks at the replica's log when it is asked to go on from there.
static void *answer(void *argument) {
    struct question *question = argument;
    struct stage *stage = question->stage;
    char text[128] = "";
    for (size_t length = 0; strstr(text, "PSYNC") == NULL && length < sizeof(text) - 1;) {
        ssize_t count = recv(stage->master, text + length, sizeof(text) - 1 - length, 0);
        if (count <= 0)
            break;
        length += (size_t)count;
    }
    struct log_tail *tail = log_tail_open(stage->to.store, 1);
    struct bytes batch;
    question->was_durable = log_tail_next(tail, &batch) == LOG_TAIL_BATCH;
    log_tail_close(tail);
    send_bytes(stage, BYTES_LITERAL("+OK\r\n"));
    end_sending(stage);
    return NULL;
}

// As after a flush that failed and ended the last connection.
static void what_it_says_to_have_is_durable_before(void **state) {
    struct stage *stage = *state;
    struct question question = {.stage = stage};
    pthread_t thread;
    write_on_master(stage, "a");
    apply_log(stage);
    assert_int_equal(pthread_create(&thread, NULL, answer, &question), 0);
    (void)follower_synchronise(&stage->follower);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(question.was_durable);
}

static void nothing_is_asked_for_by_who_is_no_replica_any_more(void **state) {
    struct stage *stage = *state;
    char text[256];
    (void)role_become_master(stage->follower.role);
    assert_false(follower_synchronise(&stage->follower));
    link_close(&stage->follower.link);
    receive(stage, text, sizeof(text));
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, open_stage, close_stage)
        ON_STAGE(what_was_applied_is_acknowledged_when_asked_for),
        ON_STAGE(writes_of_its_own_are_never_acknowledged),
        ON_STAGE(what_it_says_to_have_is_durable_before),
        ON_STAGE(nothing_is_asked_for_by_who_is_no_replica_any_more),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
