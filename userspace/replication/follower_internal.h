// SPDX-License-Identifier: Apache-2.0
//
// What the parts of following a master share: the thread (follower.c), greeting the master (greeting.c),
// its stream (stream.c), copying everything (full_sync.c). All run on the one thread. May use: base, store,
// server, replication.
#ifndef KVFENCE_REPLICATION_FOLLOWER_INTERNAL_H
#define KVFENCE_REPLICATION_FOLLOWER_INTERNAL_H

#include "replication/follower.h"
#include "replication/link.h"
#include "replication/peer.h"
#include "replication/role.h"
#include "store/history.h"

#include <pthread.h>
#include <stdatomic.h>

struct store_session;

struct follower {
    struct server *server;
    struct role *role;
    struct replicas *replicas;
    struct snapshots *snapshots;
    int patience_ms;
    struct store_session *session;
    pthread_t thread;
    int wake;
    _Atomic bool ending;
    _Atomic int state; // enum follower_state
    _Atomic bool is_refused;
    _Atomic uint64_t heard_us; // when the master was heard last; 0: never
    // The thread's own.
    struct role_view following;
    struct link link;
    struct peer_kind master;
    uint64_t known_version; // the highest election version that a master has told
    // Where this node stood when the master refused to go on from there: what a full copy may discard.
    struct history refused_history;
    uint64_t refused_at;
};

void follower_set_state(struct follower *follower, enum follower_state state);
void follower_heard(struct follower *follower);
// True if another master is to be followed, or none.
bool follower_is_outdated(const struct follower *follower);

// Starts what was stopped so that the database could be replaced, unless the thread shall end.
void follower_restart_givers(struct follower *follower);
// The version that masters had told before this process was started.
void follower_load_version(struct follower *follower);
// From the connection to the question where to begin. False with link.error.
bool follower_greet(struct follower *follower);
// By the log, or by a full copy. True: something has come of it.
bool follower_synchronise(struct follower *follower);
// Applies what the master sends until the connection ends. `position`: what this node has told the master to
// have, and to have durable. True if anything has come.
bool follower_stream(struct follower *follower, uint64_t position);
// Copies the master's whole database and puts it in the place of this node's. False with link.error.
bool follower_copy_everything(struct follower *follower);
// Before the thread is started: deletes what an interrupted copy has left and nobody can go on with.
void follower_remove_old_copy(struct follower *follower);

#endif
