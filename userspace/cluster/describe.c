// SPDX-License-Identifier: Apache-2.0
//
// A cluster as text. There is no gossip: every node is said to be connected, at a port for gossip at which
// nobody listens. Uses: base, cluster/cluster.
#include "cluster/describe.h"

#include <inttypes.h>

enum { GOSSIP_PORT_DISTANCE = 10000 };

static bool is_master(const struct cluster_view *view) {
    return view->self != TOPOLOGY_NOBODY && view->topology->nodes[view->self].is_master;
}

void describe_info(const struct cluster_view *view, struct buffer *out) {
    unsigned slots = 0;
    unsigned serving = 0;
    for (size_t i = 0; i < view->topology->count; i++) {
        slots += view->topology->nodes[i].slot_count;
        serving += view->topology->nodes[i].slot_count != 0;
    }
    buffer_append_text(out, "cluster_state:ok\r\n");
    buffer_append_format(out, "cluster_slots_assigned:%u\r\n", slots);
    buffer_append_format(out, "cluster_slots_ok:%u\r\n", slots);
    buffer_append_text(out, "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n");
    buffer_append_format(out, "cluster_known_nodes:%zu\r\n", view->topology->count);
    buffer_append_format(out, "cluster_size:%u\r\n", serving);
    buffer_append_format(out, "cluster_current_epoch:%" PRId64 "\r\n", view->version);
    buffer_append_format(out, "cluster_my_epoch:%" PRId64 "\r\n", view->version);
    if (is_master(view))
        slot_moves_describe(view->moves, out);
}

// What runs now, in brackets behind the own slots.
static void describe_moves(const struct cluster_view *view, struct buffer *out) {
    const struct slot_moves *moves = view->moves;
    if (moves->migration == MIGRATION_RUNNING || moves->migration == MIGRATION_IN_DOUBT) {
        buffer_append_text(out, " [");
        slot_range_print(moves->migrating, out);
        buffer_append_format(out, "->-%s]", moves->target.id);
    }
    if (moves->import == IMPORT_RUNNING) {
        uint16_t source = view->topology->owners[moves->importing.first];
        buffer_append_text(out, " [");
        slot_range_print(moves->importing, out);
        buffer_append_format(out, "-<-%s]",
                             source == TOPOLOGY_NOBODY ? "" : view->topology->nodes[source].id);
    }
}

static void describe_node(const struct cluster_view *view, size_t index, wall_ms_t now, struct buffer *out) {
    const struct cluster_node *node = &view->topology->nodes[index];
    const char *role = node->is_master ? "master" : node->has_failed ? "slave,fail" : "slave";
    buffer_append_format(out, "%s %s:%u@%u %s%s %s", node->id, node->host, node->port,
                         node->port + (unsigned)GOSSIP_PORT_DISTANCE, index == view->self ? "myself," : "",
                         role, node->is_master ? "-" : node->master_id);
    buffer_append_format(out, " %" PRId64 " %" PRId64 " %" PRId64 " connected", now - 1, now, view->version);
    if (node->is_master)
        topology_print_ranges(view->topology, index, out);
    if (node->is_master && index == view->self)
        describe_moves(view, out);
    buffer_append_text(out, "\n");
}

void describe_nodes(const struct cluster_view *view, wall_ms_t now, struct buffer *out) {
    for (size_t i = 0; i < view->topology->count; i++)
        describe_node(view, i, now, out);
}

void describe_replicas(const struct cluster_view *view, size_t master, wall_ms_t now, struct buffer *out) {
    const struct topology *topology = view->topology;
    for (size_t i = 0; i < topology->count; i++) {
        if (!topology->nodes[i].is_master &&
            strcmp(topology->nodes[i].master_id, topology->nodes[master].id) == 0)
            describe_node(view, i, now, out);
    }
}
