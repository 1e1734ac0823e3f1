// SPDX-License-Identifier: Apache-2.0
//
// Reading arguments: which options may stand together, and when a key dies that is given a time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/arguments.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOW = 5000, ARGUMENTS_MAX = 8 };

struct call {
    struct command command;
    struct bytes arguments[ARGUMENTS_MAX];
    struct reply reply;
    struct command_context context;
};

static void call_open(struct call *call, const char *const *arguments) {
    *call = (struct call){.command = {.name = "set"}, .reply = {.protocol = 2}};
    size_t count = 0;
    for (; arguments[count] != NULL; count++)
        call->arguments[count] = bytes_from_text(arguments[count]);
    call->context = (struct command_context){.command = &call->command,
                                             .arguments = call->arguments,
                                             .count = count,
                                             .reply = &call->reply,
                                             .now = NOW};
}
#define call_with(call, ...) call_open(call, (const char *const[]){__VA_ARGS__, NULL})

// Also ends the call.
static void assert_reply(struct call *call, const char *expected) {
    char text[256] = "";
    assert_in_range(call->reply.output.pending, 0, sizeof(text) - 1);
    output_copy(&call->reply.output, text);
    assert_string_equal(text, expected);
    output_release(&call->reply.output);
}

static void words_match_in_any_case_and_only_where_there_are_arguments(void **state) {
    (void)state;
    struct call call;
    call_with(&call, "set", "nX");
    assert_true(argument_is(&call.context, 1, "NX"));
    assert_false(argument_is(&call.context, 1, "N"));
    assert_false(argument_is(&call.context, 2, "NX"));
    assert_reply(&call, "");
}

static void what_is_no_number_is_answered_in_redis_words(void **state) {
    (void)state;
    struct call call;
    int64_t integer = 7;
    long double number = 0;
    call_with(&call, "set", "1.5");
    assert_false(argument_integer(&call.context, 1, &integer));
    assert_int_equal(integer, 7);
    assert_reply(&call, "-ERR value is not an integer or out of range\r\n");
    call_with(&call, "set", "x");
    assert_false(argument_integer_or(&call.context, 1, &integer, "ERR my own words"));
    assert_reply(&call, "-ERR my own words\r\n");
    call_with(&call, "set", "x");
    assert_false(argument_float(&call.context, 1, &number));
    assert_reply(&call, "-ERR value is not a valid float\r\n");
}

// Takes options from argument 1 on. True if all were taken.
static bool take_all(struct call *call, unsigned allowed, struct expiry *expiry) {
    *expiry = (struct expiry){0};
    for (size_t i = 1; i < call->context.count; i++)
        if (!expiry_take_option(&call->context, &i, allowed, expiry))
            return false;
    return true;
}

static void a_number_of_keys_is_positive(void **state) {
    (void)state;
    static const char *const wrong[] = {"0", "-1", "x", "9223372036854775808"};
    struct call call;
    size_t count = 0;
    call_with(&call, "lmpop", "2");
    assert_true(argument_key_count(&call.context, 1, &count));
    assert_int_equal(count, 2);
    assert_reply(&call, "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        call_with(&call, "lmpop", wrong[i]);
        assert_false(argument_key_count(&call.context, 1, &count));
        assert_reply(&call, "-ERR numkeys should be greater than 0\r\n");
    }
}

static void what_must_not_be_negative_may_be_none(void **state) {
    (void)state;
    static const char *const wrong[] = {"-1", "x", "9223372036854775808"};
    struct call call;
    int64_t count = 1;
    call_with(&call, "lpop", "0");
    assert_true(argument_not_negative(&call.context, 1, &count, "ERR no"));
    assert_int_equal(count, 0);
    assert_reply(&call, "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        call_with(&call, "lpop", wrong[i]);
        assert_false(argument_not_negative(&call.context, 1, &count, "ERR no"));
        assert_reply(&call, "-ERR no\r\n");
    }
}

static void an_option_takes_its_time_with_it(void **state) {
    (void)state;
    struct call call;
    struct expiry expiry;
    call_with(&call, "set", "px", "100");
    assert_true(take_all(&call, 0, &expiry));
    assert_int_equal(expiry.option, EXPIRY_PX);
    assert_int_equal(expiry.amount_index, 2);
    assert_true(expiry_has_time(&expiry));
}

