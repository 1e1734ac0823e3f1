// SPDX-License-Identifier: Apache-2.0
//
// What the request parser makes of bytes: commands and errors, in whatever pieces the bytes come.
#include "base/buffer.h"
#include "base/memory.h"
#include "server/request_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct request_limits usual = {
    .bulk_length = 512 << 20, .arguments = 1 << 20, .inline_length = 64 << 10, .total_length = 1 << 30};
static const struct request_limits strangers = {.bulk_length = 16384,
                                                .arguments = 10,
                                                .inline_length = 64 << 10,
                                                .total_length = 1 << 30,
                                                .before_authentication = true};

// Appends "[word][word]\n" for each command that is there, and "!error\n" if one follows: false then, as the
// connection would be closed.
static bool take_commands(struct request_parser *parser, const struct request_limits *limits,
                          struct buffer *transcript) {
    const struct bytes *arguments = NULL;
    size_t count = 0;
    const char *error = NULL;
    enum request_result result;
    while ((result = request_parser_next(parser, limits, &arguments, &count, &error)) == REQUEST_READY) {
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            buffer_append_text(transcript, "[");
            buffer_append(transcript, arguments[i]);
            buffer_append_text(transcript, "]");
        }
        buffer_append_text(transcript, "\n");
        request_parser_consume(parser);
    }
    if (result == REQUEST_INVALID) {
        buffer_append_text(transcript, "!");
        buffer_append_text(transcript, error);
        buffer_append_text(transcript, "\n");
    }
    return result != REQUEST_INVALID;
}

// Hands over bytes as a worker does: one piece, as large as there is room.
static size_t receive(struct request_parser *parser, struct bytes bytes, char **scratch) {
    char *to = NULL;
    size_t room = 0;
    *scratch = NULL;
    if (!request_parser_room(parser, &to, &room)) {
        // Freed after detaching, so that a sanitizer sees who still looks at it.
        *scratch = memory_copy(bytes.data, bytes.length);
        request_parser_attach(parser, *scratch, bytes.length);
        return bytes.length;
    }
    assert_true(room > 0);
    size_t count = bytes.length < room ? bytes.length : room;
    memcpy(to, bytes.data, count);
    request_parser_filled(parser, count);
    return count;
}

static bool feed(struct request_parser *parser, const struct request_limits *limits, struct bytes bytes,
                 struct buffer *transcript) {
    bool valid = true;
    while (bytes.length > 0 && valid) {
        char *scratch = NULL;
        size_t count = receive(parser, bytes, &scratch);
        valid = take_commands(parser, limits, transcript);
        assert_true(request_parser_detach(parser));
        free(scratch);
        bytes = (struct bytes){.data = bytes.data + count, .length = bytes.length - count};
    }
    return valid;
}

static struct buffer transcript_of(struct bytes input, size_t piece, const struct request_limits *limits) {
    struct request_parser *parser = request_parser_open();
    struct buffer transcript = {0};
    bool valid = true;
    for (size_t at = 0; at < input.length && valid; at += piece) {
        size_t count = input.length - at < piece ? input.length - at : piece;
        valid = feed(parser, limits, (struct bytes){.data = input.data + at, .length = count}, &transcript);
    }
    request_parser_close(parser);
    return transcript;
}

static void expect_in_pieces(struct bytes input, size_t piece, const struct request_limits *limits,
                             struct bytes expected) {
    struct buffer transcript = transcript_of(input, piece, limits);
    if (!bytes_equal(buffer_bytes(&transcript), expected))
        fail_msg("<%.*s> in pieces of %zu became <%.*s>, not <%.*s>", (int)input.length, input.data, piece,
                 (int)transcript.length, transcript.data, (int)expected.length, expected.data);
    buffer_release(&transcript);
}

// The input gives the transcript in pieces of any one size.
static void expect_limited(struct bytes input, const struct request_limits *limits, struct bytes expected) {
    for (size_t piece = 1; piece <= input.length; piece++)
        expect_in_pieces(input, piece, limits, expected);
}
#define EXPECT(input, transcript) expect_limited(BYTES_LITERAL(input), &usual, BYTES_LITERAL(transcript))

