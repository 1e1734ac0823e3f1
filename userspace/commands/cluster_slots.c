// SPDX-License-Identifier: Apache-2.0
//
// CLUSTER SLOTS and SHARDS, from which clients learn where the slots are, and the keys in a slot. Uses:
// arguments, cluster_node, cluster, store/session.
#include "commands/arguments.h"
#include "commands/cluster_node.h"
#include "commands/handlers.h"
#include "server/server.h"

// --- SLOTS ---

static bool is_replica_of(const struct cluster_node *node, const struct cluster_node *master) {
    return !node->is_master && strcmp(node->master_id, master->id) == 0;
}

static void reply_slots_node(struct reply *reply, const struct cluster_node *node) {
    reply_array(reply, 3);
    reply_bulk_text(reply, node->host);
    reply_integer(reply, node->port);
    reply_bulk_text(reply, node->id);
}

// Replicas that have failed are left out: clients would try to read from them.
static void reply_slots_range(struct reply *reply, const struct topology *topology, size_t owner,
                              struct slot_range range) {
    const struct cluster_node *master = &topology->nodes[owner];
    size_t elements = 3;
    struct output_block *deferred = reply_deferred_begin(reply);
    reply_integer(reply, range.first);
    reply_integer(reply, range.last);
    reply_slots_node(reply, master);
    for (size_t i = 0; i < topology->count; i++) {
        const struct cluster_node *node = &topology->nodes[i];
        if (!is_replica_of(node, master) || node->has_failed)
            continue;
        reply_slots_node(reply, node);
        elements++;
    }
    reply_array_end(reply, deferred, elements);
}

void command_cluster_slots(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct cluster_view view;
    if (cluster == NULL || !cluster_view_or_error(context, cluster, &view))
        return;
    const struct topology *topology = view.topology;
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t ranges = 0;
    for (unsigned slot = 0; slot < CLUSTER_SLOT_COUNT;) {
        struct slot_range range = {slot, slot};
        size_t owner = topology->owners[slot];
        if (owner != TOPOLOGY_NOBODY && topology_next_range(topology, owner, slot, &range)) {
            reply_slots_range(context->reply, topology, owner, range);
            ranges++;
        }
        slot = range.last + 1;
    }
    cluster_view_end(cluster);
    reply_array_end(context->reply, deferred, ranges);
}

// --- SHARDS ---

static void reply_shard_slots(struct reply *reply, const struct topology *topology, size_t master) {
    struct output_block *deferred = reply_deferred_begin(reply);
    struct slot_range range;
    size_t numbers = 0;
    for (unsigned from = 0; topology_next_range(topology, master, from, &range); from = range.last + 1) {
        reply_integer(reply, range.first);
        reply_integer(reply, range.last);
        numbers += 2;
    }
    reply_array_end(reply, deferred, numbers);
}

static void reply_shard_node(struct command_context *context, const struct cluster_node *node, bool is_self) {
    struct reply *reply = context->reply;
    uint64_t sequence = is_self ? store_latest_sequence(context->server->store) : 0;
    reply_map(reply, 7);
    reply_bulk_text(reply, "id");
    reply_bulk_text(reply, node->id);
    reply_bulk_text(reply, "port");
    reply_integer(reply, node->port);
    reply_bulk_text(reply, "ip");
    reply_bulk_text(reply, node->host);
    reply_bulk_text(reply, "endpoint");
    reply_bulk_text(reply, node->host);
    reply_bulk_text(reply, "role");
    reply_bulk_text(reply, node->is_master ? "master" : "replica");
    reply_bulk_text(reply, "replication-offset"); // known of this node only
    reply_integer(reply, (int64_t)sequence);
    reply_bulk_text(reply, "health");
    reply_bulk_text(reply, node->has_failed ? "fail" : "online");
}

static void reply_shard(struct command_context *context, const struct cluster_view *view, size_t master) {
    const struct topology *topology = view->topology;
    reply_map(context->reply, 2);
    reply_bulk_text(context->reply, "slots");
    reply_shard_slots(context->reply, topology, master);
    reply_bulk_text(context->reply, "nodes");
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t nodes = 0;
    for (size_t i = 0; i < topology->count; i++) {
        if (i != master && !is_replica_of(&topology->nodes[i], &topology->nodes[master]))
            continue;
        reply_shard_node(context, &topology->nodes[i], i == view->self);
        nodes++;
    }
    reply_array_end(context->reply, deferred, nodes);
}

void command_cluster_shards(struct command_context *context) {
    struct cluster *cluster = cluster_or_error(context);
    struct cluster_view view;
    if (cluster == NULL || !cluster_view_or_error(context, cluster, &view))
        return;
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t shards = 0;
    for (size_t i = 0; i < view.topology->count; i++) {
        if (!view.topology->nodes[i].is_master)
            continue;
        reply_shard(context, &view, i);
        shards++;
    }
    cluster_view_end(cluster);
    reply_array_end(context->reply, deferred, shards);
}

// --- Keys of a slot ---

static bool read_slot(struct command_context *context, uint16_t *slot) {
    int64_t number = 0;
    if (cluster_or_error(context) == NULL || !argument_integer(context, 2, &number))
        return false;
    if (number < 0 || number >= CLUSTER_SLOT_COUNT) {
        reply_error(context->reply, "ERR Invalid slot");
        return false;
    }
    *slot = (uint16_t)number;
    return true;
}

// Goes through at most so many living keys of the slot, and replies them unless `reply` is NULL.
static enum store_status walk_slot(struct command_context *context, uint16_t slot, int64_t most,
                                   struct reply *reply, int64_t *found) {
    struct key_iterator *iterator = key_iterator_open(context->session, context->now);
    struct metadata metadata;
    struct bytes key;
    key_iterator_seek_slot(iterator, slot);
    while (*found < most && key_iterator_next(iterator, &key, &metadata, NULL) && key_slot(key) == slot) {
        if (reply != NULL)
            reply_bulk(reply, key);
        (*found)++;
    }
    enum store_status status = key_iterator_status(iterator);
    key_iterator_close(iterator);
    return status;
}

void command_cluster_countkeysinslot(struct command_context *context) {
    uint16_t slot = 0;
    int64_t found = 0;
    if (!read_slot(context, &slot))
        return;
    enum store_status status = walk_slot(context, slot, INT64_MAX, NULL, &found);
    if (status == STORE_OK)
        reply_integer(context->reply, found);
    else
        reply_store_error(context, status);
}

void command_cluster_getkeysinslot(struct command_context *context) {
    uint16_t slot = 0;
    int64_t most = 0;
    int64_t found = 0;
    if (!read_slot(context, &slot) || !argument_integer(context, 3, &most))
        return;
    if (most < 0) {
        reply_error(context->reply, "ERR Invalid number of keys");
        return;
    }
    struct output_mark mark = output_mark(&context->reply->output);
    struct output_block *deferred = reply_deferred_begin(context->reply);
    enum store_status status = walk_slot(context, slot, most, context->reply, &found);
    reply_array_end(context->reply, deferred, (size_t)found);
    if (status != STORE_OK) {
        output_truncate(&context->reply->output, mark);
        reply_store_error(context, status);
    }
}
