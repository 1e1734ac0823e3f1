// SPDX-License-Identifier: Apache-2.0
//
// The server ends while everything in it is at work: nobody touches what has been freed, and what was
// acknowledged is there afterwards.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"
#include "server/background.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

// --- Under load ---

enum { WRITERS = 4, ROUNDS = 4, BUSY_COMMANDS = 400 };

// A client that sends commands until its connection ends.
struct busy_client {
    const char *const *commands; // one after the other, again and again; NULL: SETs of its own key
    size_t command_count;
    int number;
    redisContext *connection;
    pthread_t thread;
    _Atomic long long acknowledged; // the last value that was
    _Atomic unsigned replies;
};

static redisReply *send_next(struct busy_client *client, long long turn) {
    if (client->commands == NULL)
        return redisCommand(client->connection, "SET busy:%d %lld", client->number, turn);
    return redisCommand(client->connection, client->commands[(size_t)turn % client->command_count]);
}

static void *keep_busy(void *argument) {
    struct busy_client *client = argument;
    redisReply *reply = NULL;
    for (long long turn = 1; (reply = send_next(client, turn)) != NULL; turn++) {
        if (reply->type == REDIS_REPLY_STATUS)
            atomic_store(&client->acknowledged, turn);
        freeReplyObject(reply);
        atomic_fetch_add(&client->replies, 1);
    }
    return NULL;
}

// Reads what MONITOR shows until the connection ends.
static void *keep_watching(void *argument) {
    struct busy_client *client = argument;
    redisReply *reply = redisCommand(client->connection, "MONITOR");
    while (reply != NULL) {
        freeReplyObject(reply);
        atomic_fetch_add(&client->replies, 1);
        if (redisGetReply(client->connection, (void **)&reply) != REDIS_OK)
            reply = NULL;
    }
    return NULL;
}

static const char *const looking[] = {"INFO",           "LATENCY HISTOGRAM",
                                      "CLIENT LIST",    "CONFIG RESETSTAT",
                                      "CLIENT UNPAUSE", "CLIENT KILL ID 999999"};
static const char *const backing_up[] = {"BGSAVE", "DBSIZE SCAN", "BGREWRITEAOF", "SAVE", "COMPACT"};

static struct busy_client clients[WRITERS + 4];
enum { CLIENTS = sizeof(clients) / sizeof(clients[0]) };

static void start_client(const struct test_server *server, size_t i) {
    struct busy_client *client = &clients[i];
    bool watches = i == WRITERS;
    *client = (struct busy_client){.number = (int)i, .connection = server_connect(server)};
    if (i == WRITERS + 1) {
        client->commands = backing_up;
        client->command_count = sizeof(backing_up) / sizeof(backing_up[0]);
    } else if (i > WRITERS) {
        client->commands = looking;
        client->command_count = sizeof(looking) / sizeof(looking[0]);
    }
    assert_int_equal(pthread_create(&client->thread, NULL, watches ? keep_watching : keep_busy, client), 0);
}

static bool all_are_busy(void *context) {
    (void)context;
    for (size_t i = 0; i < WRITERS; i++) {
        if (atomic_load(&clients[i].replies) < BUSY_COMMANDS)
            return false;
    }
    for (size_t i = WRITERS; i < CLIENTS; i++) {
        if (atomic_load(&clients[i].replies) < 5)
            return false;
    }
    return true;
}

static void check_acknowledged(redisContext *connection, const struct busy_client *client) {
    redisReply *reply = command(connection, "GET busy:%d", client->number);
    assert_non_null(reply->str);
    long long stored = strtoll(reply->str, NULL, 10);
    freeReplyObject(reply);
    assert_true(stored >= atomic_load(&client->acknowledged)); // the last one's reply may have been lost
}

