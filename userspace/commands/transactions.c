// SPDX-License-Identifier: Apache-2.0
//
// MULTI, EXEC, DISCARD, WATCH, UNWATCH: what a client asks of its transaction. Running it is the
// dispatcher's. Uses: session, server/{client,dispatch,server,transaction,watch_table}.
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/server.h"
#include "server/transaction.h"
#include "server/watch_table.h"

// The client's transaction if it is between MULTI and EXEC, else NULL.
static struct transaction *open_transaction(const struct command_context *context) {
    struct transaction *transaction = context->client->transaction;
    return transaction != NULL && transaction->open ? transaction : NULL;
}

static void show_watches(struct client *client, const struct transaction *transaction) {
    atomic_store_explicit(&client->watch_shown, (int)transaction->watch_count, memory_order_relaxed);
}

static void end_watches(struct command_context *context, struct transaction *transaction) {
    watch_remove_all(context->server->watch_table, transaction);
    show_watches(context->client, transaction);
}

static void end_transaction(struct command_context *context, struct transaction *transaction) {
    transaction_discard(transaction);
    end_watches(context, transaction);
    client_show(context->client, SHOWN_MULTI, false);
    client_show_queue(context->client, CLIENT_NOT_IN_MULTI, 0);
}

void command_multi(struct command_context *context) {
    if (open_transaction(context) != NULL) {
        reply_error(context->reply, "ERR MULTI calls can not be nested");
        return;
    }
    struct transaction *transaction = client_transaction(context->client);
    transaction->open = true;
    transaction->broken = false;
    client_show(context->client, SHOWN_MULTI, true);
    client_show_queue(context->client, 0, 0);
    reply_ok(context->reply);
}

void command_exec(struct command_context *context) {
    struct transaction *transaction = open_transaction(context);
    if (transaction == NULL) {
        reply_error(context->reply, "ERR EXEC without MULTI");
        return;
    }
    if (transaction->broken)
        reply_error(context->reply, "EXECABORT Transaction discarded because of previous errors.");
    else
        dispatch_transaction(context);
    if (!context->held)
        end_transaction(context, transaction);
}

void command_discard(struct command_context *context) {
    struct transaction *transaction = open_transaction(context);
    if (transaction == NULL) {
        reply_error(context->reply, "ERR DISCARD without MULTI");
        return;
    }
    end_transaction(context, transaction);
    reply_ok(context->reply);
}

// The keys are locked from before it is seen whether they live until they are watched. A writer marks the
// watchers while it holds the same locks, so it comes either wholly before, and then the client will read
// what it wrote, or wholly after, and then it finds the watch.
void command_watch(struct command_context *context) {
    if (open_transaction(context) != NULL) {
        reply_error(context->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    struct transaction *transaction = client_transaction(context->client);
    const struct bytes *keys = context->arguments + 1;
    size_t count = context->count - 1;
    enum store_status status = STORE_OK;
    session_write_begin(context->session, keys, count);
    for (size_t i = 0; i < count && (status == STORE_OK || status == STORE_NOT_FOUND); i++) {
        status = store_exists(context->session, keys[i], context->now);
        watch_add(context->server->watch_table, transaction, keys[i], status == STORE_OK);
    }
    bool failed = status != STORE_OK && status != STORE_NOT_FOUND;
    if (failed)
        reply_store_error(context, status);
    session_write_end(context->session);
    show_watches(context->client, transaction);
    if (!failed)
        reply_ok(context->reply);
}

void command_unwatch(struct command_context *context) {
    if (context->client->transaction != NULL)
        end_watches(context, context->client->transaction);
    reply_ok(context->reply);
}
