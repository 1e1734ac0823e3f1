// SPDX-License-Identifier: Apache-2.0
//
// A cluster in the words of CLUSTER INFO and CLUSTER NODES, as Kvrocks and its controller have them. May use:
// base, cluster/cluster.
#ifndef KVFENCE_CLUSTER_DESCRIBE_H
#define KVFENCE_CLUSTER_DESCRIBE_H

#include "base/buffer.h"
#include "base/clock.h"
#include "cluster/cluster.h"

// Each appends text; the view has a topology.
void describe_info(const struct cluster_view *view, struct buffer *out);
void describe_nodes(const struct cluster_view *view, wall_ms_t now, struct buffer *out);
// The replicas of the node with this index.
void describe_replicas(const struct cluster_view *view, size_t master, wall_ms_t now, struct buffer *out);

#endif
