// SPDX-License-Identifier: Apache-2.0
//
// The commands that replicas send: who they are, what they want, and how far they have come. Kvrocks' words,
// so that one of its nodes can be a replica of this one. Uses: arguments, node, replication, server/client.
#include "base/memory.h"
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/node.h"
#include "replication/peer.h"
#include "replication/replication.h"
#include "replication/snapshots.h"
#include "server/client.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// NULL: the error is replied.
static struct replication *replication_of(struct command_context *context) {
    const struct node *node = node_of(context->server);
    if (node == NULL)
        reply_error(context->reply, "ERR this server has no replicas");
    return node == NULL ? NULL : node_replication(node);
}

// --- REPLCONF ---

static const char *take_port(struct client *client, struct bytes value) {
    uint64_t port = 0;
    if (!number_read_unsigned(value, &port) || port == 0 || port >= UINT16_MAX)
        return "ERR listening-port should be number or out of range";
    client->announced_port = (uint16_t)port;
    return NULL;
}

static const char *take_host(struct client *client, struct bytes value) {
    if (value.length == 0)
        return "ERR ip-address should not be empty";
    if (value.length > ROLE_HOST_MAX)
        return "ERR ip-address is too long";
    free(client->announced_host);
    client->announced_host = memory_allocate(value.length + 1);
    memcpy(client->announced_host, value.data, value.length);
    client->announced_host[value.length] = '\0';
    return NULL;
}

// What is fed acknowledges to the thread that feeds it, and nobody answers; here it may come late.
static bool is_acknowledgement(const struct command_context *context) {
    return context->count == 3 && argument_is(context, 1, "ack");
}

void command_replconf(struct command_context *context) {
    const char *error = NULL;
    if (is_acknowledgement(context))
        return;
    if (context->count % 2 == 0) {
        reply_arity_error(context);
        return;
    }
    for (size_t i = 1; i < context->count && error == NULL; i += 2) {
        if (argument_is(context, i, "listening-port"))
            error = take_port(context->client, context->arguments[i + 1]);
        else if (argument_is(context, i, "ip-address"))
            error = take_host(context->client, context->arguments[i + 1]);
        else
            error = "ERR unknown option";
    }
    if (error != NULL)
        reply_error(context->reply, error);
    else
        reply_ok(context->reply);
}

// --- PSYNC ---

struct inheritance {
    struct replication *replication;
    struct replica_request request;
    char *names;     // of files; NULL: none are wanted
    uint64_t number; // of the copy that has them; 0: not said
    bool verified;
};

static void feed(void *context, int fd) {
    struct inheritance *inheritance = context;
    if (fd >= 0)
        replication_feed(inheritance->replication, fd, &inheritance->request);
    free(inheritance);
}

static void begin_feeding(struct command_context *context, struct replication *replication,
                          const struct replica_request *request) {
    struct inheritance *inheritance = memory_allocate_zeroed(1, sizeof(*inheritance));
    const struct client *client = context->client;
    struct replica_announcement *announcement = &inheritance->request.announcement;
    inheritance->replication = replication;
    inheritance->request = *request;
    announcement->port = client->announced_port;
    if (client->announced_host != NULL)
        (void)snprintf(announcement->host, sizeof(announcement->host), "%s", client->announced_host);
    client_hand_over(context->client, feed, inheritance);
}

// NULL: it can be asked for, whether it is given or not.
static const char *read_request(const struct command_context *context, struct replica_request *request) {
    struct bytes id = context->count == 3 ? context->arguments[1] : (struct bytes){0};
    if (!number_read_unsigned(context->arguments[context->count - 1], &request->next))
        return "ERR value is not an unsigned long long or out of range";
    if (context->count == 3 && id.length != HISTORY_ID_LENGTH)
        return "ERR Wrong replication id length";
    if (id.length != 0)
        memcpy(request->history, id.data, id.length);
    return NULL;
}

// PSYNC next, or PSYNC id next. The answer comes from the thread that takes the connection over.
void command_psync(struct command_context *context) {
    struct replication *replication = replication_of(context);
    struct replica_request request = {0};
    if (replication == NULL)
        return;
    if (context->count > 3) {
        reply_arity_error(context);
        return;
    }
    const char *error = read_request(context, &request);
    if (error != NULL)
        reply_error(context->reply, error);
    else
        begin_feeding(context, replication, &request);
}

// --- The database's name, and its files ---

// A bare line, unlike any reply of the protocol.
void command_db_name(struct command_context *context) {
    struct buffer line = {0};
    config_text(context->server->config, CONFIG_DB_NAME, &line);
    buffer_append_text(&line, "\r\n");
    output_append(&context->reply->output, buffer_bytes(&line));
    buffer_release(&line);
}

static void send_list(void *context, int fd) {
    struct inheritance *inheritance = context;
    if (fd >= 0)
        replication_send_list(inheritance->replication, fd, inheritance->verified);
    free(inheritance);
}

static void send_files(void *context, int fd) {
    struct inheritance *inheritance = context;
    const struct snapshot_request request = {.names = bytes_from_text(inheritance->names),
                                             .verified = inheritance->verified,
                                             .number = inheritance->number};
    if (fd >= 0)
        replication_send_files(inheritance->replication, fd, &request);
    free(inheritance->names);
    free(inheritance);
}

// The argument `verified` may follow `count` others. False: the error is replied.
static bool begin_sending(struct command_context *context, size_t count, struct inheritance *inheritance) {
    inheritance->replication = replication_of(context);
    inheritance->verified = argument_is(context, count, "verified");
    if (inheritance->replication == NULL)
        return false;
    if (context->count == count + inheritance->verified + (inheritance->number != 0))
        return true;
    reply_arity_error(context);
    return false;
}

void command_fetch_meta(struct command_context *context) {
    struct inheritance inheritance = {0};
    if (begin_sending(context, 1, &inheritance))
        client_hand_over(context->client, send_list, memory_copy(&inheritance, sizeof(inheritance)));
}

// _fetch_file names [verified [number]]
void command_fetch_file(struct command_context *context) {
    struct inheritance inheritance = {0};
    struct bytes names = context->arguments[1];
    if (context->count == 4 && !number_read_unsigned(context->arguments[3], &inheritance.number)) {
        reply_error(context->reply, "ERR the number of the copy is not an integer");
        return;
    }
    if (!begin_sending(context, 2, &inheritance))
        return;
    inheritance.names = memory_allocate(names.length + 1);
    memcpy(inheritance.names, names.data, names.length);
    inheritance.names[names.length] = '\0';
    client_hand_over(context->client, send_files, memory_copy(&inheritance, sizeof(inheritance)));
}
