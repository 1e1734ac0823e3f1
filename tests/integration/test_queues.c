// SPDX-License-Identifier: Apache-2.0
//
// Sorted sets as queues, from whose ends members are taken again and again: what was taken costs nobody time,
// and what is put beyond an end that was met is found by all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 4", {&client}}};

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

// --- Time ---

enum { QUEUE = IS_SANITIZED ? 10000 : 40000, BATCH = 1000 };

// Leaves a tombstone for each.
static void fill_queue(void) {
    for (int first = 0; first < QUEUE; first += BATCH) {
        for (int i = first; i < first + BATCH; i++)
            redisAppendCommand(client, "ZADD q %d member:%d", i, i);
        for (int i = 0; i < BATCH; i++) {
            redisReply *reply = NULL;
            assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
            assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
            freeReplyObject(reply);
        }
    }
}

// Milliseconds that it takes to run a command so many times, each reply an array of one element and its
// score, or a number.
static double time_of(const char *format, int first, int count) {
    struct timespec begun;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = first; i < first + count; i++)
        redisAppendCommand(client, format, i);
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
        assert_true(reply->type == REDIS_REPLY_INTEGER ? reply->integer == 1 : reply->elements == 2);
        freeReplyObject(reply);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun.tv_sec) * 1e3 + (double)(now.tv_nsec - begun.tv_nsec) / 1e6;
}

// Walking over what was taken before, the last ones took a hundred times as long as the first.
static void expect_even_times(const char *format) {
    enum { SLOWER_AT_MOST = 10 };
    double first = 0;
    double last = 0;
    fill_queue();
    for (int at = 0; at < QUEUE; at += BATCH) {
        last = time_of(format, at, BATCH);
        first = at == 0 ? last : first;
        if (last > first * SLOWER_AT_MOST && last > 1000)
            fail_msg("%s: the first %d took %.0f ms, those after %d %.0f", format, BATCH, first, at, last);
    }
    expect_reply(client, "0", "EXISTS q");
}

static void taking_from_an_end_does_not_get_slower_with_what_was_taken(void **state) {
    (void)state;
    expect_even_times("ZPOPMIN q");
    expect_even_times("ZPOPMAX q");
    expect_even_times("ZREMRANGEBYSCORE q -inf %d");
}

// By a reader, who holds no lock, and by others who pop within a transaction.
static double time_of_polls(int first, int count) {
    struct timespec begun;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = first; i < first + count; i++) {
        char member[32];
        (void)snprintf(member, sizeof(member), "['member:%d']", i);
        expect_reply(client, member, i % 2 == 0 ? "ZRANGE q 0 0" : "ZRANGEBYSCORE q -inf +inf LIMIT 0 1");
        expect_reply(client, "1", "ZREM q member:%d", i);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun.tv_sec) * 1e3 + (double)(now.tv_nsec - begun.tv_nsec) / 1e6;
}

static void polling_does_not_get_slower_with_what_was_taken(void **state) {
    enum { POLLS = 100, SLOWER_AT_MOST = 10 };
    (void)state;
    fill_queue();
    double first = time_of_polls(0, POLLS);
    for (int i = POLLS; i < QUEUE - POLLS; i++)
        redisAppendCommand(client, "ZREM q member:%d", i);
    for (int i = POLLS; i < QUEUE - POLLS; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->integer, 1);
        freeReplyObject(reply);
    }
    (void)time_of_polls(QUEUE - POLLS, POLLS / 2); // somebody has to meet the end
    double last = time_of_polls(QUEUE - POLLS / 2, POLLS / 2);
    if (last > first * SLOWER_AT_MOST && last > 100)
        fail_msg("%d polls took %.0f ms, %d at the end %.0f", POLLS, first, POLLS / 2, last);
}

// A random queue, whose members' scores are known, against the plainest model. Ends are remembered, so
// members are put beyond them, moved over them, taken in transactions and in those that are given up.
struct model {
    bool is_there[64];
    int score[64];
};

static int end_of(const struct model *model, bool greatest) {
    int end = -1;
    for (int i = 0; i < 64; i++) {
        if (!model->is_there[i])
            continue;
        if (end < 0 ||
            (greatest ? model->score[i] >= model->score[end] : model->score[i] < model->score[end]))
            end = i;
    }
    return end;
}

static void pop_and_compare(struct model *model, bool greatest, bool in_multi) {
    char expected[64] = "[]";
    int end = end_of(model, greatest);
    if (end >= 0)
        (void)snprintf(expected, sizeof(expected), "['%02d' '%d']", end, model->score[end]);
    if (in_multi) {
        char wrapped[80];
        (void)snprintf(wrapped, sizeof(wrapped), "[%s]", expected);
        expect_reply(client, "OK", "MULTI");
        expect_reply(client, "QUEUED", greatest ? "ZPOPMAX r" : "ZPOPMIN r");
        expect_reply(client, wrapped, "EXEC");
    } else {
        expect_reply(client, expected, greatest ? "ZPOPMAX r" : "ZPOPMIN r");
    }
    if (end >= 0)
        model->is_there[end] = false;
}

