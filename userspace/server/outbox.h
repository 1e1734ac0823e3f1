// SPDX-License-Identifier: Apache-2.0
//
// Messages that wait for a transaction to be committed, one behind the other in a buffer. May use: base,
// server/pubsub.
#ifndef KVFENCE_SERVER_OUTBOX_H
#define KVFENCE_SERVER_OUTBOX_H

#include "base/buffer.h"
#include "server/pubsub.h"

void outbox_put(struct buffer *outbox, const struct publication *publication);
// Publishes all in order, on the worker's thread of the client whose transaction it was, and empties the
// outbox.
void outbox_publish(struct buffer *outbox, struct client *client);

#endif
