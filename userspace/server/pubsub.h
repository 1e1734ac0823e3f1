// SPDX-License-Identifier: Apache-2.0
//
// Publishing: which workers have subscribers of what, and bringing them messages. A worker is sent a message
// only if one of its clients wants it; it hands it out itself (server/subscribers.h). Thread-safe throughout.
// May use: base, server.
//
// Messages are not data: they pass by the store, so a fenced master and a replica deliver them too. Replicas
// find their master's in its log: PUBLISH puts them there, best effort (commands/pubsub.c), and the side of
// the replica publishes what it finds (replication/changes.c).
#ifndef KVFENCE_SERVER_PUBSUB_H
#define KVFENCE_SERVER_PUBSUB_H

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pubsub;
struct server;
struct worker;

// What one can subscribe to. Shard channels are those of SSUBSCRIBE, apart from the others.
enum topic_kind { TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD_CHANNEL, TOPIC_KINDS };

struct pubsub *pubsub_open(size_t workers);
void pubsub_close(struct pubsub *pubsub); // nobody subscribes any more

// One subscriber more or less on this worker.
void pubsub_add(struct pubsub *pubsub, enum topic_kind kind, struct bytes name, size_t worker);
void pubsub_remove(struct pubsub *pubsub, enum topic_kind kind, struct bytes name, size_t worker);

// How many different topics of the kind have subscribers, and how many one topic has.
size_t pubsub_topics(const struct pubsub *pubsub, enum topic_kind kind);
size_t pubsub_subscribers(struct pubsub *pubsub, enum topic_kind kind, struct bytes name);
// Calls `each` for every topic of the kind, with a lock held.
typedef void pubsub_topic_function(void *context, struct bytes name);
void pubsub_each(struct pubsub *pubsub, enum topic_kind kind, pubsub_topic_function *each, void *context);

// A message on its way, shared by all that have yet to hand it out or to send it.
struct message {
    _Atomic size_t holders;
    enum topic_kind kind; // TOPIC_CHANNEL or TOPIC_SHARD_CHANNEL
    bool tells_of_data; // and so must not be sent before that is as safe as a reply about it would have to be
    struct bytes channel, payload;
};
void message_hold(struct message *message);
void message_let_go(void *argument); // a message

// Sends a message to all subscribers. `from` is the worker on whose thread this is called, whose clients get
// it at once, unless others are on their way to them; NULL: another thread. Returns how many clients it is
// meant for, one that gets it twice counted twice. The subscribers of a worker that is too busy to hand out
// what has been sent, up to 64 MB, are closed.
struct publication {
    enum topic_kind kind;
    bool tells_of_data;
    struct bytes channel, payload;
};
size_t pubsub_publish(struct server *server, struct worker *from, const struct publication *publication);
// The same for a message that a client's command sends, on its worker's thread. What the client itself has
// subscribed to comes before the reply; where that is dropped, by the way of others', not to be dropped too.
struct client;
size_t pubsub_publish_of(struct client *publisher, const struct publication *publication);
// What pubsub_publish() would return, without sending anything.
size_t pubsub_receivers(struct pubsub *pubsub, enum topic_kind kind, struct bytes channel);
// True if anybody has subscribed to a channel or a pattern: the fast path.
bool pubsub_in_use(const struct pubsub *pubsub);

#endif
