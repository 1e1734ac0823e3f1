// SPDX-License-Identifier: Apache-2.0
//
// CLUSTER's questions about the node and its topology that are answered with text, and READONLY. Uses:
// cluster_node, node, cluster, store/encoding.
#include "cluster/cluster.h"
#include "cluster/describe.h"
#include "commands/cluster_node.h"
#include "commands/handlers.h"
#include "commands/node.h"
#include "server/client.h"
#include "server/server.h"

struct cluster *cluster_or_error(struct command_context *context) {
    const struct node *node = node_of(context->server);
    struct cluster *cluster = node == NULL ? NULL : node_cluster(node);
    if (cluster == NULL)
        reply_error(context->reply, "ERR Cluster mode is not enabled");
    return cluster;
}

bool cluster_view_or_error(struct command_context *context, struct cluster *cluster,
                           struct cluster_view *view) {
    *view = cluster_view_begin(cluster);
    if (view->topology != NULL)
        return true;
    cluster_view_end(cluster);
    reply_error(context->reply, "CLUSTERDOWN The cluster is not initialized");
    return false;
}

static void reply_text(struct command_context *context, struct buffer *text) {
    reply_verbatim(context->reply, "txt", buffer_bytes(text));
    buffer_release(text);
}

void command_cluster_info(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct cluster_view view;
    struct buffer text = {0};
    if (cluster == NULL || !cluster_view_or_error(context, cluster, &view))
        return;
    describe_info(&view, &text);
    cluster_view_end(cluster);
    reply_text(context, &text);
}

void command_cluster_nodes(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct cluster_view view;
    struct buffer text = {0};
    if (cluster == NULL || !cluster_view_or_error(context, cluster, &view))
        return;
    describe_nodes(&view, context->now, &text);
    cluster_view_end(cluster);
    reply_text(context, &text);
}

void command_cluster_replicas(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct cluster_view view;
    struct buffer text = {0};
    const char *error = NULL;
    if (cluster == NULL || !cluster_view_or_error(context, cluster, &view))
        return;
    size_t node = topology_find(view.topology, context->arguments[2]);
    if (node == TOPOLOGY_NOBODY)
        error = "ERR Invalid cluster node id";
    else if (!view.topology->nodes[node].is_master)
        error = "ERR The node isn't a master";
    else
        describe_replicas(&view, node, context->now, &text);
    cluster_view_end(cluster);
    if (error != NULL)
        reply_error(context->reply, error);
    else
        reply_text(context, &text);
}

void command_cluster_myid(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    if (cluster == NULL)
        return;
    struct cluster_view view = cluster_view_begin(cluster);
    reply_bulk_text(context->reply, view.id);
    cluster_view_end(cluster);
}

void command_cluster_keyslot(struct command_context *context) {
    if (cluster_or_error(context) != NULL)
        reply_integer(context->reply, key_slot(context->arguments[2]));
}

// --- Reading from replicas ---

static void allow_replica(struct command_context *context, bool allowed) {
    context->client->may_read_replica = allowed;
    client_show(context->client, SHOWN_READONLY, allowed);
    reply_ok(context->reply);
}

void command_readonly(struct command_context *context) {
    allow_replica(context, true);
}

void command_readwrite(struct command_context *context) {
    allow_replica(context, false);
}
