// SPDX-License-Identifier: Apache-2.0
//
// Uses: cmocka, hiredis, chaos_cluster, chaos_words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chaos_load.h"

#include "chaos_cluster.h"
#include "chaos_words.h"
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PATIENCE_MS = IS_SANITIZED ? 5000 : 1500, // of a client, with a node that does not answer
    WAIT_MS = 300,
    PAUSE_MOST_US = IS_SANITIZED ? 60000 : 8000, // between two commands of a client
    READERS = 4,                                 // every fourth client
    MISSING_SHOWN = 10,
    BATCH = 200
};

// What a client was told of the key with this number.
struct written {
    uint32_t number;
    bool is_replicated;
};

struct client {
    struct chaos_load *load;
    int name;
    pthread_t thread;
    unsigned seed;
    redisContext *connection; // NULL: none
    unsigned connected_to;    // the aim, as the load counts them
    uint32_t last_number;
    struct written *written; // under the load's lock
    size_t count, room;
};

struct chaos_load {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int client_count;
    struct client *clients;
    int master;
    int ports[CHAOS_NODES];
    unsigned aim;   // raised when a client may have to do with another node
    unsigned epoch; // raised when what is on the way does not count any more
    int resting;
    bool shall_rest, shall_end;
    char complaint[256];
    _Atomic uint64_t commands, acknowledged, replicated, broken;
};

static void take(struct chaos_load *load) {
    (void)pthread_mutex_lock(&load->lock);
}

static void release(struct chaos_load *load) {
    (void)pthread_mutex_unlock(&load->lock);
}

// --- A client's connection ---

static void disconnect(struct client *client) {
    if (client->connection != NULL)
        redisFree(client->connection);
    client->connection = NULL;
}

static void sleep_us(unsigned microseconds) {
    const struct timespec time = {.tv_sec = microseconds / 1000000,
                                  .tv_nsec = microseconds % 1000000 * 1000L};
    (void)nanosleep(&time, NULL);
}

static bool only_reads(const struct client *client) {
    return client->name % READERS == 0;
}

// To the master of now, or to a reader's own node. False: there is no connection.
static bool connect_to_node(struct client *client) {
    struct chaos_load *load = client->load;
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000, .tv_usec = PATIENCE_MS % 1000 * 1000};
    take(load);
    int node = only_reads(client) ? client->name / READERS % CHAOS_NODES : load->master;
    int port = load->ports[node];
    unsigned aim = load->aim;
    release(load);
    if (client->connection != NULL && client->connected_to == aim && client->connection->err == 0)
        return true;
    disconnect(client);
    client->connected_to = aim;
    client->connection = redisConnectWithTimeout(network_address(node), port, patience);
    if (client->connection != NULL && client->connection->err == 0 &&
        redisSetTimeout(client->connection, patience) == REDIS_OK)
        return true;
    disconnect(client);
    return false;
}

// What is not there, or is not for a replica to do, is nothing to be surprised about.
static bool is_expected(const char *error) {
    static const char *const expected[] = {"ERR no such key",
                                           "READONLY",
                                           "ERR index out of range",
                                           "ERR source and destination",
                                           "UNBLOCKED",
                                           "ERR WAIT command can only",
                                           "EXECABORT"};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (strncmp(error, expected[i], strlen(expected[i])) == 0)
            return true;
    }
    return false;
}

static void look_at_error(struct client *client, const redisReply *reply) {
    struct chaos_load *load = client->load;
    for (size_t i = 0; i < reply->elements; i++)
        look_at_error(client, reply->element[i]);
    if (reply->type != REDIS_REPLY_ERROR || is_expected(reply->str))
        return;
    take(load);
    (void)snprintf(load->complaint, sizeof(load->complaint), "%s", reply->str);
    release(load);
}

// NULL: the connection is of no use any more.
static redisReply *next_reply(struct client *client) {
    redisReply *reply = NULL;
    if (redisGetReply(client->connection, (void **)&reply) != REDIS_OK) {
        atomic_fetch_add(&client->load->broken, 1);
        disconnect(client);
        return NULL;
    }
    atomic_fetch_add(&client->load->commands, 1);
    look_at_error(client, reply);
    return reply;
}

