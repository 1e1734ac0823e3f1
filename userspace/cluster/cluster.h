// SPDX-License-Identifier: Apache-2.0
//
// This node in its cluster: its id, the topology that the controller has sent last, and so which keys are
// served here. There is no gossip: nothing changes unless somebody says so. May use: base, store/encoding,
// the other files of cluster/.
#ifndef KVFENCE_CLUSTER_CLUSTER_H
#define KVFENCE_CLUSTER_CLUSTER_H

#include "base/bytes.h"
#include "cluster/slot_moves.h"
#include "cluster/topology.h"

#include <stdbool.h>
#include <stdint.h>

struct cluster;

struct cluster_config {
    const char *directory; // nodes.conf lies in it
    const char *addresses; // the directive 'bind': to find this node in a topology without being told its id
    uint16_t port;
    bool is_persistent; // whether nodes.conf is kept
};

enum { CLUSTER_ERROR_SIZE = 768 };

// Goes on with what nodes.conf says. False with a reason for the operator: the file is damaged or cannot be
// read.
bool cluster_open(const struct cluster_config *config, struct cluster **out, char error[CLUSTER_ERROR_SIZE]);
void cluster_close(struct cluster *cluster);

// --- Changes ---
//
// Made while the store's role guard is held exclusively, so that no write is in flight across them. The error
// is the reply without its leading '-'. Afterwards the caller brings the node's role into line with
// cluster_place(), also if it is false that is returned: a change that could not be saved has been made.

// CLUSTERX SETNODEID.
bool cluster_set_id(struct cluster *cluster, struct bytes id, char error[CLUSTER_ERROR_SIZE]);
// CLUSTERX SETNODES. The version that is in force already changes nothing, unless `force`; a lower one is
// refused. Slots that the text does not name are served by nobody.
bool cluster_set_nodes(struct cluster *cluster, struct bytes text, int64_t version, bool force,
                       char error[CLUSTER_ERROR_SIZE]);
// CLUSTERX SETSLOT: the slots are the node's from this version on, which must be the next one. Slots that are
// given to this very node are served whatever a migration has left them in.
bool cluster_set_slots(struct cluster *cluster, const struct slot_range *ranges, size_t count,
                       struct bytes node_id, int64_t version, char error[CLUSTER_ERROR_SIZE]);
// CLUSTER RESET: as if it had never been part of a cluster.
bool cluster_reset(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]);

// persist-cluster-nodes-enabled: writes nodes.conf, or removes it. Any thread, without the guard.
bool cluster_set_persistent(struct cluster *cluster, bool persistent, char error[CLUSTER_ERROR_SIZE]);

// --- Slots that leave ---
//
// One migration at a time: it begins, copies, stops the slots' writes, hands them over, and ends. All of it
// is in the states of cluster/slot_moves.h. A topology can end what is in doubt, and then the next one can
// begin, while the first one's thread still waits for an answer; so `job` says which one is meant. A refusal
// is the reply without its leading '-'.

// CLUSTERX MIGRATE, with the role guard held exclusively.
bool cluster_migration_begin(struct cluster *cluster, struct slot_range slots, struct bytes node_id,
                             char error[CLUSTER_ERROR_SIZE]);
struct cluster_migration {
    enum migration_phase phase;
    uint64_t job;
    struct slot_range slots;
    struct move_target target;
};
struct cluster_migration cluster_migration(struct cluster *cluster);
// False once the topology does not have it any more that the slots are this master's and the target is one.
bool cluster_migration_makes_sense(struct cluster *cluster);
// With the role guard held exclusively: from here on nobody writes to the slots.
void cluster_migration_stop_writes(struct cluster *cluster, uint64_t job);
// Before the target is told that the slots are its own: from here on it may think so. Durable.
bool cluster_migration_hand_over(struct cluster *cluster, uint64_t job, char error[CLUSTER_ERROR_SIZE]);
// With the role guard held exclusively: the slots are the target's, or still this node's. False: a topology
// has ended the job already, and nothing changes.
bool cluster_migration_end(struct cluster *cluster, uint64_t job, bool done);

// --- Slots that come ---

// What a node says that is told to give up an import and has the slots already: until the topology makes them
// its own, and after it has.
#define CLUSTER_HAS_IMPORTED  "these slots have been imported already"
#define CLUSTER_OWNS_IMPORTED "Can't import slot which belongs to me"

// CLUSTER IMPORT, with the role guard held exclusively: 0 begins, 1 takes over, 2 gives up.
// *is_to_be_emptied: the caller deletes the slots' keys in the same hold.
bool cluster_import(struct cluster *cluster, struct slot_range slots, int64_t state, uint64_t client,
                    bool *is_to_be_emptied, char error[CLUSTER_ERROR_SIZE]);
// The client's connection has ended, and with it what it was importing. Any thread. True: there was
// something.
bool cluster_import_link_ended(struct cluster *cluster, uint64_t client);
// The keys that have arrived are being deleted, with the role guard held exclusively: what is being imported
// would be whole no more, and its sender is told so by the refusal of what it sends next. True: there was
// something.
bool cluster_import_flushed(struct cluster *cluster);

// Slots whose keys are to be deleted: the first such range. Where they have been deleted, with the role guard
// held exclusively in between, the second function takes the mark away.
bool cluster_next_leftover(struct cluster *cluster, struct slot_range *slots);
void cluster_leftover_is_gone(struct cluster *cluster, struct slot_range slots);

// --- Looking ---

// What the topology makes of this node. Thread-safe.
enum cluster_part { CLUSTER_ABSENT, CLUSTER_MASTER, CLUSTER_REPLICA };
struct cluster_place {
    enum cluster_part part;
    char master_host[NODE_HOST_MAX + 1]; // of a replica whose master the topology has; else empty
    uint16_t master_port;
};
void cluster_place(struct cluster *cluster, struct cluster_place *place);
// True if this is the node's id and the topology has the node as a master. Thread-safe.
bool cluster_is_this_master(struct cluster *cluster, struct bytes id);

// Everything, as of one moment. Between the two calls nobody else gets at it: keep it short.
struct cluster_view {
    int64_t version;                 // -1: not initialized
    const char *id;                  // empty: nobody has said
    const struct topology *topology; // NULL: not initialized
    size_t self;                     // index of this node, or TOPOLOGY_NOBODY
    const struct slot_moves *moves;
};
struct cluster_view cluster_view_begin(struct cluster *cluster);
void cluster_view_end(struct cluster *cluster);

// --- Routing ---

struct cluster_request {
    const struct bytes *keys; // at least one
    size_t key_count;
    bool may_read_replica; // it changes nothing, and its client has sent READONLY
    bool changes;          // it may write
    bool asks;             // its client has sent ASKING before it
    uint64_t client;       // its client's id; 0: none
};

// True if these keys are served here, now. Otherwise the error is "MOVED ...", "CROSSSLOT ..." or
// "CLUSTERDOWN ...". Thread-safe; takes no lock when the keys are served here.
enum { CLUSTER_ROUTE_SIZE = 320 };
bool cluster_route(struct cluster *cluster, const struct cluster_request *request,
                   char error[CLUSTER_ROUTE_SIZE]);

#endif