static void only_one_option_may_be_given_but_that_more_than_once(void **state) {
    (void)state;
    struct call call;
    struct expiry expiry;
    call_with(&call, "set", "EX", "1", "EX", "2");
    assert_true(take_all(&call, 0, &expiry));
    assert_int_equal(expiry.amount_index, 4);
    call_with(&call, "set", "EX", "1", "PX", "2");
    assert_false(take_all(&call, 0, &expiry));
    call_with(&call, "set", "EX", "1", "KEEPTTL");
    assert_false(take_all(&call, EXPIRY_ALLOW_KEEPTTL, &expiry));
    call_with(&call, "set", "KEEPTTL", "KEEPTTL");
    assert_true(take_all(&call, EXPIRY_ALLOW_KEEPTTL, &expiry));
    assert_false(expiry_has_time(&expiry));
}

static void options_that_the_command_does_not_know_are_not_taken(void **state) {
    (void)state;
    struct call call;
    struct expiry expiry;
    call_with(&call, "set", "KEEPTTL");
    assert_false(take_all(&call, EXPIRY_ALLOW_PERSIST, &expiry));
    call_with(&call, "set", "PERSIST");
    assert_false(take_all(&call, EXPIRY_ALLOW_KEEPTTL, &expiry));
    call_with(&call, "set", "EX");
    assert_false(take_all(&call, 0, &expiry));
    call_with(&call, "set", "NX");
    assert_false(take_all(&call, 0, &expiry));
}

static void times_are_counted_from_now_or_from_the_epoch(void **state) {
    (void)state;
    static const struct {
        enum expiry_option option;
        wall_ms_t expire_ms;
    } cases[] = {{EXPIRY_EX, NOW + 12000}, {EXPIRY_PX, NOW + 12}, {EXPIRY_EXAT, 12000}, {EXPIRY_PXAT, 12}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call call;
        wall_ms_t expire_ms = 0;
        call_with(&call, "set", "12");
        assert_true(expiry_argument_time(&call.context, 1, cases[i].option, true, &expire_ms));
        assert_int_equal(expire_ms, cases[i].expire_ms);
    }
}

static void assert_no_time(const char *text, enum expiry_option option, bool must_be_positive) {
    struct call call;
    wall_ms_t expire_ms = 0;
    call_with(&call, "set", text);
    assert_false(expiry_argument_time(&call.context, 1, option, must_be_positive, &expire_ms));
    assert_reply(&call, "-ERR invalid expire time in 'set' command\r\n");
}

static void times_that_cannot_be_represented_are_refused(void **state) {
    (void)state;
    assert_no_time("9223372036854775807", EXPIRY_EX, true);
    assert_no_time("9223372036854776", EXPIRY_EXAT, true);
    assert_no_time("9223372036854775", EXPIRY_EX, true);
    assert_no_time("9223372036854775807", EXPIRY_PX, true);
    assert_no_time("-9223372036854776", EXPIRY_EX, false);
}

static void times_that_are_not_positive_are_refused_where_they_must_be(void **state) {
    (void)state;
    assert_no_time("0", EXPIRY_EX, true);
    assert_no_time("-1", EXPIRY_PXAT, true);
    struct call call;
    wall_ms_t expire_ms = 0;
    call_with(&call, "expire", "-1");
    assert_true(expiry_argument_time(&call.context, 1, EXPIRY_EX, false, &expire_ms));
    assert_int_equal(expire_ms, NOW - 1000);
}

static void without_a_time_the_expiry_is_left_alone(void **state) {
    (void)state;
    struct call call;
    struct expiry expiry = {.option = EXPIRY_PERSIST};
    wall_ms_t expire_ms = 42;
    call_with(&call, "set");
    assert_true(expiry_time(&call.context, &expiry, &expire_ms));
    assert_int_equal(expire_ms, 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_match_in_any_case_and_only_where_there_are_arguments),
        cmocka_unit_test(what_is_no_number_is_answered_in_redis_words),
        cmocka_unit_test(a_number_of_keys_is_positive),
        cmocka_unit_test(what_must_not_be_negative_may_be_none),
        cmocka_unit_test(an_option_takes_its_time_with_it),
        cmocka_unit_test(only_one_option_may_be_given_but_that_more_than_once),
        cmocka_unit_test(options_that_the_command_does_not_know_are_not_taken),
        cmocka_unit_test(times_are_counted_from_now_or_from_the_epoch),
        cmocka_unit_test(times_that_cannot_be_represented_are_refused),
        cmocka_unit_test(times_that_are_not_positive_are_refused_where_they_must_be),
        cmocka_unit_test(without_a_time_the_expiry_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
