// SPDX-License-Identifier: Apache-2.0
//
// Gathering small writes. Uses: base, store/session, the rest of server/.
#include "server/gather.h"

#include "base/assert.h"
#include "base/clock.h"
#include "server/dispatch_internal.h"
#include "server/key_events.h"
#include "server/server.h"
#include "server/worker.h"

#include <stdio.h>

// Bigger commands gain nothing, and what is gathered is copied once more.
enum { ARGUMENTS_MAX = 64, ARGUMENT_BYTES_MAX = 16 << 10 };

// Others wait for the keys, and who changes the node's role or its slots for the role guard.
enum { LASTS_MAX_US = 1000 };

static bool is_small(const struct bytes *arguments, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count && i < ARGUMENTS_MAX; i++)
        total += arguments[i].length;
    return count <= ARGUMENTS_MAX && total <= ARGUMENT_BYTES_MAX;
}

static bool is_plain(const struct client *client) {
    return !dispatch_in_multi(client) && client->blocked == NULL && client->stream == NULL &&
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

// --- Running ---

static bool begin(struct command_context *context, struct gather *gather, const struct key_list *keys) {
    struct output_mark before = output_mark(&context->reply->output);
    if (!dispatch_begin_write(context, keys->keys, keys->count, false))
        return false;
    session_gather_begin(context->session);
    *gather = (struct gather){.client = context->client, .before = before, .began_us = clock_duration_us()};
    return true;
}

// False if it fails: then it has left no trace.
static bool run_one(struct command_context *context, struct gather *gather) {
    struct output_mark before = output_mark(&context->reply->output);
    uint64_t errors = context->reply->errors;
    always_assert(gather->count < GATHER_COMMANDS_MAX, "what is gathered is committed when it is enough");
    session_savepoint(context->session);
    context->command->function(context);
    if (context->reply->errors != errors) {
        session_rollback_to_savepoint(context->session);
        output_truncate(&context->reply->output, before);
        context->reply->errors = errors;
        return false;
    }
    dispatch_feed_monitors(context); // only now, as one that fails is run again and shown then
    gather->commands[gather->count++] = context->command;
    return true;
}

// One error stands in place of all the replies; each command has its own.
static void fail(struct command_context *context, const struct gather *gather, enum store_status status) {
    uint64_t errors = context->reply->errors;
    for (size_t i = 0; i < gather->count; i++) {
        if (i != 0)
            reply_error(context->reply, session_error(context->session, status));
        dispatch_count_failed(context->client, gather->commands[i]);
    }
    context->reply->errors = errors - 1; // they are counted
}

static void commit(struct worker *worker) {
    struct gather *gather = worker_gather(worker);
    struct client *client = gather->client;
    struct command_context context = {.server = client->server,
                                      .worker = worker,
                                      .client = client,
                                      .session = worker_session(worker),
                                      .reply = &client->reply};
    enum store_status status = dispatch_commit(&context, gather->before);
    if (status != STORE_OK)
        fail(&context, gather, status);
    session_write_end(context.session);
    gather->client = NULL;
}

static bool is_enough(const struct command_context *context, const struct gather *gather) {
    return gather->count == GATHER_COMMANDS_MAX || request_parser_following(context->client->parser) == 0 ||
           session_gather_is_full(context->session) || clock_duration_us() - gather->began_us >= LASTS_MAX_US;
}

// The checks that come before a command runs were made inside the role guard, if something was gathered
// already: so nothing has changed since.
bool gather_run(struct command_context *context, const struct key_list *keys) {
    struct gather *gather = worker_gather(context->worker);
    if (gather_is_open(context->worker) && !session_gather_more(context->session, keys->keys, keys->count))
        gather_end(context->worker);
    if (gather_is_open(context->worker))
        dispatch_track_keys(context);
    else if (!begin(context, gather, keys))
        return true;
    if (!run_one(context, gather)) {
        gather_end(context->worker);
        return false;
    }
    if (is_enough(context, gather))
        commit(context->worker);
    return true;
}

// --- Ending ---

// The commands have been accounted for, all but the commit.
static void note_slow_commit(struct worker *worker, const struct gather *gather, struct client *client,
                             uint64_t microseconds) {
    const struct command *last = gather->commands[gather->count - 1];
    char note[64];
    int length =
        snprintf(note, sizeof(note), "(and %zu commands before it, written together)", gather->count - 1);
    struct bytes words[] = {bytes_from_text(last->name), {note, (size_t)length}};
    struct command_context context = {.server = client->server,
                                      .worker = worker,
                                      .client = client,
                                      .command = last,
                                      .arguments = words,
                                      .count = sizeof(words) / sizeof(words[0]),
                                      .now = clock_wall_ms()};
    dispatch_note_slow(&context, microseconds);
}

void gather_end(struct worker *worker) {
    const struct gather *gather = worker_gather(worker);
    struct client *client = gather->client;
    if (client == NULL)
        return;
    uint64_t started_us = clock_duration_us();
    commit(worker); // leaves the list of commands
    if (gather->count != 0)
        note_slow_commit(worker, gather, client, clock_duration_us() - started_us);
}
