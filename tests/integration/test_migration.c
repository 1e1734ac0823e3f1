// SPDX-License-Identifier: Apache-2.0
//
// Slots that go from one node to another: their keys, while they are changed; what clients are told; and what
// is left when something fails on the way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"
#include "lease_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// {bar} is in slot 5061, which is A's.
#define SLOT "5061"

static const char *const ids[] = {ID_A, ID_B};

static bool info_has(redisContext *client, const char *text) {
    redisReply *reply = redisCommand(client, "CLUSTER INFO");
    assert_non_null(reply);
    bool has = reply->type == REDIS_REPLY_STRING && strstr(reply->str, text) != NULL;
    freeReplyObject(reply);
    return has;
}

struct awaited {
    redisContext *client;
    const char *text;
};

static bool says(void *context) {
    const struct awaited *awaited = context;
    return info_has(awaited->client, awaited->text);
}

static void await_info(redisContext *client, const char *text) {
    struct awaited awaited = {client, text};
    wait_until(says, &awaited, 60, text);
}

static void await_migration(redisContext *client, const char *state) {
    char text[64];
    (void)snprintf(text, sizeof(text), "migrating_state: %s\r\n", state);
    await_info(client, text);
}

static void give_slot(const struct node_pair *pair, int to, int version) {
    for (int i = 0; i < 2; i++)
        expect_text(pair->clients[i], "OK", "CLUSTERX SETSLOT " SLOT " NODE %s %d", ids[to], version);
}

static long long integer_of(redisContext *client, const char *line) {
    redisReply *reply = redisCommand(client, line);
    assert_non_null(reply);
    if (reply->type != REDIS_REPLY_INTEGER)
        fail_msg("%s was answered with %s", line, reply->str == NULL ? "something" : reply->str);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

struct counted {
    redisContext *client;
};

static bool slot_is_empty(void *context) {
    const struct counted *emptied = context;
    return integer_of(emptied->client, "CLUSTER COUNTKEYSINSLOT " SLOT) == 0;
}

static bool slot_has_keys(void *context) {
    return !slot_is_empty(context);
}

static void await_empty_slot(redisContext *client) {
    struct counted emptied = {client};
    wait_until(slot_is_empty, &emptied, 60, "the slot is emptied");
}

// --- What is moved ---

static void make_one_of_each(redisContext *client) {
    expect_text(client, "OK", "SET {bar}s value");
    redisReply *reply = redisCommand(client, "SET {bar}binary %b", "a\0\r\nb", (size_t)5);
    assert_non_null(reply);
    freeReplyObject(reply);
    expect_text(client, "OK", "SET {bar}empty %s", "");
    expect_text(client, "OK", "SET {bar}mortal value PXAT 33000000000000");
    expect_integer(client, 2, "HSET {bar}h f1 v1 f2 v2");
    expect_integer(client, 1, "PEXPIREAT {bar}h 33000000000000");
    expect_integer(client, 3, "RPUSH {bar}l a b c");
    expect_integer(client, 4, "LPUSH {bar}l z");
    expect_integer(client, 3, "SADD {bar}set x y z");
    expect_integer(client, 3, "ZADD {bar}z 1.5 a -inf b 0.1 c");
    expect_text(client, "OK", "SET elsewhere{b} stays");
}

static void expect_line(redisContext *client, const char *wanted, const char *line) {
    redisReply *reply = redisCommand(client, line);
    char text[512] = "";
    assert_non_null(reply);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        size_t length = strlen(text);
        (void)snprintf(text + length, sizeof(text) - length, "%s ", reply->element[i]->str);
    }
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_ERROR)
        (void)snprintf(text, sizeof(text), "%s", reply->str);
    if (strcmp(text, wanted) != 0)
        fail_msg("%s was answered with '%s' and not '%s'", line, text, wanted);
    freeReplyObject(reply);
}

