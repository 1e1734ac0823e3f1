// SPDX-License-Identifier: Apache-2.0
//
// A worker's clients that have subscribed, and what they have subscribed to. Everything here is called on the
// worker's own thread. May use: base, server/{client,pubsub}.
#ifndef KVFENCE_SERVER_SUBSCRIBERS_H
#define KVFENCE_SERVER_SUBSCRIBERS_H

#include "server/client.h"
#include "server/pubsub.h"

struct subscribers;
struct subscribers *subscribers_open(void);
void subscribers_close(struct subscribers *subscribers); // no client has subscribed any more

// False if the client has, or has not, subscribed already.
bool subscribers_add(struct client *client, enum topic_kind kind, struct bytes name);
bool subscribers_remove(struct client *client, enum topic_kind kind, struct bytes name);
// Ends all of the client's subscriptions without a word.
void subscribers_forget(struct client *client);
size_t subscribers_count(const struct client *client, enum topic_kind kind);
// One of the client's topics of the kind, valid while it is subscribed to. False: it has none.
bool subscribers_any(const struct client *client, enum topic_kind kind, struct bytes *name);

// Tells the client of a subscription begun or ended: "subscribe" and its kin. Not NULL: `name`.
void subscribers_confirm(struct client *client, enum topic_kind kind, bool begun, const struct bytes *name);

// Hands a message to those who want it. One whose output is over its limit then is closed.
void subscribers_deliver(struct worker *worker, struct message *message);
// Closes all that have subscribed to anything at the end of the round.
void subscribers_close_clients(struct worker *worker);
// Ends the subscriptions to shard channels that are served elsewhere now, and tells the clients.
void subscribers_drop_moved(struct worker *worker);

#endif
