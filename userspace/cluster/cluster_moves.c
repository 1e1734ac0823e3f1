// SPDX-License-Identifier: Apache-2.0
//
// A node's slots that change hands: what ends, begins and continues a migration or an import, and what
// clients are told meanwhile. Uses: base, the other files of cluster/.
#include "cluster/cluster_internal.h"

#include "base/durable_file.h"
#include "base/log.h"

#include <stdio.h>

// --- slots.conf ---

bool cluster_moves_load(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    struct buffer text = {0};
    char problem[DURABLE_FILE_ERROR_SIZE];
    bool exists = false;
    bool loaded = durable_file_read(cluster->moves_path, &text, &exists, problem);
    if (!loaded)
        (void)snprintf(error, CLUSTER_ERROR_SIZE, "%s", problem);
    if (loaded && !slot_moves_parse(buffer_bytes(&text), &cluster->moves)) {
        loaded = false;
        (void)snprintf(
            error, CLUSTER_ERROR_SIZE,
            "the file of slots on the move '%.300s' is damaged. Before you delete it, make sure that "
            "no other node has taken over slots of this one that its topology does not tell of",
            cluster->moves_path);
    }
    buffer_release(&text);
    return loaded;
}

static bool write_file(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    char problem[DURABLE_FILE_ERROR_SIZE];
    struct buffer text = {0};
    cluster_lock(&cluster->lock);
    slot_moves_print(&cluster->moves, &text);
    cluster_unlock(&cluster->lock);
    bool written = text.length == 0 ? durable_file_remove(cluster->moves_path, problem)
                                    : durable_file_replace(cluster->moves_path, buffer_bytes(&text), problem);
    buffer_release(&text);
    if (!written)
        (void)snprintf(error, CLUSTER_ERROR_SIZE, "ERR which slots are on the move could not be saved: %s",
                       problem);
    return written;
}

bool cluster_moves_save(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    cluster_lock(&cluster->file_lock);
    bool saved = !cluster->is_persistent || write_file(cluster, error);
    cluster_unlock(&cluster->file_lock);
    if (!saved)
        log_error("%s", error);
    return saved;
}

bool cluster_moves_remove_file(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]) {
    char problem[DURABLE_FILE_ERROR_SIZE];
    bool removed = durable_file_remove(cluster->moves_path, problem);
    if (!removed)
        (void)snprintf(error, CLUSTER_ERROR_SIZE, "%s", problem);
    return removed;
}

// --- What follows from a new topology; under the lock ---

static bool is_mine(const struct cluster *cluster, unsigned slot) {
    return cluster->self != TOPOLOGY_NOBODY && cluster->state.topology->owners[slot] == cluster->self;
}

static bool is_master(const struct cluster *cluster) {
    return cluster->self != TOPOLOGY_NOBODY && cluster->state.topology->nodes[cluster->self].is_master;
}

static bool is_replica(const struct cluster *cluster) {
    return cluster->self != TOPOLOGY_NOBODY && !cluster->state.topology->nodes[cluster->self].is_master;
}

static bool are_mine(const struct cluster *cluster, struct slot_range slots) {
    for (unsigned slot = slots.first; slot <= slots.last; slot++) {
        if (!is_mine(cluster, slot))
            return false;
    }
    return true;
}

// What the slot is in, when a topology has come that gives it to this node or to another one.
static enum slot_state state_after(enum slot_state state, bool mine) {
    static const enum slot_state states[SLOT_STATE_COUNT][2] = {
        [SLOT_STILL] = {SLOT_STILL, SLOT_STILL},          [SLOT_STOPPED] = {SLOT_STILL, SLOT_STOPPED},
        [SLOT_IN_DOUBT] = {SLOT_LEFTOVER, SLOT_IN_DOUBT}, [SLOT_FORWARDED] = {SLOT_LEFTOVER, SLOT_HELD},
        [SLOT_HELD] = {SLOT_LEFTOVER, SLOT_HELD},         [SLOT_IMPORTED] = {SLOT_STILL, SLOT_STILL},
        [SLOT_LEFTOVER] = {SLOT_LEFTOVER, SLOT_LEFTOVER},
    };
    return states[state][mine];
}

static bool has_state(const struct slot_moves *moves, struct slot_range slots, enum slot_state state) {
    for (unsigned slot = slots.first; slot <= slots.last; slot++) {
        if (moves->states[slot] == state)
            return true;
    }
    return false;
}