static void commands_come_in_order_however_they_are_cut(void **state) {
    (void)state;
    EXPECT("*1\r\n$4\r\nPING\r\n", "[PING]\n");
    EXPECT(
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n",
        "[SET][k][]\n[GET][k]\n[PING]\n[QUIT]\n");
    EXPECT("*6\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n",
           "[1][2][3][4][5][6]\n");
}

static void arguments_may_hold_any_byte(void **state) {
    (void)state;
    EXPECT("*2\r\n$4\r\n\r\n\0*\r\n$7\r\n$1\r\n\xff\r\n\r\n", "[\r\n\0*][$1\r\n\xff\r\n]\n");
}

static void empty_commands_are_skipped(void **state) {
    (void)state;
    EXPECT("*0\r\n*-1\r\n*-12345\r\n\r\n\n   \r\n*1\r\n$4\r\nPING\r\n*0\r\n", "[PING]\n");
}

static void inline_commands_end_with_either_line_end(void **state) {
    (void)state;
    EXPECT("PING\nset \"a b\" 'c'\r\n  get  x\t\n$3\r\n", "[PING]\n[set][a b][c]\n[get][x]\n[$3]\n");
}

static void malformed_requests_are_told_what_is_wrong(void **state) {
    (void)state;
    EXPECT("*x\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*+1\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*01\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*-0\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("* 1\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*1\rx$4", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*1048577\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*4294967297\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*99999999999999999999\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT("*1\r\n$-1\r\n", "!ERR Protocol error: invalid bulk length\n");
    EXPECT("*1\r\n$\r\n", "!ERR Protocol error: invalid bulk length\n");
    EXPECT("*1\r\n$4x\r\n", "!ERR Protocol error: invalid bulk length\n");
    EXPECT("*1\r\n$536870913\r\n", "!ERR Protocol error: invalid bulk length\n");
    EXPECT("*1\r\n$18446744073709551617\r\n", "!ERR Protocol error: invalid bulk length\n");
    EXPECT("*1\r\nPING\r\n", "!ERR Protocol error: expected '$', got 'P'\n");
    EXPECT("*2\r\n$1\r\na\r\n\r\n", "!ERR Protocol error: expected '$', got '\r'\n");
    EXPECT("*1\r\n\0\r\n", "!ERR Protocol error: expected '$', got ' '\n");
    EXPECT("*1\r\n$4\r\nPINGxx", "!ERR Protocol error: expected CRLF after bulk string\n");
    EXPECT("*1\r\n$4\r\nPING\rx", "!ERR Protocol error: expected CRLF after bulk string\n");
    EXPECT("PING \"\r\n", "!ERR Protocol error: unbalanced quotes in request\n");
    EXPECT("*1\r\n$4\r\nPING\r\n*x\r\n", "[PING]\n!ERR Protocol error: invalid multibulk length\n");
}

static void strangers_have_tighter_limits(void **state) {
    (void)state;
#define EXPECT_STRANGER(input, transcript)                                                                   \
    expect_limited(BYTES_LITERAL(input), &strangers, BYTES_LITERAL(transcript))
    EXPECT_STRANGER("*11\r\n", "!ERR Protocol error: unauthenticated multibulk length\n");
    EXPECT_STRANGER("*1\r\n$16385\r\n", "!ERR Protocol error: unauthenticated bulk length\n");
    EXPECT_STRANGER("*1\r\n$-1\r\n", "!ERR Protocol error: invalid bulk length\n");
    EXPECT_STRANGER("*2147483648\r\n", "!ERR Protocol error: invalid multibulk length\n");
    EXPECT_STRANGER("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n*10\r\n$16384\r\n", "[AUTH][x]\n");
#undef EXPECT_STRANGER
}

static void limits_apply_from_the_next_command_on(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    struct bytes input = BYTES_LITERAL("AUTH x\r\n*11\r\n");
    request_parser_attach(parser, input.data, input.length);
    const struct bytes *arguments = NULL;
    size_t count = 0;
    const char *error = NULL;
    assert_int_equal(request_parser_next(parser, &strangers, &arguments, &count, &error), REQUEST_READY);
    request_parser_consume(parser);
    assert_int_equal(request_parser_next(parser, &usual, &arguments, &count, &error), REQUEST_INCOMPLETE);
    assert_true(request_parser_detach(parser));
    request_parser_close(parser);
}

static void expect_endless_line_refused(const char *begin, const char *expected) {
    struct request_limits limits = usual;
    limits.inline_length = 100;
    struct buffer input = {0};
    buffer_append_text(&input, begin);
    size_t line = begin[strlen(begin) - 1] == '\n' ? 0 : 1;
    while (line++ < 100)
        buffer_append_text(&input, "1");
    expect_limited(buffer_bytes(&input), &limits, BYTES_LITERAL(""));
    buffer_append_text(&input, "1");
    expect_limited(buffer_bytes(&input), &limits, bytes_from_text(expected));
    buffer_release(&input);
}

static void lines_without_end_are_refused(void **state) {
    (void)state;
    expect_endless_line_refused("P", "!ERR Protocol error: too big inline request\n");
    expect_endless_line_refused("*", "!ERR Protocol error: too big mbulk count string\n");
    struct request_limits limits = usual;
    limits.inline_length = 32;
    expect_limited(BYTES_LITERAL("*1\r\n$00000000000000000000000000000001\r\n"), &limits,
                   BYTES_LITERAL("!ERR Protocol error: too big bulk count string\n"));
    expect_limited(BYTES_LITERAL("0123456789 123456789 123456789 \r\n"), &limits,
                   BYTES_LITERAL("[0123456789][123456789][123456789]\n"));
}

static void a_command_has_a_total_limit(void **state) {
    (void)state;
    struct request_limits limits = usual;
    limits.total_length = 40;
    expect_limited(BYTES_LITERAL("*2\r\n$9\r\n123456789\r\n$9\r\n123456789\r\n*1\r\n$9\r\n123456789\r\n"),
                   &limits, BYTES_LITERAL("[123456789][123456789]\n[123456789]\n"));
    expect_limited(BYTES_LITERAL("*3\r\n$9\r\n123456789\r\n$9\r\n123456789\r\n$9\r\n123456789\r\n"), &limits,
                   BYTES_LITERAL("!ERR Protocol error: too big command, more than 40 bytes\n"));
    expect_limited(BYTES_LITERAL("*1\r\n$41\r\n"), &limits,
                   BYTES_LITERAL("!ERR Protocol error: too big command, more than 40 bytes\n"));
}

static void an_error_stays(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    struct buffer transcript = {0};
    assert_false(feed(parser, &usual, BYTES_LITERAL("*1\r\nx"), &transcript));
    assert_int_equal(request_parser_pending(parser), 0);
    struct bytes good = BYTES_LITERAL("PING\r\n");
    char *scratch = NULL;
    receive(parser, good, &scratch);
    buffer_clear(&transcript);
    assert_false(take_commands(parser, &usual, &transcript));
    assert_true(bytes_equal(buffer_bytes(&transcript),
                            BYTES_LITERAL("!ERR Protocol error: expected '$', got 'x'\n")));
    assert_true(request_parser_detach(parser));
    free(scratch);
    buffer_release(&transcript);
    request_parser_close(parser);
}

static void a_command_is_there_until_it_is_consumed(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    char text[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n*1\r\n$4\r\nPI";
    request_parser_attach(parser, text, sizeof(text) - 1);
    const struct bytes *arguments = NULL;
    size_t count = 0;
    const char *error = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(request_parser_next(parser, &usual, &arguments, &count, &error), REQUEST_READY);
        assert_int_equal(count, 2);
        assert_true(bytes_equal(arguments[0], BYTES_LITERAL("GET")));
        assert_true(bytes_equal(arguments[1], BYTES_LITERAL("key")));
        assert_int_equal(request_parser_pending(parser), 32);
        assert_true(request_parser_detach(parser));
        memset(text, '#', sizeof(text)); // the parser has its own copy now
    }
    char *to = NULL;
    size_t room = 0;
    assert_true(request_parser_room(parser, &to, &room));
    memcpy(to, "NG\r\n", 4);
    request_parser_filled(parser, 4);
    struct buffer transcript = {0};
    assert_true(take_commands(parser, &usual, &transcript));
    assert_true(bytes_equal(buffer_bytes(&transcript), BYTES_LITERAL("[GET][key]\n[PING]\n")));
    buffer_release(&transcript);
    request_parser_close(parser);
}

static void an_inline_command_is_there_until_it_is_consumed(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    char text[] = "get 'the key'\r\nPI";
    request_parser_attach(parser, text, sizeof(text) - 1);
    const struct bytes *arguments = NULL;
    size_t count = 0;
    const char *error = NULL;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(request_parser_next(parser, &usual, &arguments, &count, &error), REQUEST_READY);
        assert_int_equal(count, 2);
        assert_true(bytes_equal(arguments[1], BYTES_LITERAL("the key")));
        assert_true(request_parser_detach(parser));
        memset(text, '#', sizeof(text));
    }
    request_parser_consume(parser);
    struct buffer transcript = {0};
    assert_true(feed(parser, &usual, BYTES_LITERAL("NG\r\n"), &transcript));
    assert_true(bytes_equal(buffer_bytes(&transcript), BYTES_LITERAL("[PING]\n")));
    buffer_release(&transcript);
    request_parser_close(parser);
}

