// SPDX-License-Identifier: Apache-2.0
//
// EXEC: the queued commands as one batch, all or nothing. All their keys and the watched ones are locked
// first, so nobody sees or changes anything in between. Uses: base, store/session, server.
#include "server/dispatch.h"
#include "server/dispatch_internal.h"
#include "server/key_events.h"
#include "server/outbox.h"
#include "server/reply_stream.h"
#include "server/server.h"
#include "server/transaction.h"
#include "server/watch_table.h"
#include "server/worker.h"

#include <stdlib.h>

static void add_watched_key(void *context, struct bytes key, bool existed) {
    (void)existed;
    key_list_add(context, key);
}

struct expiry_check {
    struct command_context *context;
    bool expired;
};

static void check_watched_key(void *argument, struct bytes key, bool existed) {
    struct expiry_check *check = argument;
    if (existed && store_exists(check->context->session, key, check->context->now) == STORE_NOT_FOUND)
        check->expired = true;
}

// True if a watched key was changed, deleted, or has expired. With all their locks held.
static bool watch_is_broken(struct command_context *context, const struct transaction *transaction) {
    if (atomic_load_explicit(&transaction->dirty, memory_order_acquire))
        return true;
    struct expiry_check check = {.context = context};
    watch_each(transaction, check_watched_key, &check);
    return check.expired;
}

static void run_queued(struct command_context *exec, const struct queued_command *queued) {
    struct command_context context = *exec;
    context.command = queued->command;
    context.arguments = queued->arguments;
    context.count = queued->count;
    uint64_t errors = context.reply->errors;
    dispatch_feed_monitors(&context);
    struct key_events_before events;
    session_savepoint(context.session);
    key_events_begin(&context, &events);
    uint64_t started_us = clock_duration_us();
    queued->command->function(&context);
    bool failed = context.reply->errors != errors;
    if (failed)
        session_rollback_to_savepoint(context.session);
    else
        key_events_tell(&context, &events);
    key_events_drop(&events);
    key_events_tell_misses(&context);
    dispatch_account(&context, started_us, failed);
}

static bool needs_everything(const struct transaction *transaction) {
    for (size_t i = 0; i < transaction->count; i++) {
        if ((transaction->queue[i].command->flags & COMMAND_EXCLUSIVE) != 0)
            return true;
    }
    return false;
}

static bool is_replica(const struct server *server) {
    return server->node.is_replica(server->node.context);
}

static bool reads_unlocked(const struct command *command) {
    return (command->flags & COMMAND_OTHER_KEYS) != 0 ||
           ((command->flags & COMMAND_READONLY) != 0 && command->first_key == 0);
}

// Reads of keys that nobody has named lock none: a snapshot keeps others' writes from them. On a replica the
// master's changes come without locks.
static bool needs_snapshot(const struct server *server, const struct transaction *transaction) {
    if (is_replica(server))
        return true;
    for (size_t i = 0; i < transaction->count; i++) {
        if (reads_unlocked(transaction->queue[i].command))
            return true;
    }
    return false;
}

// What is too big to be committed, or to be answered, fails as a whole, whatever the further commands would
// do. False: the replies are too big.
static bool run_each(struct command_context *context, const struct transaction *transaction) {
    struct reply_budget whole = reply_budget_of_whole();
    bool is_small = true;
    for (size_t i = 0; i < transaction->count && is_small && !session_is_overfull(context->session); i++) {
        run_queued(context, &transaction->queue[i]);
        is_small = !reply_budget_is_spent(&whole, context->reply);
    }
    return is_small;
}

static void run_queue(struct command_context *context, const struct transaction *transaction) {
    struct output_mark before = output_mark(&context->reply->output);
    uint64_t errors = context->reply->errors;
    session_transaction_begin(context->session);
    context->client->in_exec = true;
    reply_array(context->reply, transaction->count);
    bool is_small = run_each(context, transaction);
    context->client->in_exec = false;
    context->reply->errors = errors; // the commands' own errors are not EXEC's
    struct buffer *outbox = &context->client->transaction->outbox;
    if (!is_small) {
        output_truncate(&context->reply->output, before);
        reply_error(context->reply, "ERR the transaction's replies are too big to be held, more than 512 MB: "
                                    "nothing was written");
    } else if (dispatch_commit(context, before) == STORE_OK) {
        outbox_publish(outbox, context->client);
    }
}

// On a replica the master's changes lock no keys: none may come between being seen and being noticed.
static bool must_be_alone(const struct server *server, const struct transaction *transaction) {
    return is_replica(server) && transaction->watches != NULL;
}

// `alone`: with the guard held exclusively. Who has become a replica since that was decided may try again.
static void run_inside(struct command_context *context, const struct transaction *transaction, bool alone) {
    bool on_snapshot = needs_snapshot(context->server, transaction);
    if (on_snapshot)
        session_snapshot_begin(context->session);
    if (watch_is_broken(context, transaction) || (!alone && must_be_alone(context->server, transaction)))
        reply_null_array(context->reply);
    else if (!dispatch_refuse_queue(context))
        run_queue(context, transaction);
    if (on_snapshot)
        session_snapshot_end(context->session);
}

void dispatch_transaction(struct command_context *context) {
    struct transaction *transaction = context->client->transaction;
    struct key_list keys = {0};
    watch_each(transaction, add_watched_key, &keys);
    for (size_t i = 0; i < transaction->count; i++) {
        const struct queued_command *queued = &transaction->queue[i];
        dispatch_collect_keys(queued->command, queued->arguments, queued->count, &keys);
    }
    bool is_exclusive = needs_everything(transaction);
    bool alone = is_exclusive || must_be_alone(context->server, transaction);
    if (dispatch_begin_write(context, keys.keys, keys.count, alone)) {
        run_inside(context, transaction, alone);
        session_write_end(context->session);
    }
    if (is_exclusive)
        dispatch_note_changed_node(context->server);
    key_list_release(&keys);
}
