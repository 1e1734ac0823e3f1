// SPDX-License-Identifier: Apache-2.0
//
// What one client can take from the others: connections, memory for what it sends and for what it does not
// read, time. Each has a limit, and beyond it that client alone suffers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raw_client.h"
#include "server_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BIG_VALUE = 1 << 20,
    BIG_REPLIES = 600,
    IDLE_CONNECTIONS = 10000,
    COMMANDS = 1000000,
    BATCH = 1000,
    PATIENCE_SECONDS = 30
};
static const int64_t mebibyte = 1 << 20;

// --- Connections ---

static bool one_is_connected(void *context) {
    return server_info_number(context, "clients", "connected_clients") == 1;
}

static bool is_served(void *context) {
    char answer[7];
    int fd = server_connect_raw(context);
    bool served = raw_try_send(fd, "PING\r\n", 6) && recv(fd, answer, sizeof(answer), MSG_WAITALL) == 7 &&
                  memcmp(answer, "+PONG\r\n", 7) == 0;
    assert_int_equal(close(fd), 0);
    return served;
}

static void a_connection_too_many_is_told_so_and_closed(void **state) {
    struct own_server *own = *state;
    int fds[3];
    wait_until(one_is_connected, own->client, PATIENCE_SECONDS, "the harness' connection is closed");
    for (int i = 0; i < 3; i++) {
        fds[i] = server_connect_raw(&own->server);
        raw_send_text(fds[i], "PING\r\n");
        raw_expect(fds[i], "+PONG\r\n");
    }
    int one_too_many = server_connect_raw(&own->server);
    raw_expect_last_words(one_too_many, "-ERR max number of clients reached\r\n");
    assert_int_equal(server_info_number(own->client, "stats", "rejected_connections"), 1);
    assert_int_equal(close(fds[0]), 0);
    wait_until(is_served, &own->server, PATIENCE_SECONDS, "a place that became free is given away");
    assert_int_equal(close(one_too_many), 0);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(close(fds[2]), 0);
}

struct busy_and_idle {
    redisContext *busy;
    int idle;
};

static bool idle_one_is_closed(void *context) {
    struct busy_and_idle *both = context;
    char byte = 0;
    expect_text(both->busy, "PONG", "PING");
    return recv(both->idle, &byte, 1, MSG_DONTWAIT) == 0;
}

static void idle_connections_are_closed_and_busy_ones_are_not(void **state) {
    struct own_server *own = *state;
    struct busy_and_idle both = {own->client, server_connect_raw(&own->server)};
    wait_until(idle_one_is_closed, &both, PATIENCE_SECONDS, "the idle connection is closed");
    server_wait_log(&own->server, "idle for");
    expect_text(both.busy, "PONG", "PING");
    assert_int_equal(close(both.idle), 0);
}

// Before the servers are started, which inherit it.
static int allow_descriptors(void **state) {
    const rlim_t wanted = IDLE_CONNECTIONS + 10000;
    struct rlimit limit;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted; // root may
    if (limit.rlim_cur < wanted)
        limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail_msg("these tests need %lu file descriptors: %s", (unsigned long)wanted, strerror(errno));
    return 0;
}

static void idle_connections_are_cheap(void **state) {
    struct own_server *own = *state;
    static int fds[IDLE_CONNECTIONS];
    expect_text(own->client, "PONG", "PING");
    int64_t before = resident_bytes(&own->server);
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        fds[i] = server_connect_raw(&own->server);
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        raw_send_text(fds[i], "PING\r\n");
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        raw_expect(fds[i], "+PONG\r\n");
    int64_t grown = resident_bytes(&own->server) - before;
    print_message("%d connections: %lld KiB\n", IDLE_CONNECTIONS, (long long)grown >> 10);
    assert_true(IS_SANITIZED || grown < 100 * mebibyte);
    expect_text(own->client, "PONG", "PING");
    for (int i = 0; i < IDLE_CONNECTIONS; i++)
        assert_int_equal(close(fds[i]), 0);
    wait_until(one_is_connected, own->client, PATIENCE_SECONDS, "all that were closed are gone");
}

// --- Replies that nobody reads ---

static void set_big_value(redisContext *connection) {
    char *value = malloc(BIG_VALUE);
    assert_non_null(value);
    memset(value, 'v', BIG_VALUE);
    redisReply *reply = redisCommand(connection, "SET big %b", value, (size_t)BIG_VALUE);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    free(value);
}

static int ask_without_reading(const struct test_server *server) {
    int fd = server_connect_raw(server);
    for (int i = 0; i < BIG_REPLIES; i++)
        raw_send_text(fd, "GET big\r\n");
    return fd;
}

static void read_big_replies(int fd) {
    char *value = malloc(BIG_VALUE);
    assert_non_null(value);
    for (int i = 0; i < BIG_REPLIES; i++) {
        raw_expect(fd, "$1048576\r\n");
        raw_read(fd, value, BIG_VALUE);
        assert_int_equal(value[0], 'v');
        assert_memory_equal(value, value + 1, BIG_VALUE - 1);
        raw_expect(fd, "\r\n");
    }
    free(value);
}

// The bytes of replies that wait for the client which has most.
static long long most_output_memory(redisContext *connection) {
    long long most = 0;
    redisReply *reply = command(connection, "CLIENT LIST");
    const char *at = reply->str;
    while ((at = strstr(at, " omem=")) != NULL) {
        at += strlen(" omem=");
        long long one = strtoll(at, NULL, 10);
        most = one > most ? one : most;
    }
    freeReplyObject(reply);
    return most;
}

