// SPDX-License-Identifier: Apache-2.0
//
// Ranks in sorted sets that are big enough to have them indexed: as Redis tells them, whatever is done to the
// set, and on a replica right at every moment while its master is written to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis_server.h"
#include "replication_pair.h"
#include "reply_text.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 4", {&client}}};

static long long figure(redisContext *connection, const char *field) {
    return server_info_number(connection, "stats", field);
}

// --- The same as Redis ---

enum { MEMBERS = 4000, SCORES = 700, ARGUMENTS_MAX = 4, LINE_SIZE = 160 };

// All elements of the key `same` have one score, as ranges by member are meant for. What the arguments are: m
// is a member's number, s a score, r a rank from either end, o an offset, n few, e few more than the one
// before it.
struct form {
    const char *format, *arguments;
};
static const struct form writes[] = {
    {"ZADD z %d m%d", "sm"},
    {"ZADD z %d m%d %d m%d", "smsm"},
    {"ZADD z CH %d m%d", "sm"},
    {"ZINCRBY z %d m%d", "nm"},
    {"ZREM z m%d m%d", "mm"},
    {"ZREMRANGEBYRANK z %d %d", "re"},
    {"ZPOPMIN z %d", "n"},
    {"ZPOPMAX z", ""},
    {"ZADD same 0 m%d 0 m%d", "mm"},
    {"ZREM same m%d", "m"},
    {"ZREMRANGEBYRANK same %d %d", "re"},
};
static const struct form reads[] = {
    {"ZRANK z m%d", "m"},
    {"ZREVRANK z m%d", "m"},
    {"ZRANGE z %d %d", "rr"},
    {"ZREVRANGE z %d %d WITHSCORES", "rr"},
    {"ZCOUNT z %d %d", "ss"},
    {"ZCOUNT z (%d +inf", "s"},
    {"ZCOUNT z -inf %d", "s"},
    {"ZRANGEBYSCORE z %d +inf LIMIT %d %d", "son"},
    {"ZRANGEBYSCORE z (%d %d LIMIT %d %d", "sson"},
    {"ZREVRANGEBYSCORE z %d -inf LIMIT %d %d", "son"},
    {"ZRANGE z +inf (%d BYSCORE REV LIMIT %d %d", "son"},
    {"ZRANGESTORE z2 z %d %d", "rr"},
    {"ZCARD z", ""},
    {"ZLEXCOUNT same [m%d (m%d", "mm"},
    {"ZLEXCOUNT same (m%d [m%d", "mm"},
    {"ZLEXCOUNT same - [m%d", "m"},
    {"ZLEXCOUNT same (m%d +", "m"},
    {"ZLEXCOUNT z - +", ""},
    {"ZRANGEBYLEX same - + LIMIT %d %d", "on"},
    {"ZRANGEBYLEX same (m%d [m%d LIMIT %d %d", "mmon"},
    {"ZREVRANGEBYLEX same (m%d - LIMIT %d %d", "mon"},
    {"ZRANGE same + [m%d BYLEX REV LIMIT %d %d", "mon"},
};

struct pair {
    struct redis_server redis;
    unsigned short random[3];
};

static int draw(struct pair *pair, int below) {
    return (int)(nrand48(pair->random) % below);
}

static int draw_argument(struct pair *pair, char kind) {
    switch (kind) {
    case 'm':
        return draw(pair, MEMBERS);
    case 's':
        return draw(pair, SCORES);
    case 'r':
        return draw(pair, MEMBERS) - MEMBERS / 8;
    case 'o':
        return draw(pair, MEMBERS / 2);
    default:
        return draw(pair, 5);
    }
}

