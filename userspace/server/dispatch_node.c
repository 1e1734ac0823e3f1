// SPDX-License-Identifier: Apache-2.0
//
// Whether this node is the one to run a command: asked before a command is run or queued, and once more
// inside the role guard, where the answer cannot change any more. Uses: server/server, server/transaction.
#include "server/dispatch.h"

#include "server/dispatch_internal.h"
#include "server/key_waits.h"
#include "server/lease_channel.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/subscribers.h"
#include "server/transaction.h"

#include <stdio.h>

static bool serves_keys(const struct client *client, const struct command *command,
                        const struct bytes *arguments, size_t count, char error[NODE_ERROR_SIZE]) {
    const struct node_view *node = &client->server->node;
    struct bytes on_stack[8];
    struct key_list keys = {.keys = on_stack, .capacity = sizeof(on_stack) / sizeof(on_stack[0])};
    dispatch_collect_keys(command, arguments, count, &keys);
    const struct node_request request = {
        .keys = keys.keys,
        .key_count = keys.count,
        .may_read_replica = (command->flags & COMMAND_PUBSUB) != 0 ||
                            (client->may_read_replica && (command->flags & COMMAND_WRITE) == 0),
        .changes = (command->flags & COMMAND_WRITE) != 0,
        .asks = client->asking != 0,
        .client = client->id,
    };
    bool serves = keys.count == 0 || node->serves(node->context, &request, error);
    key_list_release(&keys);
    return serves;
}

bool dispatch_is_elsewhere(const struct client *client, const struct command *command,
                           const struct bytes *arguments, size_t count, char error[NODE_ERROR_SIZE]) {
    const struct node_view *node = &client->server->node;
    if (node->serves != NULL && !serves_keys(client, command, arguments, count, error))
        return true;
    if ((command->flags & COMMAND_WRITE) == 0 || !node->is_replica(node->context))
        return false;
    (void)snprintf(error, NODE_ERROR_SIZE, "READONLY You can't write against a read only replica.");
    return true;
}

static bool is_readonly(const char *error) {
    return strncmp(error, "READONLY ", 9) == 0;
}

void dispatch_reply_elsewhere(struct client *client, const char *error) {
    if (client->blocked == NULL || !is_readonly(error)) {
        reply_error(&client->reply, error);
        return;
    }
    reply_error(&client->reply, "UNBLOCKED force unblock from blocking operation, instance state changed "
                                "(master -> replica?)");
    client->close_after_reply = true;
}

static void drop_moved(struct worker *worker, void *argument) {
    (void)argument;
    subscribers_drop_moved(worker);
}

void dispatch_note_changed_node(struct server *server) {
    key_waits_wake_all(server->key_waits);
    lease_channel_look(server, NULL);
    if (pubsub_topics(server->pubsub, TOPIC_SHARD_CHANNEL) != 0)
        server_post_all(server, drop_moved, NULL);
}

// A redirection comes as it is, for the client to follow.
static void reply_refusal(struct command_context *context, const char *error) {
    if (is_readonly(error))
        reply_error_format(context->reply, "EXECABORT Transaction discarded because of: %s", error);
    else
        reply_error(context->reply, error);
}

bool dispatch_refuse_queue(struct command_context *context) {
    const struct transaction *transaction = context->client->transaction;
    char error[NODE_ERROR_SIZE];
    for (size_t i = 0; i < transaction->count; i++) {
        const struct queued_command *queued = &transaction->queue[i];
        if (!dispatch_is_elsewhere(context->client, queued->command, queued->arguments, queued->count, error))
            continue;
        reply_refusal(context, error);
        return true;
    }
    return false;
}
