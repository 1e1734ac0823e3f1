// SPDX-License-Identifier: Apache-2.0
//
// Replies that are longer than the server wants to hold: they are whole, exact and of one moment, they cost
// little memory however slowly they are read, and the worker's other clients are served meanwhile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "long_replies.h"
#include "raw_client.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = IS_SANITIZED ? 120 : 30 };
static const int64_t mebibyte = 1 << 20;

// All data stay in memory tables, so that no cache grows while they are read. One worker for all clients.
static struct test_server server;
static redisContext *client;
static redisContext *other;
static const struct shared_server servers[] = {
    {&server, "workers 1\nrocksdb.write_buffer_size 512", {&client, &other}}};

static int fill_all(void **state) {
    int status = shared_servers_start(state);
    if (status != 0)
        return status;
    fill(&server, BIG_HASH, ELEMENTS);
    fill(&server, BIG_SET, ELEMENTS);
    fill(&server, BIG_LIST, ELEMENTS);
    fill(&server, BIG_ZSET, ELEMENTS);
    fill(&server, MANY_KEYS, ELEMENTS / 5);
    fill(&server, SAME_LIST, SAME_ELEMENTS);
    return 0;
}

// Without emptying the database.
static int reconnect(void **state) {
    (void)state;
    redisFree(client);
    redisFree(other);
    client = server_connect(&server);
    other = server_connect(&server);
    return 0;
}

// --- What clients get ---

static bool no_reply_is_long(void *context) {
    return server_info_number(context, "stats", "long_replies_in_progress") == 0;
}

static void long_replies_are_exact_and_what_is_pipelined_behind_them_follows(void **state) {
    (void)state;
    const struct answer *answer = NULL;
    for (size_t i = 0; (answer = answer_at(i)) != NULL; i++) {
        int fd = server_connect_raw(&server);
        speak(fd, answer->protocol);
        ask(fd, answer, "PING\r\nLRANGE list 0 1\r\nPING last\r\n");
        read_answer(fd, answer);
        raw_expect(fd, "+PONG\r\n*2\r\n");
        (void)read_elements(fd, answer_to("LRANGE list 0 -1"), 0, 1);
        raw_expect(fd, "$4\r\nlast\r\n");
        assert_int_equal(close(fd), 0);
    }
}

static void keys_that_match_are_counted_before_they_are_shown(void **state) {
    (void)state;
    redisReply *reply = command(client, "KEYS ke?:*0");
    assert_int_equal(reply->elements, ELEMENTS / 50);
    for (size_t i = 0; i < reply->elements; i++)
        assert_int_equal(strtol(reply->element[i]->str + 4, NULL, 10), i * 10);
    freeReplyObject(reply);
}

// Drawn one by one from the big set, and a thousand at a time from the small one.
static void elements_that_are_drawn_again_and_again_are_sent_bit_by_bit(void **state) {
    static const char *const names[] = {"set", "small"};
    static const int sizes[] = {ELEMENTS, FILL_BATCH};
    enum { DRAWS = 20000 };
    (void)state;
    fill(&server, SMALL_SET, FILL_BATCH);
    for (size_t i = 0; i < 2; i++) {
        redisReply *reply = command(client, "SRANDMEMBER %s -%d", names[i], DRAWS);
        long long sum = 0;
        assert_int_equal(reply->elements, DRAWS);
        for (size_t at = 0; at < DRAWS; at++) {
            assert_int_equal(reply->element[at]->len, 100);
            assert_in_range(strtol(reply->element[at]->str, NULL, 10), 0, sizes[i] - 1);
            sum += strtol(reply->element[at]->str, NULL, 10);
        }
        assert_in_range(sum / DRAWS, sizes[i] * 2 / 5, sizes[i] * 3 / 5);
        freeReplyObject(reply);
    }
    expect_integer(client, 1, "DEL small");
}

