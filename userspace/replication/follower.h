// SPDX-License-Identifier: Apache-2.0
//
// Following a master: a thread that connects to whom the role names, brings this node's data to the master's,
// by the log if that has what is missing here and else by copying everything, and keeps it there. Goes on
// through failures of either side, with pauses that grow. May use: base, lease, store, server, replication.
#ifndef KVFENCE_REPLICATION_FOLLOWER_H
#define KVFENCE_REPLICATION_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

struct follower;
struct replicas;
struct role;
struct server;
struct snapshots;

struct follower_config {
    struct server *server;
    struct role *role;
    struct replicas *replicas;   // stopped while the database is replaced
    struct snapshots *snapshots; // the same
    int patience_ms;             // with which both are started again
};
// NULL: no thread (logged).
struct follower *follower_open(const struct follower_config *config);
// Ends the thread. What others may ask stays.
void follower_end(struct follower *follower);
void follower_close(struct follower *follower); // after its end
// The role has changed: look at once. Any thread.
void follower_look(struct follower *follower);
// slave-serve-stale-data has changed, or what decides beside it. Any thread.
void follower_judge_staleness(struct follower *follower);

enum follower_state {
    FOLLOWER_IDLE,       // this node is a master, or knows no master
    FOLLOWER_CONNECTING, // or waits before it tries again
    FOLLOWER_GREETING,
    FOLLOWER_COPYING,  // everything
    FOLLOWER_CONNECTED // its data are the master's, but for what is on the way
};

struct follower_view {
    enum follower_state state;
    bool is_refused;        // the master cannot be followed until somebody changes something
    int64_t silent_seconds; // since the master was heard last; -1: never
};
// Thread-safe.
struct follower_view follower_view(struct follower *follower);

#endif
