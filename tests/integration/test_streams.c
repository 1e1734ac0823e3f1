// SPDX-License-Identifier: Apache-2.0
//
// Replies that are longer than the server wants to hold: they are whole, exact and of one moment, they cost
// little memory however slowly they are read, and the worker's other clients are served meanwhile. All that
// can happen to a client in the middle of one ends well.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"
#include "raw_client.h"
#include "replication_pair.h"
#include "server_fixture.h"

#include "base/buffer.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ELEMENTS = IS_SANITIZED ? 60000 : 120000,
    FILL_BATCH = 1000,
    READ_BATCH = 500,
    SMALL_SOCKET = 16 << 10,
    PATIENCE_SECONDS = IS_SANITIZED ? 120 : 30
};
static const int64_t mebibyte = 1 << 20;

// All data stay in memory tables, so that no cache grows while they are read. One worker for all clients.
static struct test_server server;
static redisContext *client;
static redisContext *other;
static const struct shared_server servers[] = {
    {&server, "workers 1\nrocksdb.write_buffer_size 512", {&client, &other}}};

// --- Data ---

// Elements and their order: 100 digits. Hash values are short, scores are the numbers themselves.
typedef void append_function(struct buffer *out, int element);

static void append_member(struct buffer *out, int element) {
    buffer_append_format(out, "$100\r\n%0100d\r\n", element);
}

static void append_short(struct buffer *out, int element) {
    char text[16];
    int length = snprintf(text, sizeof(text), "%d", element);
    buffer_append_format(out, "$%d\r\n%s\r\n", length, text);
}

static void append_field_and_value(struct buffer *out, int element) {
    append_member(out, element);
    append_short(out, element);
}

static void append_score_and_member(struct buffer *out, int element) {
    append_short(out, element);
    append_member(out, element);
}

static void append_key_and_value(struct buffer *out, int element) {
    buffer_append_format(out, "$100\r\nkey:%096d\r\n", element);
    append_short(out, element);
}

struct filling {
    const char *command; // as it begins
    int words;           // in it
    int words_each;
    append_function *append;
};

static void append_command(struct buffer *out, const struct filling *filling, int from) {
    char copy[64];
    char *rest = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", filling->command);
    buffer_append_format(out, "*%d\r\n", filling->words + FILL_BATCH * filling->words_each);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        buffer_append_format(out, "$%zu\r\n%s\r\n", strlen(word), word);
    for (int element = from; element < from + FILL_BATCH; element++)
        filling->append(out, element);
}

