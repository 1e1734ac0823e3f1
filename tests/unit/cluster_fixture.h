// SPDX-License-Identifier: Apache-2.0
//
// A cluster's node in a directory of its own, at 127.0.0.1 port 7001. Include after cmocka.h.
#ifndef KVFENCE_TESTS_UNIT_CLUSTER_FIXTURE_H
#define KVFENCE_TESTS_UNIT_CLUSTER_FIXTURE_H

#include "cluster/cluster.h"
#include "cluster_text.h"

struct cluster_fixture {
    char directory[64];
    char path[128]; // of nodes.conf
    struct cluster *cluster;
    char error[CLUSTER_ERROR_SIZE]; // of the last call that failed
};

// Setup and teardown of a test; *state becomes the fixture.
int cluster_fixture_open(void **state);
int cluster_fixture_close(void **state);

// Closes and opens it on the same directory. False if it cannot be opened.
bool cluster_fixture_reopen(struct cluster_fixture *fixture, bool is_persistent);

// SETNODEID and SETNODES, which must succeed.
void cluster_fixture_set(struct cluster_fixture *fixture, const char *id, const char *nodes, int64_t version);
// The version in force.
int64_t cluster_fixture_version(struct cluster_fixture *fixture);

#endif
