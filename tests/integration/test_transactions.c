// SPDX-License-Identifier: Apache-2.0
//
// MULTI, EXEC, DISCARD, WATCH and UNWATCH against the real server, alone and by many clients at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct test_server server;
static redisContext *client;
static redisContext *other;
static const struct shared_server servers[] = {{&server, "workers 4", {&client, &other}}};

static void queued_commands_run_at_exec_and_not_before(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SET a 1");
    expect_reply(client, "QUEUED", "INCR a");
    expect_reply(client, "QUEUED", "GET a");
    expect_reply(other, "nil", "GET a");
    expect_reply(client, "[OK 2 '2']", "EXEC");
    expect_reply(other, "'2'", "GET a");
}

static void a_transaction_may_be_empty(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "[]", "EXEC");
}

static void discard_forgets_the_queue(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SET a 1");
    expect_reply(client, "OK", "DISCARD");
    expect_reply(client, "nil", "GET a");
    expect_reply(client, "-ERR EXEC without MULTI", "EXEC");
}

static void what_is_out_of_place_is_refused(void **state) {
    (void)state;
    expect_reply(client, "-ERR EXEC without MULTI", "EXEC");
    expect_reply(client, "-ERR DISCARD without MULTI", "DISCARD");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "-ERR MULTI calls can not be nested", "MULTI");
    expect_reply(client, "-ERR WATCH inside MULTI is not allowed", "WATCH a");
    expect_reply(client, "QUEUED", "SET a 1");
    expect_reply(client, "[OK]", "EXEC");
}

static void a_command_that_cannot_be_queued_aborts_the_transaction(void **state) {
    (void)state;
    static const char *const commands[] = {"nonsense", "SET a", "OBJECT nonsense", "WATCH"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        expect_reply(client, "OK", "MULTI");
        expect_reply(client, "QUEUED", "SET a 1");
        char *refused = reply_text(client, commands[i]);
        assert_int_equal(refused[0], '-');
        free(refused);
        expect_reply(client, "-EXECABORT Transaction discarded because of previous errors.", "EXEC");
        expect_reply(client, "nil", "GET a");
    }
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SET a 1");
    expect_reply(client, "[OK]", "EXEC");
}

static void a_command_that_fails_leaves_the_others_done(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET text abc");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SET a 1");
    expect_reply(client, "QUEUED", "INCR text");
    expect_reply(client, "QUEUED", "SET b 2");
    expect_reply(client, "[OK -ERR value is not an integer or out of range OK]", "EXEC");
    expect_reply(client, "['1' '2' 'abc']", "MGET a b text");
}

static void commands_see_what_earlier_ones_of_the_transaction_did(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "DEL a a");
    expect_reply(client, "QUEUED", "EXISTS a b");
    expect_reply(client, "QUEUED", "RENAME b c");
    expect_reply(client, "QUEUED", "KEYS *");
    expect_reply(client, "QUEUED", "EXPIRE c 1000");
    expect_reply(client, "QUEUED", "COPY c d");
    expect_reply(client, "QUEUED", "TTL d");
    expect_reply(client, "QUEUED", "PERSIST d");
    expect_reply(client, "QUEUED", "TTL d");
    expect_reply(client, "QUEUED", "DBSIZE");
    expect_reply(client, "QUEUED", "SCAN 0");
    expect_reply(client, "[1 1 OK ['c'] 1 1 1000 1 -1 2 ['0' ['c' 'd']]]", "EXEC");
    expect_reply(client, "[nil nil '2' '2']", "MGET a b c d");
}

static void flushall_in_a_transaction_deletes_what_was_there_and_nothing_later(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET old 1 both 1");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SET early 1");
    expect_reply(client, "QUEUED", "FLUSHALL");
    expect_reply(client, "QUEUED", "SET both 2");
    expect_reply(client, "QUEUED", "DBSIZE");
    expect_reply(client, "[OK OK OK 1]", "EXEC");
    expect_reply(client, "[nil '2' nil]", "MGET old both early");
}

