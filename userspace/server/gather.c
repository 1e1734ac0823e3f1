// SPDX-License-Identifier: Apache-2.0
//
// Gathering small writes. Uses: base, store/session, the rest of server/.
#include "server/gather.h"

#include "base/assert.h"
#include "server/dispatch_internal.h"
#include "server/key_events.h"
#include "server/server.h"
#include "server/transaction.h"
#include "server/worker.h"

// Bigger commands gain nothing, and what is gathered is copied once more.
enum { ARGUMENTS_MAX = 64, ARGUMENT_BYTES_MAX = 16 << 10 };

static bool is_small(const struct bytes *arguments, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count && i < ARGUMENTS_MAX; i++)
        total += arguments[i].length;
    return count <= ARGUMENTS_MAX && total <= ARGUMENT_BYTES_MAX;
}

static bool is_plain(const struct client *client) {
    bool in_multi = client->transaction != NULL && client->transaction->open;
    return !in_multi && client->blocked == NULL && client->stream == NULL &&
           client->reply_mode == CLIENT_REPLY_ON;
}

bool gather_is_open(struct worker *worker) {
    return worker_gather(worker)->client != NULL;
}

// Events are told after each command, of what was there before it.
bool gather_takes(const struct client *client, const struct command *command, const struct bytes *arguments,
                  size_t count) {
    return command != NULL && (command->flags & COMMAND_GATHERED) != 0 &&
           (gather_is_open(client->worker) || request_parser_following(client->parser) != 0) &&
           is_plain(client) && is_small(arguments, count) && !key_events_wanted(client->server);
}

static bool begin(struct command_context *context, struct gather *gather, const struct key_list *keys) {
    struct output_mark before = output_mark(&context->reply->output);
    if (!dispatch_begin_write(context, keys->keys, keys->count, false))
        return false;
    session_gather_begin(context->session);
    gather->client = context->client;
    gather->before = before;
    return true;
}

static void run_one(struct command_context *context, struct gather *gather) {
    uint64_t errors = context->reply->errors;
    dispatch_feed_monitors(context);
    session_savepoint(context->session);
    context->command->function(context);
    if (context->reply->errors != errors)
        session_rollback_to_savepoint(context->session);
    gather->commands[gather->count++] = context->command;
}

void gather_run(struct command_context *context, const struct key_list *keys) {
    struct gather *gather = worker_gather(context->worker);
    if (gather_is_open(context->worker) && !session_gather_more(context->session, keys->keys, keys->count))
        gather_end(context->worker);
    if (!gather_is_open(context->worker) && !begin(context, gather, keys))
        return;
    dispatch_track_keys(context);
    run_one(context, gather);
    if (gather->count == GATHER_COMMANDS_MAX || session_gather_is_full(context->session) ||
        request_parser_following(context->client->parser) == 0)
        gather_end(context->worker);
}

void gather_note_refused(struct worker *worker, const struct command *command) {
    struct gather *gather = worker_gather(worker);
    if (!gather_is_open(worker))
        return;
    gather->commands[gather->count++] = command;
    if (gather->count == GATHER_COMMANDS_MAX)
        gather_end(worker);
}

// One error stands in place of all the replies; each command has its own.
static void fail(struct command_context *context, const struct gather *gather, uint64_t errors_before) {
    for (size_t i = 0; i < gather->count; i++) {
        if (i != 0)
            reply_error(context->reply, session_error(context->session, STORE_FAILED));
        dispatch_count_failed(context->client, gather->commands[i]);
    }
    context->reply->errors = errors_before; // they are counted
}

void gather_end(struct worker *worker) {
    struct gather *gather = worker_gather(worker);
    struct client *client = gather->client;
    if (client == NULL)
        return;
    struct command_context context = {.server = client->server,
                                      .worker = worker,
                                      .client = client,
                                      .session = worker_session(worker),
                                      .reply = &client->reply};
    uint64_t errors = client->reply.errors;
    if (!dispatch_commit(&context, gather->before))
        fail(&context, gather, errors);
    session_write_end(context.session);
    gather->client = NULL;
    gather->count = 0;
}
