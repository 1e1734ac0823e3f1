// SPDX-License-Identifier: Apache-2.0
//
// The commands about backups, which are made by server/backup.h on the background thread. Uses: arguments,
// server/{background,backup,client,server,worker}.
#include "base/log.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/background.h"
#include "server/backup.h"
#include "server/client.h"
#include "server/server.h"
#include "server/worker.h"

#include <stdlib.h>

static const char already_running[] = "ERR Background save already in progress";

void command_bgsave(struct command_context *context) {
    if (context->count > 2 || (context->count == 2 && !argument_is(context, 1, "schedule"))) {
        reply_syntax_error(context);
        return;
    }
    if (backup_start(context->server, NULL, NULL))
        reply_status(context->reply, "Background saving started");
    else
        reply_error(context->reply, already_running);
}

void command_lastsave(struct command_context *context) {
    int64_t time_ms = atomic_load(&context->server->bgsave_time_ms);
    reply_integer(context->reply, time_ms < 0 ? -1 : time_ms / 1000);
}

// --- SAVE ---

// A client that waits for the end of a backup. Travels to the background thread and back to its worker.
struct waiting_client {
    struct worker *worker;
    uint64_t id;
    bool silent; // CLIENT REPLY OFF or SKIP: it wants no answer
    bool succeeded;
};

static void reply_result(struct reply *reply, bool succeeded) {
    if (succeeded)
        reply_ok(reply);
    else
        reply_error(reply, "ERR The backup could not be made; the log says why");
}

static void answer_save(struct worker *worker, void *argument) {
    struct waiting_client *waiting = argument;
    struct client *client = worker_find_client(worker, waiting->id);
    if (client != NULL) {
        worker_mark_pending(worker, client);
        if (!waiting->silent)
            reply_result(&client->reply, waiting->succeeded);
        client_unblock(client);
    }
    free(waiting);
}

static void save_done(void *argument, bool succeeded) {
    struct waiting_client *waiting = argument;
    waiting->succeeded = succeeded;
    worker_post(waiting->worker, answer_save, waiting);
}

void command_save(struct command_context *context) {
    struct waiting_client *waiting = memory_allocate(sizeof(*waiting));
    *waiting = (struct waiting_client){.worker = context->worker,
                                       .id = context->client->id,
                                       .silent = context->client->reply_mode != CLIENT_REPLY_ON};
    if (!backup_start(context->server, save_done, waiting)) {
        free(waiting);
        reply_error(context->reply, already_running);
        return;
    }
    client_block(context->client); // the answer is posted to this thread, so it cannot have come yet
}

// --- Jobs without an answer ---

static void flush_memtables(void *argument, bool cancelled) {
    struct server *server = argument;
    if (cancelled)
        return;
    char *error = store_flush_memtables(server->store);
    if (error != NULL)
        log_error("the memory tables could not be written out: %s", error);
    free(error);
}

// RocksDB's log of writes takes the place of Redis' append-only file. It shrinks when what it holds has been
// written into tables.
void command_bgrewriteaof(struct command_context *context) {
    background_run(context->server->background, flush_memtables, context->server);
    reply_status(context->reply, "Background append only file rewriting started");
}

void command_flushbackup(struct command_context *context) {
    if (backup_start_purge(context->server))
        reply_ok(context->reply);
    else
        reply_error(context->reply, already_running);
}
