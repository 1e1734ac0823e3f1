// SPDX-License-Identifier: Apache-2.0
//
// Real links between network namespaces, for tests of the kernel's fence: a node, where the test's process
// and its servers live, clients, and a router, which are places of network.h. Needs root, and fails without
// it. Include after cmocka.h.
//
//     clients            node
//     client0 ---------- node0     10.99.0.2, fd99::2         10.99.0.1, fd99::1
//     client1 ---------- node1     10.99.1.2                  10.99.1.1
#ifndef KVFENCE_TESTS_INTEGRATION_LINKS_H
#define KVFENCE_TESTS_INTEGRATION_LINKS_H

#include "fence_rig.h"
#include "network.h"

enum { AT_CLIENTS, AT_ROUTER, AT_NODE = NETWORK_HOME };

// For cmocka_run_group_tests(): enters a namespace with a bpffs, makes the places, and loads the fence, which
// is attached to nothing.
int links_enter(void **state);
// Makes the links anew; nothing is attached to them, nor to lo.
void links_build(void);
// In place of the first link: a router stands between clients and node, whose link to the node is narrower
// than both sides believe, and which cuts packets into fragments.
void links_build_narrow_way(void);

enum link_feature {
    LINK_RECEIVE_MERGING,      // GRO
    LINK_SEGMENTATION_IN_CARD, // TSO: packets of up to 64 KiB cross the link as they are
    LINK_TAGS_BESIDE_PACKETS   // the outermost 802.1Q tag is not in the packet's bytes
};
void link_switch(int place, const char *interface, enum link_feature feature, bool on);

// Clients on client0 put these tags on every packet, ETH_P_8021Q or ETH_P_8021AD (inner 0: only one tag); the
// node takes them off behind the fence.
void links_tag(uint16_t outer_protocol, uint16_t inner_protocol);

// Sends a frame as it is.
void send_frame_from(int place, const char *interface, const void *frame, size_t length);

#endif
