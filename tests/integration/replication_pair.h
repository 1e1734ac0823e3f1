// SPDX-License-Identifier: Apache-2.0
//
// A master and a replica, and a wire between them that can be cut, held and made slow. Include after
// cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_REPLICATION_PAIR_H
#define KVFENCE_TESTS_INTEGRATION_REPLICATION_PAIR_H

#include "harness.h"

#include <stdint.h>

// A TCP relay in a thread of the test: what connects to its port comes out at the target's.
struct wire;
struct wire *wire_open(int target_port);
void wire_close(struct wire *wire);
int wire_port(const struct wire *wire);
// Ends all connections now, and refuses new ones while it is cut.
void wire_cut(struct wire *wire);
void wire_mend(struct wire *wire);
// Ends all connections after so many further bytes from the target, once. 0: not.
void wire_cut_after(struct wire *wire, uint64_t bytes);
// Bytes a second from the target, for all connections together. 0: no limit.
void wire_limit(struct wire *wire, uint64_t bytes_per_second);
// So many bytes have come from the target.
uint64_t wire_bytes(struct wire *wire);

// Changes one byte of what comes from the target, once, after so many further bytes.
void wire_damage_after(struct wire *wire, uint64_t bytes);

// A master and a replica with a connection to each, a test's state.
struct nodes {
    struct test_server master, replica;
    redisContext *to_master, *to_replica;
    struct wire *wire; // from the replica to the master; NULL: there is none
};
// Starts both, on their own so far, with these lines of configuration (NULL: none), and without a wire.
void nodes_open(struct nodes *nodes, const char *master_settings, const char *replica_settings);
// As a test's teardown.
int nodes_close(void **state);

// Whether the replica's link is up and its data end where the master's do.
bool is_in_step(redisContext *master, redisContext *replica);
// Waits until it is so.
void wait_in_step(redisContext *master, redisContext *replica);
// The same, and their digests are equal.
void assert_same_data(redisContext *master, redisContext *replica);
// REPLICAOF 127.0.0.1 port.
void follow(redisContext *replica, int port);

#endif