static size_t random_below(unsigned *seed, size_t bound) {
    return (size_t)rand_r(seed) % bound;
}

static void append_fill(struct buffer *buffer, char fill, size_t length) {
    memset(buffer_reserve(buffer, length), fill, length);
    buffer->length += length;
}

static void append_random_command(unsigned *seed, struct buffer *input, struct buffer *expected) {
    size_t count = 1 + random_below(seed, random_below(seed, 4) == 0 ? 40 : 4);
    buffer_append_format(input, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        size_t length = random_below(seed, random_below(seed, 50) == 0 ? 200000 : 30);
        char fill = (char)('a' + random_below(seed, 26));
        buffer_append_format(input, "$%zu\r\n", length);
        append_fill(input, fill, length);
        buffer_append_text(input, "\r\n");
        buffer_append_text(expected, "[");
        append_fill(expected, fill, length);
        buffer_append_text(expected, "]");
    }
    buffer_append_text(expected, "\n");
}

static void random_pipelines_survive_random_splitting(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    for (int round = 0; round < 100; round++) {
        struct buffer input = {0};
        struct buffer expected = {0};
        for (size_t commands = 1 + random_below(&seed, 20); commands > 0; commands--)
            append_random_command(&seed, &input, &expected);
        size_t piece = 1 + random_below(&seed, random_below(&seed, 2) == 0 ? 100 : 100000);
        expect_in_pieces(buffer_bytes(&input), piece, &usual, buffer_bytes(&expected));
        buffer_release(&input);
        buffer_release(&expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_come_in_order_however_they_are_cut),
        cmocka_unit_test(arguments_may_hold_any_byte),
        cmocka_unit_test(empty_commands_are_skipped),
        cmocka_unit_test(inline_commands_end_with_either_line_end),
        cmocka_unit_test(malformed_requests_are_told_what_is_wrong),
        cmocka_unit_test(strangers_have_tighter_limits),
        cmocka_unit_test(limits_apply_from_the_next_command_on),
        cmocka_unit_test(lines_without_end_are_refused),
        cmocka_unit_test(a_command_has_a_total_limit),
        cmocka_unit_test(an_error_stays),
        cmocka_unit_test(a_command_is_there_until_it_is_consumed),
        cmocka_unit_test(an_inline_command_is_there_until_it_is_consumed),
        cmocka_unit_test(random_pipelines_survive_random_splitting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