static void expect_one_of_each(redisContext *client) {
    expect_text(client, "value", "GET {bar}s");
    redisReply *reply = command(client, "GET {bar}binary");
    assert_int_equal(reply->len, 5);
    assert_memory_equal(reply->str, "a\0\r\nb", 5);
    freeReplyObject(reply);
    expect_text(client, "", "GET {bar}empty");
    expect_integer(client, 33000000000000, "PEXPIRETIME {bar}mortal");
    expect_text(client, "v1", "HGET {bar}h f1");
    expect_integer(client, 2, "HLEN {bar}h");
    expect_integer(client, 33000000000000, "PEXPIRETIME {bar}h");
    expect_line(client, "z a b c ", "LRANGE {bar}l 0 -1");
    expect_integer(client, 3, "SCARD {bar}set");
    expect_integer(client, 1, "SISMEMBER {bar}set y");
    expect_line(client, "b -inf c 0.10000000000000001 a 1.5 ", "ZRANGE {bar}z 0 -1 WITHSCORES");
    expect_integer(client, -1, "TTL {bar}l");
    expect_integer(client, 8, "CLUSTER COUNTKEYSINSLOT " SLOT);
}

static void a_slot_goes_with_all_its_keys(void **state) {
    const struct node_pair *pair = *state;
    redisContext *a = pair->clients[0];
    redisContext *b = pair->clients[1];
    char moved[64];
    (void)snprintf(moved, sizeof(moved), "MOVED " SLOT " 127.0.0.1:%d", pair->servers[1].port);
    node_pair_set(pair, SPLIT_HALVES, 1);
    make_one_of_each(a);
    expect_text(a, "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    await_migration(a, "success");
    assert_true(info_has(a, "migrating_slot(s): " SLOT "\r\ndestination_node: " ID_B "\r\n"));
    assert_true(info_has(b, "importing_slot(s): " SLOT "\r\nimport_state: success\r\n"));
    expect_error(a, moved, "GET {bar}s");
    expect_error(a, moved, "SET {bar}s x");
    expect_one_of_each(b); // it serves the slot before the topology says so
    expect_error(a, "ERR Can't migrate slot which has been migrated", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    give_slot(pair, 1, 2);
    expect_one_of_each(b);
    expect_error(a, moved, "GET {bar}s");
    await_empty_slot(a);
    expect_text(a, "stays", "GET elsewhere{b}");
    assert_false(info_has(a, "migrating_slot"));
    assert_false(info_has(b, "importing_slot"));
}

static void a_slot_comes_back_with_what_has_changed(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    make_one_of_each(pair->clients[0]);
    expect_text(pair->clients[0], "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    await_migration(pair->clients[0], "success");
    give_slot(pair, 1, 2);
    await_empty_slot(pair->clients[0]);
    expect_text(pair->clients[1], "OK", "SET {bar}s other");
    expect_integer(pair->clients[1], 1, "DEL {bar}l");
    expect_text(pair->clients[1], "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_A);
    await_migration(pair->clients[1], "success");
    give_slot(pair, 0, 3);
    expect_text(pair->clients[0], "other", "GET {bar}s");
    expect_integer(pair->clients[0], 0, "EXISTS {bar}l");
    expect_integer(pair->clients[0], 7, "CLUSTER COUNTKEYSINSLOT " SLOT);
}

static void a_range_of_slots_goes_at_once(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "SET {bar}1 a");
    for (int i = 0; i < 300; i++) { // slots are spread evenly enough: some of these are in the range
        redisReply *reply = redisCommand(pair->clients[0], "SET key%d %d", i, i);
        assert_non_null(reply);
        freeReplyObject(reply);
    }
    long long before = integer_of(pair->clients[0], "DBSIZE");
    expect_text(pair->clients[0], "OK", "CLUSTERX MIGRATE 4000-8191 %s async", ID_B);
    await_migration(pair->clients[0], "success");
    assert_true(info_has(pair->clients[0], "migrating_slot(s): 4000-8191\r\n"));
    for (int i = 0; i < 2; i++)
        expect_text(pair->clients[i], "OK", "CLUSTERX SETSLOT %s NODE %s 2", "4000-5000 5001-8191", ID_B);
    await_empty_slot(pair->clients[0]);
    assert_int_equal(integer_of(pair->clients[0], "DBSIZE") + integer_of(pair->clients[1], "DBSIZE"), before);
    expect_text(pair->clients[1], "a", "GET {bar}1");
}

static void who_waits_is_answered_when_the_slot_has_gone(void **state) {
    const struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    make_one_of_each(pair->clients[0]);
    expect_text(pair->clients[0], "OK", "CLUSTERX MIGRATE " SLOT " %s SYNC 60", ID_B);
    assert_true(info_has(pair->clients[0], "migrating_state: success\r\n"));
    give_slot(pair, 1, 2);
    await_empty_slot(pair->clients[0]);
    expect_one_of_each(pair->clients[1]);
}

static void who_waits_is_told_why_a_migration_has_failed(void **state) {
    struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(pair->clients[0], "OK", "SET {bar} 1");
    server_kill(&pair->servers[1]);
    expect_error(pair->clients[0], "ERR slots " SLOT " stay here, their migration has failed: ",
                 "CLUSTERX MIGRATE " SLOT " %s SYNC", ID_B);
    expect_text(pair->clients[0], "1", "GET {bar}");
    server_restart(&pair->servers[1]);
}

// The other node takes connections and says nothing.
static void who_waits_is_answered_when_the_time_is_over(void **state) {
    const struct node_pair *pair = *state;
    redisContext *gone = server_connect(&pair->servers[0]);
    node_pair_set(pair, SPLIT_HALVES, 1);
    server_pause(&pair->servers[1]);
    expect_null(pair->clients[0], "CLUSTERX MIGRATE " SLOT " %s SYNC 1", ID_B);
    expect_error(pair->clients[0], "ERR There is already a migrating job", "CLUSTERX MIGRATE 1 %s", ID_B);
    server_continue(&pair->servers[1]);
    await_migration(pair->clients[0], "success");
    send_command(gone, "CLUSTERX MIGRATE 1 %s SYNC", ID_B);
    redisFree(gone); // before the answer
    await_info(pair->clients[0], "migrating_slot(s): 1\r\n");
    await_migration(pair->clients[0], "success");
    expect_text(pair->clients[0], "PONG", "PING");
}

// --- Under load ---

enum { WRITERS = 4, COUNTERS = 50 };

struct load {
    const struct node_pair *pair;
    atomic_bool stop;
    _Atomic long long counted[COUNTERS]; // increments that were acknowledged
    _Atomic long long pushed, added, waited;
};

struct writer {
    struct load *load;
    redisContext *nodes[2];
    unsigned seed;
    int at; // the node that it takes for the slot's
};

// Sends it to the node that has the slot, wherever that is. NULL: no answer.
static redisReply *send_to_owner(struct writer *writer, const char *line) {
    for (;;) {
        redisReply *reply = redisCommand(writer->nodes[writer->at], line);
        if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
            return reply;
        if (strncmp(reply->str, "MOVED ", 6) == 0) {
            char *colon = strrchr(reply->str, ':');
            writer->at = (int)strtol(colon + 1, NULL, 10) == writer->load->pair->servers[1].port;
        } else if (strncmp(reply->str, "TRYAGAIN ", 9) == 0) {
            atomic_fetch_add(&writer->load->waited, 1);
        } else {
            return reply;
        }
        freeReplyObject(reply);
    }
}

static bool is_integer(redisReply *reply) {
    bool is = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    if (reply != NULL)
        freeReplyObject(reply);
    return is;
}

static void write_once(struct writer *writer, long long number) {
    char line[128];
    int which = rand_r(&writer->seed) % COUNTERS;
    (void)snprintf(line, sizeof(line), "INCR {bar}counter%d", which);
    if (is_integer(send_to_owner(writer, line)))
        atomic_fetch_add(&writer->load->counted[which], 1);
    (void)snprintf(line, sizeof(line), "RPUSH {bar}list %d:%lld", (int)writer->seed, number);
    if (is_integer(send_to_owner(writer, line)))
        atomic_fetch_add(&writer->load->pushed, 1);
    (void)snprintf(line, sizeof(line), "HINCRBY {bar}hash field%d 1", which);
    if (is_integer(send_to_owner(writer, line)))
        atomic_fetch_add(&writer->load->added, 1);
    (void)snprintf(line, sizeof(line), number % 2 == 0 ? "SADD {bar}set m%d" : "SREM {bar}set m%d", which);
    (void)is_integer(send_to_owner(writer, line));
    (void)snprintf(line, sizeof(line), "ZINCRBY {bar}zset 1 m%d", which);
    redisReply *reply = send_to_owner(writer, line);
    if (reply != NULL)
        freeReplyObject(reply);
    (void)snprintf(line, sizeof(line), number % 3 == 0 ? "LPOP {bar}queue" : "LPUSH {bar}queue %lld", number);
    reply = send_to_owner(writer, line);
    if (reply != NULL)
        freeReplyObject(reply);
}

static void *write_on(void *argument) {
    struct writer *writer = argument;
    for (long long number = 0; !atomic_load(&writer->load->stop); number++)
        write_once(writer, number);
    return NULL;
}

static void expect_what_was_acknowledged(struct load *load, redisContext *client) {
    char line[64];
    long long all = 0;
    for (int i = 0; i < COUNTERS; i++) {
        (void)snprintf(line, sizeof(line), "INCRBY {bar}counter%d 0", i);
        assert_int_equal(integer_of(client, line), atomic_load(&load->counted[i]));
        (void)snprintf(line, sizeof(line), "HINCRBY {bar}hash field%d 0", i);
        all += integer_of(client, line);
    }
    assert_int_equal(all, atomic_load(&load->added));
    assert_int_equal(integer_of(client, "LLEN {bar}list"), atomic_load(&load->pushed));
}

static void load_begin(struct load *load, struct writer *writers, pthread_t *threads) {
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.load = load, .seed = (unsigned)i + 1};
        for (int j = 0; j < 2; j++)
            writers[i].nodes[j] = server_connect(&load->pair->servers[j]);
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
}

static void load_end(struct load *load, struct writer *writers, const pthread_t *threads) {
    atomic_store(&load->stop, true);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int j = 0; j < 2; j++)
            redisFree(writers[i].nodes[j]);
    }
}

