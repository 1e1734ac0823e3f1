// SPDX-License-Identifier: Apache-2.0
//
// The node of a server that is on its own. Uses: nothing else.
#include "server/node_view.h"

static bool never(void *context) {
    (void)context;
    return false;
}

static bool is_nobody(void *context, struct bytes node_id) {
    (void)context;
    (void)node_id;
    return false;
}

struct node_view node_view_alone(void) {
    return (struct node_view){.in_cluster = never, .is_this_master = is_nobody, .is_replica = never};
}
