// SPDX-License-Identifier: Apache-2.0
//
// Slots that change hands: SETSLOT and MIGRATE, with which the controller moves them, IMPORT, which one node
// sends the other meanwhile, and ASKING. Uses: arguments, cluster_node, migrate_wait, node, cluster, lease,
// store/session, server/{client,lease_gate,server}.
#include "base/memory.h"
#include "base/number.h"
#include "cluster/migration.h"
#include "commands/arguments.h"
#include "commands/cluster_node.h"
#include "commands/handlers.h"
#include "commands/migrate_wait.h"
#include "commands/node.h"
#include "server/client.h"
#include "server/lease_gate.h"
#include "server/server.h"

#include <stdlib.h>

// For itself and for the command that follows.
enum { ASKING_COMMANDS = 2 };

void command_asking(struct command_context *context) {
    context->client->asking = ASKING_COMMANDS;
    reply_ok(context->reply);
}

static bool argument_range(struct command_context *context, struct bytes text, struct slot_range *range) {
    const char *problem = slot_range_parse(text, range);
    if (problem != NULL)
        reply_error_format(context->reply, "ERR %s", problem);
    return problem == NULL;
}

// --- CLUSTERX SETSLOT ---

static struct bytes next_word(struct bytes *rest) {
    while (rest->length != 0 && *rest->data == ' ') {
        rest->data++;
        rest->length--;
    }
    struct bytes word = {.data = rest->data};
    while (word.length < rest->length && word.data[word.length] != ' ')
        word.length++;
    rest->data += word.length;
    rest->length -= word.length;
    return word;
}

// Ranges separated by blanks. NULL: the error is replied; else to be freed.
static struct slot_range *argument_ranges(struct command_context *context, struct bytes text, size_t *count) {
    struct slot_range *ranges = memory_allocate((text.length / 2 + 1) * sizeof(*ranges));
    *count = 0;
    for (struct bytes word = next_word(&text); word.length != 0; word = next_word(&text)) {
        if (!argument_range(context, word, &ranges[(*count)++])) {
            free(ranges);
            return NULL;
        }
    }
    if (*count != 0)
        return ranges;
    reply_error(context->reply, "ERR Invalid slot id: empty");
    free(ranges);
    return NULL;
}

static bool argument_version(struct command_context *context, size_t index, int64_t *version) {
    if (!argument_integer(context, index, version))
        return false;
    if (*version < 0)
        reply_error(context->reply, "ERR Invalid version");
    return *version >= 0;
}

void command_clusterx_setslot(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    char error[CLUSTER_ERROR_SIZE];
    int64_t version = 0;
    size_t count = 0;
    if (cluster == NULL)
        return;
    struct slot_range *ranges = argument_ranges(context, context->arguments[2], &count);
    if (ranges == NULL)
        return;
    if (!argument_is(context, 3, "node"))
        reply_error(context->reply, "ERR Invalid setslot options");
    else if (!node_id_is_valid(context->arguments[4]))
        reply_error(context->reply, "ERR Invalid node id");
    else if (argument_version(context, 5, &version))
        cluster_finish(
            context, cluster_set_slots(cluster, ranges, count, context->arguments[4], version, error), error);
    free(ranges);
}

// --- CLUSTERX MIGRATE ---

// A fenced master's slots stay where they are; whoever may write may also move.
static bool may_write(struct command_context *context) {
    struct lease *lease = lease_gate_lease(context->server->lease_gate);
    const char *refusal = lease_view(lease).mode == LEASE_BLOCK_WRITE ? lease_check_commit(lease, 1) : NULL;
    if (refusal != NULL)
        reply_error(context->reply, refusal);
    return refusal == NULL;
}

struct migrate_options {
    bool waits;
    int64_t timeout_s; // 0: none
};

// False: the error is replied.
static bool read_migrate_options(struct command_context *context, struct migrate_options *options) {
    const char *error = NULL;
    *options = (struct migrate_options){.waits = context->count > 4 && argument_is(context, 4, "sync")};
    if (context->count > 4 && !options->waits && !argument_is(context, 4, "async"))
        error = "ERR Invalid sync flag";
    else if (context->count > 5 && !options->waits)
        error = "ERR Async migration does not support timeout";
    else if (context->count > 5 && (!number_read_integer(context->arguments[5], &options->timeout_s) ||
                                    options->timeout_s > INT32_MAX))
        error = "ERR timeout is not an integer or out of range";
    else if (options->timeout_s < 0)
        error = "ERR timeout is negative";
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

static void begin_migration(struct command_context *context, struct cluster *cluster, struct slot_range slots,
                            const struct migrate_options *options) {
    struct migration *migration = node_migration(node_of(context->server));
    char error[CLUSTER_ERROR_SIZE];
    if (!cluster_migration_begin(cluster, slots, context->arguments[3], error)) {
        reply_error(context->reply, error);
        return;
    }
    migration_begins(migration);
    if (options->waits)
        migrate_wait(context, migration, options->timeout_s);
    else
        reply_ok(context->reply);
    migration_wake(migration);
}

void command_clusterx_migrate(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct migrate_options options;
    struct slot_range slots;
    if (cluster == NULL)
        return;
    if (context->count > 6)
        reply_arity_error(context);
    else if (argument_range(context, context->arguments[2], &slots) &&
             read_migrate_options(context, &options) && may_write(context))
        begin_migration(context, cluster, slots, &options);
}

// --- CLUSTER IMPORT ---

static void link_ended(void *context, uint64_t client) {
    const struct node *node = context;
    if (cluster_import_link_ended(node_cluster(node), client))
        migration_wake(node_migration(node));
}

// What is deleted here and refused by the lease is deleted later by the thread that moves slots.
void command_cluster_import(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct client *client = context->client;
    char error[CLUSTER_ERROR_SIZE];
    struct slot_range slots;
    int64_t state = 0;
    bool is_to_be_emptied = false;
    if (cluster == NULL || !argument_range(context, context->arguments[2], &slots) ||
        !argument_integer(context, 3, &state) || !may_write(context))
        return;
    if (!cluster_import(cluster, slots, state, client->id, &is_to_be_emptied, error)) {
        reply_error(context->reply, error);
        return;
    }
    if (is_to_be_emptied)
        stage_delete_slots(context->session, (uint16_t)slots.first, (uint16_t)slots.last);
    client->on_end = link_ended;
    client->on_end_context = node_of(context->server);
    migration_wake(node_migration(node_of(context->server)));
    reply_ok(context->reply);
}