static bool skip_replies(struct client *client, int count) {
    for (int i = 0; i < count; i++) {
        redisReply *reply = next_reply(client);
        if (reply == NULL)
            return false;
        freeReplyObject(reply);
    }
    return true;
}

// --- Numbered keys ---

static unsigned epoch_of(struct chaos_load *load) {
    take(load);
    unsigned epoch = load->epoch;
    release(load);
    return epoch;
}

static void remember(struct client *client, unsigned epoch, bool is_replicated) {
    struct chaos_load *load = client->load;
    take(load);
    if (load->epoch == epoch) {
        if (client->count == client->room) {
            client->room = client->room * 2 + 64;
            client->written = realloc(client->written, client->room * sizeof(*client->written));
        }
        if (client->written == NULL)
            abort();
        client->written[client->count++] = (struct written){client->last_number, is_replicated};
        atomic_fetch_add(&load->acknowledged, 1);
        atomic_fetch_add(&load->replicated, is_replicated);
    }
    release(load);
}

// With WAIT in the same packet, with WAIT after the reply, or without. A number is not used twice, so that it
// does not matter when a write takes effect whose connection was given up.
static void write_numbered(struct client *client) {
    enum { ALONE, AT_ONCE, WAYS = 4 };
    int way = rand_r(&client->seed) % WAYS;
    unsigned epoch = epoch_of(client->load);
    bool is_replicated = false;
    client->last_number++;
    (void)redisAppendCommand(client->connection, "SET n:%d:%u %u", client->name, client->last_number,
                             client->last_number);
    if (way == AT_ONCE)
        (void)redisAppendCommand(client->connection, "WAIT 1 %d", WAIT_MS);
    redisReply *stored = next_reply(client);
    if (stored == NULL)
        return;
    bool is_stored = stored->type == REDIS_REPLY_STATUS;
    freeReplyObject(stored);
    if (way != ALONE && way != AT_ONCE)
        (void)redisAppendCommand(client->connection, "WAIT 1 %d", WAIT_MS);
    if (way != ALONE) {
        redisReply *waited = next_reply(client);
        is_replicated = waited != NULL && waited->type == REDIS_REPLY_INTEGER && waited->integer >= 1;
        freeReplyObject(waited);
    }
    if (is_stored)
        remember(client, epoch, is_replicated);
}

// --- The threads ---

static void do_something(struct client *client) {
    if (!connect_to_node(client))
        sleep_us(20000);
    else if (only_reads(client))
        (void)skip_replies(client, chaos_words_append_read(client->connection, &client->seed));
    else if (rand_r(&client->seed) % 3 == 0)
        write_numbered(client);
    else
        (void)skip_replies(client, chaos_words_append(client->connection, &client->seed));
    sleep_us((unsigned)rand_r(&client->seed) % PAUSE_MOST_US);
}

// False: the thread shall end.
static bool rest_if_wanted(struct chaos_load *load) {
    take(load);
    load->resting++;
    (void)pthread_cond_broadcast(&load->changed);
    while (load->shall_rest && !load->shall_end)
        (void)pthread_cond_wait(&load->changed, &load->lock);
    load->resting--;
    bool goes_on = !load->shall_end;
    release(load);
    return goes_on;
}

static void *run(void *argument) {
    struct client *client = argument;
    while (rest_if_wanted(client->load))
        do_something(client);
    disconnect(client);
    return NULL;
}

struct chaos_load *chaos_load_open(int clients, unsigned seed) {
    struct chaos_load *load = calloc(1, sizeof(*load));
    assert_non_null(load);
    load->clients = calloc((size_t)clients, sizeof(*load->clients));
    assert_non_null(load->clients);
    assert_int_equal(pthread_mutex_init(&load->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&load->changed, NULL), 0);
    load->shall_rest = true;
    for (int i = 0; i < clients; i++) {
        struct client *client = &load->clients[i];
        *client = (struct client){.load = load, .name = i, .seed = seed + (unsigned)i};
        assert_int_equal(pthread_create(&client->thread, NULL, run, client), 0);
        load->client_count++;
    }
    return load;
}

