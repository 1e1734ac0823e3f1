// SPDX-License-Identifier: Apache-2.0
//
// Small commands about the server as a whole. Uses: arguments, store/store, server/server.
#include "base/log.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/info.h"
#include "server/background.h"
#include "server/client.h"
#include "server/server.h"

#include <stdlib.h>

void command_time(struct command_context *context) {
    int64_t now_us = clock_wall_us();
    reply_array(context->reply, 2);
    reply_bulk_integer(context->reply, now_us / 1000000);
    reply_bulk_integer(context->reply, now_us % 1000000);
}

void command_lolwut(struct command_context *context) {
    reply_verbatim(context->reply, "txt",
                   BYTES_LITERAL("Redis ver. " REDIS_VERSION ", kvfence " KVFENCE_VERSION "\n"));
}

void command_stats(struct command_context *context) {
    char *text = store_property_text(context->server->store, FAMILY_DEFAULT, "rocksdb.stats");
    if (text == NULL) {
        reply_error(context->reply, "ERR RocksDB has no statistics");
        return;
    }
    reply_verbatim(context->reply, "txt", bytes_from_text(text));
    free(text);
}

// --- COMPACT ---

static void compact(void *argument, bool cancelled) {
    struct server *server = argument;
    if (cancelled)
        return;
    log_info("compacting the database");
    char *error = store_compact(server->store, NULL, NULL);
    if (error != NULL)
        log_error("the database could not be compacted: %s", error);
    else if (atomic_load(&server->shutting_down))
        log_info("the compaction is given up, as the server stops");
    else
        log_info("the database is compacted");
    free(error);
    atomic_store(&server->compact_in_progress, false);
}

void command_compact(struct command_context *context) {
    struct server *server = context->server;
    if (atomic_exchange(&server->compact_in_progress, true)) {
        reply_error(context->reply, "ERR A compaction is already in progress");
        return;
    }
    background_run(server->compactor, compact, server);
    reply_ok(context->reply);
}

// --- SHUTDOWN ---

struct shutdown_options {
    bool save, no_save, now, force, abort;
};

static bool read_shutdown_options(const struct command_context *context, struct shutdown_options *options) {
    for (size_t i = 1; i < context->count; i++) {
        if (argument_is(context, i, "save"))
            options->save = true;
        else if (argument_is(context, i, "nosave"))
            options->no_save = true;
        else if (argument_is(context, i, "now"))
            options->now = true;
        else if (argument_is(context, i, "force"))
            options->force = true;
        else if (argument_is(context, i, "abort"))
            options->abort = true;
        else
            return false;
    }
    return !(options->save && options->no_save) && (!options->abort || context->count == 2);
}

// What was acknowledged is in the log on disk and no replica is waited for, so all forms stop the server
// alike and at once, and there is never a shutdown that waits and could be aborted. Redis sends no reply but
// closes the connection; clients count on that.
void command_shutdown(struct command_context *context) {
    struct shutdown_options options = {0};
    if (!read_shutdown_options(context, &options)) {
        reply_syntax_error(context);
        return;
    }
    if (options.abort) {
        reply_error(context->reply, "ERR No shutdown in progress.");
        return;
    }
    log_info("client %s asks to shut down", context->client->address);
    context->server->request_shutdown(context->server->request_shutdown_context);
    client_kill(context->client);
}
