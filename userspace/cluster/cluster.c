// SPDX-License-Identifier: Apache-2.0
//
// The node's id and topology: taking new ones, keeping them in nodes.conf, and routing by them. Uses: base,
// store/encoding, the other files of cluster/.
#include "cluster/cluster.h"

#include "base/assert.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/nodes_file.h"
#include "cluster/self.h"
#include "store/encoding.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORD_BITS = 64, SLOT_WORDS = CLUSTER_SLOT_COUNT / WORD_BITS };

struct cluster {
    // The slots that need no further question: this node's own, and those of which it is a replica. What
    // dispatch looks at for every command, so nothing but these two is in the usual way.
    _Atomic uint64_t own[SLOT_WORDS];
    _Atomic uint64_t of_master[SLOT_WORDS];

    pthread_mutex_t lock; // guards what follows
    struct nodes_file state;
    size_t self;

    pthread_mutex_t file_lock; // taken before `lock`: one writer of nodes.conf at a time
    char *path;
    bool is_persistent;
    bool is_saved; // nodes.conf is what it should be

    char *addresses;
    uint16_t port;
};

static void take(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_lock(mutex) == 0, "the cluster's state can be locked");
}

static void release(pthread_mutex_t *mutex) {
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

static void fill_slots(const struct topology *topology, size_t node, _Atomic uint64_t slots[SLOT_WORDS]) {
    for (size_t word = 0; word < SLOT_WORDS; word++) {
        uint64_t bits = 0;
        for (size_t bit = 0; bit < WORD_BITS; bit++) {
            if (node != TOPOLOGY_NOBODY && topology->owners[word * WORD_BITS + bit] == node)
                bits |= UINT64_C(1) << bit;
        }
        atomic_store_explicit(&slots[word], bits, memory_order_relaxed);
    }
}

static void find_place(struct cluster *cluster) {
    const struct topology *topology = cluster->state.topology;
    cluster->self = topology == NULL ? TOPOLOGY_NOBODY : topology_find(topology, own_id(cluster));
    fill_slots(topology, cluster->self, cluster->own);
    fill_slots(topology, topology == NULL ? TOPOLOGY_NOBODY : master_of_self(cluster), cluster->of_master);
}

// --- Opening and closing ---

bool cluster_open(const struct cluster_config *config, struct cluster **out, char error[CLUSTER_ERROR_SIZE]) {
    struct cluster *cluster = memory_allocate_zeroed(1, sizeof(*cluster));
    struct buffer path = {0};
    buffer_append_format(&path, "%s/nodes.conf%c", config->directory, '\0');
    always_assert(pthread_mutex_init(&cluster->lock, NULL) == 0, "a mutex can be made");
    always_assert(pthread_mutex_init(&cluster->file_lock, NULL) == 0, "a mutex can be made");
    cluster->path = path.data;
    cluster->is_persistent = config->is_persistent;
    cluster->addresses = memory_copy_text(config->addresses);
    cluster->port = config->port;
    cluster->state.version = -1;
    cluster->self = TOPOLOGY_NOBODY;
    *out = cluster;
    if (cluster->is_persistent && !nodes_file_load(cluster->path, &cluster->state, error)) {
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
    free(cluster->addresses);
    free(cluster);
}

// --- nodes.conf; under file_lock ---

static bool has_state(const struct nodes_file *state) {
    return state->version >= 0 || state->id[0] != '\0';
}

static bool write_file(struct cluster *cluster, char error[DURABLE_FILE_ERROR_SIZE]) {
    struct buffer text = {0};
    take(&cluster->lock);
    bool is_kept = has_state(&cluster->state);
    nodes_file_print(&cluster->state, &text);
    release(&cluster->lock);
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
    take(&cluster->file_lock);
    cluster->is_saved &= !changed;
    bool saved = save(cluster, error);
    release(&cluster->file_lock);
    return saved;
}

bool cluster_set_persistent(struct cluster *cluster, bool persistent, char error[CLUSTER_ERROR_SIZE]) {
    char problem[DURABLE_FILE_ERROR_SIZE];
    take(&cluster->file_lock);
    bool done = persistent ? write_file(cluster, problem) : durable_file_remove(cluster->path, problem);
    if (done) {
        cluster->is_persistent = persistent;
        cluster->is_saved = true;
    } else {
        (void)snprintf(error, CLUSTER_ERROR_SIZE, "%s", problem);
    }
    release(&cluster->file_lock);
    return done;
}

// --- Changes ---

static bool refuse(char error[CLUSTER_ERROR_SIZE], const char *why) {
    (void)snprintf(error, CLUSTER_ERROR_SIZE, "ERR %s", why);
    return false;
}

bool cluster_set_id(struct cluster *cluster, struct bytes id, char error[CLUSTER_ERROR_SIZE]) {
    if (!node_id_is_valid(id))
        return refuse(error, "Invalid node id: it must have 40 characters without blanks");
    take(&cluster->lock);
    bool changed = !bytes_equal(id, own_id(cluster));
    if (changed) {
        memcpy(cluster->state.id, id.data, NODE_ID_LENGTH);
        find_place(cluster);
    }
    release(&cluster->lock);
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
}

bool cluster_set_nodes(struct cluster *cluster, struct bytes text, int64_t version, bool force,
                       char error[CLUSTER_ERROR_SIZE]) {
    // Only callers that hold the role guard change it, so it stays what it is here.
    take(&cluster->lock);
    int64_t current = cluster->state.version;
    release(&cluster->lock);
    if (version < 0 || (version < current && !force))
        return refuse(error, "Invalid cluster version");
    if (version == current && !force)
        return save_change(cluster, false, error);
    const char *problem = NULL;
    struct topology *topology = topology_parse(text, &problem);
    if (topology == NULL)
        return refuse(error, problem);
    take(&cluster->lock);
    adopt(cluster, topology, version, force);
    release(&cluster->lock);
    log_info("the cluster's topology has version %" PRId64 " now instead of %" PRId64 "%s", version, current,
             force ? ", by force" : "");
    return save_change(cluster, true, error);
}

bool cluster_reset(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    take(&cluster->lock);
    topology_free(cluster->state.topology);
    cluster->state = (struct nodes_file){.version = -1};
    find_place(cluster);
    release(&cluster->lock);
    log_info("this node has been taken out of its cluster");
    return save_change(cluster, true, error);
}

// --- Looking ---

void cluster_place(struct cluster *cluster, struct cluster_place *place) {
    *place = (struct cluster_place){.part = CLUSTER_ABSENT};
    take(&cluster->lock);
    const struct topology *topology = cluster->state.topology;
    if (cluster->self != TOPOLOGY_NOBODY) {
        size_t master = master_of_self(cluster);
        place->part = topology->nodes[cluster->self].is_master ? CLUSTER_MASTER : CLUSTER_REPLICA;
        if (master != TOPOLOGY_NOBODY) {
            memcpy(place->master_host, topology->nodes[master].host, sizeof(place->master_host));
            place->master_port = topology->nodes[master].port;
        }
    }
    release(&cluster->lock);
}

bool cluster_is_this_master(struct cluster *cluster, struct bytes id) {
    take(&cluster->lock);
    bool is = cluster->self != TOPOLOGY_NOBODY && bytes_equal(id, own_id(cluster)) &&
              cluster->state.topology->nodes[cluster->self].is_master;
    release(&cluster->lock);
    return is;
}

struct cluster_view cluster_view_begin(struct cluster *cluster) {
    take(&cluster->lock);
    return (struct cluster_view){.version = cluster->state.version,
                                 .id = cluster->state.id,
                                 .topology = cluster->state.topology,
                                 .self = cluster->self};
}

void cluster_view_end(struct cluster *cluster) {
    release(&cluster->lock);
}

// --- Routing ---

static bool has_slot(const _Atomic uint64_t slots[SLOT_WORDS], unsigned slot) {
    uint64_t word = atomic_load_explicit(&slots[slot / WORD_BITS], memory_order_relaxed);
    return (word >> slot % WORD_BITS & 1) != 0;
}

// Where the slot is served, which is not here.
static void redirect(struct cluster *cluster, unsigned slot, char error[CLUSTER_ROUTE_SIZE]) {
    take(&cluster->lock);
    const struct topology *topology = cluster->state.topology;
    size_t owner = topology == NULL ? TOPOLOGY_NOBODY : topology->owners[slot];
    if (owner == TOPOLOGY_NOBODY)
        (void)snprintf(error, CLUSTER_ROUTE_SIZE, "CLUSTERDOWN Hash slot not served");
    else
        (void)snprintf(error, CLUSTER_ROUTE_SIZE, "MOVED %u %s:%u", slot, topology->nodes[owner].host,
                       topology->nodes[owner].port);
    release(&cluster->lock);
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
    redirect(cluster, slot, error);
    return false;
}
