// SPDX-License-Identifier: Apache-2.0
//
// WAIT: until so many replicas have what has been written so far. Uses: arguments, node, replication,
// server/{client,worker}.
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/node.h"
#include "replication/replication.h"
#include "server/client.h"
#include "server/server.h"
#include "server/worker.h"

#include <event2/event.h>
#include <stdlib.h>

// How often it is looked whether the client is still there.
enum { LOOK_US = 1000000 };

// A client that waits. Its worker's, but for the time between the end of the wait and the letter that tells
// of it.
struct waiting {
    struct worker *worker;
    struct replicas *replicas;
    uint64_t client_id;
    uint64_t sequence;
    uint64_t wait;     // its number
    uint64_t until_us; // by clock_duration_us(); 0: for ever
    struct event *timer;
    bool silent; // CLIENT REPLY OFF or SKIP: it wants no answer
};

static void reply_count(struct waiting *waiting, struct client *client) {
    const struct node_view *node = &client->server->node;
    if (waiting->silent)
        return;
    if (node->is_replica(node->context))
        reply_error(&client->reply, "UNBLOCKED force unblock from blocking operation, instance state changed "
                                    "(master -> replica?)");
    else
        reply_integer(&client->reply, (int64_t)replicas_acknowledged(waiting->replicas, waiting->sequence));
}

static void finish(struct waiting *waiting) {
    struct client *client = worker_find_client(waiting->worker, waiting->client_id);
    event_free(waiting->timer);
    if (client != NULL) {
        worker_mark_pending(waiting->worker, client);
        reply_count(waiting, client);
        client_unblock(client);
    }
    free(waiting);
}

static void finish_by_letter(struct worker *worker, void *argument) {
    (void)worker;
    finish(argument);
}

// On the thread of a replica, or of whoever changes the role.
static void on_acknowledged(void *context) {
    struct waiting *waiting = context;
    worker_post(waiting->worker, finish_by_letter, waiting);
}

static bool set_timer(struct waiting *waiting) {
    uint64_t now = clock_duration_us();
    uint64_t left = LOOK_US;
    if (waiting->until_us != 0 && waiting->until_us < now + left)
        left = waiting->until_us > now ? waiting->until_us - now : 0;
    const struct timeval delay = {.tv_sec = (time_t)(left / 1000000),
                                  .tv_usec = (suseconds_t)(left % 1000000)};
    return event_add(waiting->timer, &delay) == 0;
}

// If the wait has ended by itself, its letter is on the way.
static void on_timer(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct waiting *waiting = argument;
    bool is_over = waiting->until_us != 0 && clock_duration_us() >= waiting->until_us;
    bool is_gone = worker_find_client(waiting->worker, waiting->client_id) == NULL;
    if (!is_over && !is_gone && set_timer(waiting))
        return;
    if (replicas_cancel_wait(waiting->replicas, waiting->wait))
        finish(waiting);
}

static struct waiting *make_waiting(struct command_context *context, struct replicas *replicas,
                                    int64_t timeout_ms) {
    struct waiting *waiting = memory_allocate_zeroed(1, sizeof(*waiting));
    waiting->worker = context->worker;
    waiting->replicas = replicas;
    waiting->client_id = context->client->id;
    waiting->silent = context->client->reply_mode != CLIENT_REPLY_ON;
    waiting->sequence = store_latest_sequence(context->server->store);
    waiting->until_us = timeout_ms == 0 ? 0 : clock_duration_us() + (uint64_t)timeout_ms * 1000;
    waiting->timer = event_new(worker_event_base(context->worker), -1, 0, on_timer, waiting);
    if (waiting->timer != NULL && set_timer(waiting))
        return waiting;
    if (waiting->timer != NULL)
        event_free(waiting->timer);
    free(waiting);
    return NULL;
}

static void wait_for_replicas(struct command_context *context, struct replicas *replicas, size_t count,
                              int64_t timeout_ms) {
    struct waiting *waiting = make_waiting(context, replicas, timeout_ms);
    if (waiting == NULL) {
        reply_error(context->reply, "ERR no timer could be made");
        return;
    }
    // A letter of this wait can only be read after this command, by this thread.
    waiting->wait = replicas_wait(replicas, waiting->sequence, count, on_acknowledged, waiting);
    if (waiting->wait != 0) {
        client_block(context->client);
        return;
    }
    event_free(waiting->timer);
    reply_integer(context->reply, (int64_t)replicas_acknowledged(replicas, waiting->sequence));
    free(waiting);
}

void command_wait(struct command_context *context) {
    const struct node_view *view = &context->server->node;
    const struct node *node = node_of(context->server);
    int64_t count = 0;
    int64_t timeout_ms = 0;
    if (!argument_integer_or(context, 1, &count, "ERR numreplicas should be a positive integer") ||
        !argument_integer_or(context, 2, &timeout_ms, "ERR timeout should be a non-negative integer"))
        return;
    if (count < 0)
        reply_error(context->reply, "ERR numreplicas should be a positive integer");
    else if (timeout_ms < 0 || timeout_ms > INT64_MAX / 2000)
        reply_error(context->reply, "ERR timeout should be a non-negative integer");
    else if (view->is_replica(view->context))
        reply_error(context->reply, "ERR WAIT command can only be executed on master");
    else if (node == NULL)
        reply_integer(context->reply, 0);
    else
        wait_for_replicas(context, replication_replicas(node_replication(node)), (size_t)count, timeout_ms);
}
