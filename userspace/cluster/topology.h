// SPDX-License-Identifier: Apache-2.0
//
// The cluster's topology as CLUSTERX SETNODES gives it: which nodes there are, who is whose replica, and
// which master serves which slot. A value: it is read from text once and not changed afterwards. May use:
// base.
//
//   <id> <host> <port> master - <slot or range> ...
//   <id> <host> <port> slave <id of its master>
//
// One line a node. Ids are any 40 characters without blanks.
#ifndef KVFENCE_CLUSTER_TOPOLOGY_H
#define KVFENCE_CLUSTER_TOPOLOGY_H

#include "base/buffer.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum { CLUSTER_SLOT_COUNT = 16384, NODE_ID_LENGTH = 40, NODE_HOST_MAX = 255, TOPOLOGY_NODES_MAX = 4096 };
// The index of no node.
enum { TOPOLOGY_NOBODY = UINT16_MAX };

// True if a node can have this id: 40 bytes, none of which is a blank or a control byte.
bool node_id_is_valid(struct bytes id);

struct cluster_node {
    char id[NODE_ID_LENGTH + 1];
    char host[NODE_HOST_MAX + 1];
    uint16_t port;
    bool is_master;
    bool has_failed;                    // the controller could not reach this replica: clients shall skip it
    char master_id[NODE_ID_LENGTH + 1]; // empty for a master
    unsigned slot_count;
};

struct slot_range {
    unsigned first, last;
};
static inline bool slot_range_has(struct slot_range range, unsigned slot) {
    return slot >= range.first && slot <= range.last;
}

struct topology {
    struct cluster_node *nodes; // in the text's order
    size_t count;
    uint16_t owners[CLUSTER_SLOT_COUNT]; // index of the slot's master, or TOPOLOGY_NOBODY
};

// The topology that the text describes; NULL with Kvrocks' words for what is wrong, without a code word and
// static, in *error.
struct topology *topology_parse(struct bytes text, const char **error);
// As above, and *line is the number of the line that is wrong, counted from 1.
struct topology *topology_parse_lines(struct bytes text, const char **error, size_t *line);
// The same with slots that are this master's, whosoever they were.
struct topology *topology_with_slots(const struct topology *topology, const struct slot_range *ranges,
                                     size_t count, size_t node);
void topology_free(struct topology *topology);

// The index of the node with this id, or TOPOLOGY_NOBODY.
size_t topology_find(const struct topology *topology, struct bytes id);

// The first range of consecutive slots at or after `from` that this node serves. False if there is none.
bool topology_next_range(const struct topology *topology, size_t node, unsigned from,
                         struct slot_range *range);
// " 0-100 200": the node's ranges, with a blank in front of each.
void topology_print_ranges(const struct topology *topology, size_t node, struct buffer *out);
// The node's line, without line end, so that topology_parse() reads it back.
void topology_print_node(const struct topology *topology, size_t node, struct buffer *out);

#endif
