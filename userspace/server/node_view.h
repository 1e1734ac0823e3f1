// SPDX-License-Identifier: Apache-2.0
//
// What the server may ask about the node that it is: questions whose answers lie in rooms above this one
// (cluster/, replication/), handed in as functions when the server is opened. Thread-safe and cheap, all of
// them: they are asked for single commands. May use: base/bytes.
#ifndef KVFENCE_SERVER_NODE_VIEW_H
#define KVFENCE_SERVER_NODE_VIEW_H

#include "base/bytes.h"

#include <stdint.h>

struct lease; // lease/lease.h

struct node_request {
    const struct bytes *keys; // at least one
    size_t key_count;
    bool may_read_replica; // the command changes nothing, and its client has sent READONLY
    bool changes;          // the command may write
    bool asks;             // the client has sent ASKING before it
    uint64_t client;       // the client's id
};

enum { NODE_ERROR_SIZE = 384 };

struct node_view {
    // True in cluster mode, which is fixed for the life of a server.
    bool (*in_cluster)(void *context);
    // True if this is the id of this node and the cluster's topology has the node as a master.
    bool (*is_this_master)(void *context, struct bytes node_id);
    // True if the node is a replica, whether it was made one by SLAVEOF or by the cluster's topology. Changes
    // only while the store's role guard is held exclusively: who is inside the guard may rely on the answer.
    bool (*is_replica)(void *context);
    // True if the keys are served here. Otherwise the error is the reply without its leading '-', which tells
    // the client where they are. Changes only under the guard, as the role does. NULL outside cluster mode.
    bool (*serves)(void *context, const struct node_request *request, char error[NODE_ERROR_SIZE]);
    // Tells whose lease goes with the node's role from now on. Called once, while the server is opened and no
    // client is served yet. NULL: nobody wants to know.
    void (*take_lease)(void *context, struct lease *lease);
    void *context;
};

// The answers of a server that is on its own: cluster mode is off, and it is a master.
struct node_view node_view_alone(void);

#endif
