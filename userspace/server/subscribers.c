// SPDX-License-Identifier: Apache-2.0
//
// Topics with the clients that want them, both ways. A subscription lies in its topic's list and in its
// client's map. Uses: base, store/session, server/{client,connection,hash_map,pubsub,reply_stream,
// server,worker}.
#include "server/subscribers.h"

#include "base/assert.h"
#include "base/glob.h"
#include "server/connection.h"
#include "server/hash_map.h"
#include "server/reply_stream.h"
#include "server/server.h"
#include "server/worker.h"

#include <string.h>
#include <utlist.h>

struct local_topic {
    UT_hash_handle hh;
    struct subscription *subscriptions; // never NULL
    enum topic_kind kind;
    size_t length;
    char name[];
};

struct subscription {
    UT_hash_handle hh; // in the client's map, by the topic's address
    struct local_topic *topic;
    struct client *client;
    struct subscription *prev, *next; // the topic's: names that utlist expects
};

// A client's.
struct client_topics {
    struct subscription *by_kind[TOPIC_KINDS];
};

struct subscribers {
    struct local_topic *topics[TOPIC_KINDS];
};

struct subscribers *subscribers_open(void) {
    return memory_allocate_zeroed(1, sizeof(struct subscribers));
}

void subscribers_close(struct subscribers *subscribers) {
    free(subscribers);
}

// --- Topics ---