struct progress {
    struct load *load;
    long long wanted;
};

static bool has_pushed(void *context) {
    const struct progress *progress = context;
    return atomic_load(&progress->load->pushed) >= progress->wanted;
}

static void await_writes(struct load *load, long long more) {
    struct progress progress = {load, atomic_load(&load->pushed) + more};
    wait_until(has_pushed, &progress, 60, "the clients have written more");
}

static void under_load_no_write_is_lost_or_doubled(void **state) {
    const struct node_pair *pair = *state;
    static struct load load;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    memset(&load, 0, sizeof(load));
    load.pair = pair;
    node_pair_set(pair, SPLIT_HALVES, 1);
    for (int i = 0; i < 2; i++) // so that many changes are made while the snapshot is sent
        expect_text(pair->clients[i], "OK", "CONFIG SET migrate-speed 2000 migrate-sequence-gap 10");
    load_begin(&load, writers, threads);
    for (int i = 0; i < 4; i++) { // there and back again
        int from = i % 2;
        await_writes(&load, 300);
        expect_text(pair->clients[from], "OK", "CLUSTERX MIGRATE " SLOT " %s", ids[!from]);
        await_migration(pair->clients[from], "success");
        await_writes(&load, 100); // before the topology follows
        give_slot(pair, !from, i + 2);
        await_empty_slot(pair->clients[from]);
    }
    load_end(&load, writers, threads);
    expect_what_was_acknowledged(&load, pair->clients[0]);
    print_message("%lld pushes, %lld answers of TRYAGAIN\n", (long long)load.pushed, (long long)load.waited);
}