// A replica has its master's keys, and what it imported or moved as a master is its master's to end.
static void follow_phases(struct cluster *cluster) {
    struct slot_moves *moves = &cluster->moves;
    bool replica = is_replica(cluster);
    if (moves->migration == MIGRATION_IN_DOUBT && !has_state(moves, moves->migrating, SLOT_IN_DOUBT))
        moves->migration = MIGRATION_NONE;
    if (moves->migration == MIGRATION_DONE && !has_state(moves, moves->migrating, SLOT_HELD))
        moves->migration = MIGRATION_NONE;
    if (moves->import == IMPORT_DONE)
        moves->import = IMPORT_NONE;
    if (moves->import == IMPORT_RUNNING && (replica || are_mine(cluster, moves->importing)))
        moves->import = IMPORT_FAILED;
}

void cluster_moves_follow(struct cluster *cluster) {
    struct slot_moves *moves = &cluster->moves;
    bool replica = is_replica(cluster);
    for (unsigned slot = 0; slot < CLUSTER_SLOT_COUNT; slot++) {
        enum slot_state state = state_after((enum slot_state)moves->states[slot], is_mine(cluster, slot));
        moves->states[slot] = (uint8_t)(replica ? SLOT_STILL : state);
    }
    moves->is_outdated = true;
    follow_phases(cluster);
    cluster_show_slots(cluster);
}

void cluster_moves_forget(struct cluster *cluster) {
    cluster->moves = (struct slot_moves){.job = cluster->moves.job};
}

// --- Slots that leave ---

static const char *migration_obstacle(const struct cluster *cluster, struct slot_range slots,
                                      struct bytes node_id, size_t *target) {
    const struct slot_moves *moves = &cluster->moves;
    const struct topology *topology = cluster->state.topology;
    *target = topology == NULL ? TOPOLOGY_NOBODY : topology_find(topology, node_id);
    if (*target == TOPOLOGY_NOBODY)
        return "Can't find the destination node id";
    if (has_state(moves, slots, SLOT_FORWARDED) || has_state(moves, slots, SLOT_HELD) ||
        has_state(moves, slots, SLOT_IN_DOUBT))
        return "Can't migrate slot which has been migrated";
    if (!are_mine(cluster, slots))
        return "Can't migrate slot which doesn't belong to me";
    if (!is_master(cluster))
        return "Slave can't migrate slot";
    if (!topology->nodes[*target].is_master)
        return "Can't migrate slot to a slave";
    if (*target == cluster->self)
        return "Can't migrate slot to myself";
    if (moves->migration == MIGRATION_RUNNING || moves->migration == MIGRATION_IN_DOUBT)
        return "There is already a migrating job";
    if (has_state(moves, slots, SLOT_LEFTOVER))
        return "Can't migrate slot whose old keys are still being deleted";
    return NULL;
}

bool cluster_migration_begin(struct cluster *cluster, struct slot_range slots, struct bytes node_id,
                             char error[CLUSTER_ERROR_SIZE]) {
    struct slot_moves *moves = &cluster->moves;
    size_t target = TOPOLOGY_NOBODY;
    cluster_lock(&cluster->lock);
    const char *obstacle = migration_obstacle(cluster, slots, node_id, &target);
    if (obstacle == NULL) {
        const struct cluster_node *node = &cluster->state.topology->nodes[target];
        moves->migration = MIGRATION_RUNNING;
        moves->job++;
        moves->migrating = slots;
        moves->target = (struct move_target){.port = node->port};
        memcpy(moves->target.id, node->id, sizeof(node->id));
        memcpy(moves->target.host, node->host, sizeof(node->host));
    }
    cluster_unlock(&cluster->lock);
    return obstacle == NULL || cluster_refuse(error, obstacle);
}

struct cluster_migration cluster_migration(struct cluster *cluster) {
    cluster_lock(&cluster->lock);
    struct cluster_migration migration = {.phase = cluster->moves.migration,
                                          .job = cluster->moves.job,
                                          .slots = cluster->moves.migrating,
                                          .target = cluster->moves.target};
    cluster_unlock(&cluster->lock);
    return migration;
}

// Neither has it ended, nor has a topology ended it, nor has another one begun since.
static bool is_under_way(const struct slot_moves *moves, uint64_t job) {
    return moves->job == job &&
           (moves->migration == MIGRATION_RUNNING || moves->migration == MIGRATION_IN_DOUBT);
}