static struct bytes name_of(const struct local_topic *topic) {
    return (struct bytes){topic->name, topic->length};
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct local_topic *find_topic(const struct subscribers *subscribers, enum topic_kind kind,
                                      struct bytes name) {
    struct local_topic *topic = NULL;
    HASH_FIND(hh, subscribers->topics[kind], name.length == 0 ? "" : name.data, name.length, topic);
    return topic;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct local_topic *add_topic(struct subscribers *subscribers, enum topic_kind kind,
                                     struct bytes name) {
    struct local_topic *topic = memory_allocate(sizeof(*topic) + name.length);
    memset(topic, 0, sizeof(*topic));
    topic->kind = kind;
    topic->length = name.length;
    if (name.length != 0)
        memcpy(topic->name, name.data, name.length);
    HASH_ADD_KEYPTR(hh, subscribers->topics[kind], topic->name, topic->length, topic);
    return topic;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void drop_topic(struct subscribers *subscribers, struct local_topic *topic) {
    HASH_DEL(subscribers->topics[topic->kind], topic);
    free(topic);
}

// --- Subscriptions ---

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct subscription *find(const struct client *client, const struct local_topic *topic) {
    struct subscription *subscription = NULL;
    if (client->topics != NULL && topic != NULL)
        HASH_FIND_PTR(client->topics->by_kind[topic->kind], &topic, subscription);
    return subscription;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void link_both(struct client *client, struct local_topic *topic) {
    struct subscription *subscription = memory_allocate_zeroed(1, sizeof(*subscription));
    subscription->client = client;
    subscription->topic = topic;
    DL_APPEND(topic->subscriptions, subscription);
    HASH_ADD_PTR(client->topics->by_kind[topic->kind], topic, subscription);
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void unlink_both(struct subscription *subscription) {
    struct client *client = subscription->client;
    struct local_topic *topic = subscription->topic;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the list has it
    DL_DELETE(topic->subscriptions, subscription);
    HASH_DEL(client->topics->by_kind[topic->kind], subscription);
    free(subscription);
}

size_t subscribers_count(const struct client *client, enum topic_kind kind) {
    return client->topics == NULL ? 0 : HASH_COUNT(client->topics->by_kind[kind]);
}

static void show(struct client *client) {
    size_t total = 0;
    for (size_t kind = 0; kind < TOPIC_KINDS; kind++) {
        size_t count = subscribers_count(client, (enum topic_kind)kind);
        atomic_store_explicit(&client->topics_shown[kind], (int)count, memory_order_relaxed);
        total += count;
    }
    client_show(client, SHOWN_SUBSCRIBER, total != 0);
    if (total == 0) {
        free(client->topics);
        client->topics = NULL;
    }
}

bool subscribers_add(struct client *client, enum topic_kind kind, struct bytes name) {
    struct subscribers *subscribers = worker_subscribers(client->worker);
    struct local_topic *topic = find_topic(subscribers, kind, name);
    if (find(client, topic) != NULL)
        return false;
    if (topic == NULL)
        topic = add_topic(subscribers, kind, name);
    if (client->topics == NULL)
        client->topics = memory_allocate_zeroed(1, sizeof(*client->topics));
    link_both(client, topic);
    pubsub_add(client->server->pubsub, kind, name, worker_index(client->worker));
    show(client);
    return true;
}

static void end_subscription(struct subscription *subscription) {
    struct client *client = subscription->client;
    struct local_topic *topic = subscription->topic;
    pubsub_remove(client->server->pubsub, topic->kind, name_of(topic), worker_index(client->worker));
    unlink_both(subscription);
    if (topic->subscriptions == NULL)
        drop_topic(worker_subscribers(client->worker), topic);
    show(client);
}

bool subscribers_remove(struct client *client, enum topic_kind kind, struct bytes name) {
    const struct subscribers *subscribers = worker_subscribers(client->worker);
    struct subscription *subscription = find(client, find_topic(subscribers, kind, name));
    if (subscription == NULL)
        return false;
    end_subscription(subscription);
    return true;
}

void subscribers_forget(struct client *client) {
    for (size_t kind = 0; kind < TOPIC_KINDS; kind++) {
        while (client->topics != NULL && client->topics->by_kind[kind] != NULL)
            // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what has been freed is not in the map any more
            end_subscription(client->topics->by_kind[kind]);
    }
}

bool subscribers_any(const struct client *client, enum topic_kind kind, struct bytes *name) {
    if (subscribers_count(client, kind) == 0)
        return false;
    *name = name_of(client->topics->by_kind[kind]->topic);
    return true;
}

// --- What subscribers are sent ---

void subscribers_confirm(struct client *client, enum topic_kind kind, bool begun, const struct bytes *name) {
    static const char *const words[TOPIC_KINDS][2] = {
        {"unsubscribe", "subscribe"}, {"punsubscribe", "psubscribe"}, {"sunsubscribe", "ssubscribe"}};
    size_t count = kind == TOPIC_SHARD_CHANNEL
                       ? subscribers_count(client, kind)
                       : subscribers_count(client, TOPIC_CHANNEL) + subscribers_count(client, TOPIC_PATTERN);
    struct reply *reply = reply_stream_pushes(client);
    reply_push(reply, 3);
    reply_bulk_text(reply, words[kind][begun]);
    if (name == NULL)
        reply_null(reply);
    else
        reply_bulk(reply, *name);
    reply_integer(reply, (int64_t)count);
}

// `pattern` NULL: the client has subscribed to the channel itself.
static void send_message(struct client *client, struct message *message, const struct bytes *pattern) {
    struct reply *reply = reply_stream_pushes(client);
    if (client->closing || client->close_after_reply)
        return;
    worker_mark_pending(client->worker, client);
    client->read_this_round |= message->tells_of_data;
    reply_push(reply, pattern == NULL ? 3 : 4);
    if (pattern != NULL) {
        reply_bulk(reply, BYTES_LITERAL("pmessage"));
        reply_bulk(reply, *pattern);
    } else {
        reply_bulk_text(reply, message->kind == TOPIC_CHANNEL ? "message" : "smessage");
    }
    reply_bulk(reply, message->channel);
    message_hold(message);
    reply_bulk_owned(reply, message->payload, message_let_go, message);
    connection_limit_output(client);
}

static void send_to_topic(const struct local_topic *topic, struct message *message) {
    struct bytes name = name_of(topic);
    bool is_pattern = topic->kind == TOPIC_PATTERN;
    for (const struct subscription *one = topic->subscriptions; one != NULL; one = one->next)
        send_message(one->client, message, is_pattern ? &name : NULL);
}

void subscribers_deliver(struct worker *worker, struct message *message) {
    const struct subscribers *subscribers = worker_subscribers(worker);
    const struct local_topic *topic = find_topic(subscribers, message->kind, message->channel);
    if (message->tells_of_data)
        session_note_read(worker_session(worker));
    if (topic != NULL)
        send_to_topic(topic, message);
    if (message->kind != TOPIC_CHANNEL)
        return;
    for (topic = subscribers->topics[TOPIC_PATTERN]; topic != NULL; topic = topic->hh.next) {
        if (glob_match(name_of(topic), message->channel, false))
            send_to_topic(topic, message);
    }
}

void subscribers_close_clients(struct worker *worker) {
    const struct subscribers *subscribers = worker_subscribers(worker);
    for (size_t kind = 0; kind < TOPIC_KINDS; kind++) {
        for (const struct local_topic *topic = subscribers->topics[kind]; topic != NULL;
             topic = topic->hh.next)
            for (const struct subscription *one = topic->subscriptions; one != NULL; one = one->next)
                if (!one->client->closing)
                    client_kill(one->client);
    }
}

// --- Shard channels whose slot has moved ---

static bool is_served_here(const struct server *server, struct bytes channel) {
    const struct node_view *node = &server->node;
    const struct node_request request = {.keys = &channel, .key_count = 1, .may_read_replica = true};
    char error[NODE_ERROR_SIZE];
    return node->serves == NULL || node->serves(node->context, &request, error);
}

// The last subscription takes the topic with it, and its name.
static void dismiss_all(struct local_topic *topic) {
    char *copy = memory_copy(topic->name, topic->length);
    struct bytes name = {copy, topic->length};
    for (bool is_last = false; !is_last;) {
        struct subscription *first = topic->subscriptions;
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): freed only after the last one
        struct client *client = first->client;
        is_last = first->next == NULL;
        end_subscription(first);
        worker_mark_pending(client->worker, client);
        subscribers_confirm(client, TOPIC_SHARD_CHANNEL, false, &name);
    }
    free(copy);
}

void subscribers_drop_moved(struct worker *worker) {
    struct local_topic *next = NULL;
    for (struct local_topic *topic = worker_subscribers(worker)->topics[TOPIC_SHARD_CHANNEL]; topic != NULL;
         topic = next) {
        next = topic->hh.next;
        if (!is_served_here(worker_server(worker), name_of(topic)))
            dismiss_all(topic);
    }
}
