// SPDX-License-Identifier: Apache-2.0
//
// Replies that a walk writes, as far as they need no connection: short ones, those inside EXEC, and those
// that end in an error. Streams are tests/integration/test_streams.c's. Uses: cmocka, reply_walk.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/reply_walk.h"
#include "server/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A walk over the numbers from 1 on, of which only the even ones are elements.
struct numbers {
    int next, last;
    const char *error; // at the end
    int *closed;
};

static enum walk_step number_step(void *state, struct reply *reply) {
    struct numbers *numbers = state;
    if (numbers->next > numbers->last)
        return WALK_END;
    int number = numbers->next++;
    if (number % 2 != 0)
        return WALK_PASSED;
    reply_integer(reply, number);
    return WALK_ELEMENT;
}

// Big elements that cost nothing.
static enum walk_step big_step(void *state, struct reply *reply) {
    static const char bytes[1] = "b";
    struct numbers *numbers = state;
    if (numbers->next > numbers->last)
        return WALK_END;
    numbers->next++;
    output_append(&reply->output, (struct bytes){bytes, 1});
    reply->output.pending += (64 << 20) - 1; // as if they were there
    return WALK_ELEMENT;
}

static void number_rewind(void *state) {
    struct numbers *numbers = state;
    numbers->next = 1;
}

static const char *number_error(void *state) {
    const struct numbers *numbers = state;
    return numbers->error;
}

static void number_close(void *state) {
    const struct numbers *numbers = state;
    ++*numbers->closed;
}

static const struct walk_kind even_numbers = {.size = sizeof(struct numbers),
                                              .step = number_step,
                                              .rewind = number_rewind,
                                              .error = number_error,
                                              .close = number_close};
static const struct walk_kind even_set = {.size = sizeof(struct numbers),
                                          .is_set = true,
                                          .step = number_step,
                                          .rewind = number_rewind,
                                          .error = number_error,
                                          .close = number_close};
static const struct walk_kind big_elements = {
    .size = sizeof(struct numbers), .step = big_step, .error = number_error, .close = number_close};

struct fixture {
    struct client client;
    struct reply reply;
    struct command_context context;
    int closed;
    char text[256];
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->reply.protocol = 3;
    fixture->context = (struct command_context){.client = &fixture->client, .reply = &fixture->reply};
    reply_status(&fixture->reply, "before");
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    output_release(&fixture->reply.output);
    free(fixture);
    return 0;
}

static void expect_reply(struct fixture *fixture, const char *wanted) {
    size_t length = fixture->reply.output.pending;
    assert_true(length < sizeof(fixture->text));
    output_copy(&fixture->reply.output, fixture->text);
    fixture->text[length] = '\0';
    assert_string_equal(fixture->text, wanted);
    assert_int_equal(fixture->closed, 1);
    assert_null(fixture->client.stream);
}

static void counted(struct fixture *fixture, uint64_t count, const char *error) {
    struct numbers numbers = {.next = 1, .last = 6, .error = error, .closed = &fixture->closed};
    struct output_mark before = output_mark(&fixture->reply.output);
    reply_array(&fixture->reply, count);
    reply_walk_counted(&fixture->context, &even_numbers, &numbers, count, before);
}

static void elements_that_are_announced_are_shown_and_no_more(void **state) {
    struct fixture *fixture = *state;
    counted(fixture, 2, NULL);
    expect_reply(fixture, "+before\r\n*2\r\n:2\r\n:4\r\n");
}

static void fewer_elements_than_announced_are_an_error(void **state) {
    struct fixture *fixture = *state;
    counted(fixture, 4, NULL);
    expect_reply(fixture,
                 "+before\r\n-ERR the stored collection is damaged: it has fewer elements than it says\r\n");
    assert_int_equal(fixture->reply.errors, 1);
}

static void a_walks_own_error_takes_the_replys_place(void **state) {
    struct fixture *fixture = *state;
    counted(fixture, 4, "ERR out of order");
    expect_reply(fixture, "+before\r\n-ERR out of order\r\n");
}

static void elements_are_counted_where_nobody_knows_how_many_there_are(void **state) {
    struct fixture *fixture = *state;
    struct numbers numbers = {.next = 1, .last = 7, .closed = &fixture->closed};
    reply_walk_all(&fixture->context, &even_numbers, &numbers, 2);
    expect_reply(fixture, "+before\r\n*6\r\n:2\r\n:4\r\n:6\r\n");
}

static void a_set_is_told_from_an_array(void **state) {
    struct fixture *fixture = *state;
    struct numbers numbers = {.next = 1, .last = 2, .closed = &fixture->closed};
    reply_walk_all(&fixture->context, &even_set, &numbers, 1);
    expect_reply(fixture, "+before\r\n~1\r\n:2\r\n");
}

static void a_walk_that_fails_uncounted_is_an_error(void **state) {
    struct fixture *fixture = *state;
    struct numbers numbers = {.next = 1, .last = 2, .error = "ERR broken", .closed = &fixture->closed};
    reply_walk_all(&fixture->context, &even_numbers, &numbers, 1);
    expect_reply(fixture, "+before\r\n-ERR broken\r\n");
}

static void a_transactions_replies_are_held_up_to_half_a_gigabyte(void **state) {
    struct fixture *fixture = *state;
    struct output_mark before = output_mark(&fixture->reply.output);
    struct numbers few = {.next = 1, .last = 7, .closed = &fixture->closed};
    struct numbers many = {.next = 1, .last = 9, .closed = &fixture->closed};
    fixture->client.in_exec = true;
    reply_walk_counted(&fixture->context, &big_elements, &few, 7, before);
    assert_int_equal(fixture->reply.errors, 0);
    assert_int_equal(fixture->closed, 1);
    output_truncate(&fixture->reply.output, before);
    fixture->closed = 0;
    reply_walk_counted(&fixture->context, &big_elements, &many, 9, before);
    expect_reply(fixture,
                 "+before\r\n-ERR the transaction's replies are too big to be held, more than 512 MB\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(elements_that_are_announced_are_shown_and_no_more, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(fewer_elements_than_announced_are_an_error, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(a_walks_own_error_takes_the_replys_place, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(elements_are_counted_where_nobody_knows_how_many_there_are,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_set_is_told_from_an_array, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_walk_that_fails_uncounted_is_an_error, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_transactions_replies_are_held_up_to_half_a_gigabyte, open_fixture,
                                        close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