static void make_line(struct pair *pair, char line[LINE_SIZE]) {
    int arguments[ARGUMENTS_MAX] = {0};
    const struct form *form = draw(pair, 3) != 0
                                  ? &reads[(size_t)draw(pair, sizeof(reads) / sizeof(reads[0]))]
                                  : &writes[(size_t)draw(pair, sizeof(writes) / sizeof(writes[0]))];
    for (size_t i = 0; i < strlen(form->arguments); i++)
        arguments[i] =
            (form->arguments[i] == 'e' ? arguments[i - 1] : 0) + draw_argument(pair, form->arguments[i]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(line, LINE_SIZE, form->format, arguments[0], arguments[1], arguments[2], arguments[3]);
#pragma GCC diagnostic pop
}

static void compare(struct pair *pair, const char *line) {
    char *wanted = reply_text(pair->redis.client, line);
    char *told = reply_text(client, line);
    if (strcmp(wanted, told) != 0)
        fail_msg("%s: %.300s, Redis says %.300s", line, told, wanted);
    free(wanted);
    free(told);
}

static void fill_both(struct pair *pair) {
    enum { AT_ONCE = 8 };
    for (int first = 0; first < MEMBERS; first += AT_ONCE) {
        char line[LINE_SIZE] = "ZADD z";
        for (int i = first; i < first + AT_ONCE; i++) {
            size_t length = strlen(line);
            (void)snprintf(line + length, sizeof(line) - length, " %d m%d", draw(pair, SCORES), i);
        }
        compare(pair, line);
    }
    for (int i = 0; i < MEMBERS; i += 2) {
        char line[LINE_SIZE];
        (void)snprintf(line, sizeof(line), "ZADD same 0 m%d", i);
        compare(pair, line);
    }
}

static void compare_at_random(struct pair *pair) {
    char line[LINE_SIZE];
    bool in_multi = draw(pair, 10) == 0;
    if (in_multi)
        compare(pair, "MULTI");
    for (int commands = in_multi ? 1 + draw(pair, 5) : 1; commands != 0; commands--) {
        make_line(pair, line);
        compare(pair, line);
    }
    if (in_multi)
        compare(pair, draw(pair, 8) == 0 ? "DISCARD" : "EXEC");
}

static void ranks_in_a_big_set_are_told_as_redis_tells_them(void **state) {
    (void)state;
    struct pair pair = {0};
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    int steps = IS_SANITIZED ? 2000 : 10000;
    print_message("KVFENCE_SEED=%u\n", seed);
    pair.random[0] = (unsigned short)seed;
    pair.random[1] = (unsigned short)(seed >> 16);
    redis_server_start(&pair.redis);
    fill_both(&pair);
    for (int i = 0; i < steps; i++)
        compare_at_random(&pair);
    compare(&pair, "ZRANGE z 0 -1 WITHSCORES");
    compare(&pair, "ZRANGE same 0 -1");
    print_message("%lld members left, %lld ranks told\n", reply_integer_of(client, "ZCARD z"),
                  figure(client, "zset_rank_cache_hits"));
    assert_true(figure(client, "zset_rank_cache_hits") > steps / 100);
    assert_true(figure(client, "zset_rank_cache_builds") >= 1);
    redis_server_stop(&pair.redis);
}

// --- While others write ---

// In the middle a member that stays, on each side as many that move without ever leaving their side.
enum { SIDE = 3000, MIDDLE_SCORE = 1000000, WRITERS = 2 };

struct mover {
    pthread_t thread;
    unsigned short random[3];
    int port;
    atomic_bool is_over, has_failed;
    _Atomic uint64_t moved;
};

// False: one of them is no number.
static bool take_numbers(redisContext *connection, int count) {
    bool are_numbers = true;
    for (int i = 0; are_numbers && i < count; i++) {
        redisReply *reply = NULL;
        are_numbers =
            redisGetReply(connection, (void **)&reply) == REDIS_OK && reply->type == REDIS_REPLY_INTEGER;
        freeReplyObject(reply);
    }
    return are_numbers;
}

static void append_move(redisContext *connection, struct mover *mover) {
    int number = (int)(nrand48(mover->random) % SIDE);
    int score = (int)(nrand48(mover->random) % (MIDDLE_SCORE - 1));
    if (nrand48(mover->random) % 2 == 0)
        redisAppendCommand(connection, "ZADD z %d low:%d", score, number);
    else
        redisAppendCommand(connection, "ZADD z %d high:%d", MIDDLE_SCORE + 1 + score, number);
}

// In a thread of its own, which must not assert.
static void *move_on(void *context) {
    enum { AT_ONCE = 8 };
    struct mover *mover = context;
    redisContext *connection = redisConnect("127.0.0.1", mover->port);
    bool is_well = connection != NULL && connection->err == 0;
    while (is_well && !atomic_load(&mover->is_over)) {
        for (int i = 0; i < AT_ONCE; i++)
            append_move(connection, mover);
        is_well = take_numbers(connection, AT_ONCE);
        (void)atomic_fetch_add(&mover->moved, AT_ONCE);
    }
    atomic_store(&mover->has_failed, !is_well);
    redisFree(connection);
    return NULL;
}

static void fill_sides(redisContext *connection) {
    for (int i = 0; i < SIDE; i++) {
        redisAppendCommand(connection, "ZADD z %d low:%d", i, i);
        redisAppendCommand(connection, "ZADD z %d high:%d", MIDDLE_SCORE + 1 + i, i);
    }
    assert_true(take_numbers(connection, 2 * SIDE));
    expect_reply(connection, "1", "ZADD z %d middle", MIDDLE_SCORE);
}

static void expect_middle(redisContext *connection) {
    char *range = reply_text(connection, "ZRANGE z %d %d", SIDE - 1, SIDE + 1);
    expect_reply(connection, "3000", "ZRANK z middle");
    expect_reply(connection, "3000", "ZREVRANK z middle");
    expect_reply(connection, "3001", "ZCOUNT z -inf %d", MIDDLE_SCORE);
    expect_reply(connection, "3000", "ZCOUNT z (%d +inf", MIDDLE_SCORE);
    expect_reply(connection, "['middle']", "ZRANGE z %d %d", SIDE, SIDE);
    expect_reply(connection, "['middle']", "ZREVRANGE z %d %d", -SIDE - 1, -SIDE - 1);
    expect_reply(connection, "['middle']", "ZRANGEBYSCORE z -inf +inf LIMIT %d 1", SIDE);
    expect_reply(connection, "['middle']", "ZREVRANGEBYSCORE z +inf -inf LIMIT %d 1", SIDE);
    assert_non_null(strstr(range, "'middle' 'high:"));
    free(range);
}

// Until each of those who write has got on, and the index has told enough ranks.
static bool is_enough(struct mover movers[WRITERS], redisContext *reader) {
    enum { MOVES = 2000, HITS = 2000 };
    for (int i = 0; i < WRITERS; i++) {
        if (atomic_load(&movers[i].has_failed))
            return true;
        if (atomic_load(&movers[i].moved) < MOVES)
            return false;
    }
    return figure(reader, "zset_rank_cache_hits") >= HITS;
}

static void look_while_others_move(redisContext *reader, int port) {
    enum { SECONDS_MOST = 120, LOOKS = 10 };
    static struct mover movers[WRITERS]; // outlive a test that fails
    time_t end = time(NULL) + SECONDS_MOST;
    for (int i = 0; i < WRITERS; i++) {
        movers[i] = (struct mover){.random = {(unsigned short)i, 7, 1}, .port = port};
        assert_int_equal(pthread_create(&movers[i].thread, NULL, move_on, &movers[i]), 0);
    }
    while (!is_enough(movers, reader)) {
        for (int i = 0; i < LOOKS; i++)
            expect_middle(reader);
        if (time(NULL) > end)
            fail_msg("others do not get on, or ranks are not told by the index");
    }
    for (int i = 0; i < WRITERS; i++)
        atomic_store(&movers[i].is_over, true);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(movers[i].thread, NULL), 0);
        assert_false(atomic_load(&movers[i].has_failed));
    }
}