// What the other client does to the watched key "w", which is "1", and whether that aborts EXEC.
static void watch_aborts_exec_exactly_when_the_key_was_changed(void **state) {
    (void)state;
    static const struct {
        const char *command;
        bool aborts;
    } cases[] = {
        {"SET w 2", true},          {"SET w 1", true},         {"DEL w", true},
        {"APPEND w x", true},       {"RENAME w x", true},      {"RENAME v w", true},
        {"COPY v w REPLACE", true}, {"EXPIRE w 1000", true},   {"FLUSHALL", true},
        {"FLUSHDB", true},          {"EXPIRE w -1", true},     {"MSET x 1 w 2", true},
        {"GET w", false},           {"SET v 2", false},        {"SETNX w 2", false},
        {"DEL missing", false},     {"PERSIST w", false},      {"COPY w x", false},
        {"RENAMENX v w", false},    {"EXPIRE w 10 XX", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_reply(client, "OK", "FLUSHALL");
        expect_reply(client, "OK", "MSET w 1 v 1");
        expect_reply(client, "OK", "WATCH w");
        freeReplyObject(redisCommand(other, cases[i].command));
        expect_reply(client, "OK", "MULTI");
        expect_reply(client, "QUEUED", "SET done 1");
        char *reply = reply_text(client, "EXEC");
        if (strcmp(reply, cases[i].aborts ? "nil" : "[OK]") != 0)
            fail_msg("after '%s' EXEC replied %s", cases[i].command, reply);
        free(reply);
        expect_reply(client, cases[i].aborts ? "0" : "1", "EXISTS done");
    }
}

static void the_clients_own_write_between_watch_and_multi_counts(void **state) {
    (void)state;
    expect_reply(client, "OK", "WATCH a");
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "GET a");
    expect_reply(client, "nil", "EXEC");
}

static void a_key_made_after_it_was_watched_aborts(void **state) {
    (void)state;
    expect_reply(client, "OK", "WATCH missing");
    expect_reply(other, "OK", "SET missing 1");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "nil", "EXEC");
}

// As a condition to wait for: the key named by `name` is gone, which its expiry alone can bring about.
static bool is_gone(void *name) {
    return reply_integer_of(other, "PTTL %s", (const char *)name) == -2;
}

static void a_watched_key_that_expires_aborts(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET w 1 PX 1000");
    expect_reply(client, "OK", "WATCH w");
    char name[] = "w";
    wait_until(is_gone, name, 10, "the key to expire");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "PING");
    expect_reply(client, "nil", "EXEC");
    expect_reply(client, "OK", "WATCH w"); // is gone, and stays so
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "PING");
    expect_reply(client, "[PONG]", "EXEC");
}

static void exec_discard_and_unwatch_end_all_watches(void **state) {
    (void)state;
    static const char *const ends[][3] = {
        {"UNWATCH", NULL}, {"MULTI", "EXEC", NULL}, {"MULTI", "DISCARD", NULL}};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        expect_reply(client, "OK", "WATCH a b");
        expect_reply(other, "OK", "SET a 1");
        for (size_t step = 0; step < 3 && ends[i][step] != NULL; step++)
            free(reply_text(client, ends[i][step]));
        expect_reply(other, "OK", "SET b 1");
        expect_reply(client, "OK", "MULTI");
        expect_reply(client, "QUEUED", "PING");
        expect_reply(client, "[PONG]", "EXEC");
    }
}

static void an_aborted_transaction_ends_its_watches(void **state) {
    (void)state;
    expect_reply(client, "OK", "WATCH a");
    expect_reply(client, "OK", "MULTI");
    free(reply_text(client, "nonsense"));
    expect_reply(client, "-EXECABORT Transaction discarded because of previous errors.", "EXEC");
    expect_reply(other, "OK", "SET a 1");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "[]", "EXEC");
}

