// SPDX-License-Identifier: Apache-2.0
//
// A master and its replicas, at the places of the network with their numbers, and what can happen to them.
// Each node has a connection from within its own namespace, which no cut link touches. All for the main
// thread. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_CHAOS_CLUSTER_H
#define KVFENCE_TESTS_INTEGRATION_CHAOS_CLUSTER_H

#include "harness.h"
#include "network.h"

enum { CHAOS_NODES = NETWORK_HOME };

enum chaos_state { CHAOS_RUNNING, CHAOS_STOPPED, CHAOS_DEAD };

struct chaos_node {
    struct test_server server;
    enum chaos_state state;
    redisContext *inside; // NULL: dead
    int master;           // whom it follows; -1: none
};

struct chaos_cluster {
    struct chaos_node nodes[CHAOS_NODES];
    unsigned full_syncs, partial_syncs, discards; // of nodes that have been replaced
};

// Node 0 is the master of the others.
void chaos_cluster_start(struct chaos_cluster *cluster);
// Also when a test has failed; then it shows how the logs end.
void chaos_cluster_discard(struct chaos_cluster *cluster, bool has_failed);

void chaos_cluster_kill(struct chaos_cluster *cluster, int node); // SIGKILL
// It comes back in the role that it had.
void chaos_cluster_restart(struct chaos_cluster *cluster, int node);
// It is killed so soon that it may be still starting.
void chaos_cluster_restart_in_vain(struct chaos_cluster *cluster, int node, unsigned milliseconds);
// An empty node comes in the place of a dead one.
void chaos_cluster_replace(struct chaos_cluster *cluster, int node);
void chaos_cluster_stop(struct chaos_cluster *cluster, int node); // SIGSTOP
void chaos_cluster_continue(struct chaos_cluster *cluster, int node);

// The node must be running. -1: it becomes a master.
void chaos_cluster_follow(struct chaos_cluster *cluster, int node, int master);
// Where its data end.
unsigned long long chaos_cluster_offset(struct chaos_cluster *cluster, int node);
// Waits until all nodes have the same data; they must all be running, and nobody may write.
void chaos_cluster_await_same_data(struct chaos_cluster *cluster);

// How often full copies have arrived, streams have begun, and copies have discarded something.
void chaos_cluster_count_syncs(struct chaos_cluster *cluster, unsigned *full, unsigned *partial,
                               unsigned *discards);

#endif
