// SPDX-License-Identifier: Apache-2.0
//
// What the cluster's controller tells a node: its id, the topology, and that it is out of the cluster. These
// commands run with the role guard held exclusively, so that no write is in flight while slots and role
// change. Uses: arguments, cluster_node, node, cluster, store/session.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/cluster_node.h"
#include "commands/handlers.h"
#include "commands/node.h"
#include "server/server.h"

void command_clusterx_version(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    if (cluster == NULL)
        return;
    struct cluster_view view = cluster_view_begin(cluster);
    int64_t version = view.version;
    cluster_view_end(cluster);
    reply_bulk_integer(context->reply, version);
}

void cluster_finish(struct command_context *context, bool done, const char *error) {
    node_follow_topology(node_of(context->server));
    if (done)
        reply_ok(context->reply);
    else
        reply_error(context->reply, error);
}

void command_clusterx_setnodeid(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    char error[CLUSTER_ERROR_SIZE];
    if (cluster != NULL)
        cluster_finish(context, cluster_set_id(cluster, context->arguments[2], error), error);
}

void command_clusterx_setnodes(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    char error[CLUSTER_ERROR_SIZE];
    bool force = context->count == 5;
    int64_t version = 0;
    if (cluster == NULL)
        return;
    if (context->count > 5)
        reply_arity_error(context);
    else if (!number_read_integer(context->arguments[3], &version))
        reply_error(context->reply, "ERR Invalid version");
    else if (force && !argument_is(context, 4, "force"))
        reply_error(context->reply, "ERR Invalid setnodes options");
    else
        cluster_finish(context, cluster_set_nodes(cluster, context->arguments[2], version, force, error),
                       error);
}

// --- CLUSTER RESET ---

static const char *move_obstacle(struct cluster *cluster) {
    const char *obstacle = NULL;
    struct cluster_view view = cluster_view_begin(cluster);
    if (view.moves->migration == MIGRATION_RUNNING || view.moves->migration == MIGRATION_IN_DOUBT)
        obstacle = "ERR Can't reset cluster while migrating slot";
    else if (view.moves->import == IMPORT_RUNNING)
        obstacle = "ERR Can't reset cluster while importing slot";
    cluster_view_end(cluster);
    return obstacle;
}

// NULL, or why the node cannot be taken out of the cluster now.
static const char *reset_obstacle(struct command_context *context, struct cluster *cluster) {
    const char *moving = move_obstacle(cluster);
    if (moving != NULL)
        return moving;
    struct key_iterator *iterator = key_iterator_open(context->session, context->now);
    struct metadata metadata;
    struct bytes key;
    key_iterator_seek(iterator, (struct bytes){0}, false);
    bool has_keys = key_iterator_next(iterator, &key, &metadata, NULL);
    enum store_status status = key_iterator_status(iterator);
    key_iterator_close(iterator);
    if (status != STORE_OK)
        return session_error(context->session, status);
    return has_keys ? "ERR Can't reset cluster while database is not empty" : NULL;
}

void command_cluster_reset(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    char error[CLUSTER_ERROR_SIZE];
    if (cluster == NULL)
        return;
    if (context->count > 3 ||
        (context->count == 3 && !argument_is(context, 2, "hard") && !argument_is(context, 2, "soft"))) {
        reply_syntax_error(context);
        return;
    }
    const char *obstacle = reset_obstacle(context, cluster);
    if (obstacle != NULL) {
        reply_error(context->reply, obstacle);
        return;
    }
    bool done = cluster_reset(cluster, error);
    node_set_master(node_of(context->server), NULL);
    cluster_finish(context, done, error);
}
