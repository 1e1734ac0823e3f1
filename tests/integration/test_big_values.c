// SPDX-License-Identifier: Apache-2.0
//
// Replies of a few big values, or of one that is named many times: they cost about as much memory as one of
// them, and show one moment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "long_replies.h"
#include "raw_client.h"
#include "server_fixture.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 4 << 20, TIMES = 40 };

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {
    {&server, "workers 1\nrocksdb.write_buffer_size 512", {&client}}};

static char *big_text(char letter) {
    char *text = malloc(BIG + 1);
    assert_non_null(text);
    memset(text, letter, BIG);
    text[BIG] = '\0';
    return text;
}

static void put_big(void) {
    char *text = big_text('v');
    expect_text(client, "OK", "SET big %s", text);
    expect_integer(client, 1, "HSET hash big %s", text);
    free(text);
    expect_text(client, "OK", "SET small 1");
    expect_integer(client, 1, "HSET hash small 1");
    expect_integer(client, 1, "SADD set a");
}

// "MGET big small missing set big small ..." or "HMGET hash big ...".
static void ask_many(int fd, const char *command, int times) {
    struct buffer text = {0};
    buffer_append_text(&text, command);
    for (int i = 0; i < times; i++)
        buffer_append_text(&text, " big small missing set");
    buffer_append_text(&text, "\r\nPING\r\n");
    raw_send(fd, text.data, text.length);
    buffer_release(&text);
}

static void read_big(int fd) {
    char *got = malloc(BIG + 2);
    assert_non_null(got);
    char header[32];
    (void)snprintf(header, sizeof(header), "$%d\r\n", BIG);
    raw_expect(fd, header);
    raw_read(fd, got, BIG + 2);
    for (size_t i = 0; i < BIG; i++) {
        if (got[i] != 'v')
            fail_msg("'%c' at %zu", got[i], i);
    }
    free(got);
}

static void read_group(int fd) {
    read_big(fd);
    raw_expect(fd, "$1\r\n1\r\n$-1\r\n$-1\r\n");
}

static int begin_many(const char *command) {
    char header[32];
    (void)snprintf(header, sizeof(header), "*%d\r\n", 4 * TIMES);
    int fd = connect_slowly(&server);
    ask_many(fd, command, TIMES);
    raw_expect(fd, header);
    return fd;
}

static void a_big_value_that_is_named_often_is_held_once(void **state) {
    static const char *const commands[] = {"MGET", "HMGET hash"};
    (void)state;
    put_big();
    for (size_t i = 0; i < 2; i++) {
        int64_t before = resident_bytes(&server);
        int64_t most = before;
        int fd = begin_many(commands[i]);
        for (int group = 0; group < TIMES; group++) {
            read_group(fd);
            int64_t now = resident_bytes(&server);
            most = now > most ? now : most;
        }
        raw_expect(fd, "+PONG\r\n");
        print_message("%s: %lld KiB\n", commands[i], (long long)(most - before) >> 10);
        assert_true(IS_SANITIZED || most - before < 6 * BIG);
        assert_int_equal(close(fd), 0);
    }
}

static char *grown_list(int count) {
    struct buffer text = {0};
    buffer_append_text(&text, "RPUSH list");
    for (int i = 0; i < count; i++)
        buffer_append_text(&text, " i");
    buffer_append(&text, (struct bytes){"", 1});
    return text.data;
}

static void put_list(int count) {
    char *text = grown_list(count);
    redisReply *reply = redisCommand(client, text);
    assert_int_equal(reply->integer, count);
    freeReplyObject(reply);
    free(text);
}

static void what_sort_gets_is_held_one_by_one_and_of_its_moment(void **state) {
    char header[32];
    (void)state;
    put_big();
    put_list(TIMES);
    expect_integer(client, 1, "HSET hish small 1");
    int64_t before = resident_bytes(&server);
    int fd = connect_slowly(&server);
    (void)snprintf(header, sizeof(header), "*%d\r\n", 4 * TIMES);
    raw_send_text(fd, "SORT list BY nosort GET b*g GET h*sh->small GET x*x GET #\r\nPING\r\n");
    raw_expect(fd, header);
    expect_text(client, "OK", "SET big 1");
    expect_integer(client, 1, "DEL hish");
    expect_integer(client, 1, "DEL list");
    for (int i = 0; i < TIMES; i++) {
        read_big(fd);
        raw_expect(fd, "$1\r\n1\r\n$-1\r\n$1\r\ni\r\n");
        assert_true(IS_SANITIZED || resident_bytes(&server) - before < 6 * BIG);
    }
    raw_expect(fd, "+PONG\r\n");
    assert_int_equal(close(fd), 0);
}