bool cluster_migration_makes_sense(struct cluster *cluster) {
    const struct slot_moves *moves = &cluster->moves;
    cluster_lock(&cluster->lock);
    const struct topology *topology = cluster->state.topology;
    size_t target =
        topology == NULL ? TOPOLOGY_NOBODY : topology_find(topology, bytes_from_text(moves->target.id));
    bool makes_sense = target != TOPOLOGY_NOBODY && topology->nodes[target].is_master &&
                       topology->nodes[target].port == moves->target.port &&
                       strcmp(topology->nodes[target].host, moves->target.host) == 0 && is_master(cluster) &&
                       are_mine(cluster, moves->migrating);
    cluster_unlock(&cluster->lock);
    return makes_sense;
}

void cluster_migration_stop_writes(struct cluster *cluster, uint64_t job) {
    struct slot_moves *moves = &cluster->moves;
    cluster_lock(&cluster->lock);
    if (is_under_way(moves, job)) {
        moves->is_outdated = false;
        slot_moves_mark(moves, moves->migrating, SLOT_STOPPED);
        cluster_show_slots(cluster);
    }
    cluster_unlock(&cluster->lock);
}

bool cluster_migration_hand_over(struct cluster *cluster, uint64_t job, char error[CLUSTER_ERROR_SIZE]) {
    struct slot_moves *moves = &cluster->moves;
    cluster_lock(&cluster->lock);
    bool marked = is_under_way(moves, job) && moves->migration == MIGRATION_RUNNING && !moves->is_outdated &&
                  slot_moves_mark_target(moves, moves->migrating, SLOT_IN_DOUBT, &moves->target);
    if (marked)
        moves->migration = MIGRATION_IN_DOUBT;
    cluster_unlock(&cluster->lock);
    if (!marked)
        return cluster_refuse(error, "the topology has changed, or too many nodes have been given slots");
    if (cluster_moves_save(cluster, error))
        return true;
    cluster_lock(&cluster->lock);
    if (is_under_way(moves, job)) {
        moves->migration = MIGRATION_RUNNING;
        slot_moves_mark(moves, moves->migrating, SLOT_STOPPED);
    }
    cluster_unlock(&cluster->lock);
    return false;
}

// A topology that has come since the hand-over has made the target forget that it imported the slots.
static enum slot_state end_state(const struct slot_moves *moves, bool done) {
    if (!done)
        return SLOT_STILL;
    return moves->is_outdated ? SLOT_HELD : SLOT_FORWARDED;
}

bool cluster_migration_end(struct cluster *cluster, uint64_t job, bool done) {
    struct slot_moves *moves = &cluster->moves;
    char error[CLUSTER_ERROR_SIZE];
    cluster_lock(&cluster->lock);
    bool ends = is_under_way(moves, job);
    for (unsigned slot = moves->migrating.first; ends && slot <= moves->migrating.last; slot++) {
        if (moves->states[slot] == SLOT_STOPPED || moves->states[slot] == SLOT_IN_DOUBT)
            moves->states[slot] = (uint8_t)end_state(moves, done);
    }
    if (ends)
        moves->migration = done ? MIGRATION_DONE : MIGRATION_FAILED;
    cluster_show_slots(cluster);
    cluster_unlock(&cluster->lock);
    if (ends)
        (void)cluster_moves_save(cluster, error); // the file says that it is in doubt, which is true enough
    return ends;
}

// --- Slots that come ---

enum { IMPORT_BEGIN, IMPORT_TAKE_OVER, IMPORT_GIVE_UP };

static bool same_range(struct slot_range one, struct slot_range other) {
    return one.first == other.first && one.last == other.last;
}

static bool refuse_import(char error[CLUSTER_ERROR_SIZE], const char *format, const struct slot_moves *moves,
                          struct slot_range slots) {
    struct buffer current = {0};
    struct buffer asked = {0};
    if (moves->import == IMPORT_NONE)
        buffer_append_text(&current, "-1");
    else
        slot_range_print(moves->importing, &current);
    slot_range_print(slots, &asked);
    (void)snprintf(error, CLUSTER_ERROR_SIZE, "ERR %s: %.*s, but got: %.*s", format, (int)current.length,
                   current.data, (int)asked.length, asked.data);
    buffer_release(&current);
    buffer_release(&asked);
    return false;
}

