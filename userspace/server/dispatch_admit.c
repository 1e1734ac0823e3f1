// SPDX-License-Identifier: Apache-2.0
//
// What a command has to pass before it runs. Uses: base, store/session, the rest of server/.
#include "server/dispatch_internal.h"
#include "server/gather.h"
#include "server/server.h"
#include "server/transaction.h"
#include "server/watch_table.h"
#include "server/worker.h"

#include <ctype.h>

enum { UNKNOWN_NAME_MAX = 128, UNKNOWN_ARGUMENTS_MAX = 128, UPPER_NAME_SIZE = 64 };

static void refuse_unknown(struct client *client, const struct bytes *arguments, size_t count) {
    struct buffer shown = {0};
    for (size_t i = 1; i < count && shown.length < UNKNOWN_ARGUMENTS_MAX; i++) {
        int length = (int)(arguments[i].length < UNKNOWN_ARGUMENTS_MAX - shown.length
                               ? arguments[i].length
                               : UNKNOWN_ARGUMENTS_MAX - shown.length);
        buffer_append_format(&shown, "'%.*s' ", length, arguments[i].data);
    }
    int name_length = (int)(arguments[0].length < UNKNOWN_NAME_MAX ? arguments[0].length : UNKNOWN_NAME_MAX);
    reply_error_format(&client->reply, "ERR unknown command '%.*s', with args beginning with: %.*s",
                       name_length, arguments[0].data, (int)shown.length,
                       shown.data == NULL ? "" : shown.data);
    buffer_release(&shown);
}

static void upper_name(const struct command *command, char out[UPPER_NAME_SIZE]) {
    size_t length = 0;
    for (; length < UPPER_NAME_SIZE - 1 && command->name[length] != '\0'; length++)
        out[length] = (char)toupper((unsigned char)command->name[length]);
    out[length] = '\0';
}

static void refuse_unknown_subcommand(struct client *client, const struct command *container,
                                      struct bytes name) {
    int length = (int)(name.length < UNKNOWN_NAME_MAX ? name.length : UNKNOWN_NAME_MAX);
    char upper[UPPER_NAME_SIZE];
    upper_name(container, upper);
    reply_error_format(&client->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", length, name.data,
                       upper);
}

static bool arity_fits(const struct command *command, size_t count) {
    return command->arity >= 0 ? count == (size_t)command->arity : count >= (size_t)-command->arity;
}

// An EXEC that cannot run ends the transaction, as in Redis.
static void refuse_arity(struct client *client, const struct command *command) {
    if (!dispatch_in_multi(client) || (command->flags & COMMAND_EXEC) == 0) {
        reply_error_format(&client->reply, "ERR wrong number of arguments for '%s' command", command->name);
        return;
    }
    reply_error_format(
        &client->reply,
        "EXECABORT Transaction discarded because of: wrong number of arguments for '%s' command",
        command->name);
    transaction_discard(client->transaction);
    watch_remove_all(client->server->watch_table, client->transaction);
    client_show(client, SHOWN_MULTI, false);
    client_show_queue(client, CLIENT_NOT_IN_MULTI, 0);
    atomic_store_explicit(&client->watch_shown, 0, memory_order_relaxed);
}

static bool is_authenticated_for(struct client *client, const struct command *command) {
    if ((command->flags & COMMAND_NO_AUTH) != 0 || !client_must_authenticate(client))
        return true;
    reply_error(&client->reply, "NOAUTH Authentication required.");
    return false;
}

// In RESP2 what is published cannot be told from replies, but for a few that look like it.
static bool may_run_as_subscriber(struct client *client, const struct command *command) {
    if (client->topics == NULL || client->reply.protocol != 2 || (command->flags & COMMAND_SUBSCRIBER) != 0)
        return true;
    reply_error_format(&client->reply,
                       "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                       "are allowed in this context",
                       command->name);
    return false;
}

// False: the error is replied.
static bool is_fit_to_run(struct client *client, const struct command *command, const struct bytes *arguments,
                          size_t count) {
    char elsewhere[NODE_ERROR_SIZE];
    const char *full = NULL;
    if (!is_authenticated_for(client, command))
        return false;
    if (!arity_fits(command, count)) {
        refuse_arity(client, command);
        return false;
    }
    if (dispatch_is_elsewhere(client, command, arguments, count, elsewhere)) {
        dispatch_reply_elsewhere(client, elsewhere);
        return false;
    }
    if ((command->flags & COMMAND_STALE) == 0 &&
        atomic_load_explicit(&client->server->data_is_stale, memory_order_relaxed)) {
        reply_error(&client->reply,
                    "MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.");
        return false;
    }
    if ((command->flags & COMMAND_DENY_FULL) != 0 && store_is_full(client->server->store, &full)) {
        reply_error(&client->reply, full);
        return false;
    }
    return may_run_as_subscriber(client, command);
}

// A command that is known and whose function is not called.
static void count_rejected(struct client *client, const struct command *command) {
    counter_add(&worker_stats(client->worker)->by_command[command->index].rejected, 1);
}

// What is gathered is written before the error is replied: if that fails, its replies are taken back.
static bool is_fit_behind_gathered(struct client *client, const struct command *command,
                                   const struct bytes *arguments, size_t count) {
    struct output_mark before = output_mark(&client->reply.output);
    bool is_fit = is_fit_to_run(client, command, arguments, count);
    if (is_fit || !gather_is_open(client->worker))
        return is_fit;
    output_truncate(&client->reply.output, before);
    gather_end(client->worker);
    return is_fit_to_run(client, command, arguments, count);
}

const struct command *dispatch_admit(struct client *client, const struct command *command,
                                     const struct bytes *arguments, size_t count) {
    const struct command_table *table = client->server->commands;
    if (command == NULL) {
        refuse_unknown(client, arguments, count);
        return NULL;
    }
    if (count >= 2 && command_is_container(table, command)) {
        if (is_authenticated_for(client, command))
            refuse_unknown_subcommand(client, command, arguments[1]);
        return NULL;
    }
    if (is_fit_behind_gathered(client, command, arguments, count))
        return command;
    count_rejected(client, command);
    return NULL;
}

static void refuse_in_multi(struct client *client, const struct command *command) {
    char upper[UPPER_NAME_SIZE];
    upper_name(command, upper);
    reply_error_format(&client->reply, "ERR %s is not allowed in transactions", upper);
}

// Before it runs: refused, queued, or nothing of the kind (true).
bool dispatch_passes_multi(struct client *client, const struct command *command,
                           const struct bytes *arguments, size_t count) {
    if (!dispatch_in_multi(client) || (command->flags & COMMAND_BYPASS_MULTI) != 0)
        return true;
    if ((command->flags & COMMAND_NO_MULTI) != 0) {
        refuse_in_multi(client, command);
        count_rejected(client, command);
        dispatch_count_error(client);
        client->transaction->broken = true;
        return false;
    }
    size_t most = (size_t)config_integer(client->server->config, CONFIG_CLIENT_QUERY_BUFFER_LIMIT);
    const char *error = transaction_queue(client->transaction, command, arguments, count, most);
    client_show_queue(client, (int)client->transaction->count, client->transaction->queued_bytes);
    if (error == NULL) {
        reply_status(&client->reply, "QUEUED");
        return false;
    }
    reply_error(&client->reply, error);
    count_rejected(client, command);
    dispatch_count_error(client);
    return false;
}
