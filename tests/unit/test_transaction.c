// SPDX-License-Identifier: Apache-2.0
//
// The queue of MULTI: commands are kept as they were, and ending leaves nothing behind.
#include "server/transaction.h"

#include "server/client.h"
#include "server/server.h"
#include "server/watch_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct command set_command = {.name = "set"};
static const struct command get_command = {.name = "get"};

struct fixture {
    struct server server;
    struct client client;
};

static int open_client(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->server.watch_table = watch_table_open();
    fixture->client.server = &fixture->server;
    *state = fixture;
    return 0;
}

static int close_client(void **state) {
    struct fixture *fixture = *state;
    transaction_close(&fixture->client);
    watch_table_close(fixture->server.watch_table);
    free(fixture);
    return 0;
}

static struct client *client_of(void **state) {
    struct fixture *fixture = *state;
    return &fixture->client;
}

static void a_client_has_one_transaction_made_on_first_use(void **state) {
    struct client *client = client_of(state);
    struct transaction *transaction = client_transaction(client);
    assert_non_null(transaction);
    assert_ptr_equal(client->transaction, transaction);
    assert_ptr_equal(client_transaction(client), transaction);
    assert_false(transaction->open);
    assert_int_equal(transaction->count, 0);
}

static void queued_commands_keep_their_own_copy_of_the_arguments(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    char text[] = "setkeyva\0ue";
    struct bytes arguments[] = {{.data = text, .length = 3},
                                {.data = text + 3, .length = 3},
                                {.data = text + 6, .length = 5},
                                {.data = NULL, .length = 0}};
    transaction_queue(transaction, &set_command, arguments, 4, SIZE_MAX);
    memset(text, 'x', sizeof(text));
    memset(arguments, 0, sizeof(arguments));
    assert_int_equal(transaction->count, 1);
    const struct queued_command *queued = &transaction->queue[0];
    assert_ptr_equal(queued->command, &set_command);
    assert_int_equal(queued->count, 4);
    assert_true(bytes_equal(queued->arguments[0], BYTES_LITERAL("set")));
    assert_true(bytes_equal(queued->arguments[1], BYTES_LITERAL("key")));
    assert_true(bytes_equal(queued->arguments[2], BYTES_LITERAL("va\0ue")));
    assert_int_equal(queued->arguments[3].length, 0);
    assert_false(transaction->broken);
}

static void commands_are_queued_in_order(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    enum { COMMANDS = 1000 };
    for (size_t i = 0; i < COMMANDS; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key%zu", i);
        struct bytes arguments[] = {BYTES_LITERAL("GET"), bytes_from_text(key)};
        transaction_queue(transaction, i % 2 == 0 ? &get_command : &set_command, arguments, 2, SIZE_MAX);
    }
    assert_int_equal(transaction->count, COMMANDS);
    for (size_t i = 0; i < COMMANDS; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key%zu", i);
        assert_ptr_equal(transaction->queue[i].command, i % 2 == 0 ? &get_command : &set_command);
        assert_true(bytes_equal(transaction->queue[i].arguments[1], bytes_from_text(key)));
    }
}

static void the_memory_of_the_queue_is_counted(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    struct bytes arguments[] = {BYTES_LITERAL("SET"), BYTES_LITERAL("key"), BYTES_LITERAL("value")};
    transaction_queue(transaction, &set_command, arguments, 3, SIZE_MAX);
    size_t once = transaction->queued_bytes;
    assert_true(once >= 11);
    transaction_queue(transaction, &set_command, arguments, 3, SIZE_MAX);
    assert_int_equal(transaction->queued_bytes, 2 * once);
    transaction_discard(transaction);
    assert_int_equal(transaction->queued_bytes, 0);
}

