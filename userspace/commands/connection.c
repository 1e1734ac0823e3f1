// SPDX-License-Identifier: Apache-2.0
//
// Commands with which a client sets up its connection. Uses: arguments, client_settings, info, monitoring,
// server/{authentication,client,server,transaction}.
#include "commands/arguments.h"
#include "commands/client_settings.h"
#include "commands/handlers.h"
#include "commands/info.h"
#include "commands/monitoring.h"
#include "server/authentication.h"
#include "server/client.h"
#include "server/server.h"
#include "server/subscribers.h"
#include "server/transaction.h"

// In the form of what is published, which is all that such a client expects.
static void reply_pong(struct command_context *context) {
    reply_array(context->reply, 2);
    reply_bulk_text(context->reply, "pong");
    reply_bulk(context->reply, context->count == 2 ? context->arguments[1] : (struct bytes){0});
}

void command_ping(struct command_context *context) {
    bool is_subscriber = context->client->topics != NULL && context->reply->protocol == 2;
    if (context->count > 2)
        reply_arity_error(context);
    else if (is_subscriber)
        reply_pong(context);
    else if (context->count == 2)
        reply_bulk(context->reply, context->arguments[1]);
    else
        reply_status(context->reply, "PONG");
}

void command_echo(struct command_context *context) {
    reply_bulk(context->reply, context->arguments[1]);
}

// Every number is the one keyspace, so that clients which are configured with one need no change.
void command_select(struct command_context *context) {
    int64_t index = 0;
    if (!argument_integer(context, 1, &index))
        return;
    if (index < 0 || index > INT32_MAX)
        reply_error(context->reply, "ERR DB index is out of range");
    else
        reply_ok(context->reply);
}

void command_quit(struct command_context *context) {
    context->client->close_after_reply = true;
    reply_ok(context->reply);
}

static void set_protocol(struct client *client, uint8_t protocol) {
    client->reply.protocol = protocol;
    atomic_store(&client->protocol_shown, protocol);
}

void command_reset(struct command_context *context) {
    struct client *client = context->client;
    monitor_stop(client);
    subscribers_forget(client);
    transaction_close(client);
    client_show_queue(client, CLIENT_NOT_IN_MULTI, 0);
    client_show(client, SHOWN_MULTI, false);
    client_show(client, SHOWN_DIRTY_EXEC, false);
    client->reply_mode = CLIENT_REPLY_ON;
    client->no_touch = false;
    client_show(client, SHOWN_NO_TOUCH, false);
    client->may_read_replica = false;
    client->asking = 0;
    client_show(client, SHOWN_READONLY, false);
    client_rename(client, (struct bytes){0});
    set_protocol(client, 2);
    client->authenticated = !authentication_required(context->server->authentication);
    reply_status(context->reply, "RESET");
}

// --- Authentication ---

// There is one user, "default". Without a password it is let in with any.
static bool authenticate(struct command_context *context, struct bytes user, struct bytes password) {
    struct authentication *authentication = context->server->authentication;
    bool open = !authentication_required(authentication);
    if (bytes_equal(user, BYTES_LITERAL("default")) &&
        (open || authentication_check(authentication, password))) {
        context->client->authenticated = true;
        return true;
    }
    reply_error(context->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

void command_auth(struct command_context *context) {
    if (context->count > 3) {
        reply_syntax_error(context);
        return;
    }
    bool with_user = context->count == 3;
    if (!with_user && !authentication_required(context->server->authentication)) {
        reply_error(context->reply, "ERR AUTH <password> called without any password configured for the "
                                    "default user. Are you sure your configuration is correct?");
        return;
    }
    struct bytes user = with_user ? context->arguments[1] : BYTES_LITERAL("default");
    if (authenticate(context, user, context->arguments[context->count - 1]))
        reply_ok(context->reply);
}

// --- HELLO ---

struct greeting {
    int64_t protocol;
    const struct bytes *user, *password, *name; // NULL: not given
};

static bool read_greeting_options(struct command_context *context, struct greeting *greeting) {
    for (size_t i = 2; i < context->count; i++) {
        size_t more = context->count - 1 - i;
        struct bytes option = context->arguments[i];
        if (argument_is(context, i, "auth") && more >= 2) {
            greeting->user = &context->arguments[++i];
            greeting->password = &context->arguments[++i];
        } else if (argument_is(context, i, "setname") && more >= 1) {
            greeting->name = &context->arguments[++i];
            if (!client_name_is_valid(context, *greeting->name))
                return false;
        } else {
            reply_error_format(context->reply, "ERR Syntax error in HELLO option '%.*s'",
                               bytes_shown_length(option), option.data);
            return false;
        }
    }
    return true;
}

static bool read_greeting(struct command_context *context, struct greeting *greeting) {
    greeting->protocol = context->client->reply.protocol;
    if (context->count == 1)
        return true;
    if (!argument_integer_or(context, 1, &greeting->protocol,
                             "ERR Protocol version is not an integer or out of range"))
        return false;
    if (greeting->protocol < 2 || greeting->protocol > 3) {
        reply_error(context->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    return read_greeting_options(context, greeting);
}

static void reply_greeting(struct command_context *context) {
    struct reply *reply = context->reply;
    bool cluster = config_yes(context->server->config, CONFIG_CLUSTER_ENABLED);
    bool replica = context->server->node.is_replica(context->server->node.context);
    reply_map(reply, 7);
    reply_bulk_text(reply, "server");
    reply_bulk_text(reply, "redis");
    reply_bulk_text(reply, "version");
    reply_bulk_text(reply, REDIS_VERSION);
    reply_bulk_text(reply, "proto");
    reply_integer(reply, reply->protocol);
    reply_bulk_text(reply, "id");
    reply_integer(reply, (int64_t)context->client->id);
    reply_bulk_text(reply, "mode");
    reply_bulk_text(reply, cluster ? "cluster" : "standalone");
    reply_bulk_text(reply, "role");
    reply_bulk_text(reply, replica ? "slave" : "master");
    reply_bulk_text(reply, "modules");
    reply_array(reply, 0);
}

// Nothing is changed unless all of it is.
void command_hello(struct command_context *context) {
    struct client *client = context->client;
    struct greeting greeting = {0};
    if (!read_greeting(context, &greeting))
        return;
    if (greeting.user != NULL && !authenticate(context, *greeting.user, *greeting.password))
        return;
    if (!client->authenticated && authentication_required(context->server->authentication)) {
        reply_error(context->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
                    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
                    "RESP protocol version at the same time");
        return;
    }
    if (greeting.name != NULL)
        client_rename(client, *greeting.name);
    bool allowed = greeting.protocol == 2 || config_yes(context->server->config, CONFIG_RESP3_ENABLED);
    set_protocol(client, allowed ? (uint8_t)greeting.protocol : 2);
    reply_greeting(context);
}
