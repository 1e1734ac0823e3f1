// SPDX-License-Identifier: Apache-2.0
//
// Places, each a network namespace, for tests of what happens when a network breaks. They are known by
// descriptors only, so they end with the process, however it ends, and with them all that is in them. Nodes
// may live at the places with their own numbers, as the test itself, the main thread, is at home at the last
// one. Needs root, and fails without it. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_NETWORK_H
#define KVFENCE_TESTS_INTEGRATION_NETWORK_H

#include "harness.h"

enum { NETWORK_HOME = 3, NETWORK_PLACES };

// Makes the places, without anything in them. False: it has said why.
bool network_make_places(void);
// For cmocka_run_group_tests(): makes them with an address each, and a link of its own between any two.
int network_make(void **state);

// The calling thread moves to another place: what it starts and connects from now on is there.
void network_go(int place);
// For the main thread: runs a line of the shell at a place; it must succeed.
__attribute__((format(printf, 2, 3))) void network_run(int place, const char *format, ...);
// For the main thread: a connection from a place; with a time-out, released with redisFree().
redisContext *network_connect(int from, const char *address, int port);
// The path of a place's namespace, for ip(8).
const char *network_namespace(int place);

// What network_make() has made: a place's address, and the interface that leads to it from all others.
const char *network_address(int place);
const char *network_interface(int to);

enum network_cut {
    NETWORK_LINK_DOWN, // the first takes its end down, and so knows at once
    NETWORK_SILENCE,   // packets get lost, and nobody is told
    NETWORK_ONE_WAY,   // the same, for packets from the first to the second only
    NETWORK_CUTS
};
// For the main thread.
void network_cut(int first, int second, enum network_cut how);
// Of whatever kind the cuts between them are.
void network_mend(int first, int second);

#endif
