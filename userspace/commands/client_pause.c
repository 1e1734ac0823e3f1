// SPDX-License-Identifier: Apache-2.0
//
// CLIENT PAUSE, UNPAUSE and UNBLOCK: making connections wait and letting them go on. Uses: arguments,
// server/client, server/server, server/worker.
#include "commands/arguments.h"
#include "commands/container.h"
#include "commands/handlers.h"
#include "server/blocking.h"
#include "server/client.h"
#include "server/server.h"
#include "server/worker.h"

// A pause that is on is only made longer and stricter, so that two operators do not cut each other's short.
static void pause_at_least(struct server *server, enum pause_mode mode, uint64_t timeout_ms) {
    uint64_t now = clock_duration_us();
    uint64_t until = timeout_ms > (UINT64_MAX - now) / 1000 ? UINT64_MAX : now + timeout_ms * 1000;
    pthread_mutex_lock(&server->registry_lock);
    bool over = atomic_load(&server->pause_until_us) <= now;
    if (over || (int)mode > atomic_load(&server->pause_mode))
        atomic_store(&server->pause_mode, (int)mode);
    if (over || until > atomic_load(&server->pause_until_us))
        atomic_store(&server->pause_until_us, until);
    pthread_mutex_unlock(&server->registry_lock);
}

void command_client_pause(struct command_context *context) {
    enum pause_mode mode = PAUSE_ALL;
    int64_t timeout_ms = 0;
    if (context->count > 4) {
        reply_subcommand_syntax_error(context);
        return;
    }
    if (context->count == 4 && argument_is(context, 3, "write")) {
        mode = PAUSE_WRITE;
    } else if (context->count == 4 && !argument_is(context, 3, "all")) {
        reply_error(context->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!argument_integer_or(context, 2, &timeout_ms, "ERR timeout is not an integer or out of range"))
        return;
    if (timeout_ms < 0) {
        reply_error(context->reply, "ERR timeout is negative");
        return;
    }
    pause_at_least(context->server, mode, (uint64_t)timeout_ms);
    reply_ok(context->reply);
}

static void resume_paused(struct worker *worker, void *argument) {
    (void)argument;
    worker_resume_paused(worker);
}

void command_client_unpause(struct command_context *context) {
    struct server *server = context->server;
    pthread_mutex_lock(&server->registry_lock);
    atomic_store(&server->pause_mode, (int)PAUSE_NONE);
    atomic_store(&server->pause_until_us, 0);
    pthread_mutex_unlock(&server->registry_lock);
    server_post_all(server, resume_paused, NULL);
    reply_ok(context->reply);
}

static bool unblock(struct server *server, uint64_t id, enum blocking_end how) {
    struct client *client = NULL;
    pthread_mutex_lock(&server->registry_lock);
    for (client = server->registry; client != NULL && client->id != id; client = client->registry_next)
        ;
    bool unblocked = client != NULL && blocking_unblock(client, how);
    pthread_mutex_unlock(&server->registry_lock);
    return unblocked;
}

// What waits for the server's own work (SAVE) is not ended before that work is.
void command_client_unblock(struct command_context *context) {
    enum blocking_end how = BLOCKING_END_TIMEOUT;
    int64_t id = 0;
    if (context->count > 4) {
        reply_subcommand_syntax_error(context);
        return;
    }
    if (context->count == 4 && argument_is(context, 3, "error")) {
        how = BLOCKING_END_ERROR;
    } else if (context->count == 4 && !argument_is(context, 3, "timeout")) {
        reply_error(context->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (argument_integer(context, 2, &id))
        reply_integer(context->reply, unblock(context->server, (uint64_t)id, how));
}
