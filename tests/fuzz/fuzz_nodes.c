// SPDX-License-Identifier: Apache-2.0
//
// nodes.conf and the text of CLUSTERX SETNODES: whatever they hold, they are read or refused with a reason,
// and what was read is written so that it reads back as the same topology.
#include "base/assert.h"
#include "cluster/nodes_file.h"
#include "fuzz.h"

static void check_bounds(const struct topology *topology) {
    unsigned assigned = 0;
    unsigned counted = 0;
    for (size_t slot = 0; slot < CLUSTER_SLOT_COUNT; slot++) {
        size_t owner = topology->owners[slot];
        assigned += owner != TOPOLOGY_NOBODY;
        always_assert(owner == TOPOLOGY_NOBODY ||
                          (owner < topology->count && topology->nodes[owner].is_master),
                      "a slot belongs to a master, or to nobody");
    }
    for (size_t i = 0; i < topology->count; i++)
        counted += topology->nodes[i].slot_count;
    always_assert(assigned == counted, "every slot is counted once");
}

static void check_same_node(const struct cluster_node *one, const struct cluster_node *other) {
    always_assert(strcmp(one->id, other->id) == 0 && strcmp(one->host, other->host) == 0 &&
                      one->port == other->port && one->is_master == other->is_master &&
                      one->has_failed == other->has_failed && strcmp(one->master_id, other->master_id) == 0,
                  "a node that was written reads back as the same");
}

static void check_same(const struct nodes_file *one, const struct nodes_file *other) {
    always_assert(one->version == other->version && strcmp(one->id, other->id) == 0,
                  "version and id read back as they were written");
    always_assert((one->topology == NULL) == (other->topology == NULL), "a topology does not vanish");
    if (one->topology == NULL)
        return;
    always_assert(one->topology->count == other->topology->count, "nodes do not vanish");
    for (size_t i = 0; i < one->topology->count; i++)
        check_same_node(&one->topology->nodes[i], &other->topology->nodes[i]);
    always_assert(memcmp(one->topology->owners, other->topology->owners, sizeof(one->topology->owners)) == 0,
                  "slots stay where they are");
}

static void check_file(struct bytes text) {
    struct nodes_file nodes;
    struct nodes_file again;
    struct buffer written = {0};
    char error[NODES_FILE_ERROR_SIZE] = "";
    if (!nodes_file_parse(text, &nodes, error)) {
        always_assert(error[0] != '\0', "a refusal has a reason");
        topology_free(nodes.topology);
        return;
    }
    nodes_file_print(&nodes, &written);
    always_assert(nodes_file_parse(buffer_bytes(&written), &again, error), "what was written can be read");
    check_same(&nodes, &again);
    topology_free(nodes.topology);
    topology_free(again.topology);
    buffer_release(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = {(const char *)data, size};
    const char *error = NULL;
    struct topology *topology = topology_parse(text, &error);
    always_assert((topology == NULL) == (error != NULL), "a refusal has a reason");
    if (topology != NULL)
        check_bounds(topology);
    topology_free(topology);
    check_file(text);
    return 0;
}
