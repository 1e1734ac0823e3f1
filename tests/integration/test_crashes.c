// SPDX-License-Identifier: Apache-2.0
//
// kill -9 at random moments during writes of many keys: afterwards the keyspace is as before or as after each
// of them, never in between, and holds everything that was acknowledged. CRASHES says how often (make
// test-crashes: 200), KVFENCE_SEED repeats the moments.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crash_steps.h"
#include "keyspace.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WRITERS_MAX = 3, AHEAD = 4, STEPS_MAX = 32, DEFAULT_CRASHES = 16, LONGEST_MS = 40 };

// Goes through its steps over and over; `begun` and `acknowledged` count from the first cycle on.
struct writer {
    pthread_t thread;
    const struct test_server *server;
    int number;
    struct crash_step *steps;
    size_t step_count;
    struct buffer states[STEPS_MAX]; // the writer's keys after each step
    uint64_t begun, acknowledged;
    bool was_refused;
};

// --- Writing ---

static const struct crash_step *step_at(const struct writer *writer, uint64_t number) {
    return &writer->steps[number % writer->step_count];
}

static bool send_step(struct writer *writer, redisContext *connection) {
    const struct crash_step *step = step_at(writer, writer->begun++);
    return redisAppendFormattedCommand(connection, step->request.data, step->request.length) == REDIS_OK;
}

static bool await_step(struct writer *writer, redisContext *connection) {
    for (int i = 0; i < step_at(writer, writer->acknowledged)->replies; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
            return false;
        writer->was_refused = writer->was_refused || reply->type == REDIS_REPLY_ERROR;
        freeReplyObject(reply);
    }
    writer->acknowledged++;
    return true;
}

// Writes until the server dies, some steps ahead of the replies.
static void *write_on(void *argument) {
    struct writer *writer = argument;
    redisContext *connection = redisConnect("127.0.0.1", writer->server->port);
    bool lives = connection != NULL && connection->err == 0;
    while (lives) {
        while (lives && writer->begun < writer->acknowledged + AHEAD)
            lives = send_step(writer, connection);
        lives = lives && await_step(writer, connection);
    }
    if (connection != NULL)
        redisFree(connection);
    return NULL;
}

// --- Judging ---

static void describe(const struct writer *writer, redisContext *client, struct buffer *out) {
    char pattern[16];
    (void)snprintf(pattern, sizeof(pattern), "%d:*", writer->number);
    keyspace_describe_matching(client, pattern, out);
}

// One cycle in peace tells what the keyspace is after each step.
static void learn_states(struct writer *writer, redisContext *client) {
    assert_true(writer->step_count <= STEPS_MAX);
    for (size_t i = 0; i < writer->step_count; i++) {
        assert_true(send_step(writer, client));
        assert_true(await_step(writer, client));
        assert_false(writer->was_refused);
        describe(writer, client, &writer->states[i]);
        for (size_t j = 0; j < i; j++)
            assert_false(bytes_equal(buffer_bytes(&writer->states[i]), buffer_bytes(&writer->states[j])));
    }
    assert_int_equal(writer->states[writer->step_count - 1].length, 0);
}

// Finds out after which step the server died, and goes on from there.
static void find_state(struct writer *writer, redisContext *client) {
    struct buffer found = {0};
    describe(writer, client, &found);
    for (uint64_t done = writer->acknowledged; done <= writer->begun; done++) {
        const struct buffer *state = &writer->states[(done + writer->step_count - 1) % writer->step_count];
        if (!bytes_equal(buffer_bytes(&found), buffer_bytes(state)))
            continue;
        writer->begun = done;
        writer->acknowledged = done;
        buffer_release(&found);
        return;
    }
    fail_msg("writer %d: the keyspace is as after none of the steps from '%s' to '%s':\n%.*s", writer->number,
             step_at(writer, writer->acknowledged)->name, step_at(writer, writer->begun)->name,
             (int)found.length, found.data == NULL ? "" : found.data);
}

// --- Crashing ---

static unsigned from_environment(const char *name, unsigned otherwise) {
    const char *given = getenv(name);
    return given == NULL ? otherwise : (unsigned)strtoul(given, NULL, 10);
}

static void let_time_pass(unsigned microseconds) {
    struct timespec time = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000L};
    (void)nanosleep(&time, NULL);
}

// Returns how many steps were acknowledged.
static uint64_t crash_once(struct own_server *own, struct writer *writers, int count, unsigned *seed) {
    uint64_t acknowledged = 0;
    for (int i = 0; i < count; i++)
        acknowledged -= writers[i].acknowledged;
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    let_time_pass((unsigned)rand_r(seed) % (LONGEST_MS * 1000));
    server_kill(&own->server);
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_false(writers[i].was_refused);
        acknowledged += writers[i].acknowledged;
    }
    own_server_restart(own);
    for (int i = 0; i < count; i++)
        find_state(&writers[i], own->client);
    return acknowledged;
}

static void crash_often(struct own_server *own, int count, unsigned crashes) {
    struct writer writers[WRITERS_MAX] = {0};
    unsigned seed = from_environment("KVFENCE_SEED", (unsigned)time(NULL));
    uint64_t acknowledged = 0;
    print_message("seed: KVFENCE_SEED=%u, %u crashes\n", seed, crashes);
    for (int i = 0; i < count; i++) {
        writers[i].server = &own->server;
        writers[i].number = i;
        writers[i].steps = crash_steps_make(i, count == 1, &writers[i].step_count);
        learn_states(&writers[i], own->client);
    }
    for (unsigned i = 0; i < crashes; i++)
        acknowledged += crash_once(own, writers, count, &seed);
    print_message("%llu steps were acknowledged\n", (unsigned long long)acknowledged);
    assert_true(acknowledged > 0);
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; at < writers[i].step_count; at++)
            buffer_release(&writers[i].states[at]);
        crash_steps_free(writers[i].steps, writers[i].step_count);
    }
}

static void a_crash_leaves_no_write_of_many_keys_half_done(void **state) {
    crash_often(*state, 1, from_environment("CRASHES", DEFAULT_CRASHES) / 2);
}

static void a_crash_leaves_no_write_of_several_clients_half_done(void **state) {
    unsigned crashes = from_environment("CRASHES", DEFAULT_CRASHES);
    crash_often(*state, WRITERS_MAX, crashes - crashes / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        // Small memory tables, so that some crashes come while one is being written out.
        own_server_test(a_crash_leaves_no_write_of_many_keys_half_done, "rocksdb.write_buffer_size 1"),
        own_server_test(a_crash_leaves_no_write_of_several_clients_half_done, "rocksdb.write_buffer_size 1"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
