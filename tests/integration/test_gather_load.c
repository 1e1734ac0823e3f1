// SPDX-License-Identifier: Apache-2.0
//
// Pipelined small writes of many clients at once: nothing is lost, nobody waits for ever, and each reply is
// true.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gather_rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 6, ROUNDS = 300, PIPELINE = 40, COUNTERS = 5 };

// Threads do not use cmocka, which can only end the main thread's test: they count errors.
struct load {
    struct gathering *gathering;
    atomic_size_t errors;
    atomic_uint next_seed;
    atomic_llong added[COUNTERS];
};

// Several pipelined commands name the same few keys in any order, some of them several keys at once.
static void append_at_random(struct load *load, redisContext *client, unsigned *seed) {
    unsigned counter = (unsigned)rand_r(seed) % COUNTERS;
    unsigned other = (unsigned)rand_r(seed) % COUNTERS;
    switch (rand_r(seed) % 4) {
    case 0:
        (void)redisAppendCommand(client, "DEL gone-%u gone-%u gone-%u", counter, other, counter);
        break;
    case 1:
        (void)redisAppendCommand(client, "MSET noise-%u x noise-%u y", other, counter);
        break;
    default:
        (void)redisAppendCommand(client, "INCR counter-%u", counter);
        atomic_fetch_add(&load->added[counter], 1);
    }
}

static void take_replies(struct load *load, redisContext *client, int count) {
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        bool is_right =
            redisGetReply(client, (void **)&reply) == REDIS_OK && reply->type != REDIS_REPLY_ERROR;
        atomic_fetch_add(&load->errors, !is_right);
        freeReplyObject(reply);
    }
}

static void *count_in_pipelines(void *argument) {
    struct load *load = argument;
    unsigned seed = atomic_fetch_add(&load->next_seed, 1);
    redisContext *client = server_connect(&load->gathering->inner.address);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PIPELINE; i++)
            append_at_random(load, client, &seed);
        take_replies(load, client, PIPELINE);
    }
    redisFree(client);
    return NULL;
}

static void expect_all_counters(struct load *load) {
    for (unsigned i = 0; i < COUNTERS; i++)
        expect_integer(load->gathering->client, atomic_load(&load->added[i]), "INCRBY counter-%u 0", i);
}

static void nothing_is_lost_and_nobody_waits_for_ever_where_pipelines_meet(void **state) {
    struct load load = {.gathering = *state};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_in_pipelines, &load), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&load.errors), 0);
    expect_all_counters(&load);
}

// Whether events are wanted changes in the middle of pipelines.
static void *subscribe_again_and_again(void *argument) {
    struct load *load = argument;
    redisContext *client = server_connect(&load->gathering->inner.address);
    for (int round = 0; round < 3000; round++) {
        redisReply *reply = redisCommand(client, round % 2 == 0 ? "SUBSCRIBE x" : "UNSUBSCRIBE x");
        atomic_fetch_add(&load->errors, reply == NULL || reply->type == REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
    redisFree(client);
    return NULL;
}

static void subscribers_may_come_and_go_meanwhile(void **state) {
    struct load load = {.gathering = *state};
    pthread_t threads[2];
    expect_text(load.gathering->client, "OK", "CONFIG SET notify-keyspace-events KEA");
    assert_int_equal(pthread_create(&threads[0], NULL, subscribe_again_and_again, &load), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, count_in_pipelines, &load), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&load.errors), 0);
    expect_all_counters(&load);
}

// Each writes the same number to all keys of a pipeline's command, and no reader may find two.
enum { PAIR_ROUNDS = 2000 };

static void *write_pairs(void *argument) {
    struct load *load = argument;
    unsigned own = atomic_fetch_add(&load->next_seed, 1);
    redisContext *client = server_connect(&load->gathering->inner.address);
    for (int round = 0; round < PAIR_ROUNDS; round++) {
        (void)redisAppendCommand(client, "INCR own-%u", own);
        (void)redisAppendCommand(client, own % 2 == 0 ? "MSET a %u-%d b %u-%d" : "MSET b %u-%d a %u-%d", own,
                                 round, own, round);
        take_replies(load, client, 2);
    }
    redisFree(client);
    return NULL;
}

static void nobody_sees_half_of_a_command(void **state) {
    enum { WRITERS = 3 };
    struct load load = {.gathering = *state};
    pthread_t threads[WRITERS];
    expect_text(load.gathering->client, "OK", "MSET a 0 b 0");
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_pairs, &load), 0);
    for (int i = 0; i < PAIR_ROUNDS; i++) {
        redisReply *reply = command(load.gathering->client, "MGET a b");
        assert_string_equal(reply->element[0]->str, reply->element[1]->str);
        freeReplyObject(reply);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&load.errors), 0);
}

// While commits are refused now and then, a client must be able to rely on each single reply.
static void *refuse_now_and_then(void *argument) {
    struct load *load = argument;
    while (atomic_load(&load->next_seed) == 0) {
        atomic_store(&load->gathering->gates.at_commit, REFUSAL);
        for (int i = 0; i < 200; i++)
            sched_yield();
        atomic_store(&load->gathering->gates.at_commit, NULL);
        for (int i = 0; i < 200; i++)
            sched_yield();
    }
    return NULL;
}

static void a_reply_tells_what_has_come_of_its_command(void **state) {
    struct load load = {.gathering = *state};
    redisContext *client = load.gathering->client;
    long long done = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, refuse_now_and_then, &load), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PIPELINE; i++)
            assert_int_equal(redisAppendCommand(client, i % 8 == 7 ? "ECHO x" : "INCR counter"), REDIS_OK);
        for (int i = 0; i < PIPELINE; i++) {
            redisReply *reply = NULL;
            assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
            if (reply->type == REDIS_REPLY_INTEGER)
                assert_int_equal(reply->integer, ++done);
            else
                assert_string_equal(reply->str, i % 8 == 7 ? "x" : REFUSAL);
            freeReplyObject(reply);
        }
    }
    atomic_store(&load.next_seed, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    atomic_store(&load.gathering->gates.at_commit, NULL);
    expect_integer(client, done, "INCRBY counter 0");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, gather_rig_open, gather_rig_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(nothing_is_lost_and_nobody_waits_for_ever_where_pipelines_meet),
        WITH_SERVER(subscribers_may_come_and_go_meanwhile),
        WITH_SERVER(nobody_sees_half_of_a_command),
        WITH_SERVER(a_reply_tells_what_has_come_of_its_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
