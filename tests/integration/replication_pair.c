// SPDX-License-Identifier: Apache-2.0
//
// The two nodes, the wire, and waiting for a replica. Uses: cmocka, hiredis, harness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replication_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RELAYS_MAX = 32, CHUNK = 64 << 10, STEP_MS = 5 };

// Two sockets, and what has come from one and is still to go to the other, in both directions.
struct relay {
    int fds[2]; // of the client, of the target; -1: not in use
};

struct wire {
    int listener;
    int port;
    int target_port;
    pthread_t thread;
    struct relay relays[RELAYS_MAX];
    _Atomic bool is_cut, ending;
    _Atomic uint64_t cut_after, damage_after, limit, bytes;
    double allowed_at; // by the limit: when the next bytes may pass
};

static double now_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int connect_to(int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

// A reset, so that both ends notice at once.
static void drop(int fd) {
    const struct linger none = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    (void)close(fd);
}

// One end has said all that it has to say: what is on the way still arrives.
static void finish_relay(struct relay *relay) {
    if (relay->fds[0] < 0)
        return;
    (void)close(relay->fds[0]);
    (void)close(relay->fds[1]);
    relay->fds[0] = -1;
}

static void end_relay(struct relay *relay) {
    if (relay->fds[0] < 0)
        return;
    drop(relay->fds[0]);
    drop(relay->fds[1]);
    relay->fds[0] = -1;
}

static void end_relays(struct wire *wire) {
    for (size_t i = 0; i < RELAYS_MAX; i++)
        end_relay(&wire->relays[i]);
}

static void accept_one(struct wire *wire) {
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int client = accept4(wire->listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int target = atomic_load(&wire->is_cut) ? -1 : connect_to(wire->target_port);
    for (size_t i = 0; i < RELAYS_MAX && target >= 0; i++) {
        if (wire->relays[i].fds[0] >= 0)
            continue;
        wire->relays[i] = (struct relay){{client, target}};
        return;
    }
    drop(client);
    if (target >= 0)
        drop(target);
}

// A counter that runs out within these bytes: true once, with where.
static bool runs_out(_Atomic uint64_t *counter, size_t count, size_t *where) {
    uint64_t left = atomic_load(counter);
    if (left == 0)
        return false;
    *where = left > count ? count : (size_t)left;
    return atomic_compare_exchange_strong(counter, &left, left > count ? left - count : 0) && left <= count;
}

static bool is_allowed(const struct wire *wire) {
    return atomic_load(&wire->limit) == 0 || now_seconds() >= wire->allowed_at;
}

static void note_bytes(struct wire *wire, size_t count) {
    uint64_t limit = atomic_load(&wire->limit);
    atomic_fetch_add(&wire->bytes, count);
    if (limit != 0)
        wire->allowed_at = now_seconds() + (double)count / (double)limit;
}

static bool send_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        if (sent < 0 && (errno != EAGAIN || poll(&room, 1, 1000) <= 0))
            return false;
        data += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static bool pass_on(struct wire *wire, struct relay *relay, int from) {
    char chunk[CHUNK];
    size_t room = from == 1 && atomic_load(&wire->limit) != 0 ? 4096 : CHUNK;
    size_t where = 0;
    ssize_t count = recv(relay->fds[from], chunk, room, MSG_DONTWAIT);
    if (count <= 0)
        return count < 0 && errno == EAGAIN;
    if (from == 1) {
        note_bytes(wire, (size_t)count);
        if (runs_out(&wire->damage_after, (size_t)count, &where))
            chunk[where - 1] ^= 0x20;
        if (runs_out(&wire->cut_after, (size_t)count, &where)) {
            (void)send_all(relay->fds[0], chunk, where);
            end_relays(wire);
            return true;
        }
    }
    return send_all(relay->fds[1 - from], chunk, (size_t)count);
}

static void pass_all_on(struct wire *wire, const struct pollfd *sources) {
    for (size_t i = 0; i < RELAYS_MAX; i++) {
        struct relay *relay = &wire->relays[i];
        for (int side = 0; side < 2; side++) {
            const struct pollfd *source = &sources[1 + 2 * i + (size_t)side];
            if (relay->fds[0] >= 0 && source->fd == relay->fds[side] && source->revents != 0 &&
                !pass_on(wire, relay, side))
                finish_relay(relay);
        }
    }
}

static void *run(void *argument) {
    struct wire *wire = argument;
    while (!atomic_load(&wire->ending)) {
        struct pollfd sources[1 + 2 * RELAYS_MAX];
        sources[0] = (struct pollfd){.fd = wire->listener, .events = POLLIN};
        for (size_t i = 0; i < RELAYS_MAX; i++) {
            bool used = wire->relays[i].fds[0] >= 0;
            sources[1 + 2 * i] = (struct pollfd){.fd = used ? wire->relays[i].fds[0] : -1, .events = POLLIN};
            sources[2 + 2 * i] = (struct pollfd){.fd = used && is_allowed(wire) ? wire->relays[i].fds[1] : -1,
                                                 .events = POLLIN};
        }
        if (poll(sources, sizeof(sources) / sizeof(sources[0]), STEP_MS) < 0 && errno != EINTR)
            abort();
        if (atomic_load(&wire->is_cut))
            end_relays(wire);
        pass_all_on(wire, sources);
        if (sources[0].revents != 0)
            accept_one(wire);
    }
    end_relays(wire);
    return NULL;
}

struct wire *wire_open(int target_port) {
    struct wire *wire = calloc(1, sizeof(*wire));
    assert_non_null(wire);
    wire->target_port = target_port;
    wire->port = free_port();
    for (size_t i = 0; i < RELAYS_MAX; i++)
        wire->relays[i].fds[0] = -1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)wire->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    wire->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(wire->listener >= 0);
    (void)setsockopt(wire->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(wire->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(wire->listener, 64), 0);
    assert_int_equal(pthread_create(&wire->thread, NULL, run, wire), 0);
    return wire;
}

void wire_close(struct wire *wire) {
    atomic_store(&wire->ending, true);
    assert_int_equal(pthread_join(wire->thread, NULL), 0);
    (void)close(wire->listener);
    free(wire);
}

int wire_port(const struct wire *wire) {
    return wire->port;
}

void wire_cut(struct wire *wire) {
    atomic_store(&wire->is_cut, true);
}

void wire_mend(struct wire *wire) {
    atomic_store(&wire->is_cut, false);
}

void wire_cut_after(struct wire *wire, uint64_t bytes) {
    atomic_store(&wire->cut_after, bytes);
}

void wire_damage_after(struct wire *wire, uint64_t bytes) {
    atomic_store(&wire->damage_after, bytes);
}

void wire_limit(struct wire *wire, uint64_t bytes_per_second) {
    atomic_store(&wire->limit, bytes_per_second);
}

uint64_t wire_bytes(struct wire *wire) {
    return atomic_load(&wire->bytes);
}

// --- Waiting ---

void nodes_open(struct nodes *nodes, const char *master_settings, const char *replica_settings) {
    server_start(&nodes->master, master_settings);
    server_start(&nodes->replica, replica_settings);
    nodes->to_master = server_connect(&nodes->master);
    nodes->to_replica = server_connect(&nodes->replica);
    nodes->wire = NULL;
}

int nodes_close(void **state) {
    struct nodes *nodes = *state;
    redisFree(nodes->to_master);
    redisFree(nodes->to_replica);
    server_discard(&nodes->replica);
    server_discard(&nodes->master);
    if (nodes->wire != NULL)
        wire_close(nodes->wire);
    return 0;
}

bool is_in_step(redisContext *master, redisContext *replica) {
    redisReply *reply = command(replica, "INFO replication");
    bool is_up = strstr(reply->str, "master_link_status:up") != NULL;
    freeReplyObject(reply);
    return is_up && server_info_number(replica, "replication", "master_repl_offset") ==
                        server_info_number(master, "replication", "master_repl_offset");
}

struct pair {
    redisContext *master, *replica;
};

static bool pair_is_in_step(void *context) {
    const struct pair *pair = context;
    return is_in_step(pair->master, pair->replica);
}

void wait_in_step(redisContext *master, redisContext *replica) {
    struct pair pair = {master, replica};
    wait_until(pair_is_in_step, &pair, IS_SANITIZED ? 240 : 60, "the replica is in step with its master");
}

void assert_same_data(redisContext *master, redisContext *replica) {
    wait_in_step(master, replica);
    redisReply *here = command(master, "DEBUG DIGEST");
    redisReply *there = command(replica, "DEBUG DIGEST");
    assert_int_equal(here->type, REDIS_REPLY_STATUS);
    assert_string_equal(here->str, there->str);
    freeReplyObject(here);
    freeReplyObject(there);
}

void follow(redisContext *replica, int port) {
    expect_text(replica, "OK", "REPLICAOF 127.0.0.1 %d", port);
}
