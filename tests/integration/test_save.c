// SPDX-License-Identifier: Apache-2.0
//
// SAVE, which waits for a thread that the tests keep busy: what else the same connection sends meanwhile, and
// whether it wants to be answered.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"

#include <stdlib.h>
#include <string.h>

struct busy_server {
    struct inner_server inner;
    redisContext *connection;
    struct occupation occupation;
};

static int start(void **state) {
    struct busy_server *busy = calloc(1, sizeof(*busy));
    assert_non_null(busy);
    inner_server_open(&busy->inner, 2, NULL, NULL);
    inner_server_occupy(&busy->inner, &busy->occupation);
    busy->connection = server_connect(&busy->inner.address);
    *state = busy;
    return 0;
}

static int stop(void **state) {
    struct busy_server *busy = *state;
    (void)sem_post(&busy->occupation.may_end); // for a test that has failed before it did
    redisFree(busy->connection);
    inner_server_discard(&busy->inner);
    free(busy);
    return 0;
}

// The commands and ECHO behind them, in one go: all are there while the first one runs.
static void send_with_echo(redisContext *connection, const char *const *commands, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(redisAppendCommand(connection, commands[i]), REDIS_OK);
    send_command(connection, "ECHO after");
}

static void save_behind_bgsave_is_refused_and_the_connection_goes_on(void **state) {
    static const char *const commands[] = {"BGSAVE", "SAVE", "SAVE"};
    struct busy_server *busy = *state;
    send_with_echo(busy->connection, commands, 3);
    expect_next_text(busy->connection, "Background saving started");
    expect_next_text(busy->connection, "ERR Background save already in progress");
    expect_next_text(busy->connection, "ERR Background save already in progress");
    expect_next_text(busy->connection, "after");
}

static void save_holds_the_commands_behind_it_until_it_is_answered(void **state) {
    static const char *const commands[] = {"SAVE"};
    struct busy_server *busy = *state;
    send_with_echo(busy->connection, commands, 1);
    (void)sem_post(&busy->occupation.may_end);
    expect_next_text(busy->connection, "OK");
    expect_next_text(busy->connection, "after");
}

static void save_is_not_answered_where_replies_are_off(void **state) {
    static const char *const commands[] = {"CLIENT REPLY OFF", "SAVE", "CLIENT REPLY ON"};
    struct busy_server *busy = *state;
    send_with_echo(busy->connection, commands, 3);
    (void)sem_post(&busy->occupation.may_end);
    expect_next_text(busy->connection, "OK"); // of CLIENT REPLY ON
    expect_next_text(busy->connection, "after");
}

static void save_is_not_answered_where_its_reply_is_skipped(void **state) {
    static const char *const commands[] = {"CLIENT REPLY SKIP", "SAVE"};
    struct busy_server *busy = *state;
    send_with_echo(busy->connection, commands, 2);
    (void)sem_post(&busy->occupation.may_end);
    expect_next_text(busy->connection, "after");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(save_behind_bgsave_is_refused_and_the_connection_goes_on),
        WITH_SERVER(save_holds_the_commands_behind_it_until_it_is_answered),
        WITH_SERVER(save_is_not_answered_where_replies_are_off),
        WITH_SERVER(save_is_not_answered_where_its_reply_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
