// SPDX-License-Identifier: Apache-2.0
//
// Opening the node from the configuration, and keeping cluster, role and the directive 'slaveof' in line.
// Uses: base, cluster, replication, server/config, server/server.
#include "commands/node.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"
#include "cluster/cluster.h"
#include "cluster/migration.h"
#include "cluster/self.h"
#include "replication/replication.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

struct node {
    struct config *config;
    struct role *role;
    struct replication *replication;
    struct migration *migration; // NULL: cluster mode is off
    struct cluster *cluster;     // NULL: cluster mode is off
    char id[NODE_ID_LENGTH + 1]; // by which the cluster knew it when its role was last looked at
};

_Static_assert((int)NODE_OPEN_ERROR_SIZE >= (int)CLUSTER_ERROR_SIZE, "the cluster's reason fits");
_Static_assert((int)NODE_ERROR_SIZE >= (int)CLUSTER_ROUTE_SIZE, "a redirection fits");
_Static_assert((int)ROLE_HOST_MAX >= (int)NODE_HOST_MAX, "every node can be a master");

// --- Opening ---

// "host port", as the directive 'slaveof' has it. False if it names no master.
static bool read_master(const char *text, struct role_master *master) {
    const char *blank = strrchr(text, ' ');
    uint64_t port = 0;
    return blank != NULL && number_read_unsigned(bytes_from_text(blank + 1), &port) && port <= UINT16_MAX &&
           role_master_set(master, text, (size_t)(blank - text), (uint16_t)port);
}

// To start as a master because the master's name cannot be understood would be the wrong way round.
static bool open_role(struct node *node, char error[NODE_OPEN_ERROR_SIZE]) {
    struct role_master master;
    char *text = config_text_copy(node->config, CONFIG_SLAVEOF);
    bool is_master = text[0] == '\0';
    bool understood = is_master || read_master(text, &master);
    if (understood)
        node->role = role_open(is_master ? NULL : &master);
    else
        (void)snprintf(error, NODE_OPEN_ERROR_SIZE, "'slaveof' names no master: '%.100s'", text);
    free(text);
    return understood;
}

static const char *follow_persistence(void *context, enum config_id id) {
    struct node *node = context;
    char error[CLUSTER_ERROR_SIZE];
    if (cluster_set_persistent(node->cluster, config_yes(node->config, id), error))
        return NULL;
    log_error("%s could not be changed: %s", config_name(id), error);
    return "nodes.conf could not be written or removed; the log says why";
}

static bool open_cluster(struct node *node, char error[NODE_OPEN_ERROR_SIZE]) {
    if (!config_yes(node->config, CONFIG_CLUSTER_ENABLED))
        return true;
    char *directory = config_text_copy(node->config, CONFIG_DIR);
    char *addresses = config_text_copy(node->config, CONFIG_BIND);
    const struct cluster_config config = {
        .directory = directory,
        .addresses = addresses,
        .port = (uint16_t)config_integer(node->config, CONFIG_PORT),
        .is_persistent = config_yes(node->config, CONFIG_PERSIST_CLUSTER_NODES_ENABLED),
    };
    bool opened = cluster_open(&config, &node->cluster, error);
    free(addresses);
    free(directory);
    if (opened)
        config_on_change(node->config, CONFIG_PERSIST_CLUSTER_NODES_ENABLED, follow_persistence, node);
    return opened;
}

bool node_open(struct config *config, struct node **out, char error[NODE_OPEN_ERROR_SIZE]) {
    struct node *node = memory_allocate_zeroed(1, sizeof(*node));
    node->config = config;
    *out = NULL;
    if (!open_role(node, error) || !open_cluster(node, error)) {
        node_close(node);
        return false;
    }
    if (node->cluster != NULL) {
        node->migration = migration_open(node->cluster);
        node_follow_topology(node);
    }
    node->replication = replication_open(node->role);
    *out = node;
    return true;
}

void node_close(struct node *node) {
    if (node == NULL)
        return;
    config_on_change(node->config, CONFIG_PERSIST_CLUSTER_NODES_ENABLED, NULL, NULL);
    migration_close(node->migration);
    cluster_close(node->cluster);
    replication_close(node->replication);
    role_close(node->role);
    free(node);
}