static void unwatch_in_a_transaction_comes_too_late_for_it(void **state) {
    (void)state;
    expect_reply(client, "OK", "WATCH a");
    expect_reply(other, "OK", "SET a 1");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "UNWATCH");
    expect_reply(client, "nil", "EXEC");
}

static void a_client_that_leaves_takes_its_watches_and_its_queue_along(void **state) {
    (void)state;
    redisContext *leaving = server_connect(&server);
    expect_reply(leaving, "OK", "WATCH a");
    expect_reply(leaving, "OK", "MULTI");
    expect_reply(leaving, "QUEUED", "SET a 1");
    redisFree(leaving);
    expect_reply(client, "OK", "SET a 2");
    expect_reply(client, "'2'", "GET a");
}

// --- Many at once ---

enum { THREADS = 8, INCREMENTS = 200 };

// What the threads of one test share. They do not use cmocka, which can only end the main thread's test: they
// count errors.
struct shared {
    atomic_size_t errors;
    atomic_size_t next_thread;
    atomic_bool stop;
};

static redisReply *ask(struct shared *shared, redisContext *own, int wanted_type, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(own, format, arguments);
    va_end(arguments);
    if (reply == NULL || reply->type != wanted_type)
        atomic_fetch_add(&shared->errors, 1);
    return reply;
}

static void tell(struct shared *shared, redisContext *own, int wanted_type, const char *command) {
    freeReplyObject(ask(shared, own, wanted_type, command));
}

static void run_threads(struct shared *shared, void *(*function)(void *)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, function, shared), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared->errors, 0);
}

// One try to raise "counter" by one with WATCH, GET, MULTI, SET, EXEC. True if EXEC did it.
static bool increment_once(struct shared *shared, redisContext *own) {
    tell(shared, own, REDIS_REPLY_STATUS, "WATCH counter");
    redisReply *value = ask(shared, own, REDIS_REPLY_STRING, "GET counter");
    long long next = value != NULL && value->str != NULL ? strtoll(value->str, NULL, 10) + 1 : 0;
    freeReplyObject(value);
    tell(shared, own, REDIS_REPLY_STATUS, "MULTI");
    freeReplyObject(ask(shared, own, REDIS_REPLY_STATUS, "SET counter %lld", next));
    redisReply *reply = redisCommand(own, "EXEC");
    bool done = reply != NULL && reply->type == REDIS_REPLY_ARRAY;
    if (!done && (reply == NULL || reply->type != REDIS_REPLY_NIL))
        atomic_fetch_add(&shared->errors, 1);
    freeReplyObject(reply);
    return done;
}

static void *increment_with_watch(void *argument) {
    struct shared *shared = argument;
    redisContext *own = server_connect(&server);
    for (int done = 0; done < INCREMENTS && shared->errors == 0;)
        done += increment_once(shared, own);
    redisFree(own);
    return NULL;
}

static void increments_guarded_by_watch_lose_none(void **state) {
    (void)state;
    struct shared shared = {0};
    expect_reply(client, "OK", "SET counter 0");
    run_threads(&shared, increment_with_watch);
    assert_int_equal(reply_integer_of(client, "INCRBY counter 0"), THREADS * INCREMENTS);
}

// Half of the threads use WATCH, the others INCR, which must not slip between WATCH and EXEC.
static void *increment_one_way_or_the_other(void *argument) {
    struct shared *shared = argument;
    if (atomic_fetch_add(&shared->next_thread, 1) % 2 == 0)
        return increment_with_watch(argument);
    redisContext *own = server_connect(&server);
    for (int i = 0; i < INCREMENTS; i++)
        tell(shared, own, REDIS_REPLY_INTEGER, "INCR counter");
    redisFree(own);
    return NULL;
}

static void plain_writes_do_not_slip_between_watch_and_exec(void **state) {
    (void)state;
    struct shared shared = {0};
    expect_reply(client, "OK", "SET counter 0");
    run_threads(&shared, increment_one_way_or_the_other);
    assert_int_equal(reply_integer_of(client, "INCRBY counter 0"), THREADS * INCREMENTS);
}

