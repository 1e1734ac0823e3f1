// SPDX-License-Identifier: Apache-2.0
//
// CLIENT's subcommands that concern the connection itself: its id, name, library, and how it is treated.
// Uses: server/client, server/server.
#include "server/client.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/client_settings.h"
#include "commands/handlers.h"
#include "server/server.h"

#include <stdlib.h>

void command_client_id(struct command_context *context) {
    reply_integer(context->reply, (int64_t)context->client->id);
}

// Names are shown in lines of blank-separated fields, so they hold neither blanks nor control bytes.
static bool fits_in_a_field(struct bytes text) {
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    }
    return true;
}

// Replaces one of the texts that CLIENT LIST reads on other threads. The empty text means "not set".
static void replace_shared_text(struct server *server, char **field, struct bytes text) {
    char *copy = NULL;
    if (text.length != 0) {
        copy = memory_allocate(text.length + 1);
        memcpy(copy, text.data, text.length);
        copy[text.length] = '\0';
    }
    pthread_mutex_lock(&server->registry_lock);
    char *old = *field;
    *field = copy;
    pthread_mutex_unlock(&server->registry_lock);
    free(old);
}

bool client_name_is_valid(struct command_context *context, struct bytes name) {
    if (fits_in_a_field(name))
        return true;
    reply_error(context->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
}

void client_rename(struct client *client, struct bytes name) {
    replace_shared_text(client->server, &client->name, name);
}

void command_client_setname(struct command_context *context) {
    if (!client_name_is_valid(context, context->arguments[2]))
        return;
    client_rename(context->client, context->arguments[2]);
    reply_ok(context->reply);
}

void command_client_getname(struct command_context *context) {
    // Only this thread writes the name, so reading it needs no lock.
    if (context->client->name == NULL)
        reply_null(context->reply);
    else
        reply_bulk_text(context->reply, context->client->name);
}

void command_client_setinfo(struct command_context *context) {
    struct client *client = context->client;
    char **field = NULL;
    const char *name = "";
    if (argument_is(context, 2, "lib-name")) {
        field = &client->library_name;
        name = "lib-name";
    } else if (argument_is(context, 2, "lib-ver")) {
        field = &client->library_version;
        name = "lib-ver";
    } else {
        struct bytes option = context->arguments[2];
        reply_error_format(context->reply, "ERR Unrecognized option '%.*s'", bytes_shown_length(option),
                           option.data);
        return;
    }
    if (!fits_in_a_field(context->arguments[3])) {
        reply_error_format(context->reply, "ERR %s cannot contain spaces, newlines or special characters.",
                           name);
        return;
    }
    replace_shared_text(context->server, field, context->arguments[3]);
    reply_ok(context->reply);
}

// Reads ON or OFF in argument 2, or replies with the error.
static bool read_on_off(struct command_context *context, bool *on) {
    *on = argument_is(context, 2, "on");
    if (*on || argument_is(context, 2, "off"))
        return true;
    reply_syntax_error(context);
    return false;
}

void command_client_no_evict(struct command_context *context) {
    if (!read_on_off(context, &context->client->no_evict))
        return;
    client_show(context->client, SHOWN_NO_EVICT, context->client->no_evict);
    reply_ok(context->reply);
}

void command_client_no_touch(struct command_context *context) {
    if (!read_on_off(context, &context->client->no_touch))
        return;
    client_show(context->client, SHOWN_NO_TOUCH, context->client->no_touch);
    reply_ok(context->reply);
}

// The dispatcher drops the replies that the mode suppresses, this command's own among them.
void command_client_reply(struct command_context *context) {
    struct client *client = context->client;
    if (argument_is(context, 2, "on")) {
        client->reply_mode = CLIENT_REPLY_ON;
    } else if (argument_is(context, 2, "off")) {
        client->reply_mode = CLIENT_REPLY_OFF;
    } else if (argument_is(context, 2, "skip")) {
        if (client->reply_mode != CLIENT_REPLY_OFF)
            client->reply_mode = CLIENT_REPLY_SKIP;
    } else {
        reply_syntax_error(context);
        return;
    }
    reply_ok(context->reply);
}

void command_client_getredir(struct command_context *context) {
    reply_integer(context->reply, -1);
}

void command_client_tracking(struct command_context *context) {
    bool on = false;
    if (!read_on_off(context, &on))
        return;
    if (on)
        reply_error(context->reply, "ERR Client tracking is not supported by this server");
    else
        reply_ok(context->reply);
}

void command_client_trackinginfo(struct command_context *context) {
    struct reply *reply = context->reply;
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_set(reply, 1);
    reply_bulk_text(reply, "off");
    reply_bulk_text(reply, "redirect");
    reply_integer(reply, -1);
    reply_bulk_text(reply, "prefixes");
    reply_array(reply, 0);
}

void command_client_caching(struct command_context *context) {
    reply_error(context->reply, "ERR CLIENT CACHING can be called only when the client is in tracking mode "
                                "with OPTIN or OPTOUT mode enabled");
}
