// SPDX-License-Identifier: Apache-2.0
//
// Nodes of a cluster for integration tests, and the controller's part in it. Every failure fails the running
// cmocka test. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_CLUSTER_CLIENT_H
#define KVFENCE_TESTS_INTEGRATION_CLUSTER_CLIENT_H

#include "harness.h"

#define ID_A "aAzZ0000000000000000000000000000000000aA"
#define ID_B "bByY1111111111111111111111111111111111bB"
#define ID_C "cCxX2222222222222222222222222222222222cC"

// Two nodes, A and B, and a connection to each.
struct node_pair {
    struct test_server servers[2];
    redisContext *clients[2];
};

// Setup and teardown of a test: two nodes without a topology; *state becomes the pair.
int node_pair_open(void **state);
int node_pair_close(void **state);

// Topologies, which both nodes are given after their ids: A has the slots 0 to 8191 and B the rest; A is the
// master of all and B its replica; and the reverse.
enum split { SPLIT_HALVES, SPLIT_ALL_TO_A, SPLIT_ALL_TO_B };
void node_pair_set(const struct node_pair *pair, enum split split, int version);

// SETNODES to one node; returns the reply, to be freed.
redisReply *set_nodes(redisContext *client, const char *nodes, int version);
// It must be answered with OK.
void expect_set_nodes(redisContext *client, const char *nodes, int version);

#endif
