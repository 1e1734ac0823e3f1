// SPDX-License-Identifier: Apache-2.0
//
// The node's id and topology: taking new ones, keeping them in nodes.conf, and routing by them. Uses: base,
// store/encoding, the other files of cluster/.
#include "cluster/cluster_internal.h"

#include "base/assert.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/self.h"
#include "store/encoding.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void cluster_lock(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_lock(mutex) == 0, "the cluster's state can be locked");
}

void cluster_unlock(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_unlock(mutex) == 0, "the cluster's state can be unlocked");
}

// --- What follows from id and topology; under the lock ---

static struct bytes own_id(const struct cluster *cluster) {
    return bytes_from_text(cluster->state.id);
}

// The index of this node's master, or TOPOLOGY_NOBODY.
static size_t master_of_self(const struct cluster *cluster) {
    const struct topology *topology = cluster->state.topology;
    if (cluster->self == TOPOLOGY_NOBODY || topology->nodes[cluster->self].is_master)
        return TOPOLOGY_NOBODY;
    return topology_find(topology, bytes_from_text(topology->nodes[cluster->self].master_id));
}

static void fill_slots(const struct cluster *cluster, size_t node, _Atomic uint64_t slots[SLOT_WORDS]) {
    const struct topology *topology = cluster->state.topology;
    for (size_t word = 0; word < SLOT_WORDS; word++) {
        uint64_t bits = 0;
        for (size_t bit = 0; bit < WORD_BITS; bit++) {
            size_t slot = word * WORD_BITS + bit;
            if (node != TOPOLOGY_NOBODY && topology->owners[slot] == node &&
                cluster->moves.states[slot] == SLOT_STILL)
                bits |= UINT64_C(1) << bit;
        }
        atomic_store_explicit(&slots[word], bits, memory_order_relaxed);
    }
}

// A slot that is on the move is in neither set, so that a closer look is taken at each request for it.
void cluster_show_slots(struct cluster *cluster) {
    const struct topology *topology = cluster->state.topology;
    fill_slots(cluster, cluster->self, cluster->own);
    fill_slots(cluster, topology == NULL ? TOPOLOGY_NOBODY : master_of_self(cluster), cluster->of_master);
}

static void find_place(struct cluster *cluster) {
    const struct topology *topology = cluster->state.topology;
    cluster->self = topology == NULL ? TOPOLOGY_NOBODY : topology_find(topology, own_id(cluster));
    cluster_show_slots(cluster);
}

// --- Opening and closing ---

bool cluster_open(const struct cluster_config *config, struct cluster **out, char error[CLUSTER_ERROR_SIZE]) {
    struct cluster *cluster = memory_allocate_zeroed(1, sizeof(*cluster));
    struct buffer path = {0};
    struct buffer moves_path = {0};
    buffer_append_format(&path, "%s/nodes.conf%c", config->directory, '\0');
    buffer_append_format(&moves_path, "%s/slots.conf%c", config->directory, '\0');
    always_assert(pthread_mutex_init(&cluster->lock, NULL) == 0, "a mutex can be made");
    always_assert(pthread_mutex_init(&cluster->file_lock, NULL) == 0, "a mutex can be made");
    cluster->path = path.data;
    cluster->moves_path = moves_path.data;
    cluster->is_persistent = config->is_persistent;
    cluster->addresses = memory_copy_text(config->addresses);
    cluster->port = config->port;
    cluster->state.version = -1;
    cluster->self = TOPOLOGY_NOBODY;
    *out = cluster;
    if (cluster->is_persistent &&
        (!nodes_file_load(cluster->path, &cluster->state, error) || !cluster_moves_load(cluster, error))) {
        cluster_close(cluster);
        *out = NULL;
        return false;
    }
    cluster->is_saved = true;
    find_place(cluster);
    if (cluster->state.version >= 0)
        log_info("the cluster's topology has version %" PRId64 " and %zu nodes, as %s says",
                 cluster->state.version, cluster->state.topology->count, cluster->path);
    return true;
}

void cluster_close(struct cluster *cluster) {
    if (cluster == NULL)
        return;
    topology_free(cluster->state.topology);
    (void)pthread_mutex_destroy(&cluster->lock);
    (void)pthread_mutex_destroy(&cluster->file_lock);
    free(cluster->path);
    free(cluster->moves_path);
    free(cluster->addresses);
    free(cluster);
}

// --- nodes.conf; under file_lock ---

static bool has_state(const struct nodes_file *state) {
    return state->version >= 0 || state->id[0] != '\0';
}