void chaos_load_close(struct chaos_load *load) {
    if (load == NULL)
        return;
    take(load);
    load->shall_end = true;
    (void)pthread_cond_broadcast(&load->changed);
    release(load);
    for (int i = 0; i < load->client_count; i++) {
        (void)pthread_join(load->clients[i].thread, NULL);
        free(load->clients[i].written);
    }
    (void)pthread_cond_destroy(&load->changed);
    (void)pthread_mutex_destroy(&load->lock);
    free(load->clients);
    free(load);
}

// --- Directing them ---

static void keep_replicated(struct client *client) {
    size_t kept = 0;
    for (size_t i = 0; i < client->count; i++) {
        if (client->written[i].is_replicated)
            client->written[kept++] = client->written[i];
    }
    client->count = kept;
}

void chaos_load_know(struct chaos_load *load, int node, int port) {
    take(load);
    load->ports[node] = port;
    load->aim++;
    release(load);
}

void chaos_load_aim(struct chaos_load *load, int node) {
    take(load);
    load->master = node;
    load->aim++;
    load->epoch++;
    for (int i = 0; i < load->client_count; i++)
        keep_replicated(&load->clients[i]);
    release(load);
}

void chaos_load_forget(struct chaos_load *load) {
    take(load);
    load->epoch++;
    for (int i = 0; i < load->client_count; i++)
        load->clients[i].count = 0;
    release(load);
}

static void set_rest(struct chaos_load *load, bool rest) {
    take(load);
    load->shall_rest = rest;
    (void)pthread_cond_broadcast(&load->changed);
    release(load);
}

void chaos_load_go_on(struct chaos_load *load) {
    set_rest(load, false);
}

static bool all_rest(void *context) {
    struct chaos_load *load = context;
    take(load);
    bool rest = load->resting == load->client_count;
    release(load);
    return rest;
}

void chaos_load_rest(struct chaos_load *load) {
    set_rest(load, true);
    wait_until(all_rest, load, 60, "the clients rest");
}

// --- Judging ---

struct chaos_load_counts chaos_load_counts(struct chaos_load *load) {
    return (struct chaos_load_counts){.commands = atomic_load(&load->commands),
                                      .acknowledged = atomic_load(&load->acknowledged),
                                      .replicated = atomic_load(&load->replicated),
                                      .broken = atomic_load(&load->broken)};
}

const char *chaos_load_complaint(struct chaos_load *load) {
    take(load);
    bool any = load->complaint[0] != '\0';
    release(load);
    return any ? load->complaint : NULL;
}

static struct written *copy_written(struct chaos_load *load, int client, size_t *count) {
    take(load);
    *count = load->clients[client].count;
    struct written *copy = malloc((*count + 1) * sizeof(*copy));
    if (copy != NULL && *count != 0)
        memcpy(copy, load->clients[client].written, *count * sizeof(*copy));
    release(load);
    assert_non_null(copy);
    return copy;
}

static bool is_there(redisContext *node, const struct written *written) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(node, (void **)&reply), REDIS_OK);
    bool there = reply->type == REDIS_REPLY_STRING && strtoul(reply->str, NULL, 10) == written->number;
    freeReplyObject(reply);
    return there;
}

static size_t count_missing_of(redisContext *node, int client, const struct written *written, size_t count) {
    size_t missing = 0;
    for (size_t begin = 0; begin < count; begin += BATCH) {
        size_t end = begin + BATCH < count ? begin + BATCH : count;
        for (size_t i = begin; i < end; i++)
            (void)redisAppendCommand(node, "GET n:%d:%u", client, written[i].number);
        for (size_t i = begin; i < end; i++) {
            if (!is_there(node, &written[i]) && ++missing <= MISSING_SHOWN)
                print_error("n:%d:%u is missing, the number %zu of %zu that are remembered%s\n", client,
                            written[i].number, i, count,
                            written[i].is_replicated ? ", and a replica had it" : "");
        }
    }
    return missing;
}

size_t chaos_load_count_missing(struct chaos_load *load, redisContext *node, size_t *remembered) {
    size_t missing = 0;
    size_t all = 0;
    for (int client = 0; client < load->client_count; client++) {
        size_t count = 0;
        struct written *written = copy_written(load, client, &count);
        missing += count_missing_of(node, client, written, count);
        all += count;
        free(written);
    }
    if (remembered != NULL)
        *remembered = all;
    return missing;
}
