// SPDX-License-Identifier: Apache-2.0
//
// MONITOR's lines, byte for byte.
#include "server/monitor_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_line(const struct monitor_line *line, const char *expected) {
    struct buffer out = {0};
    monitor_format(&out, line);
    buffer_append(&out, BYTES_LITERAL("\0"));
    assert_string_equal(out.data, expected);
    buffer_release(&out);
}

static void expect_quoted(struct bytes bytes, const char *expected) {
    struct buffer out = {0};
    monitor_format_quoted(&out, bytes);
    buffer_append(&out, BYTES_LITERAL("\0"));
    assert_string_equal(out.data, expected);
    buffer_release(&out);
}

static void a_line_tells_time_database_client_and_command(void **state) {
    (void)state;
    struct bytes arguments[] = {BYTES_LITERAL("get"), BYTES_LITERAL("k\0")};
    struct monitor_line line = {
        .wall_us = 1700000000123456, .address = "127.0.0.1:4711", .arguments = arguments, .count = 2};
    expect_line(&line, "+1700000000.123456 [0 127.0.0.1:4711] \"get\" \"k\\x00\"\r\n");
}

static void microseconds_have_six_digits(void **state) {
    (void)state;
    struct bytes argument = BYTES_LITERAL("PING");
    struct monitor_line line = {
        .wall_us = 1700000000000007, .database = 3, .address = "[::1]:1", .arguments = &argument, .count = 1};
    expect_line(&line, "+1700000000.000007 [3 [::1]:1] \"PING\"\r\n");
    line.wall_us = 1;
    expect_line(&line, "+0.000001 [3 [::1]:1] \"PING\"\r\n");
}

static void a_client_on_a_unix_socket_is_told_by_its_path(void **state) {
    (void)state;
    struct bytes argument = BYTES_LITERAL("ping");
    struct monitor_line line = {
        .wall_us = 2000000, .address = "/run/s", .is_unix_socket = true, .arguments = &argument, .count = 1};
    expect_line(&line, "+2.000000 [0 unix:/run/s] \"ping\"\r\n");
}

static void every_byte_is_escaped_as_redis_does(void **state) {
    (void)state;
    expect_quoted(BYTES_LITERAL(""), "\"\"");
    expect_quoted(BYTES_LITERAL(" ~az09"), "\" ~az09\"");
    expect_quoted(BYTES_LITERAL("\\\""), "\"\\\\\\\"\"");
    expect_quoted(BYTES_LITERAL("\n\r\t\a\b"), "\"\\n\\r\\t\\a\\b\"");
    expect_quoted(BYTES_LITERAL("\v\f\x1f\x7f\x80\xff"), "\"\\x0b\\x0c\\x1f\\x7f\\x80\\xff\"");
}

static void a_line_holds_no_line_break_of_its_arguments(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        struct buffer out = {0};
        monitor_format_quoted(&out, (struct bytes){.data = &text, .length = 1});
        for (size_t i = 0; i < out.length; i++)
            assert_true(out.data[i] >= ' ' && out.data[i] <= '~');
        buffer_release(&out);
    }
}

static void big_arguments_are_shown_whole(void **state) {
    (void)state;
    enum { LENGTH = 1000003 };
    char *text = malloc(LENGTH);
    assert_non_null(text);
    memset(text, 'a', LENGTH);
    text[LENGTH - 1] = '\n';
    struct buffer out = {0};
    buffer_append_text(&out, "before");
    monitor_format_quoted(&out, (struct bytes){.data = text, .length = LENGTH});
    assert_int_equal(out.length, 6 + 2 + LENGTH + 1);
    assert_memory_equal(out.data, "before\"aaaa", 11);
    assert_memory_equal(out.data + 7, text, LENGTH - 1);
    assert_memory_equal(out.data + out.length - 3, "\\n\"", 3);
    buffer_release(&out);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_tells_time_database_client_and_command),
        cmocka_unit_test(microseconds_have_six_digits),
        cmocka_unit_test(a_client_on_a_unix_socket_is_told_by_its_path),
        cmocka_unit_test(every_byte_is_escaped_as_redis_does),
        cmocka_unit_test(a_line_holds_no_line_break_of_its_arguments),
        cmocka_unit_test(big_arguments_are_shown_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