static bool write_file(struct cluster *cluster, char error[DURABLE_FILE_ERROR_SIZE]) {
    struct buffer text = {0};
    cluster_lock(&cluster->lock);
    bool is_kept = has_state(&cluster->state);
    nodes_file_print(&cluster->state, &text);
    cluster_unlock(&cluster->lock);
    bool written = is_kept ? durable_file_replace(cluster->path, buffer_bytes(&text), error)
                           : durable_file_remove(cluster->path, error);
    buffer_release(&text);
    return written;
}

// Writes the file unless it is right already, so that a topology that is sent again costs nothing, and one
// that could not be saved is tried again.
static bool save(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    char problem[DURABLE_FILE_ERROR_SIZE];
    if (!cluster->is_persistent || cluster->is_saved)
        return true;
    cluster->is_saved = write_file(cluster, problem);
    if (cluster->is_saved)
        return true;
    log_error("the cluster's topology is in force but not saved, a restart would bring back the one before: "
              "%s",
              problem);
    (void)snprintf(error, CLUSTER_ERROR_SIZE, "ERR the topology is in force but could not be saved: %s",
                   problem);
    return false;
}

static bool save_change(struct cluster *cluster, bool changed, char error[CLUSTER_ERROR_SIZE]) {
    cluster_lock(&cluster->file_lock);
    cluster->is_saved &= !changed;
    bool saved = save(cluster, error);
    cluster_unlock(&cluster->file_lock);
    return saved && (!changed || cluster_moves_save(cluster, error));
}

bool cluster_set_persistent(struct cluster *cluster, bool persistent, char error[CLUSTER_ERROR_SIZE]) {
    char problem[DURABLE_FILE_ERROR_SIZE];
    cluster_lock(&cluster->file_lock);
    bool done = persistent ? write_file(cluster, problem) : durable_file_remove(cluster->path, problem);
    if (done) {
        cluster->is_persistent = persistent;
        cluster->is_saved = true;
    } else {
        (void)snprintf(error, CLUSTER_ERROR_SIZE, "%s", problem);
    }
    if (done && !persistent)
        done = cluster_moves_remove_file(cluster, error);
    cluster_unlock(&cluster->file_lock);
    return done;
}

// --- Changes ---

bool cluster_refuse(char error[CLUSTER_ERROR_SIZE], const char *why) {
    (void)snprintf(error, CLUSTER_ERROR_SIZE, "ERR %s", why);
    return false;
}

bool cluster_set_id(struct cluster *cluster, struct bytes id, char error[CLUSTER_ERROR_SIZE]) {
    if (!node_id_is_valid(id))
        return cluster_refuse(error, "Invalid node id: it must have 40 characters without blanks");
    cluster_lock(&cluster->lock);
    bool changed = !bytes_equal(id, own_id(cluster));
    if (changed) {
        memcpy(cluster->state.id, id.data, NODE_ID_LENGTH);
        find_place(cluster);
        cluster_moves_follow(cluster);
    }
    cluster_unlock(&cluster->lock);
    if (changed)
        log_info("the cluster knows this node as %.40s", id.data);
    return save_change(cluster, changed, error);
}

// Takes the topology over. Under the lock.
static void adopt(struct cluster *cluster, struct topology *topology, int64_t version, bool force) {
    struct nodes_file *state = &cluster->state;
    topology_free(state->topology);
    state->topology = topology;
    state->version = version;
    if (state->id[0] == '\0' || force) {
        size_t self = cluster_find_self(topology, cluster->addresses, cluster->port);
        if (self != TOPOLOGY_NOBODY)
            memcpy(state->id, topology->nodes[self].id, sizeof(state->id));
    }
    find_place(cluster);
    cluster_moves_follow(cluster);
}

bool cluster_set_nodes(struct cluster *cluster, struct bytes text, int64_t version, bool force,
                       char error[CLUSTER_ERROR_SIZE]) {
    // Only callers that hold the role guard change it, so it stays what it is here.
    cluster_lock(&cluster->lock);
    int64_t current = cluster->state.version;
    cluster_unlock(&cluster->lock);
    if (version < 0 || (version < current && !force)) {
        log_warning("a topology of version %" PRId64 " is refused: this node has version %" PRId64, version,
                    current);
        return cluster_refuse(error, "Invalid cluster version");
    }
    if (version == current && !force)
        return save_change(cluster, false, error);
    const char *problem = NULL;
    size_t line = 0;
    struct topology *topology = topology_parse_lines(text, &problem, &line);
    if (topology == NULL) {
        log_warning("a topology of version %" PRId64 " is refused: %s, in line %zu", version, problem, line);
        return cluster_refuse(error, problem);
    }
    cluster_lock(&cluster->lock);
    adopt(cluster, topology, version, force);
    cluster_unlock(&cluster->lock);
    log_info("the cluster's topology has version %" PRId64 " now instead of %" PRId64 "%s", version, current,
             force ? ", by force" : "");
    return save_change(cluster, true, error);
}