static void fill(const struct test_server *address, const struct filling *filling, int count) {
    redisContext *connection = server_connect(address);
    struct buffer text = {0};
    for (int from = 0; from < count; from += FILL_BATCH) {
        redisReply *reply = NULL;
        buffer_clear(&text);
        append_command(&text, filling, from);
        raw_send(connection->fd, text.data, text.length);
        assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
        assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
    buffer_release(&text);
    redisFree(connection);
}

static const struct filling big_hash = {"HSET hash", 2, 2, append_field_and_value};
static const struct filling big_set = {"SADD set", 2, 1, append_member};
static const struct filling big_list = {"RPUSH list", 2, 1, append_member};
static const struct filling big_zset = {"ZADD zset", 2, 2, append_score_and_member};
static const struct filling many_keys = {"MSET", 1, 2, append_key_and_value};

static int fill_all(void **state) {
    int status = shared_servers_start(state);
    if (status != 0)
        return status;
    fill(&server, &big_hash, ELEMENTS);
    fill(&server, &big_set, ELEMENTS);
    fill(&server, &big_list, ELEMENTS);
    fill(&server, &big_zset, ELEMENTS);
    fill(&server, &many_keys, ELEMENTS / 5);
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

// --- Reading ---

static void append_key(struct buffer *out, int element) {
    buffer_append_format(out, "$100\r\nkey:%096d\r\n", element);
}

static void append_member_and_score(struct buffer *out, int element) {
    append_member(out, element);
    append_short(out, element);
}

static void append_scored_pair(struct buffer *out, int element) {
    buffer_append_text(out, "*2\r\n");
    append_member(out, element);
    buffer_append_format(out, ",%d\r\n", element);
}

// What a command answers: a header, then elements from one to another, in either direction.
struct answer {
    const char *command;
    int protocol;
    const char *type; // the header's first character
    int count;        // in the header
    append_function *append;
    int first, last;
};

static const struct answer answers[] = {
    {"HGETALL hash", 2, "*", 2 * ELEMENTS, append_field_and_value, 0, ELEMENTS - 1},
    {"HGETALL hash", 3, "%", ELEMENTS, append_field_and_value, 0, ELEMENTS - 1},
    {"HKEYS hash", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"HVALS hash", 3, "*", ELEMENTS, append_short, 0, ELEMENTS - 1},
    {"SMEMBERS set", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SMEMBERS set", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"LRANGE list 0 -1", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"LRANGE list 5 -6", 3, "*", ELEMENTS - 10, append_member, 5, ELEMENTS - 6},
    {"ZRANGE zset 0 -1", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZRANGE zset 0 -1 WITHSCORES", 2, "*", 2 * ELEMENTS, append_member_and_score, 0, ELEMENTS - 1},
    {"ZRANGE zset 0 -1 WITHSCORES", 3, "*", ELEMENTS, append_scored_pair, 0, ELEMENTS - 1},
    {"ZRANGE zset 30000 -1", 3, "*", ELEMENTS - 30000, append_member, 30000, ELEMENTS - 1},
    {"ZRANGE zset -20000 -1", 2, "*", 20000, append_member, ELEMENTS - 20000, ELEMENTS - 1},
    {"ZREVRANGE zset 0 -1", 2, "*", ELEMENTS, append_member, ELEMENTS - 1, 0},
    {"ZREVRANGE zset -20000 -10", 2, "*", 19991, append_member, 19999, 9},
    {"ZRANGEBYSCORE zset -inf +inf", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZRANGEBYSCORE zset (9 +inf WITHSCORES LIMIT 10 30000", 2, "*", 60000, append_member_and_score, 20,
     30019},
    {"ZREVRANGEBYSCORE zset +inf 5 WITHSCORES", 3, "*", ELEMENTS - 5, append_scored_pair, ELEMENTS - 1, 5},
    {"ZRANGEBYLEX zset - +", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"ZRANGE zset (1 (0 BYLEX REV", 2, "*", ELEMENTS, append_member, ELEMENTS - 1, 0},
    {"SUNION set set", 2, "*", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SINTER set set", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"SDIFF set missing", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1},
    {"KEYS key:*", 2, "*", ELEMENTS / 5, append_key, 0, ELEMENTS / 5 - 1},
};
enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

// The first one to this command.
static const struct answer *answer_to(const char *text) {
    size_t i = 0;
    while (i < ANSWERS - 1 && strcmp(answers[i].command, text) != 0)
        i++;
    assert_string_equal(answers[i].command, text);
    return &answers[i];
}

static void expect_bytes(int fd, const struct buffer *wanted) {
    char *got = malloc(wanted->length);
    assert_non_null(got);
    raw_read(fd, got, wanted->length);
    if (memcmp(got, wanted->data, wanted->length) != 0)
        fail_msg("'%.*s' came instead of '%.*s'", (int)wanted->length, got, (int)wanted->length,
                 wanted->data);
    free(got);
}

// Reads elements until one, which is included; returns the one after it.
static int read_elements(int fd, const struct answer *answer, int from, int until) {
    int step = answer->last >= answer->first ? 1 : -1;
    struct buffer wanted = {0};
    for (int element = from;; element += step) {
        answer->append(&wanted, element);
        if (element == until || wanted.length > READ_BATCH * 100) {
            expect_bytes(fd, &wanted);
            buffer_clear(&wanted);
        }
        if (element == until)
            break;
    }
    buffer_release(&wanted);
    return until + step;
}

static void read_header(int fd, const struct answer *answer) {
    char header[32];
    (void)snprintf(header, sizeof(header), "%s%d\r\n", answer->type, answer->count);
    raw_expect(fd, header);
}

static void read_answer(int fd, const struct answer *answer) {
    read_header(fd, answer);
    (void)read_elements(fd, answer, answer->first, answer->last);
}

// Reads a map as long as HELLO's.
static void speak(int fd, int protocol) {
    char reply[4096];
    size_t length = 0;
    raw_send_text(fd, protocol == 3 ? "HELLO 3\r\nECHO end-of-greeting\r\n" : "ECHO end-of-greeting\r\n");
    do {
        assert_true(length < sizeof(reply) - 1);
        raw_read(fd, reply + length++, 1);
        reply[length] = '\0';
    } while (strstr(reply, "end-of-greeting\r\n") == NULL);
}

// Connects with a receive buffer that holds next to nothing, so that the server knows how much is read.
static int connect_slowly(const struct test_server *address) {
    int size = SMALL_SOCKET;
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)address->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void ask(int fd, const struct answer *answer, const char *behind) {
    struct buffer text = {0};
    buffer_append_format(&text, "%s\r\n%s", answer->command, behind);
    raw_send(fd, text.data, text.length);
    buffer_release(&text);
}

// --- What clients get ---

static void long_replies_are_exact_and_what_is_pipelined_behind_them_follows(void **state) {
    (void)state;
    for (size_t i = 0; i < ANSWERS; i++) {
        const struct answer *answer = &answers[i];
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
    static const char *const commands[] = {"HGETALL hash",     "SMEMBERS set",
                                           "LRANGE list 0 -1", "ZRANGE zset 0 -1 WITHSCORES",
                                           "SUNION set set",   "ZRANGEBYSCORE zset -inf +inf",
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

// The socket takes no more, and neither does the output grow: the server waits for the client.
static int begin_and_stall(const struct test_server *address, const struct answer *answer,
                           const char *behind) {
    int fd = connect_slowly(address);
    speak(fd, answer->protocol);
    ask(fd, answer, behind);
    read_header(fd, answer);
    return fd;
}

static void what_is_written_meanwhile_does_not_show(void **state) {
    struct own_server *own = *state;
    fill(&own->server, &big_hash, ELEMENTS);
    fill(&own->server, &big_set, ELEMENTS);
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

static bool no_reply_is_long(void *context) {
    return server_info_number(context, "stats", "long_replies_in_progress") == 0;
}

static void many_readers_share_a_worker(void **state) {
    enum { READERS = 12 };
    (void)state;
    int fds[READERS];
    wait_until(no_reply_is_long, other, PATIENCE_SECONDS, "nobody else reads");
    for (size_t i = 0; i < READERS; i++)
        fds[i] = begin_and_stall(&server, &answers[i], "");
    assert_true(server_info_number(other, "stats", "long_replies_in_progress") >= READERS / 2);
    for (size_t i = 0; i < READERS; i++)
        (void)read_elements(fds[i], &answers[i], answers[i].first, answers[i].last);
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

static const struct answer resp3_members = {"SMEMBERS set", 3, "~", ELEMENTS, append_member, 0, ELEMENTS - 1};

static void pushes_wait_until_the_reply_is_whole(void **state) {
    enum { MESSAGES = 50 };
    (void)state;
    int fd = connect_slowly(&server);
    speak(fd, 3);
    raw_send_text(fd, "SUBSCRIBE news\r\n");
    raw_expect(fd, ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    ask(fd, &resp3_members, "PING\r\n");
    read_header(fd, &resp3_members);
    for (int i = 0; i < MESSAGES; i++)
        expect_integer(other, 1, "PUBLISH news message-%02d", i);
    (void)read_elements(fd, &resp3_members, 0, ELEMENTS - 1);
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
    fill(&own->server, &big_set, ELEMENTS);
    int fd = connect_slowly(&own->server);
    speak(fd, 3);
    raw_send_text(fd, "SUBSCRIBE news\r\n");
    raw_expect(fd, ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    ask(fd, &resp3_members, "");
    read_header(fd, &resp3_members);
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

// --- Ends in the middle ---

static bool is_alone(void *context) {
    return server_info_number(context, "clients", "connected_clients") == 1;
}

static void clients_that_vanish_in_the_middle_leave_nothing(void **state) {
    struct own_server *own = *state;
    fill(&own->server, &big_set, ELEMENTS);
    fill(&own->server, &big_zset, ELEMENTS);
    for (int i = 0; i < 10; i++) {
        int fd = begin_and_stall(&own->server, answer_to(i % 2 == 0 ? "SMEMBERS set" : "SINTER set set"),
                                 "PING\r\n");
        assert_int_equal(close(fd), 0);
    }
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "those who have gone are forgotten");
    expect_integer(own->client, ELEMENTS, "SCARD set");
}

static void a_client_killed_in_the_middle_is_closed(void **state) {
    struct own_server *own = *state;
    fill(&own->server, &big_set, ELEMENTS);
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "who has filled is forgotten");
    int fd = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    expect_integer(own->client, 1, "CLIENT KILL SKIPME YES TYPE normal");
    char *rest = raw_read_to_end(fd);
    assert_null(strstr(rest, "PONG"));
    free(rest);
    assert_int_equal(close(fd), 0);
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "the killed client is forgotten");
}

static void a_server_can_be_stopped_in_the_middle(void **state) {
    struct own_server *own = *state;
    fill(&own->server, &big_set, ELEMENTS);
    fill(&own->server, &big_zset, ELEMENTS);
    int set = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    int zset = begin_and_stall(&own->server, answer_to("ZRANGE zset 0 -1"), "PING\r\n");
    server_stop(&own->server);
    free(raw_read_to_end(set));
    free(raw_read_to_end(zset));
    assert_int_equal(close(set), 0);
    assert_int_equal(close(zset), 0);
    own_server_restart(own);
    expect_integer(own->client, ELEMENTS, "SCARD set");
}

static void who_takes_nothing_for_too_long_is_closed(void **state) {
    struct own_server *own = *state;
    fill(&own->server, &big_set, ELEMENTS);
    int fd = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    server_wait_log(&own->server, "is closed in the middle of a reply: it has taken less than 64 KB");
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "the client is closed");
    assert_int_equal(server_info_number(own->client, "stats", "client_output_buffer_limit_disconnections"),
                     1);
    char *rest = raw_read_to_end(fd);
    assert_null(strstr(rest, "PONG"));
    free(rest);
    assert_int_equal(close(fd), 0);
}

static void who_reads_on_is_not_closed(void **state) {
    struct own_server *own = *state;
    fill(&own->server, &big_set, ELEMENTS);
    int fd = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    int next = 0;
    for (int i = 1; i <= 45; i++) { // longer than is allowed without taking anything
        next = read_elements(fd, answer_to("SMEMBERS set"), next, i * (ELEMENTS / 50));
        expect_silence(own->client, 100);
    }
    (void)read_elements(fd, answer_to("SMEMBERS set"), next, ELEMENTS - 1);
    raw_expect(fd, "+PONG\r\n");
    assert_int_equal(close(fd), 0);
}

static void a_replicas_readers_are_closed_when_its_database_is_replaced(void **state) {
    struct own_server *replica = *state;
    struct test_server master;
    server_start(&master, NULL);
    redisContext *to_master = server_connect(&master);
    expect_text(to_master, "OK", "SET key value");
    fill(&replica->server, &big_hash, ELEMENTS); // its own writes make it copy everything
    int hash = begin_and_stall(&replica->server, answer_to("HGETALL hash"), "PING\r\n");
    int keys = begin_and_stall(&replica->server, answer_to("HKEYS hash"), "PING\r\n");
    follow(replica->client, master.port);
    server_wait_log(&replica->server, "is closed in the middle of a reply: the database is replaced");
    free(raw_read_to_end(hash));
    free(raw_read_to_end(keys));
    wait_in_step(to_master, replica->client);
    expect_text(replica->client, "value", "GET key");
    expect_integer(replica->client, 0, "EXISTS hash");
    assert_int_equal(close(hash), 0);
    assert_int_equal(close(keys), 0);
    redisFree(to_master);
    server_discard(&master);
}

// --- With a server within reach ---

static _Atomic(const char *) refusal; // at the second gate

static const char *answer_for_gate(void *context, enum store_gate gate) {
    (void)context;
    return gate == STORE_GATE_SETTLE ? atomic_load(&refusal) : NULL;
}

static int open_inner(void **state) {
    struct inner_server *inner = calloc(1, sizeof(*inner));
    assert_non_null(inner);
    atomic_store(&refusal, NULL);
    inner_server_open(inner, 1, answer_for_gate, NULL);
    *state = inner;
    return 0;
}

static int discard_inner(void **state) {
    inner_server_discard(*state);
    free(*state);
    return 0;
}

static void a_long_reply_in_a_round_that_settles_late_is_not_sent(void **state) {
    struct inner_server *inner = *state;
    fill(&inner->address, &big_set, 20000);
    atomic_store(&refusal, "READONLY master lease expired");
    int writer = server_connect_raw(&inner->address);
    int reader = server_connect_raw(&inner->address);
    raw_send_text(writer, "SET a 1\r\nSMEMBERS set\r\n");
    raw_expect_closed(writer);
    raw_send_text(reader, "SMEMBERS set\r\nPING\r\n"); // who has not written is answered
    raw_expect(reader, "*20000\r\n");
    (void)read_elements(reader, answer_to("SMEMBERS set"), 0, 19999);
    raw_expect(reader, "+PONG\r\n");
    assert_int_equal(close(writer), 0);
    assert_int_equal(close(reader), 0);
}

// Behind the set's back.
static void remove_last_member(struct inner_server *inner, const char *key, int member) {
    struct store_session *session = server_background_session(inner->server);
    struct bytes name = bytes_from_text(key);
    struct store_value value;
    struct buffer raw = {0};
    char text[101];
    (void)snprintf(text, sizeof(text), "%0100d", member);
    session_write_begin(session, &name, 1);
    assert_int_equal(store_read(session, name, 0, &value), STORE_OK);
    encode_sub_key(&raw, store_layout(inner->server->store), name, value.metadata.version,
                   bytes_from_text(text));
    store_value_release(&value);
    stage_raw_delete(session, FAMILY_DEFAULT, buffer_bytes(&raw));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_int_equal(store_settle(session), SETTLED);
    buffer_release(&raw);
}

static void a_damaged_collection_that_is_found_out_too_late_ends_the_connection(void **state) {
    struct inner_server *inner = *state;
    fill(&inner->address, &big_set, 20000);
    remove_last_member(inner, "set", 19999);
    int fd = server_connect_raw(&inner->address);
    raw_send_text(fd, "SMEMBERS set\r\nPING\r\n");
    raw_expect(fd, "*20000\r\n");
    (void)read_elements(fd, answer_to("SMEMBERS set"), 0, 15000);
    char *rest = raw_read_to_end(fd);
    assert_null(strstr(rest, "-ERR"));
    assert_null(strstr(rest, "PONG"));
    free(rest);
    assert_int_equal(close(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        // First, as later ones leave memory behind that it could take.
        cmocka_unit_test_setup(a_long_reply_that_is_read_slowly_costs_little_memory, reconnect),
        cmocka_unit_test_setup(long_replies_are_exact_and_what_is_pipelined_behind_them_follows, reconnect),
        cmocka_unit_test_setup(keys_that_match_are_counted_before_they_are_shown, reconnect),
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
        own_server_test(clients_that_vanish_in_the_middle_leave_nothing, ""),
        own_server_test(a_client_killed_in_the_middle_is_closed, ""),
        own_server_test(a_server_can_be_stopped_in_the_middle, ""),
        own_server_test(who_takes_nothing_for_too_long_is_closed, "stalled-reply-timeout 1"),
        own_server_test(who_reads_on_is_not_closed, "stalled-reply-timeout 3"),
        own_server_test(a_replicas_readers_are_closed_when_its_database_is_replaced, "slave-read-only yes"),
        cmocka_unit_test_setup_teardown(a_long_reply_in_a_round_that_settles_late_is_not_sent, open_inner,
                                        discard_inner),
        cmocka_unit_test_setup_teardown(a_damaged_collection_that_is_found_out_too_late_ends_the_connection,
                                        open_inner, discard_inner),
    };
    shared_servers_are(servers, 1);
    return cmocka_run_group_tests(tests, fill_all, shared_servers_discard);
}
