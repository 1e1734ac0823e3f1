// SPDX-License-Identifier: Apache-2.0
//
// What a batch of the master's means to this node's own clients: those who watch a key that it changes, and
// those who have subscribed to a channel that it has a message for. May use: base, store, server.
#ifndef KVFENCE_REPLICATION_CHANGES_H
#define KVFENCE_REPLICATION_CHANGES_H

#include "base/bytes.h"

struct server;

// The batch has just been applied, in the same hold of the role guard: no key is locked meanwhile, so who
// must not see a change before it is told keeps out by taking the guard exclusively.
void changes_tell(struct server *server, struct bytes batch);

#endif