static bool much_output_waits(void *context) {
    return most_output_memory(context) > 32 * mebibyte;
}

static void unread_replies_are_held_back_and_all_come_in_the_end(void **state) {
    struct own_server *own = *state;
    set_big_value(own->client);
    int64_t before = resident_bytes(&own->server);
    int fd = ask_without_reading(&own->server);
    wait_until(much_output_waits, own->client, PATIENCE_SECONDS, "replies pile up");
    for (int i = 0; i < 1000; i++)
        expect_text(own->client, "PONG", "PING");
    int64_t grown = resident_bytes(&own->server) - before;
    print_message("%d MiB unread: %lld MiB\n", BIG_REPLIES, (long long)(grown / mebibyte));
    assert_true(IS_SANITIZED || grown < 200 * mebibyte);
    read_big_replies(fd);
    assert_int_equal(close(fd), 0);
}

static void a_client_beyond_its_output_limit_is_closed(void **state) {
    struct own_server *own = *state;
    set_big_value(own->client);
    int fd = ask_without_reading(&own->server);
    server_wait_log(&own->server, "client-output-buffer-limit");
    wait_until(one_is_connected, own->client, PATIENCE_SECONDS, "the client is gone");
    expect_integer(own->client, BIG_VALUE, "STRLEN big");
    assert_int_equal(close(fd), 0);
}

static void a_client_long_beyond_its_soft_output_limit_is_closed(void **state) {
    struct own_server *own = *state;
    set_big_value(own->client);
    int fd = ask_without_reading(&own->server);
    server_wait_log(&own->server, "client-output-buffer-limit");
    wait_until(one_is_connected, own->client, PATIENCE_SECONDS, "the client is gone");
    assert_int_equal(close(fd), 0);
}

// --- Requests that are too big ---

static void a_request_beyond_the_query_buffer_limit_ends_its_connection(void **state) {
    struct own_server *own = *state;
    int fd = server_connect_raw(&own->server);
    char *value = calloc(1, BIG_VALUE);
    assert_non_null(value);
    raw_send_text(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4000000\r\n");
    (void)raw_try_send(fd, value, BIG_VALUE);
    raw_expect_last_words(fd, "-ERR Protocol error");
    expect_text(own->client, "PONG", "PING");
    expect_integer(own->client, 0, "EXISTS a");
    free(value);
    assert_int_equal(close(fd), 0);
}

// --- Memory over time ---

static void run_batch(redisContext *connection, unsigned *seed) {
    for (int i = 0; i < BATCH; i++) {
        int key = rand_r(seed) % 1000;
        switch (rand_r(seed) % 8) {
        case 0:
            (void)redisAppendCommand(connection, "SET key:%d value:%d", key, i);
            break;
        case 1:
            (void)redisAppendCommand(connection, "DEL key:%d", key);
            break;
        case 2:
            (void)redisAppendCommand(connection, "INCR number:%d", key);
            break;
        case 3:
            (void)redisAppendCommand(connection, "EXPIRE key:%d 1000", key);
            break;
        case 4:
            (void)redisAppendCommand(connection, "INCR key:%d", key); // an error for most
            break;
        case 5:
            (void)redisAppendCommand(connection, "MGET key:%d key:%d number:%d", key, i, key);
            break;
        default:
            (void)redisAppendCommand(connection, "GET key:%d", key);
        }
    }
    for (int i = 0; i < BATCH; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

static int64_t run_many(struct own_server *own, long commands, unsigned *seed) {
    for (long done = 0; done < commands; done += BATCH)
        run_batch(own->client, seed);
    return resident_bytes(&own->server);
}

// KVFENCE_COMMANDS=10000000 looks longer.
static void memory_does_not_grow_with_commands(void **state) {
    struct own_server *own = *state;
    const char *given = getenv("KVFENCE_COMMANDS");
    long commands = given != NULL ? strtol(given, NULL, 10) : COMMANDS / (IS_SANITIZED ? 10 : 1);
    unsigned seed = 1;
    int64_t before = run_many(own, commands / 4, &seed);
    int64_t after = run_many(own, commands, &seed);
    print_message("resident: %lld MiB, after %ld more commands %lld MiB\n", (long long)(before / mebibyte),
                  commands, (long long)(after / mebibyte));
    assert_true(IS_SANITIZED || after - before < 32 * mebibyte);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(a_connection_too_many_is_told_so_and_closed, "maxclients 4"),
        own_server_test(idle_connections_are_closed_and_busy_ones_are_not, "timeout 3"),
        own_server_test(idle_connections_are_cheap, "maxclients 11000"),
        own_server_test(unread_replies_are_held_back_and_all_come_in_the_end, "workers 1"),
        own_server_test(a_client_beyond_its_output_limit_is_closed,
                        "workers 1\nclient-output-buffer-limit normal 8mb 0 0"),
        own_server_test(a_client_long_beyond_its_soft_output_limit_is_closed,
                        "workers 1\nclient-output-buffer-limit normal 0 8mb 1"),
        own_server_test(a_request_beyond_the_query_buffer_limit_ends_its_connection,
                        "client-query-buffer-limit 1mb"),
        // Write buffers and caches that are full after the warm-up.
        own_server_test(memory_does_not_grow_with_commands,
                        "rocksdb.write_buffer_size 4\nrocksdb.max_write_buffer_number 2\n"
                        "rocksdb.metadata_block_cache_size 8\nrocksdb.subkey_block_cache_size 8"),
    };
    return cmocka_run_group_tests(tests, allow_descriptors, NULL);
}
