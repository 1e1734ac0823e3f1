// SPDX-License-Identifier: Apache-2.0
//
// What a busy worker has yet to show its monitors is bounded, and they are closed rather than fed late for
// ever. A server inside this process, so that a worker can be kept busy for as long as the test likes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"

#include "server/memory_use.h"
#include "server/worker.h"

#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MEGABYTE = 1 << 20, COMMANDS = 400, GROWTH_MAX = 200 };

// Keeps a worker busy between two posts.
struct task {
    sem_t begun, may_end;
};

static void be_busy(struct worker *worker, void *argument) {
    struct task *task = argument;
    (void)worker;
    assert_int_equal(sem_post(&task->begun), 0);
    while (sem_wait(&task->may_end) != 0)
        continue;
}

static struct worker *worker_of(struct server *server, redisContext *connection) {
    struct worker *worker = NULL;
    redisReply *reply = command(connection, "CLIENT ID");
    pthread_mutex_lock(&server->registry_lock);
    for (struct client *client = server->registry; client != NULL; client = client->registry_next) {
        if (client->id == (uint64_t)reply->integer)
            worker = client->worker;
    }
    pthread_mutex_unlock(&server->registry_lock);
    freeReplyObject(reply);
    assert_non_null(worker);
    return worker;
}

static redisContext *connect_beside(struct inner_server *inner, const struct worker *worker) {
    redisContext *connections[16];
    size_t count = 0;
    do {
        assert_true(count < sizeof(connections) / sizeof(connections[0]));
        connections[count] = server_connect(&inner->address);
    } while (worker_of(inner->server, connections[count++]) == worker);
    for (size_t i = 0; i + 1 < count; i++)
        redisFree(connections[i]);
    return connections[count - 1];
}

static int64_t resident_megabytes(void) {
    return (int64_t)(memory_use_now().resident >> 20);
}

// All that is still to be read of a connection, until it is closed.
static void expect_end(redisContext *connection) {
    char bytes[4096];
    ssize_t count = 0;
    do {
        struct pollfd readable = {.fd = connection->fd, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, 10000), 1);
        count = recv(connection->fd, bytes, sizeof(bytes), 0);
    } while (count > 0);
}

static void say(redisContext *talker, const char *text, size_t length) {
    redisReply *reply = redisCommand(talker, "ECHO %b", text, length);
    assert_non_null(reply);
    assert_int_equal(reply->len, length);
    freeReplyObject(reply);
}

static void a_busy_workers_monitors_are_closed_before_too_much_waits_for_them(void **state) {
    (void)state;
    struct inner_server inner;
    struct task task;
    inner_server_open(&inner, 2, NULL, NULL);
    assert_int_equal(sem_init(&task.begun, 0, 0) | sem_init(&task.may_end, 0, 0), 0);
    redisContext *monitor = server_connect(&inner.address);
    struct worker *worker = worker_of(inner.server, monitor);
    redisContext *talker = connect_beside(&inner, worker);
    expect_text(monitor, "OK", "MONITOR");
    worker_post(worker, be_busy, &task);
    while (sem_wait(&task.begun) != 0)
        continue;
    char *text = malloc(MEGABYTE);
    assert_non_null(text);
    memset(text, 'x', MEGABYTE);
    int64_t before = resident_megabytes();
    for (int i = 0; i < COMMANDS; i++)
        say(talker, text, MEGABYTE);
    int64_t growth = resident_megabytes() - before;
    print_message("grown by %d MB\n", (int)growth);
    assert_true(IS_SANITIZED || growth < GROWTH_MAX);
    assert_int_equal(sem_post(&task.may_end), 0);
    expect_end(monitor);
    expect_text(talker, "PONG", "PING");
    redisFree(monitor);
    monitor = server_connect(&inner.address); // a new one is welcome
    expect_text(monitor, "OK", "MONITOR");
    expect_text(talker, "once more", "ECHO %s", "once more");
    redisReply *line = NULL;
    assert_int_equal(redisGetReply(monitor, (void **)&line), REDIS_OK);
    assert_non_null(strstr(line->str, "once more"));
    freeReplyObject(line);
    redisFree(monitor);
    redisFree(talker);
    free(text);
    inner_server_discard(&inner);
    assert_int_equal(sem_destroy(&task.begun) | sem_destroy(&task.may_end), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_workers_monitors_are_closed_before_too_much_waits_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