bool node_start(struct node *node, struct server *server, char error[NODE_OPEN_ERROR_SIZE]) {
    if (node->migration == NULL || migration_start(node->migration, server))
        return true;
    (void)snprintf(error, NODE_OPEN_ERROR_SIZE, "the thread that moves slots could not be started");
    return false;
}

void node_stop(struct node *node) {
    migration_stop(node->migration);
}

// --- The server's view ---

static bool in_cluster(void *context) {
    const struct node *node = context;
    return node->cluster != NULL;
}

static bool is_this_master(void *context, struct bytes id) {
    const struct node *node = context;
    return node->cluster != NULL && cluster_is_this_master(node->cluster, id);
}

static bool is_replica(void *context) {
    const struct node *node = context;
    return role_is_replica(node->role);
}

static bool serves(void *context, const struct node_request *request, char error[NODE_ERROR_SIZE]) {
    const struct node *node = context;
    const struct cluster_request keys = {.keys = request->keys,
                                         .key_count = request->key_count,
                                         .may_read_replica = request->may_read_replica,
                                         .changes = request->changes,
                                         .asks = request->asks,
                                         .client = request->client};
    return cluster_route(node->cluster, &keys, error);
}

static void take_lease(void *context, struct lease *lease) {
    const struct node *node = context;
    role_set_lease(node->role, lease);
}

struct node_view node_view_of(struct node *node) {
    return (struct node_view){.in_cluster = in_cluster,
                              .is_this_master = is_this_master,
                              .is_replica = is_replica,
                              .serves = node->cluster == NULL ? NULL : serves,
                              .take_lease = take_lease,
                              .context = node};
}

// The server can have been given other answers, whose context is something else.
struct node *node_of(const struct server *server) {
    return server->node.is_replica == is_replica ? server->node.context : NULL;
}

struct role *node_role(const struct node *node) {
    return node->role;
}

struct replication *node_replication(const struct node *node) {
    return node->replication;
}

struct migration *node_migration(const struct node *node) {
    return node->migration;
}

struct cluster *node_cluster(const struct node *node) {
    return node->cluster;
}

// --- Changes ---

// CONFIG GET slaveof tells the master, and CONFIG REWRITE keeps it.
static void note_master(const struct node *node) {
    struct role_view view = role_view(node->role);
    struct buffer text = {0};
    if (view.is_replica && view.master.host[0] != '\0')
        buffer_append_format(&text, "%s %u", view.master.host, view.master.port);
    config_note(node->config, CONFIG_SLAVEOF, buffer_bytes(&text));
    buffer_release(&text);
}

void node_set_master(struct node *node, const struct role_master *master) {
    bool changed = master == NULL ? role_become_master(node->role) : role_become_replica(node->role, master);
    if (changed)
        note_master(node);
}

// A replica whose master is not in the topology follows whom it follows already, or nobody: that a topology
// has lost the master must not make its replica accept writes.
static void follow_master(struct node *node, const struct cluster_place *place) {
    struct role_master master = {0};
    if (place->master_host[0] == '\0' && role_is_replica(node->role))
        return;
    if (role_master_set(&master, place->master_host, strlen(place->master_host), place->master_port))
        node_set_master(node, &master);
}

static void follow_id(struct node *node) {
    char before[NODE_ID_LENGTH + 1];
    memcpy(before, node->id, sizeof(before));
    struct cluster_view view = cluster_view_begin(node->cluster);
    (void)snprintf(node->id, sizeof(node->id), "%s", view.id);
    cluster_view_end(node->cluster);
    if (before[0] != '\0' && strcmp(before, node->id) != 0)
        role_give_up_lease(node->role);
}

void node_follow_topology(struct node *node) {
    struct cluster_place place;
    follow_id(node);
    cluster_place(node->cluster, &place);
    if (place.part == CLUSTER_MASTER)
        node_set_master(node, NULL);
    else if (place.part == CLUSTER_REPLICA)
        follow_master(node, &place);
    migration_wake(node->migration);
}

bool node_is_own_address(const struct node *node, const char *host, uint16_t port) {
    if (port != config_integer(node->config, CONFIG_PORT))
        return false;
    char *addresses = config_text_copy(node->config, CONFIG_BIND);
    bool own = cluster_is_own_address(addresses, host);
    free(addresses);
    return own;
}
