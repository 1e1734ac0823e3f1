// SPDX-License-Identifier: Apache-2.0
//
// The table of topics with their subscribers on each worker, and the posting of messages. Uses: base,
// server/{client,hash_map,server,subscribers,worker}.
#include "server/pubsub.h"

#include "base/assert.h"
#include "base/glob.h"
#include "base/log.h"
#include "server/client.h"
#include "server/hash_map.h"
#include "server/server.h"
#include "server/subscribers.h"
#include "server/worker.h"

#include <pthread.h>
#include <string.h>

// As much as may wait for one worker.
enum { WAITING_BYTES_MAX = 64 << 20 };

struct topic {
    UT_hash_handle hh;
    size_t length;
    char *name;
    size_t total;
    size_t by_worker[]; // the name's text lies behind
};

// What is on its way to one worker.
struct way {
    _Alignas(64) _Atomic size_t waiting_bytes;
    _Atomic bool is_overfull; // nothing is added any more, and its subscribers will be closed
};

struct pubsub {
    pthread_rwlock_t lock;
    struct topic *topics[TOPIC_KINDS];
    _Atomic size_t counts[TOPIC_KINDS];
    size_t workers;
    struct way *ways;
};

struct pubsub *pubsub_open(size_t workers) {
    struct pubsub *pubsub = memory_allocate_zeroed(1, sizeof(*pubsub));
    always_assert(pthread_rwlock_init(&pubsub->lock, NULL) == 0, "a lock can be made");
    pubsub->workers = workers;
    pubsub->ways = aligned_alloc(_Alignof(struct way), workers * sizeof(struct way));
    always_assert(pubsub->ways != NULL, "there is memory for the ways to the workers");
    memset(pubsub->ways, 0, workers * sizeof(struct way));
    return pubsub;
}

void pubsub_close(struct pubsub *pubsub) {
    if (pubsub == NULL)
        return;
    for (size_t kind = 0; kind < TOPIC_KINDS; kind++)
        always_assert(pubsub->topics[kind] == NULL, "nobody subscribes when the table of topics is closed");
    pthread_rwlock_destroy(&pubsub->lock);
    free(pubsub->ways);
    free(pubsub);
}

// --- Topics ---

static void lock_to_change(struct pubsub *pubsub) {
    always_assert(pthread_rwlock_wrlock(&pubsub->lock) == 0, "the table of topics can be locked");
}

static void lock_to_read(struct pubsub *pubsub) {
    always_assert(pthread_rwlock_rdlock(&pubsub->lock) == 0, "the table of topics can be locked");
}

