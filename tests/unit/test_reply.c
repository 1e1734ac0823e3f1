// SPDX-License-Identifier: Apache-2.0
//
// The bytes of every kind of reply, in RESP2 and RESP3.
#include "base/buffer.h"
#include "server/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

static void expect_written(struct reply *reply, struct bytes expected) {
    char *written = malloc(reply->output.pending + 1);
    assert_non_null(written);
    output_copy(&reply->output, written);
    if (!bytes_equal((struct bytes){.data = written, .length = reply->output.pending}, expected))
        fail_msg("RESP%d: <%.*s>, not <%.*s>", reply->protocol, (int)reply->output.pending, written,
                 (int)expected.length, expected.data);
    free(written);
    output_release(&reply->output);
}

// Runs the statement, which writes to `reply`, in both protocols.
#define EXPECT_BOTH(statement, resp2, resp3)                                                                 \
    for (struct reply *reply = &(struct reply){.protocol = 2}; reply->protocol <= 3; reply->protocol++) {    \
        statement;                                                                                           \
        expect_written(reply,                                                                                \
                       (struct bytes[]){BYTES_LITERAL(resp2), BYTES_LITERAL(resp3)}[reply->protocol - 2]);   \
    }
#define EXPECT(statement, expected) EXPECT_BOTH(statement, expected, expected)

static void count_release(void *owner) {
    (*(int *)owner)++;
}

static void simple_replies_are_the_same_in_both_protocols(void **state) {
    (void)state;
    EXPECT(reply_ok(reply), "+OK\r\n");
    EXPECT(reply_status(reply, "PONG"), "+PONG\r\n");
    EXPECT(reply_integer(reply, 0), ":0\r\n");
    EXPECT(reply_integer(reply, 9), ":9\r\n");
    EXPECT(reply_integer(reply, 10), ":10\r\n");
    EXPECT(reply_integer(reply, -1), ":-1\r\n");
    EXPECT(reply_integer(reply, INT64_MAX), ":9223372036854775807\r\n");
    EXPECT(reply_integer(reply, INT64_MIN), ":-9223372036854775808\r\n");
    EXPECT(reply_array(reply, 0), "*0\r\n");
    EXPECT(reply_array(reply, 12345), "*12345\r\n");
}

static void bulk_strings_hold_any_bytes(void **state) {
    (void)state;
    EXPECT(reply_bulk(reply, BYTES_LITERAL("a\r\nb\0c")), "$6\r\na\r\nb\0c\r\n");
    EXPECT(reply_bulk(reply, (struct bytes){0}), "$0\r\n\r\n");
    EXPECT(reply_bulk_text(reply, "hello world"), "$11\r\nhello world\r\n");
    EXPECT(reply_bulk_integer(reply, 7), "$1\r\n7\r\n");
    EXPECT(reply_bulk_integer(reply, INT64_MIN), "$20\r\n-9223372036854775808\r\n");
}

static void what_resp2_lacks_is_written_as_redis_writes_it(void **state) {
    (void)state;
    EXPECT_BOTH(reply_null(reply), "$-1\r\n", "_\r\n");
    EXPECT_BOTH(reply_null_array(reply), "*-1\r\n", "_\r\n");
    EXPECT_BOTH(reply_map(reply, 3), "*6\r\n", "%3\r\n");
    EXPECT_BOTH(reply_set(reply, 3), "*3\r\n", "~3\r\n");
    EXPECT_BOTH(reply_boolean(reply, true), ":1\r\n", "#t\r\n");
    EXPECT_BOTH(reply_boolean(reply, false), ":0\r\n", "#f\r\n");
    EXPECT_BOTH(reply_double(reply, 1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    EXPECT_BOTH(reply_double(reply, 0.1), "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n");
    EXPECT_BOTH(reply_double(reply, -HUGE_VAL), "$4\r\n-inf\r\n", ",-inf\r\n");
    EXPECT_BOTH(reply_verbatim(reply, "txt", BYTES_LITERAL("a b")), "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n");
}

static void bulk_strings_of_any_length_are_whole(void **state) {
    (void)state;
    static char value[70000];
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)('a' + i % 23);
    static const size_t lengths[] = {1,    99,   996,  997,   998,   999,   1000,  1001,
                                     1023, 1024, 1025, 10000, 16383, 16384, 16385, 70000};
    struct reply reply = {.protocol = 2};
    struct buffer expected = {0};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct bytes bytes = {.data = value, .length = lengths[i]};
        int released = 0;
        buffer_clear(&expected);
        for (int twice = 0; twice < 2; twice++) {
            buffer_append_format(&expected, "$%zu\r\n", bytes.length);
            buffer_append(&expected, bytes);
            buffer_append_text(&expected, "\r\n");
        }
        reply_bulk(&reply, bytes);
        reply_bulk_owned(&reply, bytes, count_release, &released);
        assert_int_equal(released, bytes.length < 16384); // copied, or still referred to
        expect_written(&reply, buffer_bytes(&expected));
        assert_int_equal(released, 1);
    }
    buffer_release(&expected);
}

