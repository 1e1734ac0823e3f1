// SPDX-License-Identifier: Apache-2.0
//
// What the request parser's bytes cost: memory while idle and while a command is incomplete, copies of big
// bulk strings, and time that grows with the input only.
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
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_LIMIT = 200, MEBIBYTE = 1 << 20 };

static const struct request_limits limits = {
    .bulk_length = 512 << 20, .arguments = 1 << 20, .inline_length = 64 << 10, .total_length = 1 << 30};

struct taken {
    enum request_result result;
    const struct bytes *arguments;
    size_t count;
    const char *error;
};

static struct taken next(struct request_parser *parser) {
    struct taken taken = {0};
    taken.result = request_parser_next(parser, &limits, &taken.arguments, &taken.count, &taken.error);
    return taken;
}

static void attach_and_detach(struct request_parser *parser, struct bytes bytes,
                              enum request_result expected) {
    char *scratch = memory_copy(bytes.data, bytes.length);
    request_parser_attach(parser, scratch, bytes.length);
    assert_int_equal(next(parser).result, expected);
    assert_true(request_parser_detach(parser));
    free(scratch);
}

// Reads as much of `bytes` as the parser takes at once; returns how much.
static size_t fill(struct request_parser *parser, struct bytes bytes) {
    char *to = NULL;
    size_t room = 0;
    assert_true(request_parser_room(parser, &to, &room));
    size_t count = room < bytes.length ? room : bytes.length;
    memcpy(to, bytes.data, count);
    request_parser_filled(parser, count);
    return count;
}

// Hands over `bytes` in pieces; the commands are counted and dropped.
static size_t count_commands(struct request_parser *parser, struct bytes bytes, size_t piece) {
    size_t commands = 0;
    while (bytes.length > 0) {
        size_t count = bytes.length < piece ? bytes.length : piece;
        char *to = NULL;
        size_t room = 0;
        if (request_parser_room(parser, &to, &room))
            count = fill(parser, (struct bytes){.data = bytes.data, .length = count});
        else
            request_parser_attach(parser, bytes.data, count);
        struct taken taken;
        while ((taken = next(parser)).result == REQUEST_READY) {
            commands++;
            request_parser_consume(parser);
        }
        assert_int_equal(taken.result, REQUEST_INCOMPLETE);
        assert_true(request_parser_detach(parser));
        bytes = (struct bytes){.data = bytes.data + count, .length = bytes.length - count};
    }
    return commands;
}

static void assert_idle(struct request_parser *parser) {
    char *to = NULL;
    size_t room = 0;
    assert_false(request_parser_room(parser, &to, &room));
    assert_int_equal(request_parser_pending(parser), 0);
    assert_true(request_parser_memory(parser) < IDLE_LIMIT);
}

static void append_bulk(struct buffer *input, size_t length) {
    buffer_append_format(input, "$%zu\r\n", length);
    char *to = buffer_reserve(input, length);
    for (size_t i = 0; i < length; i++)
        to[i] = (char)('a' + i % 23);
    input->length += length;
    buffer_append_text(input, "\r\n");
}

static struct buffer command_of(size_t count, size_t length) {
    struct buffer input = {0};
    buffer_append_format(&input, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++)
        append_bulk(&input, length);
    return input;
}

static void an_idle_parser_holds_no_buffers(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    assert_idle(parser);
    static const struct {
        size_t count, length;
    } commands[] = {{1, 4}, {4, 10}, {5, 10}, {100, 3}, {100000, 1}, {3, 1000}, {2, 70000}, {1, 300000}};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct buffer input = command_of(commands[i].count, commands[i].length);
        for (size_t piece = 7; piece < 200000; piece *= 11) {
            assert_int_equal(count_commands(parser, buffer_bytes(&input), piece), 1);
            assert_idle(parser);
        }
        buffer_release(&input);
    }
    assert_int_equal(count_commands(parser, BYTES_LITERAL("PING\r\nSET a b\r\n"), 5), 2);
    assert_idle(parser);
    request_parser_close(parser);
}

static void a_leftover_is_copied_to_a_buffer_of_its_size(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    struct buffer input = {0};
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&input, "*1\r\n$4\r\nPING\r\n");
    buffer_append_text(&input, "*1\r\n$4\r\nPI");
    assert_int_equal(count_commands(parser, buffer_bytes(&input), input.length), 1000);
    assert_int_equal(request_parser_pending(parser), 10);
    assert_true(request_parser_memory(parser) < IDLE_LIMIT + 64);
    assert_int_equal(count_commands(parser, BYTES_LITERAL("NG\r\n"), 4), 1);
    assert_idle(parser);
    buffer_release(&input);
    request_parser_close(parser);
}

