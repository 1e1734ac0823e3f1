// SPDX-License-Identifier: Apache-2.0
//
// What cluster.c and cluster_moves.c share about a node in its cluster. May use: base, cluster.
#ifndef KVFENCE_CLUSTER_CLUSTER_INTERNAL_H
#define KVFENCE_CLUSTER_CLUSTER_INTERNAL_H

#include "cluster/cluster.h"
#include "cluster/nodes_file.h"
#include "cluster/slot_moves.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WORD_BITS = 64, SLOT_WORDS = CLUSTER_SLOT_COUNT / WORD_BITS };

struct cluster {
    // The slots that need no further question: this node's own that stay where they are, and those of which
    // it is a replica. What dispatch looks at for every command, so nothing but these two is in the usual
    // way.
    _Atomic uint64_t own[SLOT_WORDS];
    _Atomic uint64_t of_master[SLOT_WORDS];

    pthread_mutex_t lock; // guards what follows
    struct nodes_file state;
    size_t self;
    struct slot_moves moves;

    pthread_mutex_t file_lock; // taken before `lock`: one writer of nodes.conf and slots.conf at a time
    char *path;
    char *moves_path;
    bool is_persistent;
    bool is_saved; // nodes.conf is what it should be

    char *addresses;
    uint16_t port;
};

void cluster_lock(pthread_mutex_t *mutex);
void cluster_unlock(pthread_mutex_t *mutex);
// Keeps a refusal: "ERR ..." in `error`; returns false.
bool cluster_refuse(char error[CLUSTER_ERROR_SIZE], const char *why);

// Under the lock: brings what dispatch looks at into line with topology and moves.
void cluster_show_slots(struct cluster *cluster);
// Under the lock: which moves a new topology, or a new id, has ended.
void cluster_moves_follow(struct cluster *cluster);
// The same for CLUSTER RESET: there are none.
void cluster_moves_forget(struct cluster *cluster);

// slots.conf; not under the lock. What cannot be read stops the start; what cannot be written is an error.
bool cluster_moves_load(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]);
bool cluster_moves_save(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]);
// Under file_lock.
bool cluster_moves_remove_file(struct cluster *cluster, char error[CLUSTER_ERROR_SIZE]);

// Under the lock: what happens to a request for a slot that is in neither of the two sets above. True: it is
// served here.
bool cluster_serves_moving(const struct cluster *cluster, unsigned slot,
                           const struct cluster_request *request, char error[CLUSTER_ROUTE_SIZE]);

#endif