// Every element is put in order by a value of 4 MB, so that 130 of them are too many.
static void more_than_a_command_may_hold_is_an_error(void **state) {
    enum { TOO_MANY = (512 << 20) / BIG + 2 };
    (void)state;
    put_big();
    put_list(TOO_MANY);
    expect_error(client, "ERR the command has to hold too much at once, more than 512 MB",
                 "SORT list BY b*g ALPHA");
    expect_integer(client, TOO_MANY, "LLEN list");
}

static void values_are_those_of_the_commands_moment(void **state) {
    (void)state;
    put_big();
    int strings = begin_many("MGET");
    int fields = begin_many("HMGET hash");
    char *text = big_text('w');
    expect_text(client, "OK", "SET big %s", text);
    expect_integer(client, 0, "HSET hash big %s", text);
    expect_text(client, "OK", "SET missing now-it-is-there");
    expect_integer(client, 1, "DEL small");
    expect_integer(client, 1, "HDEL hash small");
    expect_integer(client, 1, "DEL hash");
    expect_text(client, "OK", "FLUSHALL");
    expect_text(client, "OK", "COMPACT");
    for (int group = 0; group < TIMES; group++) {
        read_group(strings);
        read_group(fields);
    }
    raw_expect(strings, "+PONG\r\n");
    raw_expect(fields, "+PONG\r\n");
    assert_int_equal(close(strings), 0);
    assert_int_equal(close(fields), 0);
    free(text);
}

static void who_vanishes_leaves_nothing(void **state) {
    (void)state;
    put_big();
    assert_int_equal(close(begin_many("MGET")), 0);
    assert_int_equal(close(begin_many("HMGET hash")), 0);
    expect_text(client, "1", "GET small");
}

// What a transaction answers is held as a whole.
static void within_a_transaction_they_are_bounded(void **state) {
    enum { TOO_MANY = (512 << 20) / BIG + 2 };
    struct buffer text = {0};
    (void)state;
    put_big();
    buffer_append_text(&text, "MGET");
    for (int i = 0; i < TOO_MANY; i++)
        buffer_append_text(&text, " big");
    buffer_append(&text, (struct bytes){"", 1});
    expect_text(client, "OK", "MULTI");
    freeReplyObject(redisCommand(client, text.data));
    redisReply *reply = command(client, "EXEC");
    assert_int_equal(reply->elements, 1);
    assert_non_null(strstr(reply->element[0]->str, "replies are too big to be held"));
    freeReplyObject(reply);
    buffer_release(&text);
}

static void a_transaction_whose_commands_answer_too_much_is_one_error_and_writes_nothing(void **state) {
    enum { TOO_MANY = (512 << 20) / BIG + 2 };
    (void)state;
    put_big();
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "SET other 1");
    for (int i = 0; i < TOO_MANY; i++)
        expect_text(client, "QUEUED", "GET big");
    expect_error(client,
                 "ERR the transaction's replies are too big to be held, more than 512 MB: nothing was",
                 "EXEC");
    expect_integer(client, 0, "EXISTS other");
    expect_text(client, "1", "GET small");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        // First, as later ones leave memory behind that it could take.
        cmocka_unit_test_setup(a_big_value_that_is_named_often_is_held_once, empty_database),
        cmocka_unit_test_setup(what_sort_gets_is_held_one_by_one_and_of_its_moment, empty_database),
        cmocka_unit_test_setup(values_are_those_of_the_commands_moment, empty_database),
        cmocka_unit_test_setup(who_vanishes_leaves_nothing, empty_database),
        cmocka_unit_test_setup(more_than_a_command_may_hold_is_an_error, empty_database),
        cmocka_unit_test_setup(within_a_transaction_they_are_bounded, empty_database),
        cmocka_unit_test_setup(a_transaction_whose_commands_answer_too_much_is_one_error_and_writes_nothing,
                               empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