bool cluster_set_slots(struct cluster *cluster, const struct slot_range *ranges, size_t count,
                       struct bytes node_id, int64_t version, char error[CLUSTER_ERROR_SIZE]) {
    const char *problem = NULL;
    cluster_lock(&cluster->lock);
    const struct topology *topology = cluster->state.topology;
    size_t node = topology == NULL ? TOPOLOGY_NOBODY : topology_find(topology, node_id);
    if (version <= 0 || version != cluster->state.version + 1)
        problem = "Invalid cluster version";
    else if (node == TOPOLOGY_NOBODY)
        problem = "No this node in the cluster";
    else if (!topology->nodes[node].is_master)
        problem = "The node isn't a master";
    for (size_t i = 0; problem == NULL && i < count; i++) {
        if (node == cluster->self)
            slot_moves_mark(&cluster->moves, ranges[i], SLOT_STILL);
    }
    if (problem == NULL)
        adopt(cluster, topology_with_slots(topology, ranges, count, node), version, false);
    cluster_unlock(&cluster->lock);
    if (problem != NULL)
        return cluster_refuse(error, problem);
    log_info("the cluster's topology has version %" PRId64 " now, which gives slots to %.40s", version,
             node_id.data);
    return save_change(cluster, true, error);
}

bool cluster_reset(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    cluster_lock(&cluster->lock);
    topology_free(cluster->state.topology);
    cluster->state = (struct nodes_file){.version = -1};
    cluster_moves_forget(cluster);
    find_place(cluster);
    cluster_unlock(&cluster->lock);
    log_info("this node has been taken out of its cluster");
    return save_change(cluster, true, error);
}

// --- Looking ---

void cluster_place(struct cluster *cluster, struct cluster_place *place) {
    *place = (struct cluster_place){.part = CLUSTER_ABSENT};
    cluster_lock(&cluster->lock);
    const struct topology *topology = cluster->state.topology;
    if (cluster->self != TOPOLOGY_NOBODY) {
        size_t master = master_of_self(cluster);
        place->part = topology->nodes[cluster->self].is_master ? CLUSTER_MASTER : CLUSTER_REPLICA;
        if (master != TOPOLOGY_NOBODY) {
            memcpy(place->master_host, topology->nodes[master].host, sizeof(place->master_host));
            place->master_port = topology->nodes[master].port;
        }
    }
    cluster_unlock(&cluster->lock);
}

bool cluster_is_this_master(struct cluster *cluster, struct bytes id) {
    cluster_lock(&cluster->lock);
    bool is = cluster->self != TOPOLOGY_NOBODY && bytes_equal(id, own_id(cluster)) &&
              cluster->state.topology->nodes[cluster->self].is_master;
    cluster_unlock(&cluster->lock);
    return is;
}

struct cluster_view cluster_view_begin(struct cluster *cluster) {
    cluster_lock(&cluster->lock);
    return (struct cluster_view){.version = cluster->state.version,
                                 .id = cluster->state.id,
                                 .topology = cluster->state.topology,
                                 .self = cluster->self,
                                 .moves = &cluster->moves};
}

void cluster_view_end(struct cluster *cluster) {
    cluster_unlock(&cluster->lock);
}

// --- Routing ---

static bool has_slot(const _Atomic uint64_t slots[SLOT_WORDS], unsigned slot) {
    uint64_t word = atomic_load_explicit(&slots[slot / WORD_BITS], memory_order_relaxed);
    return (word >> slot % WORD_BITS & 1) != 0;
}

bool cluster_route(struct cluster *cluster, const struct cluster_request *request,
                   char error[CLUSTER_ROUTE_SIZE]) {
    unsigned slot = key_slot(request->keys[0]);
    for (size_t i = 1; i < request->key_count; i++) {
        if (key_slot(request->keys[i]) == slot)
            continue;
        (void)snprintf(error, CLUSTER_ROUTE_SIZE,
                       "CROSSSLOT Attempted to access keys that don't hash to the same slot");
        return false;
    }
    if (has_slot(cluster->own, slot) || (request->may_read_replica && has_slot(cluster->of_master, slot)))
        return true;
    cluster_lock(&cluster->lock);
    bool serves = cluster_serves_moving(cluster, slot, request, error);
    cluster_unlock(&cluster->lock);
    return serves;
}
