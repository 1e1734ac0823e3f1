// SPDX-License-Identifier: Apache-2.0
//
// CLUSTERX MIGRATE ... SYNC. Uses: base, cluster/migration, server/{client,worker}.
#include "commands/migrate_wait.h"

#include "base/clock.h"
#include "base/memory.h"
#include "cluster/migration.h"
#include "server/client.h"
#include "server/server.h"
#include "server/worker.h"

#include <event2/event.h>
#include <stdlib.h>

// How often it is looked whether the client is still there.
enum { LOOK_S = 1 };

// Its worker's, but for the time between the end of the migration and the letter that tells of it.
struct waiting {
    struct worker *worker;
    struct migration *migration;
    uint64_t client_id;
    uint64_t until_us; // by clock_duration_us(); 0: for ever
    struct event *timer;
    bool silent; // CLIENT REPLY OFF or SKIP: it wants no answer
    bool is_over;
    char *error; // NULL: the slots have been moved
};

static void reply_to(const struct waiting *waiting, struct client *client) {
    if (waiting->silent)
        return;
    if (!waiting->is_over)
        reply_null(&client->reply);
    else if (waiting->error == NULL)
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, waiting->error);
}

static void finish(struct waiting *waiting) {
    struct client *client = worker_find_client(waiting->worker, waiting->client_id);
    event_free(waiting->timer);
    if (client != NULL) {
        worker_mark_pending(waiting->worker, client);
        reply_to(waiting, client);
        client_unblock(client);
    }
    free(waiting->error);
    free(waiting);
}

static void finish_by_letter(struct worker *worker, void *argument) {
    (void)worker;
    finish(argument);
}

// On the thread that moves slots.
static void on_done(void *context, const char *error) {
    struct waiting *waiting = context;
    waiting->is_over = true;
    waiting->error = error == NULL ? NULL : memory_copy_text(error);
    worker_post(waiting->worker, finish_by_letter, waiting);
}

static bool set_timer(const struct waiting *waiting) {
    const struct timeval delay = {.tv_sec = LOOK_S};
    return event_add(waiting->timer, &delay) == 0;
}

// If the migration has just ended, its letter is on the way.
static void on_timer(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct waiting *waiting = argument;
    bool is_late = waiting->until_us != 0 && clock_duration_us() >= waiting->until_us;
    bool is_gone = worker_find_client(waiting->worker, waiting->client_id) == NULL;
    if (!is_late && !is_gone && set_timer(waiting))
        return;
    if (migration_cancel_wait(waiting->migration, waiting))
        finish(waiting);
}

void migrate_wait(struct command_context *context, struct migration *migration, int64_t timeout_s) {
    struct waiting *waiting = memory_allocate_zeroed(1, sizeof(*waiting));
    waiting->worker = context->worker;
    waiting->migration = migration;
    waiting->client_id = context->client->id;
    waiting->silent = context->client->reply_mode != CLIENT_REPLY_ON;
    waiting->until_us = timeout_s == 0 ? 0 : clock_duration_us() + (uint64_t)timeout_s * 1000000;
    waiting->timer = event_new(worker_event_base(context->worker), -1, 0, on_timer, waiting);
    if (waiting->timer == NULL || !set_timer(waiting)) {
        if (waiting->timer != NULL)
            event_free(waiting->timer);
        free(waiting);
        reply_error(context->reply, "ERR the migration has begun, but no timer could be made to wait for it");
        return;
    }
    client_block(context->client);
    migration_wait(migration, on_done, waiting);
}