// --- Failures ---

// Slow enough for something to happen meanwhile.
static void begin_slow_migration(const struct node_pair *pair) {
    redisContext *a = pair->clients[0];
    node_pair_set(pair, SPLIT_HALVES, 1);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(redisAppendCommand(a, "SET {bar}%d %d", i, i), REDIS_OK);
    for (int i = 0; i < 2000; i++)
        expect_next_text(a, "OK");
    expect_text(a, "OK", "CONFIG SET migrate-speed 100");
    expect_text(a, "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    struct counted filled = {pair->clients[1]};
    wait_until(slot_has_keys, &filled, 60, "keys have arrived");
}

static void expect_source_whole(const struct node_pair *pair) {
    expect_integer(pair->clients[0], 2000, "CLUSTER COUNTKEYSINSLOT " SLOT);
    expect_text(pair->clients[0], "7", "GET {bar}7");
    expect_text(pair->clients[0], "OK", "SET {bar}7 7");
}

static void expect_failed(const struct node_pair *pair) {
    await_migration(pair->clients[0], "fail");
    expect_source_whole(pair);
}

static void a_destination_that_dies_leaves_the_source_whole(void **state) {
    struct node_pair *pair = *state;
    begin_slow_migration(pair);
    expect_source_whole(pair); // while it is copied as well
    server_kill(&pair->servers[1]);
    expect_failed(pair);
    server_restart(&pair->servers[1]);
    redisFree(pair->clients[1]);
    pair->clients[1] = server_connect(&pair->servers[1]);
    await_empty_slot(pair->clients[1]);
    expect_text(pair->clients[0], "OK", "CONFIG SET migrate-speed 0");
    expect_text(pair->clients[0], "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B); // and it can be tried again
    await_migration(pair->clients[0], "success");
    expect_integer(pair->clients[1], 2000, "CLUSTER COUNTKEYSINSLOT " SLOT);
}

static void a_destination_that_hangs_leaves_the_source_whole(void **state) {
    struct node_pair *pair = *state;
    begin_slow_migration(pair);
    server_pause(&pair->servers[1]);
    await_migration(pair->clients[0], "fail");
    server_continue(&pair->servers[1]);
    expect_source_whole(pair);
    await_empty_slot(pair->clients[1]);
    assert_true(info_has(pair->clients[1], "import_state: error\r\n"));
}

static void a_source_that_dies_has_everything_when_it_is_back(void **state) {
    struct node_pair *pair = *state;
    begin_slow_migration(pair);
    server_kill(&pair->servers[0]);
    await_info(pair->clients[1], "import_state: error\r\n");
    await_empty_slot(pair->clients[1]);
    server_restart(&pair->servers[0]);
    redisFree(pair->clients[0]);
    pair->clients[0] = server_connect(&pair->servers[0]);
    expect_source_whole(pair);
    assert_false(info_has(pair->clients[0], "migrating_state"));
}

static void a_slot_that_was_taken_over_is_forwarded_after_a_restart(void **state) {
    struct node_pair *pair = *state;
    node_pair_set(pair, SPLIT_HALVES, 1);
    make_one_of_each(pair->clients[0]);
    expect_text(pair->clients[0], "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    await_migration(pair->clients[0], "success");
    expect_text(pair->clients[1], "OK", "SET {bar}new written-there");
    for (int i = 0; i < 2; i++) {
        server_kill(&pair->servers[i]);
        server_restart(&pair->servers[i]);
        redisFree(pair->clients[i]);
        pair->clients[i] = server_connect(&pair->servers[i]);
    }
    await_migration(pair->clients[0], "success"); // if it was killed before it had noted the answer, it asks
    expect_error(pair->clients[0], "MOVED " SLOT, "SET {bar}s x");
    expect_text(pair->clients[1], "written-there", "GET {bar}new");
    give_slot(pair, 1, 2);
    await_empty_slot(pair->clients[0]);
    expect_text(pair->clients[1], "written-there", "GET {bar}new");
}

static void deleting_everything_ends_a_migration(void **state) {
    const struct node_pair *pair = *state;
    begin_slow_migration(pair);
    expect_text(pair->clients[0], "OK", "FLUSHALL");
    await_migration(pair->clients[0], "fail");
    expect_integer(pair->clients[0], 0, "DBSIZE");
    await_empty_slot(pair->clients[1]);
}

// Else the keys that had arrived would be on neither node in the end.
static void deleting_everything_at_the_destination_leaves_the_source_whole(void **state) {
    const struct node_pair *pair = *state;
    begin_slow_migration(pair);
    expect_text(pair->clients[1], "OK", "FLUSHALL");
    expect_text(pair->clients[0], "OK", "CONFIG SET migrate-speed 0");
    expect_failed(pair);
    await_empty_slot(pair->clients[1]);
    expect_text(pair->clients[0], "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    await_migration(pair->clients[0], "success");
    expect_integer(pair->clients[1], 2000, "CLUSTER COUNTKEYSINSLOT " SLOT);
}

static void another_topology_ends_a_migration_unless_it_agrees(void **state) {
    const struct node_pair *pair = *state;
    begin_slow_migration(pair);
    node_pair_set(pair, SPLIT_HALVES, 2);
    expect_error(pair->clients[0], "ERR There is already a migrating job", "CLUSTERX MIGRATE 1 %s", ID_B);
    node_pair_set(pair, SPLIT_ALL_TO_A, 3);
    await_migration(pair->clients[0], "fail");
    expect_source_whole(pair);
}

// --- The lease ---

static void a_fenced_master_does_not_begin_a_migration(void **state) {
    const struct node_pair *pair = *state;
    redisContext *a = pair->clients[0];
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_text(a, "OK", "SET {bar}s value");
    expect_text(a, "OK", "CONFIG SET master-lease-mode block-write");
    lease_grant(a, 1, 1);
    await_expirations(a, 1);
    expect_error(a, LEASE_REFUSAL, "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    expect_error(a, LEASE_REFUSAL, "CLUSTER IMPORT 9000 0");
    expect_text(a, "value", "GET {bar}s");
}

static void a_lease_that_runs_out_ends_a_migration(void **state) {
    const struct node_pair *pair = *state;
    redisContext *a = pair->clients[0];
    begin_slow_migration(pair);
    expect_text(a, "OK", "CONFIG SET master-lease-mode block-write");
    lease_grant(a, 1, 200);
    await_migration(a, "fail");
    server_wait_log(&pair->servers[0], "master lease expired");
    expect_error(a, LEASE_REFUSAL, "SET {bar}7 x");
    await_empty_slot(pair->clients[1]);
    lease_grant(a, 1, 60000);
    expect_source_whole(pair);
}

static void a_destination_without_a_lease_takes_nothing(void **state) {
    const struct node_pair *pair = *state;
    redisContext *b = pair->clients[1];
    begin_slow_migration(pair);
    expect_text(b, "OK", "CONFIG SET master-lease-mode block-write");
    lease_grant(b, 1, 1);
    await_migration(pair->clients[0], "fail");
    expect_source_whole(pair);
    expect_error(b, "ERR Can't reset cluster while database is not empty", "CLUSTER RESET");
    lease_grant(b, 1, 60000); // only now may it delete what it had received
    await_empty_slot(b);
}

// A slot that has gone is emptied when its node may write again.
static void a_slot_is_emptied_when_the_lease_is_back(void **state) {
    const struct node_pair *pair = *state;
    redisContext *a = pair->clients[0];
    node_pair_set(pair, SPLIT_HALVES, 1);
    make_one_of_each(a);
    expect_text(a, "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    await_migration(a, "success");
    expect_text(a, "OK", "CONFIG SET master-lease-mode block-write");
    lease_grant(a, 1, 1);
    await_expirations(a, 1);
    give_slot(pair, 1, 2);
    expect_integer(a, 8, "CLUSTER COUNTKEYSINSLOT " SLOT);
    lease_grant(a, 1, 60000);
    await_empty_slot(a);
    expect_one_of_each(pair->clients[1]);
}

// --- What is refused ---

static void what_cannot_be_moved_is_refused_in_kvrocks_words(void **state) {
    const struct node_pair *pair = *state;
    redisContext *a = pair->clients[0];
    node_pair_set(pair, SPLIT_HALVES, 1);
    expect_error(a, "ERR Can't find the destination node id", "CLUSTERX MIGRATE 1 %s", ID_C);
    expect_error(a, "ERR Can't migrate slot which doesn't belong to me", "CLUSTERX MIGRATE 9000 %s", ID_B);
    expect_error(a, "ERR Can't migrate slot to myself", "CLUSTERX MIGRATE 1 %s", ID_A);
    expect_error(a, "ERR Invalid slot id", "CLUSTERX MIGRATE 16384 %s", ID_B);
    expect_error(a, "ERR Invalid slot range", "CLUSTERX MIGRATE 9-1 %s", ID_B);
    expect_error(a, "ERR Invalid sync flag", "CLUSTERX MIGRATE 1 %s often", ID_B);
    expect_error(a, "ERR Async migration does not support timeout", "CLUSTERX MIGRATE 1 %s async 5", ID_B);
    expect_error(a, "ERR timeout is not an integer or out of range", "CLUSTERX MIGRATE 1 %s sync x", ID_B);
    expect_error(a, "ERR timeout is negative", "CLUSTERX MIGRATE 1 %s sync -1", ID_B);
    expect_error(a, "ERR Can't import slot which belongs to me", "CLUSTER IMPORT 1 0");
    expect_error(a, "ERR Invalid import state", "CLUSTER IMPORT 9000 7");
    expect_error(a, "ERR mismatch slot, importing slot(s): -1, but got: 9000", "CLUSTER IMPORT 9000 1");
    node_pair_set(pair, SPLIT_ALL_TO_A, 2);
    expect_error(a, "ERR Can't migrate slot to a slave", "CLUSTERX MIGRATE 1 %s", ID_B);
    expect_error(pair->clients[1], "ERR Slave can't import slot", "CLUSTER IMPORT 1 0");
}

static void setslot_takes_the_next_version_only(void **state) {
    const struct node_pair *pair = *state;
    redisContext *a = pair->clients[0];
    expect_error(a, "ERR Invalid cluster version", "CLUSTERX SETSLOT 1 NODE %s 2", ID_A);
    node_pair_set(pair, SPLIT_HALVES, 5);
    expect_error(a, "ERR Invalid cluster version", "CLUSTERX SETSLOT 1 NODE %s 5", ID_B);
    expect_error(a, "ERR Invalid cluster version", "CLUSTERX SETSLOT 1 NODE %s 7", ID_B);
    expect_error(a, "ERR Invalid version", "CLUSTERX SETSLOT 1 NODE %s -1", ID_B);
    expect_error(a, "ERR Invalid setslot options", "CLUSTERX SETSLOT 1 TO %s 6", ID_B);
    expect_error(a, "ERR Invalid node id", "CLUSTERX SETSLOT 1 NODE nobody 6");
    expect_error(a, "ERR No this node in the cluster", "CLUSTERX SETSLOT 1 NODE %s 6", ID_C);
    expect_text(a, "OK", "CLUSTERX SETSLOT " SLOT " NODE %s 6", ID_B);
    expect_text(a, "6", "CLUSTERX VERSION");
    expect_error(a, "MOVED " SLOT, "GET bar");
    assert_true(info_has(a, "cluster_slots_assigned:16384\r\n"));
}

// What is being imported is served to the link that imports it, and to who asks; each time anew.
static void who_asks_is_served_what_is_being_imported(void **state) {
    const struct node_pair *pair = *state;
    redisContext *b = pair->clients[1];
    node_pair_set(pair, SPLIT_HALVES, 1);
    redisContext *link = server_connect(&pair->servers[1]);
    expect_text(link, "OK", "CLUSTER IMPORT " SLOT " 0");
    expect_text(link, "OK", "SET {bar}s value");
    expect_error(b, "MOVED " SLOT, "GET {bar}s");
    expect_text(b, "OK", "ASKING");
    expect_text(b, "value", "GET {bar}s");
    expect_error(b, "MOVED " SLOT, "GET {bar}s");
    expect_error(b, "ERR only one importing job is allowed", "CLUSTER IMPORT 1-2 0");
    expect_error(b, "ERR the import of these slots has ended", "CLUSTER IMPORT " SLOT " 1");
    redisFree(link); // without a word
    await_info(b, "import_state: error\r\n");
    await_empty_slot(b);
}

#define CASE(test) cmocka_unit_test_setup_teardown((test), node_pair_open, node_pair_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_slot_goes_with_all_its_keys),
        CASE(a_slot_comes_back_with_what_has_changed),
        CASE(a_range_of_slots_goes_at_once),
        CASE(who_waits_is_answered_when_the_slot_has_gone),
        CASE(who_waits_is_told_why_a_migration_has_failed),
        CASE(who_waits_is_answered_when_the_time_is_over),
        CASE(under_load_no_write_is_lost_or_doubled),
        CASE(a_destination_that_dies_leaves_the_source_whole),
        CASE(a_destination_that_hangs_leaves_the_source_whole),
        CASE(a_source_that_dies_has_everything_when_it_is_back),
        CASE(a_slot_that_was_taken_over_is_forwarded_after_a_restart),
        CASE(deleting_everything_ends_a_migration),
        CASE(deleting_everything_at_the_destination_leaves_the_source_whole),
        CASE(another_topology_ends_a_migration_unless_it_agrees),
        CASE(a_fenced_master_does_not_begin_a_migration),
        CASE(a_lease_that_runs_out_ends_a_migration),
        CASE(a_destination_without_a_lease_takes_nothing),
        CASE(a_slot_is_emptied_when_the_lease_is_back),
        CASE(what_cannot_be_moved_is_refused_in_kvrocks_words),
        CASE(setslot_takes_the_next_version_only),
        CASE(who_asks_is_served_what_is_being_imported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
