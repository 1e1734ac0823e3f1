// SPDX-License-Identifier: Apache-2.0
//
// A wall clock that is stepped must not end what lasts for a time: pauses, and the patience with idle
// clients. A server inside this process, whose wall clock the test sets by standing before the C library's
// function.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HOUR = 3600 };

static _Atomic long step_seconds;

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
    if (syscall(SYS_clock_gettime, clock_id, tp) != 0)
        return -1;
    if (clock_id == CLOCK_REALTIME)
        tp->tv_sec += atomic_load(&step_seconds);
    return 0;
}

static int start(void **state) {
    struct inner_server *inner = calloc(1, sizeof(*inner));
    assert_non_null(inner);
    atomic_store(&step_seconds, 0);
    inner_server_open(inner, 2, NULL, NULL);
    *state = inner;
    return 0;
}

static int stop(void **state) {
    struct inner_server *inner = *state;
    inner_server_discard(inner);
    free(inner);
    return 0;
}

static void the_test_steps_the_clock(void **state) {
    struct inner_server *inner = *state;
    redisContext *connection = server_connect(&inner->address);
    atomic_store(&step_seconds, HOUR);
    redisReply *reply = command(connection, "TIME");
    assert_true(strtoll(reply->element[0]->str, NULL, 10) >= time(NULL) + HOUR - 1);
    freeReplyObject(reply);
    redisFree(connection);
}

static void expect_seconds_below(const char *line, const char *name, long most) {
    const char *field = strstr(line, name);
    assert_non_null(field);
    assert_in_range(strtol(field + strlen(name), NULL, 10), 0, most);
}

static void a_clients_age_does_not_change_by_a_step(void **state) {
    struct inner_server *inner = *state;
    redisContext *connection = server_connect(&inner->address);
    expect_text(connection, "PONG", "PING");
    atomic_store(&step_seconds, HOUR);
    redisReply *reply = command(connection, "CLIENT INFO");
    expect_seconds_below(reply->str, " age=", 600);
    freeReplyObject(reply);
    expect_integer(connection, 0, "CLIENT KILL MAXAGE 600 SKIPME no");
    expect_integer(connection, 0, "CLIENT KILL MAXAGE %lld SKIPME no", (long long)INT64_MAX);
    redisFree(connection);
}

static void an_idle_client_is_not_closed_by_a_step(void **state) {
    struct inner_server *inner = *state;
    redisContext *idle = server_connect(&inner->address);
    redisContext *other = server_connect(&inner->address);
    expect_text(idle, "PONG", "PING");
    expect_text(other, "OK", "CONFIG SET timeout 600");
    atomic_store(&step_seconds, HOUR);
    expect_silence(idle, 2500); // each worker looks once a second
    redisReply *reply = command(other, "CLIENT LIST");
    expect_seconds_below(reply->str, " idle=", 600);
    freeReplyObject(reply);
    expect_text(idle, "PONG", "PING");
    redisFree(idle);
    redisFree(other);
}

static void a_pause_is_not_ended_by_a_step(void **state) {
    struct inner_server *inner = *state;
    redisContext *operator= server_connect(&inner->address);
    redisContext *waiting = server_connect(&inner->address);
    expect_text(operator, "OK", "CLIENT PAUSE 600000");
    atomic_store(&step_seconds, HOUR);
    server_tick(inner->server);
    send_command(waiting, "PING");
    expect_silence(waiting, 300);
    expect_text(operator, "OK", "CLIENT UNPAUSE");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(waiting, (void **)&reply), REDIS_OK);
    assert_string_equal(reply->str, "PONG");
    freeReplyObject(reply);
    redisFree(operator);
    redisFree(waiting);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(the_test_steps_the_clock),
        WITH_SERVER(a_clients_age_does_not_change_by_a_step),
        WITH_SERVER(an_idle_client_is_not_closed_by_a_step),
        WITH_SERVER(a_pause_is_not_ended_by_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
