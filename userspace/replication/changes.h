// SPDX-License-Identifier: Apache-2.0
//
// What a batch of the master's means to this node's own clients: those who watch a key that it changes, and
// those who have subscribed to a channel that it has a message for. May use: base, store, server.
#ifndef KVFENCE_REPLICATION_CHANGES_H
#define KVFENCE_REPLICATION_CHANGES_H

#include "base/bytes.h"

struct server;

// The batch is applied between the two calls, all inside the role guard. No key is locked meanwhile, so
// whoever watches one is told on both sides: before, for the transaction that sees the change; after, for
// the one that had begun to watch while it came.
void changes_will_be_seen(struct server *server, struct bytes batch);
void changes_are_seen(struct server *server, struct bytes batch);

#endif
