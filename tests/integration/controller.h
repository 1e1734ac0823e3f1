// SPDX-License-Identifier: Apache-2.0
//
// kvrocks-controller, as far as nodes notice it: it sends the same words in the same order, and reads its
// answers as strictly. Its topology is a value that the test changes and it pushes. Every failure fails the
// running cmocka test. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_CONTROLLER_H
#define KVFENCE_TESTS_INTEGRATION_CONTROLLER_H

#include "harness.h"

enum { CONTROLLER_NODES = 3, CONTROLLER_NOBODY = -1, CONTROLLER_TEXT = 128 };

struct controlled_node {
    struct test_server server;
    redisContext *link;  // the controller keeps it; NULL: it has to dial
    const char *address; // NULL: 127.0.0.1
    int patience_ms;     // with its answers; 0: three seconds
    const char *id;
    bool is_member;
    int master;                  // index of the node that it is a replica of, or CONTROLLER_NOBODY
    char slots[CONTROLLER_TEXT]; // of a master: ranges separated by blanks
    int failures;                // probes in a row
    char lease_clock[24];        // its own, as it told last; empty: it has not
    long long clock_told_ms;     // when that came
    long long lease_over_ms;     // in CLOCK_BOOTTIME: whatever it was granted is over then
};

struct controller {
    struct controlled_node nodes[CONTROLLER_NODES];
    long long version;
    long long election_version;
    long long lease_ms; // 0: it sends no heartbeats
    // Heartbeats name the node's own clock, so they may arrive at any time. Without it a connection on which
    // no answer has come is reset, so that what was sent on it does not arrive later.
    bool sends_since;
};

// Setup and teardown: starts the nodes, which are in no cluster; *state becomes the controller.
int controller_open(void **state);
int controller_close(void **state);
// For tests that start nodes themselves: no node is a member of anything, and none is started.
void controller_prepare(struct controller *controller);
void controller_hang_up(struct controller *controller, int node);

// What a probe reads of CLUSTER INFO.
struct probe {
    bool answered;
    char error[CONTROLLER_TEXT]; // empty: none
    long long version;           // -1: it says none
    char migrating_slots[32];
    char migrating_state[16];
};
struct probe controller_probe(struct controller *controller, int node);
// sequence and role, from INFO, or from HEARTBEAT's reply if there are leases. False: no good answer.
bool controller_ask_state(struct controller *controller, int node, long long *sequence, char role[16]);

// Creation: each member must be free; then version 1 is pushed.
void controller_create(struct controller *controller);
// SETNODEID and SETNODES. False: it could not be told.
bool controller_push(struct controller *controller, int node);
// The topology has been changed: the next version, to all members.
void controller_publish(struct controller *controller);

// One tick: probes all members, renews leases, and pushes to who is behind. Returns how many did not answer.
int controller_tick(struct controller *controller);
// Elects the replica of the master with the most data, and publishes. Returns the new master.
int controller_fail_over(struct controller *controller, int master);
// Moves slots, given as one of the source's ranges, as the controller does: starts it, looks once a tick, and
// publishes at the end. False: the source says that it has failed.
bool controller_migrate(struct controller *controller, const char *slots, int from, int to);
// Takes a node out and resets it.
void controller_remove(struct controller *controller, int node);

#endif