static void places_in_a_list_are_sent_bit_by_bit(void **state) {
    (void)state;
    const struct answer *answer = answer_to("LPOS same x COUNT 0");
    wait_until(no_reply_is_long, other, PATIENCE_SECONDS, "nobody else reads");
    int fd = begin_and_stall(&server, answer, "PING\r\n");
    assert_int_equal(server_info_number(other, "stats", "long_replies_in_progress"), 1);
    (void)read_elements(fd, answer, answer->first, answer->last);
    raw_expect(fd, "+PONG\r\n");
    assert_int_equal(close(fd), 0);
}

// So many that the server could not hold them.
static void a_draw_without_end_costs_nothing_but_its_client(void **state) {
    (void)state;
    int fd = connect_slowly(&server);
    raw_send_text(fd, "SRANDMEMBER set -4000000000000\r\nPING\r\n");
    raw_expect(fd, "*4000000000000\r\n$100\r\n");
    for (int i = 0; i < 10; i++)
        expect_text(other, "PONG", "PING");
    assert_int_equal(close(fd), 0);
    wait_until(no_reply_is_long, other, PATIENCE_SECONDS, "it ends with its client");
}

static void long_replies_behind_each_other_all_come(void **state) {
    enum { TIMES = 3 };
    (void)state;
    int fd = server_connect_raw(&server);
    for (int i = 0; i < TIMES; i++)
        ask(fd, answer_to("SMEMBERS set"), "");
    for (int i = 0; i < TIMES; i++)
        read_answer(fd, answer_to("SMEMBERS set"));
    assert_int_equal(close(fd), 0);
}

static void a_long_reply_that_is_read_slowly_costs_little_memory(void **state) {
    static const char *const commands[] = {"LPOS same x COUNT 0",
                                           "HGETALL hash",
                                           "SMEMBERS set",
                                           "LRANGE list 0 -1",
                                           "ZRANGE zset 0 -1 WITHSCORES",
                                           "SUNION set set",
                                           "ZRANGEBYSCORE zset -inf +inf",
                                           "KEYS key:*"};
    enum { PAUSES = 40 };
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct answer *answer = answer_to(commands[i]);
        int fd = connect_slowly(&server);
        int64_t before = resident_bytes(&server);
        int64_t most = before;
        ask(fd, answer, "PING\r\n");
        read_header(fd, answer);
        int next = 0;
        for (int pause = 1; pause <= PAUSES; pause++) {
            next = read_elements(fd, answer, next, pause * 100);
            expect_text(other, "PONG", "PING"); // the worker is past what there was to do
            int64_t now = resident_bytes(&server);
            most = now > most ? now : most;
        }
        (void)read_elements(fd, answer, next, answer->last);
        raw_expect(fd, "+PONG\r\n");
        print_message("%s: %lld KiB\n", answer->command, (long long)(most - before) >> 10);
        assert_true(IS_SANITIZED || most - before < 4 * mebibyte);
        assert_int_equal(close(fd), 0);
    }
}

static void what_is_written_meanwhile_does_not_show(void **state) {
    struct own_server *own = *state;
    fill(&own->server, BIG_HASH, ELEMENTS);
    fill(&own->server, BIG_SET, ELEMENTS);
    int fd = begin_and_stall(&own->server, answer_to("HGETALL hash"), "HLEN hash\r\n");
    int common = begin_and_stall(&own->server, answer_to("SINTER set set"), "SCARD set\r\n");
    for (int element = 5; element < ELEMENTS; element += ELEMENTS / 20)
        expect_integer(own->client, 1, "SREM set %0100d", element);
    expect_integer(own->client, 1, "DEL set");
    for (int element = 0; element < ELEMENTS; element += ELEMENTS / 20)
        expect_integer(own->client, 1, "HDEL hash %0100d", element);
    expect_integer(own->client, 1, "HSET hash %0100d. new", 3);
    expect_integer(own->client, 0, "HSET hash %0100d other", 4);
    expect_integer(own->client, 1, "DEL hash");
    expect_integer(own->client, 1, "SADD hash a");
    expect_text(own->client, "OK", "FLUSHALL");
    expect_integer(own->client, 1, "HSET hash a 1");
    expect_text(own->client, "OK", "COMPACT");
    (void)read_elements(fd, answer_to("HGETALL hash"), 0, ELEMENTS - 1);
    raw_expect(fd, ":1\r\n");
    (void)read_elements(common, answer_to("SINTER set set"), 0, ELEMENTS - 1);
    raw_expect(common, ":0\r\n");
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(common), 0);
}