static void a_big_bulk_string_is_read_in_place(void **state) {
    (void)state;
    enum { LENGTH = 3 * MEBIBYTE }; // as the header below says
    struct request_parser *parser = request_parser_open();
    struct buffer input = {0};
    buffer_append_text(&input, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n");
    size_t header = input.length + strlen("$3145728\r\n");
    append_bulk(&input, LENGTH);
    enum { FIRST = 60000 };
    attach_and_detach(parser, (struct bytes){.data = input.data, .length = FIRST}, REQUEST_INCOMPLETE);
    assert_int_equal(request_parser_pending(parser), FIRST);

    char *begin = NULL;
    size_t room = 0;
    assert_true(request_parser_room(parser, &begin, &room));
    begin -= FIRST - header;
    assert_int_equal(room, input.length - FIRST); // not a byte of a command that follows
    for (size_t at = FIRST; at < input.length; at += 100000) {
        char *to = NULL;
        assert_true(request_parser_room(parser, &to, &room));
        assert_ptr_equal(to, begin + (at - header));
        size_t count = room < 100000 ? room : 100000;
        memcpy(to, input.data + at, count);
        request_parser_filled(parser, count);
        assert_int_equal(next(parser).result, at + count < input.length ? REQUEST_INCOMPLETE : REQUEST_READY);
        assert_true(request_parser_detach(parser));
    }
    struct taken taken = next(parser);
    assert_int_equal(taken.count, 3);
    assert_true(bytes_equal(taken.arguments[0], BYTES_LITERAL("SET")));
    assert_true(bytes_equal(taken.arguments[1], BYTES_LITERAL("key")));
    assert_ptr_equal(taken.arguments[2].data, begin);
    assert_true(
        bytes_equal(taken.arguments[2], (struct bytes){.data = input.data + header, .length = LENGTH}));
    request_parser_consume(parser);
    assert_true(request_parser_detach(parser));
    assert_idle(parser);
    buffer_release(&input);
    request_parser_close(parser);
}

static void a_big_bulk_string_must_end_with_a_line_end(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    struct buffer input = command_of(1, 100000);
    input.data[input.length - 1] = 'x';
    size_t half = input.length / 2;
    attach_and_detach(parser, (struct bytes){.data = input.data, .length = half}, REQUEST_INCOMPLETE);
    fill(parser, (struct bytes){.data = input.data + half, .length = input.length - half});
    struct taken taken = next(parser);
    assert_int_equal(taken.result, REQUEST_INVALID);
    assert_string_equal(taken.error, "ERR Protocol error: expected CRLF after bulk string");
    assert_true(request_parser_detach(parser));
    buffer_release(&input);
    request_parser_close(parser);
}

static void bytes_after_a_big_bulk_string_may_come_before_it_is_looked_at(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    struct buffer input = command_of(2, 100000);
    buffer_append_text(&input, "PING\r\n");
    struct bytes rest = buffer_bytes(&input);
    attach_and_detach(parser, (struct bytes){.data = rest.data, .length = 1000}, REQUEST_INCOMPLETE);
    rest = (struct bytes){.data = rest.data + 1000, .length = rest.length - 1000};
    for (int i = 0; i < 2; i++) { // the first bulk string whole, then some of what follows it
        size_t count = fill(parser, (struct bytes){.data = rest.data, .length = i == 0 ? rest.length : 10});
        rest = (struct bytes){.data = rest.data + count, .length = rest.length - count};
    }
    assert_int_equal(request_parser_pending(parser), input.length - rest.length);
    assert_int_equal(count_commands(parser, rest, rest.length), 2);
    assert_idle(parser);
    buffer_release(&input);
    request_parser_close(parser);
}

static void a_declared_length_costs_nothing_until_bytes_come(void **state) {
    (void)state;
    struct request_parser *parsers[100];
    for (size_t i = 0; i < 100; i++) {
        parsers[i] = request_parser_open();
        attach_and_detach(parsers[i], BYTES_LITERAL("*1048576\r\n$3\r\nSET\r\n$536870912\r\nx"),
                          REQUEST_INCOMPLETE);
        assert_true(request_parser_memory(parsers[i]) < 1024);
        assert_int_equal(request_parser_pending(parsers[i]), 32);
    }
    for (size_t i = 0; i < 100; i++)
        request_parser_close(parsers[i]);
}

static void a_length_beyond_memory_is_an_error_reply(void **state) {
    (void)state;
    struct request_limits boundless = limits;
    boundless.bulk_length = boundless.total_length = UINT64_MAX;
    struct request_parser *parser = request_parser_open();
    struct bytes input = BYTES_LITERAL("*1\r\n$9223372036854775807\r\n");
    request_parser_attach(parser, input.data, input.length);
    struct taken taken = {0};
    taken.result = request_parser_next(parser, &boundless, &taken.arguments, &taken.count, &taken.error);
    assert_int_equal(taken.result, REQUEST_INVALID);
    assert_string_equal(taken.error, "ERR Protocol error: out of memory for the request");
    assert_true(request_parser_detach(parser));
    request_parser_close(parser);
}

// Leaves the process `more` bytes of address space beyond what it has; returns the old limit.
static struct rlimit limit_memory(size_t more) {
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    char line[128] = "";
    assert_non_null(fgets(line, sizeof(line), file));
    (void)fclose(file);
    size_t used = strtoul(line, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    struct rlimit tight = {.rlim_cur = used + more, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    return old;
}

static void running_out_of_memory_is_told_and_survived(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); // a sanitizer needs the address space itself
#endif
    enum { LENGTH = 64 * MEBIBYTE, SPARE = 16 * MEBIBYTE };
    char *backlog = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(backlog != MAP_FAILED);
    memset(backlog, '\n', LENGTH);
    memcpy(backlog, "PING\n", 5);
    struct request_parser *parser = request_parser_open();

    request_parser_attach(parser, backlog, LENGTH);
    assert_int_equal(next(parser).result, REQUEST_READY);
    struct rlimit old = limit_memory(SPARE);
    bool detached = request_parser_detach(parser);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_false(detached);
    assert_idle(parser);

    request_parser_attach(parser, backlog, LENGTH);
    assert_true(request_parser_detach(parser));
    old = limit_memory(SPARE);
    char *to = NULL;
    size_t room = 1;
    bool holds_something = request_parser_room(parser, &to, &room);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_true(holds_something);
    assert_int_equal(room, 0);
    assert_int_equal(request_parser_pending(parser), LENGTH);
    request_parser_close(parser);
    assert_int_equal(munmap(backlog, LENGTH), 0);
}

static void a_buffer_shrinks_when_little_is_left(void **state) {
    (void)state;
    struct request_parser *parser = request_parser_open();
    struct buffer input = command_of(200, 10000);
    buffer_append_text(&input, "*1\r\n$4\r\n");
    assert_int_equal(count_commands(parser, buffer_bytes(&input), 65536), 1);
    assert_true(request_parser_memory(parser) < 65536);
    assert_int_equal(count_commands(parser, BYTES_LITERAL("PING\r\n"), 1), 1);
    assert_idle(parser);
    buffer_release(&input);
    request_parser_close(parser);
}

// Processor time for `input` in pieces; it would be minutes if beginnings were read again for each piece.
static void expect_quick(struct bytes input, size_t piece) {
    struct request_parser *parser = request_parser_open();
    clock_t begin = clock();
    assert_int_equal(count_commands(parser, input, piece), 1);
    assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
    request_parser_close(parser);
}

static void time_grows_with_the_input_only(void **state) {
    (void)state;
    struct buffer many = command_of(MEBIBYTE, 1);
    expect_quick(buffer_bytes(&many), 65536);
    expect_quick(buffer_bytes(&many), 1);
    buffer_release(&many);
    enum { LINE = 64 << 10 };
    struct buffer line = {0};
    memset(buffer_reserve(&line, LINE), 'x', LINE);
    line.length = LINE;
    buffer_append_text(&line, "\n");
    expect_quick(buffer_bytes(&line), 1);
    buffer_release(&line);
}

static void a_backlog_is_worked_off_without_being_moved_each_time(void **state) {
    (void)state;
    enum { COMMANDS = 500000 };
    struct request_parser *parser = request_parser_open();
    for (int i = 0; i < COMMANDS; i++) { // a client that is held back and goes on sending
        struct bytes ping = BYTES_LITERAL("*1\r\n$4\r\nPING\r\n");
        if (i == 0)
            attach_and_detach(parser, ping, REQUEST_READY);
        else
            assert_int_equal(fill(parser, ping), ping.length);
    }
    assert_int_equal(request_parser_pending(parser), COMMANDS * 14);
    clock_t begin = clock();
    for (int i = 0; i < COMMANDS; i++) {
        assert_int_equal(next(parser).result, REQUEST_READY);
        request_parser_consume(parser);
        assert_true(request_parser_detach(parser));
    }
    assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
    assert_idle(parser);
    request_parser_close(parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        // The first: what other tests have freed would be memory to use.
        cmocka_unit_test(running_out_of_memory_is_told_and_survived),
        cmocka_unit_test(an_idle_parser_holds_no_buffers),
        cmocka_unit_test(a_leftover_is_copied_to_a_buffer_of_its_size),
        cmocka_unit_test(a_big_bulk_string_is_read_in_place),
        cmocka_unit_test(a_big_bulk_string_must_end_with_a_line_end),
        cmocka_unit_test(bytes_after_a_big_bulk_string_may_come_before_it_is_looked_at),
        cmocka_unit_test(a_declared_length_costs_nothing_until_bytes_come),
        cmocka_unit_test(a_length_beyond_memory_is_an_error_reply),
        cmocka_unit_test(a_buffer_shrinks_when_little_is_left),
        cmocka_unit_test(time_grows_with_the_input_only),
        cmocka_unit_test(a_backlog_is_worked_off_without_being_moved_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
