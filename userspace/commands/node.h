// SPDX-License-Identifier: Apache-2.0
//
// The node that a server is: its place in a cluster and its role, brought together. What changes the one
// brings the other into line here; and here are the answers that the server asks for through its node view.
// May use: cluster, replication, server.
#ifndef KVFENCE_COMMANDS_NODE_H
#define KVFENCE_COMMANDS_NODE_H

#include "replication/role.h"
#include "server/node_view.h"

struct bytes;
struct cluster;     // cluster/cluster.h
struct migration;   // cluster/migration.h
struct replication; // replication/replication.h
struct config;
struct server;
struct node;

enum { NODE_OPEN_ERROR_SIZE = 768 };

// The configuration is borrowed, must outlive the node and be loaded. The role is that of the topology in
// nodes.conf; where that has none, what 'slaveof' says. False with a reason for the operator.
bool node_open(struct config *config, struct node **out, char error[NODE_OPEN_ERROR_SIZE]);
void node_close(struct node *node);

// What the node does by itself, once its server is open, and until that is closed. False with a reason.
bool node_start(struct node *node, struct server *server, char error[NODE_OPEN_ERROR_SIZE]);
void node_stop(struct node *node);

struct node_view node_view_of(struct node *node);
// The node of a server that was opened with such a view; NULL: the server is on its own.
struct node *node_of(const struct server *server);

struct role *node_role(const struct node *node);
struct replication *node_replication(const struct node *node);
// NULL outside cluster mode.
struct cluster *node_cluster(const struct node *node);
// The same.
struct migration *node_migration(const struct node *node);

// After the topology or the id has changed, in the same hold of the role guard: the role becomes what the
// topology makes of this node. A node that the topology does not have keeps its role. One that has another id
// than before gives up the lease that it had under the old one.
void node_follow_topology(struct node *node);
// SLAVEOF and its opposite (NULL), with the role guard held exclusively.
void node_set_master(struct node *node, const struct role_master *master);
// True if that is an address at which this very server listens.
bool node_is_own_address(const struct node *node, const char *host, uint16_t port);

#endif