static void long_lines_are_whole(void **state) {
    (void)state;
    struct reply reply = {.protocol = 2};
    struct buffer expected = {0};
    for (size_t length = 0; length < 5000; length = length * 5 / 4 + 1) {
        buffer_clear(&expected);
        buffer_append_text(&expected, "+");
        memset(buffer_reserve(&expected, length), 'x', length);
        expected.length += length;
        *buffer_reserve(&expected, 3) = '\0';
        reply_status(&reply, expected.data + 1);
        buffer_append_text(&expected, "\r\n");
        expect_written(&reply, buffer_bytes(&expected));
    }
    buffer_release(&expected);
}

static void errors_are_counted_and_their_code_is_remembered(void **state) {
    (void)state;
    struct reply reply = {.protocol = 2};
    reply_error(&reply, "WRONGTYPE Operation against a key");
    assert_string_equal(reply.last_error_code, "WRONGTYPE");
    assert_int_equal(reply.errors, 1);
    expect_written(&reply, BYTES_LITERAL("-WRONGTYPE Operation against a key\r\n"));
    reply_error_format(&reply, "ERR unknown '%s' of %d", "thing", 3);
    assert_string_equal(reply.last_error_code, "ERR");
    assert_int_equal(reply.errors, 2);
    expect_written(&reply, BYTES_LITERAL("-ERR unknown 'thing' of 3\r\n"));
    reply_error(&reply, "ACODETHATISLONGERTHANTHEPLACEFORIT x");
    assert_string_equal(reply.last_error_code, "ACODETHATISLONGERTHANTHEPLACEFO");
    reply_error(&reply, "");
    assert_string_equal(reply.last_error_code, "");
    assert_int_equal(reply.errors, 4);
    output_release(&reply.output);
}

static void errors_cannot_forge_replies(void **state) {
    (void)state;
    EXPECT(reply_error(reply, "ERR a\r\n+OK\tb\x1b\x7f\xff"), "-ERR a  +OK b  \xff\r\n");
    EXPECT(reply_error_format(reply, "ERR '%s'", "\r\n:1"), "-ERR '  :1'\r\n");
    EXPECT(reply_error_format(reply, "%s", "NOSPACE\nin the code"), "-NOSPACE in the code\r\n");
    struct reply reply = {.protocol = 2};
    reply_error(&reply, "CODE\nrest");
    assert_string_equal(reply.last_error_code, "CODE");
    output_release(&reply.output);
}

static void errors_may_have_any_length(void **state) {
    (void)state;
    struct reply reply = {.protocol = 2};
    struct buffer expected = {0};
    for (size_t length = 500; length < 100000; length = length < 520 ? length + 1 : length * 3) {
        buffer_clear(&expected);
        buffer_append_text(&expected, "-ERR ");
        memset(buffer_reserve(&expected, length), 'x', length);
        expected.length += length;
        *buffer_reserve(&expected, 3) = '\0';
        reply_error_format(&reply, "ERR %s", expected.data + 5);
        buffer_append_text(&expected, "\r\n");
        expect_written(&reply, buffer_bytes(&expected));
    }
    buffer_release(&expected);
}

static void an_error_that_cannot_be_formatted_says_so(void **state) {
    (void)state;
    // The C locale has no bytes for this character; text of more than INT_MAX bytes fails in the same way.
    EXPECT(reply_error_format(reply, "ERR %ls", L"\x20ac"), "-ERR the error's text cannot be formatted\r\n");
}

static void an_aggregate_may_be_counted_while_it_is_written(void **state) {
    (void)state;
    EXPECT_BOTH(
        {
            struct output_block *deferred = reply_deferred_begin(reply);
            reply_integer(reply, 1);
            reply_map_end(reply, deferred, 1);
        },
        "*2\r\n:1\r\n", "%1\r\n:1\r\n");
    EXPECT_BOTH(
        {
            struct output_block *outer = reply_deferred_begin(reply);
            struct output_block *inner = reply_deferred_begin(reply);
            reply_ok(reply);
            reply_set_end(reply, inner, 1);
            reply_array_end(reply, outer, SIZE_MAX / 2);
        },
        "*9223372036854775807\r\n*1\r\n+OK\r\n", "*9223372036854775807\r\n~1\r\n+OK\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_replies_are_the_same_in_both_protocols),
        cmocka_unit_test(bulk_strings_hold_any_bytes),
        cmocka_unit_test(what_resp2_lacks_is_written_as_redis_writes_it),
        cmocka_unit_test(bulk_strings_of_any_length_are_whole),
        cmocka_unit_test(long_lines_are_whole),
        cmocka_unit_test(errors_are_counted_and_their_code_is_remembered),
        cmocka_unit_test(errors_cannot_forge_replies),
        cmocka_unit_test(errors_may_have_any_length),
        cmocka_unit_test(an_error_that_cannot_be_formatted_says_so),
        cmocka_unit_test(an_aggregate_may_be_counted_while_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
