// SPDX-License-Identifier: Apache-2.0
//
// Uses: cmocka, hiredis, the harness, the network, replication_pair.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chaos_cluster.h"

#include "replication_pair.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

// Short times, so that much happens; a log that is soon thrown away, so that it does not always suffice;
// small tables, so that it often changes its file; and full copies that take a while, so that they are
// interrupted.
static const char settings[] = "bind 0.0.0.0\n"
                               "replication-recv-timeout-ms 1000\n"
                               "replication-connect-timeout-ms 500\n"
                               "max-replication-mb 8\n"
                               "rocksdb.wal_ttl_seconds 2\n"
                               "rocksdb.wal_size_limit_mb 0\n"
                               "rocksdb.write_buffer_size 1\n";

enum { SETTLE_SECONDS = IS_SANITIZED ? 240 : 60, LOG_SHOWN = 12000 };

// --- Processes ---

static void connect_inside(struct chaos_cluster *cluster, int node) {
    network_go(node);
    cluster->nodes[node].inside = server_connect(&cluster->nodes[node].server);
    cluster->nodes[node].state = CHAOS_RUNNING;
    network_go(NETWORK_HOME);
}

static void start_node(struct chaos_cluster *cluster, int node) {
    network_go(node);
    server_start(&cluster->nodes[node].server, settings);
    connect_inside(cluster, node);
    cluster->nodes[node].master = -1;
}

void chaos_cluster_start(struct chaos_cluster *cluster) {
    *cluster = (struct chaos_cluster){0};
    for (int node = 0; node < CHAOS_NODES; node++)
        start_node(cluster, node);
    for (int node = 1; node < CHAOS_NODES; node++)
        chaos_cluster_follow(cluster, node, 0);
}

void chaos_cluster_kill(struct chaos_cluster *cluster, int node) {
    struct chaos_node *victim = &cluster->nodes[node];
    redisFree(victim->inside);
    victim->inside = NULL;
    victim->state = CHAOS_DEAD;
    server_kill(&victim->server);
}

void chaos_cluster_restart(struct chaos_cluster *cluster, int node) {
    network_go(node);
    server_restart(&cluster->nodes[node].server);
    connect_inside(cluster, node);
}

void chaos_cluster_restart_in_vain(struct chaos_cluster *cluster, int node, unsigned milliseconds) {
    const struct timespec time = {.tv_nsec = milliseconds * 1000000L};
    network_go(node);
    server_spawn(&cluster->nodes[node].server);
    (void)nanosleep(&time, NULL);
    server_kill(&cluster->nodes[node].server);
    network_go(NETWORK_HOME);
}

void chaos_cluster_stop(struct chaos_cluster *cluster, int node) {
    struct chaos_node *victim = &cluster->nodes[node];
    server_pause(&victim->server);
    victim->state = CHAOS_STOPPED;
}

void chaos_cluster_continue(struct chaos_cluster *cluster, int node) {
    server_continue(&cluster->nodes[node].server);
    cluster->nodes[node].state = CHAOS_RUNNING;
}

// --- Roles ---

void chaos_cluster_follow(struct chaos_cluster *cluster, int node, int master) {
    struct chaos_node *replica = &cluster->nodes[node];
    replica->master = master;
    if (master < 0) {
        expect_text(replica->inside, "OK", "REPLICAOF NO ONE");
    } else {
        expect_text(replica->inside, "OK", "REPLICAOF %s %d", network_address(master),
                    cluster->nodes[master].server.port);
    }
    expect_text(replica->inside, "OK", "CONFIG REWRITE"); // for when it is killed
}

unsigned long long chaos_cluster_offset(struct chaos_cluster *cluster, int node) {
    return (unsigned long long)server_info_number(cluster->nodes[node].inside, "replication",
                                                  "master_repl_offset");
}

static bool have_same_data(void *context) {
    struct chaos_cluster *cluster = context;
    bool same = true;
    for (int node = 0; node < CHAOS_NODES && same; node++) {
        const struct chaos_node *replica = &cluster->nodes[node];
        same = replica->master < 0 || is_in_step(cluster->nodes[replica->master].inside, replica->inside);
    }
    if (!same)
        return false;
    redisReply *first = command(cluster->nodes[0].inside, "DEBUG DIGEST");
    for (int node = 1; node < CHAOS_NODES && same; node++) {
        redisReply *reply = command(cluster->nodes[node].inside, "DEBUG DIGEST");
        same = reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, first->str) == 0;
        freeReplyObject(reply);
    }
    freeReplyObject(first);
    return same;
}

static void show_positions(struct chaos_cluster *cluster) {
    for (int node = 0; node < CHAOS_NODES; node++) {
        redisReply *digest = command(cluster->nodes[node].inside, "DEBUG DIGEST");
        redisReply *info = command(cluster->nodes[node].inside, "INFO replication");
        (void)fprintf(stderr, "node %d: digest %s\n%s\n", node, digest->str, info->str);
        freeReplyObject(digest);
        freeReplyObject(info);
    }
}

// Keys die while digests are made, so one comparison that fails says nothing yet.
void chaos_cluster_await_same_data(struct chaos_cluster *cluster) {
    for (int tries = 0; !have_same_data(cluster); tries++) {
        if (tries == SETTLE_SECONDS * 10) {
            show_positions(cluster);
            fail_msg("the nodes do not come to have the same data");
        }
        struct timespec step = {.tv_nsec = 100000000};
        (void)nanosleep(&step, NULL);
    }
}

// --- Logs ---

static void count_syncs_of(const struct chaos_node *node, unsigned *full, unsigned *streams,
                           unsigned *discards) {
    const struct test_server *server = &node->server;
    *full += (unsigned)server_log_count(server, "everything was copied from master");
    *streams += (unsigned)server_log_count(server, "following master ");
    *discards += (unsigned)(server_log_count(server, "the full copy discards ") -
                            server_log_count(server, "the full copy discards nothing"));
}

void chaos_cluster_count_syncs(struct chaos_cluster *cluster, unsigned *full, unsigned *partial,
                               unsigned *discards) {
    *full = cluster->full_syncs;
    *partial = cluster->partial_syncs;
    *discards = cluster->discards;
    for (int node = 0; node < CHAOS_NODES; node++)
        count_syncs_of(&cluster->nodes[node], full, partial, discards);
}

void chaos_cluster_replace(struct chaos_cluster *cluster, int node) {
    count_syncs_of(&cluster->nodes[node], &cluster->full_syncs, &cluster->partial_syncs, &cluster->discards);
    server_discard(&cluster->nodes[node].server);
    start_node(cluster, node);
}

void chaos_cluster_discard(struct chaos_cluster *cluster, bool has_failed) {
    for (int node = 0; node < CHAOS_NODES; node++) {
        struct chaos_node *victim = &cluster->nodes[node];
        if (victim->server.directory[0] == '\0')
            continue; // it was never started
        if (has_failed) {
            (void)fprintf(stderr, "node %d:\n", node);
            server_show_log(&victim->server, LOG_SHOWN);
            if (victim->server.pid != 0)
                server_kill(&victim->server);
        }
        if (victim->inside != NULL)
            redisFree(victim->inside);
        server_discard(&victim->server);
    }
}
