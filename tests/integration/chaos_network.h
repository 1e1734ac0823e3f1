// SPDX-License-Identifier: Apache-2.0
//
// Three nodes and their clients, each in a network namespace of its own, and a link of its own between any
// two of these places, so that each can be cut by itself. The namespaces are known by descriptors only: they
// end with the process, however it ends, and the links with them. Needs root, and fails without it. Include
// after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_CHAOS_NETWORK_H
#define KVFENCE_TESTS_INTEGRATION_CHAOS_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

enum { CHAOS_NODES = 3, CHAOS_CLIENTS = CHAOS_NODES, CHAOS_PLACES };
enum { CHAOS_ADDRESS_SIZE = 48 };

// For cmocka_run_group_tests().
int chaos_network_make(void **state);
// The calling thread, and what it starts, goes to a place. False: errno.
bool chaos_network_go(int place);
// A place's address as another one knows it.
void chaos_network_address(int target, int observer, char out[CHAOS_ADDRESS_SIZE]);

enum chaos_cut {
    CHAOS_LINK_DOWN, // both ends know at once
    CHAOS_SILENCE,   // packets get lost, and nobody is told
    CHAOS_ONE_WAY,   // the same, for packets from the first to the second only
    CHAOS_CUTS
};
// For the main thread. It is at the clients' place before and afterwards.
void chaos_network_cut(int first, int second, enum chaos_cut how);
void chaos_network_mend(int first, int second);

#endif