// The only watcher there is, against writers that are busy all the time: what it reads after WATCH must be
// what EXEC finds. All is sent at once, so that a write which EXEC does not notice has as little time as
// possible.
static void watch_and_look_twice(redisContext *own, struct shared *shared) {
    static const char *const commands[] = {"WATCH counter", "GET counter", "MULTI", "GET counter", "EXEC"};
    enum { COUNT = sizeof(commands) / sizeof(commands[0]) };
    redisReply *replies[COUNT] = {NULL};
    for (size_t i = 0; i < COUNT; i++)
        redisAppendCommand(own, commands[i]);
    for (size_t i = 0; i < COUNT; i++)
        if (redisGetReply(own, (void **)&replies[i]) != REDIS_OK)
            atomic_fetch_add(&shared->errors, 1);
    const redisReply *before = replies[1];
    const redisReply *executed = replies[COUNT - 1];
    bool ran = executed != NULL && executed->type == REDIS_REPLY_ARRAY && executed->elements == 1;
    if (ran && (before == NULL || strcmp(before->str, executed->element[0]->str) != 0))
        atomic_fetch_add(&shared->errors, 1);
    for (size_t i = 0; i < COUNT; i++)
        freeReplyObject(replies[i]);
}

static void *watch_or_write(void *argument) {
    enum { LOOKS = 3000, BATCH = 16 };
    struct shared *shared = argument;
    bool watches = atomic_fetch_add(&shared->next_thread, 1) == 0;
    redisContext *own = server_connect(&server);
    for (int i = 0; watches && i < LOOKS; i++)
        watch_and_look_twice(own, shared);
    while (!watches && !atomic_load(&shared->stop)) {
        for (int i = 0; i < BATCH; i++)
            redisAppendCommand(own, "INCR counter");
        for (int i = 0; i < BATCH; i++) {
            void *reply = NULL;
            if (redisGetReply(own, &reply) != REDIS_OK)
                atomic_fetch_add(&shared->errors, 1);
            freeReplyObject(reply);
        }
    }
    if (watches)
        atomic_store(&shared->stop, true);
    redisFree(own);
    return NULL;
}

static void what_was_read_after_watch_is_what_exec_finds(void **state) {
    (void)state;
    struct shared shared = {0};
    expect_reply(client, "OK", "SET counter 0");
    run_threads(&shared, watch_or_write);
}

static bool sum_is_zero(const redisReply *pair) {
    return pair != NULL && pair->type == REDIS_REPLY_ARRAY && pair->elements == 2 &&
           pair->element[0]->str != NULL && pair->element[1]->str != NULL &&
           strtoll(pair->element[0]->str, NULL, 10) + strtoll(pair->element[1]->str, NULL, 10) == 0;
}

static void *transfer_or_look(void *argument) {
    struct shared *shared = argument;
    bool transfers = atomic_fetch_add(&shared->next_thread, 1) % 2 == 0;
    redisContext *own = server_connect(&server);
    for (int i = 0; i < INCREMENTS; i++) {
        tell(shared, own, REDIS_REPLY_STATUS, "MULTI");
        tell(shared, own, REDIS_REPLY_STATUS, transfers ? "INCRBY left 1" : "GET left");
        tell(shared, own, REDIS_REPLY_STATUS, transfers ? "DECRBY right 1" : "GET right");
        redisReply *pair = ask(shared, own, REDIS_REPLY_ARRAY, "EXEC");
        bool right = transfers || sum_is_zero(pair);
        freeReplyObject(pair);
        redisReply *seen = ask(shared, own, REDIS_REPLY_ARRAY, "MGET left right");
        if (!right || !sum_is_zero(seen))
            atomic_fetch_add(&shared->errors, 1);
        freeReplyObject(seen);
    }
    redisFree(own);
    return NULL;
}

