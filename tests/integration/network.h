// SPDX-License-Identifier: Apache-2.0
//
// A small network for tests of what happens when it breaks: places, each a network namespace with one
// address, and a link between every two of them that can be made to lose all packets, in either direction,
// without anybody noticing. The namespaces are known by descriptors only, so they end with the process,
// however it ends. Needs root, and fails without it. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_NETWORK_H
#define KVFENCE_TESTS_INTEGRATION_NETWORK_H

#include "fence_rig.h"

enum { NETWORK_PLACES = 4 };

// For cmocka_run_group_tests(): enters namespaces with a bpffs, makes the places and links, and loads the
// fence, which is attached to nothing. The calling thread is in place 0.
int network_enter(void **state);

// The calling thread moves to another place: what it starts and connects from now on is there.
void network_go(int place);
const char *network_address(int place);
// The interface in `place` that leads to `to`.
const char *network_interface(int place, int to);

// Packets from one place to another are lost from now on, or no longer.
void network_lose(int from, int to);
void network_deliver(int from, int to);
// Both directions.
void network_cut(int place, int other);
void network_mend(int place, int other);

// From place 0; with a time-out, released with redisFree().
redisContext *network_connect(int from, int to, int port);

#endif