// A second link that imports the same is the sender's, who has lost the first one: that one has no say any
// more.
static bool begin_import(struct slot_moves *moves, struct slot_range slots, uint64_t client,
                         char error[CLUSTER_ERROR_SIZE]) {
    if (moves->import == IMPORT_RUNNING && !same_range(moves->importing, slots))
        return refuse_import(error, "only one importing job is allowed, current importing", moves, slots);
    moves->import = IMPORT_RUNNING;
    moves->importing = slots;
    moves->importer = client;
    slot_moves_mark(moves, slots, SLOT_STILL);
    return true;
}

static bool take_over(struct slot_moves *moves, struct slot_range slots, uint64_t client,
                      char error[CLUSTER_ERROR_SIZE]) {
    if (moves->import == IMPORT_NONE || !same_range(moves->importing, slots))
        return refuse_import(error, "mismatch slot, importing slot(s)", moves, slots);
    if (moves->import != IMPORT_RUNNING || moves->importer != client)
        return cluster_refuse(error, "the import of these slots has ended");
    moves->import = IMPORT_DONE;
    slot_moves_mark(moves, slots, SLOT_IMPORTED);
    return true;
}

// Whether slots have been imported is in their states: of imports only the newest is remembered.
static bool have_all_state(const struct slot_moves *moves, struct slot_range slots, enum slot_state state) {
    for (unsigned slot = slots.first; slot <= slots.last; slot++) {
        if (moves->states[slot] != state)
            return false;
    }
    return true;
}

static bool give_up(struct slot_moves *moves, struct slot_range slots, bool *is_to_be_emptied,
                    char error[CLUSTER_ERROR_SIZE]) {
    if (have_all_state(moves, slots, SLOT_IMPORTED))
        return cluster_refuse(error, CLUSTER_HAS_IMPORTED);
    if (moves->import == IMPORT_NONE || !same_range(moves->importing, slots))
        return refuse_import(error, "mismatch slot, importing slot(s)", moves, slots);
    if (moves->import == IMPORT_DONE)
        return cluster_refuse(error, "the import of these slots has ended");
    *is_to_be_emptied = moves->import == IMPORT_RUNNING;
    moves->import = IMPORT_FAILED;
    if (*is_to_be_emptied)
        slot_moves_mark(moves, slots, SLOT_LEFTOVER);
    return true;
}

static bool import(struct cluster *cluster, struct slot_range slots, int64_t state, uint64_t client,
                   bool *is_to_be_emptied, char error[CLUSTER_ERROR_SIZE]) {
    struct slot_moves *moves = &cluster->moves;
    if (!is_master(cluster))
        return cluster_refuse(error, "Slave can't import slot");
    for (unsigned slot = slots.first; slot <= slots.last; slot++) {
        if (is_mine(cluster, slot))
            return cluster_refuse(error, CLUSTER_OWNS_IMPORTED);
    }
    *is_to_be_emptied = state == IMPORT_BEGIN;
    switch (state) {
    case IMPORT_BEGIN:
        return begin_import(moves, slots, client, error);
    case IMPORT_TAKE_OVER:
        return take_over(moves, slots, client, error);
    case IMPORT_GIVE_UP:
        return give_up(moves, slots, is_to_be_emptied, error);
    default:
        return cluster_refuse(error, "Invalid import state");
    }
}

// What could not be saved has not happened. The other node is told so, and keeps the slots.
static void undo_import(struct cluster *cluster, struct slot_range slots, int64_t state) {
    struct slot_moves *moves = &cluster->moves;
    char error[CLUSTER_ERROR_SIZE];
    cluster_lock(&cluster->lock);
    if (state == IMPORT_TAKE_OVER) {
        moves->import = IMPORT_RUNNING;
        slot_moves_mark(moves, slots, SLOT_STILL);
    } else if (state == IMPORT_BEGIN) {
        moves->import = IMPORT_FAILED;
        slot_moves_mark(moves, slots, SLOT_LEFTOVER);
    }
    cluster_show_slots(cluster);
    cluster_unlock(&cluster->lock);
    (void)cluster_moves_save(cluster, error); // the file may have been replaced and only not been synced
}