static void nobody_sees_half_of_a_transaction(void **state) {
    (void)state;
    struct shared shared = {0};
    expect_reply(client, "OK", "MSET left 0 right 0");
    run_threads(&shared, transfer_or_look);
    expect_reply(client, "['800' '-800']", "MGET left right");
}

// The same keys in every order, so that two clients that waited for each other would do so for ever.
static void *lock_in_every_order(void *argument) {
    struct shared *shared = argument;
    static const char *const commands[] = {"WATCH a b c",      "WATCH c b a", "COPY a b REPLACE",
                                           "COPY b a REPLACE", "DEL c b x",   "MSET b 1 a 1 c 1"};
    enum { COUNT = sizeof(commands) / sizeof(commands[0]) };
    size_t first = atomic_fetch_add(&shared->next_thread, 1);
    redisContext *own = server_connect(&server);
    for (size_t i = 0; i < INCREMENTS; i++) {
        redisReply *reply = redisCommand(own, commands[(first + i) % COUNT]);
        bool fine = reply != NULL && reply->type != REDIS_REPLY_ERROR;
        freeReplyObject(reply);
        tell(shared, own, REDIS_REPLY_STATUS, "MULTI");
        tell(shared, own, REDIS_REPLY_STATUS, first % 2 == 0 ? "SET a 1" : "SET c 1");
        tell(shared, own, REDIS_REPLY_STATUS, first % 2 == 0 ? "SET c 1" : "SET a 1");
        reply = redisCommand(own, "EXEC");
        fine = fine && reply != NULL && reply->type != REDIS_REPLY_ERROR;
        freeReplyObject(reply);
        if (!fine)
            atomic_fetch_add(&shared->errors, 1);
    }
    redisFree(own);
    return NULL;
}

static void clients_that_need_the_same_keys_do_not_wait_for_ever(void **state) {
    (void)state;
    struct shared shared = {0};
    run_threads(&shared, lock_in_every_order);
    expect_reply(client, "PONG", "PING");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(queued_commands_run_at_exec_and_not_before, empty_database),
        cmocka_unit_test_setup(a_transaction_may_be_empty, empty_database),
        cmocka_unit_test_setup(discard_forgets_the_queue, empty_database),
        cmocka_unit_test_setup(what_is_out_of_place_is_refused, empty_database),
        cmocka_unit_test_setup(a_command_that_cannot_be_queued_aborts_the_transaction, empty_database),
        cmocka_unit_test_setup(a_command_that_fails_leaves_the_others_done, empty_database),
        cmocka_unit_test_setup(commands_see_what_earlier_ones_of_the_transaction_did, empty_database),
        cmocka_unit_test_setup(flushall_in_a_transaction_deletes_what_was_there_and_nothing_later,
                               empty_database),
        cmocka_unit_test_setup(watch_aborts_exec_exactly_when_the_key_was_changed, empty_database),
        cmocka_unit_test_setup(the_clients_own_write_between_watch_and_multi_counts, empty_database),
        cmocka_unit_test_setup(a_key_made_after_it_was_watched_aborts, empty_database),
        cmocka_unit_test_setup(a_watched_key_that_expires_aborts, empty_database),
        cmocka_unit_test_setup(exec_discard_and_unwatch_end_all_watches, empty_database),
        cmocka_unit_test_setup(an_aborted_transaction_ends_its_watches, empty_database),
        cmocka_unit_test_setup(unwatch_in_a_transaction_comes_too_late_for_it, empty_database),
        cmocka_unit_test_setup(a_client_that_leaves_takes_its_watches_and_its_queue_along, empty_database),
        cmocka_unit_test_setup(increments_guarded_by_watch_lose_none, empty_database),
        cmocka_unit_test_setup(plain_writes_do_not_slip_between_watch_and_exec, empty_database),
        cmocka_unit_test_setup(what_was_read_after_watch_is_what_exec_finds, empty_database),
        cmocka_unit_test_setup(nobody_sees_half_of_a_transaction, empty_database),
        cmocka_unit_test_setup(clients_that_need_the_same_keys_do_not_wait_for_ever, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