static void look_and_compare(struct model *model, bool greatest) {
    char expected[64] = "[]";
    int end = end_of(model, greatest);
    if (end >= 0)
        (void)snprintf(expected, sizeof(expected), "['%02d' '%d']", end, model->score[end]);
    expect_reply(client, expected, greatest ? "ZREVRANGE r 0 0 WITHSCORES" : "ZRANGE r 0 0 WITHSCORES");
    expect_reply(client, expected,
                 greatest ? "ZREVRANGEBYSCORE r +inf -inf WITHSCORES LIMIT 0 1"
                          : "ZRANGEBYSCORE r -inf +inf WITHSCORES LIMIT 0 1");
}

static void put_one(struct model *model, int member, int score) {
    freeReplyObject(redisCommand(client, "ZADD r %d %02d", score, member));
    model->is_there[member] = true;
    model->score[member] = score;
}

static void remove_below(struct model *model, int score) {
    char expected[16];
    int count = 0;
    for (int i = 0; i < 64; i++) {
        count += model->is_there[i] && model->score[i] < score;
        model->is_there[i] = model->is_there[i] && model->score[i] >= score;
    }
    (void)snprintf(expected, sizeof(expected), "%d", count);
    expect_reply(client, expected, "ZREMRANGEBYSCORE r -inf (%d", score);
}

static void members_beyond_the_ends_that_were_met_are_found(void **state) {
    enum { STEPS = 4000 };
    struct model model = {0};
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    (void)state;
    print_message("SEED=%u\n", seed);
    for (int step = 0; step < STEPS; step++) {
        look_and_compare(&model, step % 2 == 0);
        int kind = rand_r(&seed) % 16;
        if (kind < 9)
            put_one(&model, rand_r(&seed) % 64, rand_r(&seed) % 100 - 50);
        else if (kind < 14)
            pop_and_compare(&model, kind % 2 == 0, kind == 13);
        else if (kind == 14)
            remove_below(&model, rand_r(&seed) % 100 - 80);
        else if (rand_r(&seed) % 8 == 0) {
            freeReplyObject(redisCommand(client, "DEL r"));
            model = (struct model){0};
        }
    }
}

// --- Many at once ---

enum { PLAYERS = 4, ROUNDS = IS_SANITIZED ? 500 : 1500 };

struct player {
    pthread_t thread;
    redisContext *connection;
    unsigned seed;
    int number;
    char problem[200];
};

// The score of what is at the end that the command shows.
static int shown_score(struct player *player, const char *command) {
    redisReply *reply = redisCommand(player->connection, command);
    int score = 0;
    if (reply == NULL || reply->elements != 2)
        (void)snprintf(player->problem, sizeof(player->problem), "%s: no member, but mine is there", command);
    else
        score = atoi(reply->element[1]->str);
    freeReplyObject(reply);
    return score;
}

// Whatever the others do: a member that has been put is not beyond an end that is met.
static void look(struct player *player, int mine) {
    int first = shown_score(player, "ZRANGE q 0 0 WITHSCORES");
    int last = shown_score(player, "ZREVRANGE q 0 0 WITHSCORES");
    int least = shown_score(player, "ZRANGEBYSCORE q -inf +inf WITHSCORES LIMIT 0 1");
    if (player->problem[0] == '\0' && (first > mine || least > mine || last < mine))
        (void)snprintf(player->problem, sizeof(player->problem),
                       "%d is there, but the ends are %d, %d and %d", mine, first, least, last);
}

// Members of its own come and go at random; one of the test's stays in the middle.
static void *play(void *argument) {
    struct player *player = argument;
    for (int round = 0; round < ROUNDS && player->problem[0] == '\0'; round++) {
        int score = rand_r(&player->seed) % 2000 - 1000;
        freeReplyObject(redisCommand(player->connection, "ZADD q %d player:%d", score, player->number));
        look(player, score);
        if (round % 3 == 0)
            freeReplyObject(redisCommand(player->connection, "ZREM q player:%d", player->number));
    }
    return NULL;
}

static void nobody_misses_what_others_or_oneself_have_put(void **state) {
    struct player players[PLAYERS];
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    (void)state;
    print_message("SEED=%u\n", seed);
    expect_reply(client, "1", "ZADD q 0 stays");
    for (int i = 0; i < PLAYERS; i++) {
        players[i] =
            (struct player){.connection = server_connect(&server), .seed = seed + (unsigned)i, .number = i};
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    for (int i = 0; i < PLAYERS; i++) {
        assert_int_equal(pthread_join(players[i].thread, NULL), 0);
        redisFree(players[i].connection);
    }
    for (int i = 0; i < PLAYERS; i++)
        assert_string_equal(players[i].problem, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(taking_from_an_end_does_not_get_slower_with_what_was_taken),
        TEST(polling_does_not_get_slower_with_what_was_taken),
        TEST(members_beyond_the_ends_that_were_met_are_found),
        TEST(nobody_misses_what_others_or_oneself_have_put),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