bool cluster_import(struct cluster *cluster, struct slot_range slots, int64_t state, uint64_t client,
                    bool *is_to_be_emptied, char error[CLUSTER_ERROR_SIZE]) {
    cluster_lock(&cluster->lock);
    bool done = import(cluster, slots, state, client, is_to_be_emptied, error);
    cluster_show_slots(cluster);
    cluster_unlock(&cluster->lock);
    bool saved = done && cluster_moves_save(cluster, error);
    if (done && !saved)
        undo_import(cluster, slots, state);
    return saved;
}

// `client`: whose import it must be; 0: anybody's.
static bool fail_import(struct cluster *cluster, uint64_t client) {
    struct slot_moves *moves = &cluster->moves;
    cluster_lock(&cluster->lock);
    bool was_running = moves->import == IMPORT_RUNNING && (client == 0 || moves->importer == client);
    if (was_running) {
        moves->import = IMPORT_FAILED;
        slot_moves_mark(moves, moves->importing, SLOT_LEFTOVER);
        cluster_show_slots(cluster);
    }
    cluster_unlock(&cluster->lock);
    return was_running;
}

bool cluster_import_link_ended(struct cluster *cluster, uint64_t client) {
    return fail_import(cluster, client);
}

bool cluster_import_flushed(struct cluster *cluster) {
    return fail_import(cluster, 0);
}

bool cluster_next_leftover(struct cluster *cluster, struct slot_range *slots) {
    cluster_lock(&cluster->lock);
    bool found = slot_moves_next(&cluster->moves, SLOT_LEFTOVER, 0, slots);
    cluster_unlock(&cluster->lock);
    return found;
}

void cluster_leftover_is_gone(struct cluster *cluster, struct slot_range slots) {
    char error[CLUSTER_ERROR_SIZE];
    cluster_lock(&cluster->lock);
    slot_moves_mark(&cluster->moves, slots, SLOT_STILL);
    cluster_show_slots(cluster);
    cluster_unlock(&cluster->lock);
    (void)cluster_moves_save(cluster, error); // else they are deleted once more after a restart
}

// --- Routing ---

static bool refuse_route(char error[CLUSTER_ROUTE_SIZE], const char *why) {
    (void)snprintf(error, CLUSTER_ROUTE_SIZE, "%s", why);
    return false;
}

static bool send_away(char error[CLUSTER_ROUTE_SIZE], unsigned slot, const char *host, unsigned port) {
    (void)snprintf(error, CLUSTER_ROUTE_SIZE, "MOVED %u %s:%u", slot, host, port);
    return false;
}

static bool serves_leaving(const struct slot_moves *moves, unsigned slot,
                           const struct cluster_request *request, char error[CLUSTER_ROUTE_SIZE]) {
    const struct move_target *target = &moves->known[moves->targets[slot]];
    switch ((enum slot_state)moves->states[slot]) {
    case SLOT_FORWARDED:
        return send_away(error, slot, target->host, target->port);
    case SLOT_STOPPED:
    case SLOT_IN_DOUBT:
        return !request->changes ||
               refuse_route(error,
                            "TRYAGAIN Can't write to slot being migrated which is in write forbidden phase");
    case SLOT_HELD:
        return refuse_route(error,
                            "TRYAGAIN This slot has been migrated, and the topology that says so is yet "
                            "to come");
    case SLOT_LEFTOVER:
        return refuse_route(error, "TRYAGAIN The keys that this slot held before are still being deleted");
    default:
        return true;
    }
}

static bool serves_coming(const struct slot_moves *moves, unsigned slot,
                          const struct cluster_request *request) {
    if (moves->states[slot] == SLOT_IMPORTED)
        return true;
    return moves->import == IMPORT_RUNNING && slot_range_has(moves->importing, slot) &&
           (request->asks || (request->client != 0 && request->client == moves->importer));
}

bool cluster_serves_moving(const struct cluster *cluster, unsigned slot,
                           const struct cluster_request *request, char error[CLUSTER_ROUTE_SIZE]) {
    const struct topology *topology = cluster->state.topology;
    size_t owner = topology == NULL ? TOPOLOGY_NOBODY : topology->owners[slot];
    if (owner != TOPOLOGY_NOBODY && owner == cluster->self)
        return serves_leaving(&cluster->moves, slot, request, error);
    if (topology != NULL && serves_coming(&cluster->moves, slot, request))
        return true;
    if (owner == TOPOLOGY_NOBODY)
        return refuse_route(error, "CLUSTERDOWN Hash slot not served");
    return send_away(error, slot, topology->nodes[owner].host, topology->nodes[owner].port);
}
