// SPDX-License-Identifier: Apache-2.0
//
// Which node of a topology this server is, when nobody has told it its id: the one with an address at which
// it listens. May use: cluster/topology.
#ifndef KVFENCE_CLUSTER_SELF_H
#define KVFENCE_CLUSTER_SELF_H

#include "cluster/topology.h"

// `addresses` is the directive 'bind': addresses separated by blanks. An address that stands for all of the
// host's is compared with those of its interfaces. The node's index, or TOPOLOGY_NOBODY.
size_t cluster_find_self(const struct topology *topology, const char *addresses, uint16_t port);

// True if the host is one of these addresses in the same sense; "localhost" is 127.0.0.1 and ::1. Names are
// not looked up.
bool cluster_is_own_address(const char *addresses, const char *host);

#endif