static void others_are_served_in_the_middle_and_what_is_behind_waits(void **state) {
    (void)state;
    expect_text(other, "OK", "SET behind old");
    int fd = begin_and_stall(&server, answer_to("LRANGE list 0 -1"), "GET behind\r\n");
    for (int i = 0; i < 100; i++)
        expect_text(other, "PONG", "PING");
    expect_text(other, "OK", "SET behind new"); // the reader's GET has not run yet
    assert_int_equal(client_list_count(other, " cmd=lrange "), 1);
    (void)read_elements(fd, answer_to("LRANGE list 0 -1"), 0, ELEMENTS - 1);
    raw_expect(fd, "$3\r\nnew\r\n");
    expect_integer(other, 1, "DEL behind");
    assert_int_equal(close(fd), 0);
}

static void many_readers_share_a_worker(void **state) {
    enum { READERS = 12 };
    (void)state;
    int fds[READERS];
    wait_until(no_reply_is_long, other, PATIENCE_SECONDS, "nobody else reads");
    for (size_t i = 0; i < READERS; i++)
        fds[i] = begin_and_stall(&server, answer_at(i), "");
    assert_true(server_info_number(other, "stats", "long_replies_in_progress") >= READERS / 2);
    for (size_t i = 0; i < READERS; i++)
        (void)read_elements(fds[i], answer_at(i), answer_at(i)->first, answer_at(i)->last);
    wait_until(no_reply_is_long, other, PATIENCE_SECONDS, "all replies are whole");
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(close(fds[i]), 0);
}

// --- Modes of clients ---

