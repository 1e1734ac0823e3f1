// SPDX-License-Identifier: Apache-2.0
//
// EXEC under another name is still EXEC to everything that treats it in a way of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <string.h>

static struct test_server server;
static redisContext *client, *operator;
static const struct shared_server servers[] = {{&server, "rename-command EXEC RUN", {&client, &operator} } };

static bool a_client_waits(void *connection) {
    return client_list_count(connection, " flags=b ") + client_list_count(connection, " flags=xb ") != 0;
}

static void a_pause_of_writes_holds_it(void **state) {
    (void)state;
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "INCR counter");
    expect_text(operator, "OK", "CLIENT PAUSE 100000 WRITE");
    send_command(client, "RUN");
    wait_until(a_client_waits, operator, 10, "the transaction waits");
    expect_null(operator, "GET counter");
    expect_text(operator, "OK", "CLIENT UNPAUSE");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->elements, 1);
    assert_int_equal(reply->element[0]->integer, 1);
    freeReplyObject(reply);
}

static void a_wrong_call_ends_the_transaction_and_nothing_of_it_is_shown_any_more(void **state) {
    (void)state;
    expect_text(client, "OK", "MULTI");
    expect_error(client,
                 "EXECABORT Transaction discarded because of: wrong number of arguments for 'run' command",
                 "RUN now");
    redisReply *reply = command(client, "CLIENT INFO");
    assert_non_null(strstr(reply->str, " flags=N "));
    assert_non_null(strstr(reply->str, " multi=-1 "));
    freeReplyObject(reply);
    expect_error(client, "ERR EXEC without MULTI", "RUN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_of_writes_holds_it),
        cmocka_unit_test(a_wrong_call_ends_the_transaction_and_nothing_of_it_is_shown_any_more),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