static void unlock(struct pubsub *pubsub) {
    always_assert(pthread_rwlock_unlock(&pubsub->lock) == 0, "the table of topics can be unlocked");
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct topic *find(const struct pubsub *pubsub, enum topic_kind kind, struct bytes name) {
    struct topic *topic = NULL;
    HASH_FIND(hh, pubsub->topics[kind], name.length == 0 ? "" : name.data, name.length, topic);
    return topic;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct topic *add(struct pubsub *pubsub, enum topic_kind kind, struct bytes name) {
    size_t head = sizeof(struct topic) + pubsub->workers * sizeof(size_t);
    struct topic *topic = memory_allocate_zeroed(1, head + name.length);
    topic->name = (char *)topic + head;
    topic->length = name.length;
    if (name.length != 0)
        memcpy(topic->name, name.data, name.length);
    HASH_ADD_KEYPTR(hh, pubsub->topics[kind], topic->name, topic->length, topic);
    return topic;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void drop(struct pubsub *pubsub, enum topic_kind kind, struct topic *topic) {
    HASH_DEL(pubsub->topics[kind], topic);
    free(topic);
}

void pubsub_add(struct pubsub *pubsub, enum topic_kind kind, struct bytes name, size_t worker) {
    lock_to_change(pubsub);
    struct topic *topic = find(pubsub, kind, name);
    if (topic == NULL)
        topic = add(pubsub, kind, name);
    topic->by_worker[worker]++;
    topic->total++;
    atomic_store(&pubsub->counts[kind], HASH_COUNT(pubsub->topics[kind]));
    unlock(pubsub);
}

void pubsub_remove(struct pubsub *pubsub, enum topic_kind kind, struct bytes name, size_t worker) {
    lock_to_change(pubsub);
    struct topic *topic = find(pubsub, kind, name);
    always_assert(topic != NULL && topic->by_worker[worker] != 0, "who unsubscribes has subscribed");
    topic->by_worker[worker]--;
    if (--topic->total == 0)
        drop(pubsub, kind, topic);
    atomic_store(&pubsub->counts[kind], HASH_COUNT(pubsub->topics[kind]));
    unlock(pubsub);
}

size_t pubsub_topics(const struct pubsub *pubsub, enum topic_kind kind) {
    return atomic_load(&pubsub->counts[kind]);
}

bool pubsub_in_use(const struct pubsub *pubsub) {
    return pubsub_topics(pubsub, TOPIC_CHANNEL) != 0 || pubsub_topics(pubsub, TOPIC_PATTERN) != 0;
}

size_t pubsub_subscribers(struct pubsub *pubsub, enum topic_kind kind, struct bytes name) {
    lock_to_read(pubsub);
    const struct topic *topic = find(pubsub, kind, name);
    size_t total = topic == NULL ? 0 : topic->total;
    unlock(pubsub);
    return total;
}

static struct bytes name_of(const struct topic *topic) {
    return (struct bytes){topic->name, topic->length};
}

void pubsub_each(struct pubsub *pubsub, enum topic_kind kind, pubsub_topic_function *each, void *context) {
    lock_to_read(pubsub);
    for (const struct topic *topic = pubsub->topics[kind]; topic != NULL; topic = topic->hh.next)
        each(context, name_of(topic));
    unlock(pubsub);
}

// --- Messages ---

void message_hold(struct message *message) {
    (void)atomic_fetch_add(&message->holders, 1);
}

void message_let_go(void *argument) {
    struct message *message = argument;
    if (atomic_fetch_sub(&message->holders, 1) == 1)
        free(message);
}

static size_t size_of(const struct message *message) {
    return sizeof(*message) + message->channel.length + message->payload.length;
}

static struct bytes put(char *to, struct bytes text) {
    if (text.length != 0)
        memcpy(to, text.data, text.length);
    return (struct bytes){to, text.length};
}

static struct message *make_message(const struct publication *publication) {
    struct message *message =
        memory_allocate(sizeof(*message) + publication->channel.length + publication->payload.length);
    char *text = (char *)(message + 1);
    atomic_init(&message->holders, 1);
    message->kind = publication->kind;
    message->tells_of_data = publication->tells_of_data;
    message->channel = put(text, publication->channel);
    message->payload = put(text + publication->channel.length, publication->payload);
    return message;
}

static struct way *way_to(struct worker *worker) {
    return &worker_server(worker)->pubsub->ways[worker_index(worker)];
}

static void arrive(struct worker *worker, void *argument) {
    struct message *message = argument;
    subscribers_deliver(worker, message);
    (void)atomic_fetch_sub(&way_to(worker)->waiting_bytes, size_of(message));
    message_let_go(message);
}

// Behind all that it had yet to hand out.
static void close_subscribers(struct worker *worker, void *argument) {
    (void)argument;
    subscribers_close_clients(worker);
    atomic_store(&way_to(worker)->is_overfull, false);
}

static void give_up(struct worker *worker, struct way *way) {
    if (atomic_exchange(&way->is_overfull, true))
        return;
    log_warning("the subscribers of a worker are closed: it is busy, and %d MB of messages wait for them",
                WAITING_BYTES_MAX >> 20);
    worker_post(worker, close_subscribers, NULL);
}

static void send_to(struct worker *worker, struct message *message) {
    struct way *way = way_to(worker);
    size_t size = size_of(message);
    if (atomic_load(&way->is_overfull))
        return;
    if (atomic_fetch_add(&way->waiting_bytes, size) > WAITING_BYTES_MAX) {
        (void)atomic_fetch_sub(&way->waiting_bytes, size);
        give_up(worker, way);
        return;
    }
    message_hold(message);
    worker_post(worker, arrive, message);
}

// --- Publishing ---

// Adds a topic's subscribers to those of each worker.
static size_t add_up(const struct pubsub *pubsub, const struct topic *topic, size_t *by_worker) {
    for (size_t i = 0; i < pubsub->workers && by_worker != NULL; i++)
        by_worker[i] += topic->by_worker[i];
    return topic->total;
}

// Returns how many the message is meant for. `by_worker` may be NULL.
static size_t count_receivers(struct pubsub *pubsub, enum topic_kind kind, struct bytes channel,
                              size_t *by_worker) {
    size_t total = 0;
    lock_to_read(pubsub);
    const struct topic *topic = find(pubsub, kind, channel);
    if (topic != NULL)
        total += add_up(pubsub, topic, by_worker);
    if (kind == TOPIC_CHANNEL) {
        for (topic = pubsub->topics[TOPIC_PATTERN]; topic != NULL; topic = topic->hh.next) {
            if (glob_match(name_of(topic), channel, false))
                total += add_up(pubsub, topic, by_worker);
        }
    }
    unlock(pubsub);
    return total;
}

static bool may_have_receivers(const struct pubsub *pubsub, enum topic_kind kind) {
    return kind == TOPIC_CHANNEL ? pubsub_in_use(pubsub) : pubsub_topics(pubsub, kind) != 0;
}

size_t pubsub_receivers(struct pubsub *pubsub, enum topic_kind kind, struct bytes channel) {
    return may_have_receivers(pubsub, kind) ? count_receivers(pubsub, kind, channel, NULL) : 0;
}

// Else a message would overtake others, perhaps older ones of the same key.
static bool has_nothing_on_its_way(struct worker *worker) {
    return atomic_load(&way_to(worker)->waiting_bytes) == 0;
}

static void send_to_all(struct server *server, struct worker *from, const struct publication *publication,
                        const size_t *by_worker) {
    struct message *message = make_message(publication);
    for (size_t i = 0; i < server->pubsub->workers; i++) {
        if (by_worker[i] == 0)
            continue;
        if (server->workers[i] == from && has_nothing_on_its_way(from))
            subscribers_deliver(from, message);
        else
            send_to(server->workers[i], message);
    }
    message_let_go(message);
}

size_t pubsub_publish(struct server *server, struct worker *from, const struct publication *publication) {
    enum { WORKERS_MOST = 256 };
    size_t by_worker[WORKERS_MOST];
    struct pubsub *pubsub = server->pubsub;
    if (!may_have_receivers(pubsub, publication->kind))
        return 0;
    always_assert(pubsub->workers <= WORKERS_MOST, "there are no more workers than config.def allows");
    memset(by_worker, 0, pubsub->workers * sizeof(by_worker[0]));
    size_t total = count_receivers(pubsub, publication->kind, publication->channel, by_worker);
    if (total != 0)
        send_to_all(server, from, publication, by_worker);
    return total;
}

size_t pubsub_publish_of(struct client *publisher, const struct publication *publication) {
    struct worker *from = publisher->reply_mode == CLIENT_REPLY_ON ? publisher->worker : NULL;
    return pubsub_publish(publisher->server, from, publication);
}