static void ranks_on_a_replica_are_right_while_its_master_is_written_to(void **state) {
    static struct nodes nodes;
    nodes = (struct nodes){0};
    *state = &nodes;
    nodes_open(&nodes, "workers 2", "workers 2");
    fill_sides(nodes.to_master);
    follow(nodes.to_replica, nodes.master.port);
    wait_in_step(nodes.to_master, nodes.to_replica);
    look_while_others_move(nodes.to_replica, nodes.master.port);
    wait_in_step(nodes.to_master, nodes.to_replica);
    expect_middle(nodes.to_replica);
    assert_true(figure(nodes.to_replica, "zset_rank_cache_builds") >= 1);
}

// --- The directive ---

static void without_memory_for_them_ranks_are_walked_to(void **state) {
    struct own_server *own = *state;
    fill_sides(own->client);
    expect_middle(own->client);
    assert_int_equal(figure(own->client, "zset_rank_cache_builds"), 0);
    assert_int_equal(server_info_number(own->client, "memory", "zset_rank_cache_usage"), 0);
}

static void flushing_gives_the_memory_back(void **state) {
    (void)state;
    fill_sides(client);
    expect_middle(client);
    assert_true(server_info_number(client, "memory", "zset_rank_cache_usage") > 1000);
    expect_reply(client, "OK", "FLUSHALL");
    assert_int_equal(server_info_number(client, "memory", "zset_rank_cache_usage"), 0);
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ranks_in_a_big_set_are_told_as_redis_tells_them),
        cmocka_unit_test_teardown(ranks_on_a_replica_are_right_while_its_master_is_written_to, nodes_close),
        own_server_test(without_memory_for_them_ranks_are_walked_to, "zset-rank-cache-mb 0"),
        TEST(flushing_gives_the_memory_back),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