static void a_transactions_replies_come_whole(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    raw_send_text(fd, "MULTI\r\nLRANGE list 0 -1\r\nZRANGEBYSCORE zset -inf +inf\r\nPING\r\nEXEC\r\n");
    raw_expect(fd, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n");
    read_answer(fd, answer_to("LRANGE list 0 -1"));
    read_answer(fd, answer_to("ZRANGEBYSCORE zset -inf +inf"));
    raw_expect(fd, "+PONG\r\n");
    assert_int_equal(close(fd), 0);
}

static void replies_that_nobody_wants_are_not_streamed(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    raw_send_text(fd, "CLIENT REPLY SKIP\r\nHGETALL hash\r\nPING\r\n");
    raw_expect(fd, "+PONG\r\n");
    raw_send_text(fd, "CLIENT REPLY OFF\r\nKEYS *\r\nSMEMBERS set\r\nCLIENT REPLY ON\r\nPING\r\n");
    raw_expect(fd, "+OK\r\n+PONG\r\n");
    assert_int_equal(close(fd), 0);
}

static void quit_behind_a_long_reply_ends_the_connection_after_it(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    ask(fd, answer_to("LRANGE list 0 -1"), "QUIT\r\nPING\r\n");
    read_answer(fd, answer_to("LRANGE list 0 -1"));
    raw_expect(fd, "+OK\r\n");
    raw_expect_closed(fd);
    assert_int_equal(close(fd), 0);
}

static void who_has_said_all_still_gets_the_whole_reply(void **state) {
    (void)state;
    int fd = server_connect_raw(&server);
    ask(fd, answer_to("LRANGE list 0 -1"), "PING\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    read_answer(fd, answer_to("LRANGE list 0 -1"));
    raw_expect(fd, "+PONG\r\n");
    raw_expect_closed(fd);
    assert_int_equal(close(fd), 0);
}

static void pushes_wait_until_the_reply_is_whole(void **state) {
    enum { MESSAGES = 50 };
    (void)state;
    int fd = connect_slowly(&server);
    speak(fd, 3);
    raw_send_text(fd, "SUBSCRIBE news\r\n");
    raw_expect(fd, ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    ask(fd, answer_in(3, "SMEMBERS set"), "PING\r\n");
    read_header(fd, answer_in(3, "SMEMBERS set"));
    for (int i = 0; i < MESSAGES; i++)
        expect_integer(other, 1, "PUBLISH news message-%02d", i);
    (void)read_elements(fd, answer_in(3, "SMEMBERS set"), 0, ELEMENTS - 1);
    for (int i = 0; i < MESSAGES; i++) {
        char message[80];
        (void)snprintf(message, sizeof(message),
                       ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$10\r\nmessage-%02d\r\n", i);
        raw_expect(fd, message);
    }
    raw_expect(fd, "+PONG\r\n");
    assert_int_equal(close(fd), 0);
}

static void pushes_that_wait_count_for_the_output_limit(void **state) {
    struct own_server *own = *state;
    fill(&own->server, BIG_SET, ELEMENTS);
    int fd = connect_slowly(&own->server);
    speak(fd, 3);
    raw_send_text(fd, "SUBSCRIBE news\r\n");
    raw_expect(fd, ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    ask(fd, answer_in(3, "SMEMBERS set"), "");
    read_header(fd, answer_in(3, "SMEMBERS set"));
    char *big = malloc(100001);
    assert_non_null(big);
    memset(big, 'b', 100000);
    big[100000] = '\0';
    for (int i = 0; i < 15; i++)
        freeReplyObject(command(own->client, "PUBLISH news %s", big));
    free(big);
    server_wait_log(&own->server, "more than client-output-buffer-limit allows");
    free(raw_read_to_end(fd));
    assert_int_equal(close(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        // First, as later ones leave memory behind that it could take.
        cmocka_unit_test_setup(a_long_reply_that_is_read_slowly_costs_little_memory, reconnect),
        cmocka_unit_test_setup(long_replies_are_exact_and_what_is_pipelined_behind_them_follows, reconnect),
        cmocka_unit_test_setup(keys_that_match_are_counted_before_they_are_shown, reconnect),
        cmocka_unit_test_setup(elements_that_are_drawn_again_and_again_are_sent_bit_by_bit, reconnect),
        cmocka_unit_test_setup(places_in_a_list_are_sent_bit_by_bit, reconnect),
        cmocka_unit_test_setup(a_draw_without_end_costs_nothing_but_its_client, reconnect),
        cmocka_unit_test_setup(long_replies_behind_each_other_all_come, reconnect),
        cmocka_unit_test_setup(others_are_served_in_the_middle_and_what_is_behind_waits, reconnect),
        cmocka_unit_test_setup(many_readers_share_a_worker, reconnect),
        cmocka_unit_test_setup(a_transactions_replies_come_whole, reconnect),
        cmocka_unit_test_setup(replies_that_nobody_wants_are_not_streamed, reconnect),
        cmocka_unit_test_setup(quit_behind_a_long_reply_ends_the_connection_after_it, reconnect),
        cmocka_unit_test_setup(who_has_said_all_still_gets_the_whole_reply, reconnect),
        cmocka_unit_test_setup(pushes_wait_until_the_reply_is_whole, reconnect),
        own_server_test(what_is_written_meanwhile_does_not_show, "workers 1"),
        own_server_test(pushes_that_wait_count_for_the_output_limit,
                        "client-output-buffer-limit pubsub 1mb 0 0"),
    };
    shared_servers_are(servers, 1);
    return cmocka_run_group_tests(tests, fill_all, shared_servers_discard);
}