static void ending_under_load_is_clean_and_loses_no_acknowledged_write(void **state) {
    struct own_server *own = *state;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < CLIENTS; i++)
            start_client(&own->server, i);
        wait_until(all_are_busy, NULL, 60, "all clients are busy");
        server_stop(&own->server);
        for (size_t i = 0; i < CLIENTS; i++) {
            assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
            redisFree(clients[i].connection);
        }
        own_server_restart(own);
        for (size_t i = 0; i < WRITERS; i++)
            check_acknowledged(own->client, &clients[i]);
    }
}

// --- A compaction ---

enum { VALUES = 200, VALUE_SIZE = 100000, COMPACTION_SECONDS = VALUES * VALUE_SIZE >> 20 };

// Twenty megabytes that cannot be compressed, which a server that may write one a second takes long to
// compact.
static void fill_database(redisContext *connection) {
    char key[32];
    char *value = malloc(VALUE_SIZE);
    assert_non_null(value);
    for (int i = 0; i < VALUES; i++) {
        assert_int_equal(getrandom(value, VALUE_SIZE, 0), VALUE_SIZE);
        (void)snprintf(key, sizeof(key), "big:%d", i);
        const char *words[] = {"SET", key, value};
        const size_t lengths[] = {3, strlen(key), VALUE_SIZE};
        redisReply *reply = redisCommandArgv(connection, 3, words, lengths);
        assert_non_null(reply);
        assert_int_equal(reply->type, REDIS_REPLY_STATUS);
        freeReplyObject(reply);
    }
    expect_text(connection, "OK", "SAVE"); // writes the tables
    free(value);
}

static void restart_slow(struct own_server *own) {
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/kvfence.conf", own->server.directory);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    assert_true(fputs("max-io-mb 1\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    own_server_restart(own);
}

static void neither_a_backup_nor_the_end_waits_for_a_compaction(void **state) {
    struct own_server *own = *state;
    fill_database(own->client);
    restart_slow(own);
    expect_text(own->client, "OK", "COMPACT");
    server_wait_log(&own->server, "compacting the database");
    time_t begun = time(NULL);
    expect_text(own->client, "OK", "SAVE");
    assert_false(server_log_contains(&own->server, "the database is compacted"));
    server_stop(&own->server);
    assert_true(time(NULL) - begun < COMPACTION_SECONDS / 2);
    assert_true(server_log_contains(&own->server, "the compaction is given up"));
    own_server_restart(own);
    expect_integer(own->client, VALUE_SIZE, "STRLEN big:0");
}

// --- One thing at a time ---

static void *close_it(void *server) {
    server_close(server);
    return NULL;
}

static bool is_shutting_down(void *context) {
    const struct inner_server *inner = context;
    return background_stopping(inner->server->background);
}

static bool a_client_waits(void *connection) {
    return client_list_count(connection, " flags=b ") != 0;
}

static void what_waits_behind_save_does_not_run_any_more(void **state) {
    (void)state;
    struct inner_server inner;
    struct occupation occupation;
    pthread_t closer;
    inner_server_open(&inner, 2, NULL, NULL);
    inner_server_occupy(&inner, &occupation);
    redisContext *other = server_connect(&inner.address);
    redisContext *saver = server_connect(&inner.address);
    assert_int_equal(redisAppendCommand(saver, "SAVE"), REDIS_OK);
    send_command(saver, "SET too late");
    wait_until(a_client_waits, other, 30, "SAVE waits");

    assert_int_equal(pthread_create(&closer, NULL, close_it, inner.server), 0);
    wait_until(is_shutting_down, &inner, 30, "the server shuts down");
    (void)sem_post(&occupation.may_end);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(saver, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    assert_int_not_equal(redisGetReply(saver, (void **)&reply), REDIS_OK);
    assert_int_equal(pthread_join(closer, NULL), 0);
    inner.server = NULL;
    redisFree(other);
    redisFree(saver);
    inner_server_discard(&inner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(ending_under_load_is_clean_and_loses_no_acknowledged_write, "workers 4"),
        own_server_test(neither_a_backup_nor_the_end_waits_for_a_compaction,
                        "rocksdb.rate_limiter_auto_tuned no"),
        cmocka_unit_test(what_waits_behind_save_does_not_run_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