static void discarding_ends_multi_and_empties_the_queue(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    struct bytes argument = BYTES_LITERAL("GET");
    for (size_t length = 1; length < 100; length *= 3) {
        transaction->open = true;
        for (size_t i = 0; i < length; i++)
            transaction_queue(transaction, &get_command, &argument, 1, SIZE_MAX);
        assert_int_equal(transaction->count, length);
        transaction->broken = true;
        transaction_discard(transaction);
        assert_false(transaction->open);
        assert_false(transaction->broken);
        assert_int_equal(transaction->count, 0);
    }
}

static void a_discarded_queue_can_be_filled_again(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    struct bytes argument = BYTES_LITERAL("GET");
    for (size_t i = 0; i < 50; i++)
        transaction_queue(transaction, &get_command, &argument, 1, SIZE_MAX);
    transaction_discard(transaction);
    transaction_queue(transaction, &set_command, &argument, 1, SIZE_MAX);
    assert_int_equal(transaction->count, 1);
    assert_ptr_equal(transaction->queue[0].command, &set_command);
}

static void discarding_leaves_the_watches(void **state) {
    struct fixture *fixture = *state;
    struct transaction *transaction = client_transaction(&fixture->client);
    watch_add(fixture->server.watch_table, transaction, BYTES_LITERAL("key"), true);
    transaction_discard(transaction);
    assert_true(watch_table_in_use(fixture->server.watch_table));
    assert_int_equal(transaction->watch_count, 1);
}

static void closing_ends_the_watches_and_frees_the_queue(void **state) {
    struct fixture *fixture = *state;
    struct transaction *transaction = client_transaction(&fixture->client);
    struct bytes argument = BYTES_LITERAL("GET");
    transaction_queue(transaction, &get_command, &argument, 1, SIZE_MAX);
    watch_add(fixture->server.watch_table, transaction, BYTES_LITERAL("key"), true);
    transaction_close(&fixture->client);
    assert_null(fixture->client.transaction);
    assert_false(watch_table_in_use(fixture->server.watch_table));
    transaction_close(&fixture->client);
}

static void a_command_for_which_there_is_no_memory_breaks_the_transaction(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    struct bytes endless = {.data = "x", .length = (size_t)1 << 62};
    const char *error = transaction_queue(transaction, &set_command, &endless, 1, SIZE_MAX);
    assert_non_null(strstr(error, "out of memory"));
    assert_true(transaction->broken);
    assert_int_equal(transaction->count, 0);
}

static void a_queue_that_takes_too_much_breaks_the_transaction_and_is_emptied(void **state) {
    enum { MOST = 1000 };
    struct transaction *transaction = client_transaction(client_of(state));
    struct bytes argument = BYTES_LITERAL("GET");
    size_t queued = 0;
    while (transaction_queue(transaction, &get_command, &argument, 1, MOST) == NULL)
        assert_true(++queued < MOST);
    assert_in_range(queued, 2, MOST / 19); // the text and what refers to it
    assert_true(transaction->broken);
    assert_int_equal(transaction->count, 0);
    assert_int_equal(transaction->queued_bytes, 0);
}

static void a_broken_transaction_queues_nothing_more(void **state) {
    struct transaction *transaction = client_transaction(client_of(state));
    struct bytes argument = BYTES_LITERAL("GET");
    transaction->broken = true;
    assert_null(transaction_queue(transaction, &get_command, &argument, 1, SIZE_MAX));
    assert_int_equal(transaction->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_client_has_one_transaction_made_on_first_use),
        TEST(queued_commands_keep_their_own_copy_of_the_arguments),
        TEST(commands_are_queued_in_order),
        TEST(the_memory_of_the_queue_is_counted),
        TEST(discarding_ends_multi_and_empties_the_queue),
        TEST(a_discarded_queue_can_be_filled_again),
        TEST(discarding_leaves_the_watches),
        TEST(closing_ends_the_watches_and_frees_the_queue),
        TEST(a_command_for_which_there_is_no_memory_breaks_the_transaction),
        TEST(a_queue_that_takes_too_much_breaks_the_transaction_and_is_emptied),
        TEST(a_broken_transaction_queues_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
