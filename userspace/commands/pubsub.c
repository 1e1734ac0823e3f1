// SPDX-License-Identifier: Apache-2.0
//
// PUBLISH, Kvrocks' MPUBLISH, SUBSCRIBE and their kin, and PUBSUB, which looks at subscriptions. Uses:
// arguments, base/glob, container, node, replication, server/{client,lease_gate,pubsub,subscribers,server}.
#include "server/pubsub.h"
#include "base/glob.h"
#include "commands/arguments.h"
#include "commands/container.h"
#include "commands/handlers.h"
#include "commands/node.h"
#include "replication/replication.h"
#include "server/client.h"
#include "server/lease_gate.h"
#include "server/outbox.h"
#include "server/server.h"
#include "server/subscribers.h"
#include "server/transaction.h"

// --- Publishing ---

static bool has_replicas(const struct server *server) {
    const struct node *node = node_of(server);
    return node != NULL && replicas_exist(replication_replicas(node_replication(node)));
}

// Inside the role guard.
static bool may_write(const struct server *server) {
    const char *full = NULL;
    return !server->node.is_replica(server->node.context) && !lease_gate_refuses(server->lease_gate) &&
           !store_is_full(server->store, &full) &&
           atomic_load_explicit(&server->pause_mode, memory_order_acquire) == PAUSE_NONE;
}

static void stage(struct command_context *context, struct bytes message) {
    if (may_write(context->server))
        stage_raw_put(context->session, FAMILY_PUBSUB, context->arguments[1], message);
}

// By the log, as a Kvrocks does it, so that replicas of either kind find the message there. Whether it can be
// written is nothing to the publisher: nobody is promised a message, and this node's own subscribers get it.
// Each is a write of its own, because a Kvrocks tells only one message of a write.
static void hand_to_replicas(struct command_context *context, struct bytes message) {
    if (!has_replicas(context->server))
        return;
    if (context->client->in_exec) {
        stage(context, message);
        return;
    }
    session_write_begin(context->session, NULL, 0);
    stage(context, message);
    (void)store_commit(context->session);
    session_write_end(context->session);
}

// How many there are that get it.
static int64_t publish(struct command_context *context, enum topic_kind kind, struct bytes message) {
    const struct publication publication = {
        .kind = kind, .channel = context->arguments[1], .payload = message};
    if (!context->client->in_exec)
        return (int64_t)pubsub_publish_of(context->client, &publication);
    outbox_put(&context->client->transaction->outbox, &publication);
    return (int64_t)pubsub_receivers(context->server->pubsub, kind, publication.channel);
}

void command_mpublish(struct command_context *context) {
    int64_t receivers = 0;
    for (size_t i = 2; i < context->count; i++) {
        hand_to_replicas(context, context->arguments[i]);
        receivers += publish(context, TOPIC_CHANNEL, context->arguments[i]);
    }
    reply_integer(context->reply, receivers);
}

void command_publish(struct command_context *context) {
    command_mpublish(context);
}

void command_spublish(struct command_context *context) {
    reply_integer(context->reply, publish(context, TOPIC_SHARD_CHANNEL, context->arguments[2]));
}

// --- Subscribing ---

static void subscribe(struct command_context *context, enum topic_kind kind) {
    for (size_t i = 1; i < context->count; i++) {
        (void)subscribers_add(context->client, kind, context->arguments[i]);
        subscribers_confirm(context->client, kind, true, &context->arguments[i]);
    }
}

void command_subscribe(struct command_context *context) {
    subscribe(context, TOPIC_CHANNEL);
}

void command_psubscribe(struct command_context *context) {
    subscribe(context, TOPIC_PATTERN);
}

void command_ssubscribe(struct command_context *context) {
    subscribe(context, TOPIC_SHARD_CHANNEL);
}

// Each is told as it ends, so the name is copied: it goes with the subscription.
static void unsubscribe_all(struct client *client, enum topic_kind kind) {
    struct bytes name;
    struct buffer copy = {0};
    if (subscribers_count(client, kind) == 0)
        subscribers_confirm(client, kind, false, NULL);
    while (subscribers_any(client, kind, &name)) {
        buffer_clear(&copy);
        buffer_append(&copy, name);
        name = buffer_bytes(&copy);
        (void)subscribers_remove(client, kind, name);
        subscribers_confirm(client, kind, false, &name);
    }
    buffer_release(&copy);
}

static void unsubscribe(struct command_context *context, enum topic_kind kind) {
    if (context->count == 1)
        unsubscribe_all(context->client, kind);
    for (size_t i = 1; i < context->count; i++) {
        (void)subscribers_remove(context->client, kind, context->arguments[i]);
        subscribers_confirm(context->client, kind, false, &context->arguments[i]);
    }
}

void command_unsubscribe(struct command_context *context) {
    unsubscribe(context, TOPIC_CHANNEL);
}

void command_punsubscribe(struct command_context *context) {
    unsubscribe(context, TOPIC_PATTERN);
}

void command_sunsubscribe(struct command_context *context) {
    unsubscribe(context, TOPIC_SHARD_CHANNEL);
}

// --- PUBSUB ---

struct listing {
    struct reply *reply;
    const struct bytes *pattern; // NULL: all
    size_t count;
};

static void list_topic(void *context, struct bytes name) {
    struct listing *listing = context;
    if (listing->pattern != NULL && !glob_match(*listing->pattern, name, false))
        return;
    reply_bulk(listing->reply, name);
    listing->count++;
}

static void list_topics(struct command_context *context, enum topic_kind kind) {
    struct listing listing = {.reply = context->reply};
    if (context->count > 3) {
        reply_subcommand_syntax_error(context);
        return;
    }
    if (context->count == 3)
        listing.pattern = &context->arguments[2];
    struct output_block *header = reply_deferred_begin(context->reply);
    pubsub_each(context->server->pubsub, kind, list_topic, &listing);
    reply_array_end(context->reply, header, listing.count);
}

void command_pubsub_channels(struct command_context *context) {
    list_topics(context, TOPIC_CHANNEL);
}

void command_pubsub_shardchannels(struct command_context *context) {
    list_topics(context, TOPIC_SHARD_CHANNEL);
}

static void count_subscribers(struct command_context *context, enum topic_kind kind) {
    reply_array(context->reply, (context->count - 2) * 2);
    for (size_t i = 2; i < context->count; i++) {
        struct bytes name = context->arguments[i];
        reply_bulk(context->reply, name);
        reply_integer(context->reply, (int64_t)pubsub_subscribers(context->server->pubsub, kind, name));
    }
}

void command_pubsub_numsub(struct command_context *context) {
    count_subscribers(context, TOPIC_CHANNEL);
}

void command_pubsub_shardnumsub(struct command_context *context) {
    count_subscribers(context, TOPIC_SHARD_CHANNEL);
}

void command_pubsub_numpat(struct command_context *context) {
    reply_integer(context->reply, (int64_t)pubsub_topics(context->server->pubsub, TOPIC_PATTERN));
}
