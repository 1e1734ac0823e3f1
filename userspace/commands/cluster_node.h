// SPDX-License-Identifier: Apache-2.0
//
// What the commands of CLUSTER and CLUSTERX have in common. May use: cluster, commands/node, server/command.
#ifndef KVFENCE_COMMANDS_CLUSTER_NODE_H
#define KVFENCE_COMMANDS_CLUSTER_NODE_H

#include "cluster/cluster.h"
#include "server/command.h"

// The cluster that this server is a node of; NULL outside cluster mode, which is replied then.
struct cluster *cluster_or_error(struct command_context *context);

// As cluster_view_begin(). False if there is no topology yet, which is replied: nothing is held then.
bool cluster_view_or_error(struct command_context *context, struct cluster *cluster,
                           struct cluster_view *view);

// After a change of the topology, in the same hold of the role guard: the role follows, whether or not the
// change could be saved, as it has been made; then OK or the error is replied.
void cluster_finish(struct command_context *context, bool done, const char *error);

#endif
