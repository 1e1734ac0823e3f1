// SPDX-License-Identifier: Apache-2.0
//
// Replication as a whole: the replicas that this node feeds, the copies of the database that it gives away,
// and the master that it follows itself. Follows the role: becoming a replica starts following, becoming a
// master ends it. Thread-safe. May use: base, lease, store, server, the other files of replication/.
#ifndef KVFENCE_REPLICATION_REPLICATION_H
#define KVFENCE_REPLICATION_REPLICATION_H

#include "replication/follower.h"
#include "replication/replicas.h"
#include "replication/role.h"

struct bytes;
struct replication;
struct server;
struct snapshot_request; // replication/snapshots.h

// The role is borrowed, and told to tell its changes here.
struct replication *replication_open(struct role *role);
// After replication_stop(), if it was started.
void replication_close(struct replication *replication);

enum { REPLICATION_ERROR_SIZE = 512 };
// When the server is open. False with the reason in `error`.
bool replication_start(struct replication *replication, struct server *server,
                       char error[REPLICATION_ERROR_SIZE]);
// Before the server is closed: ends all threads. Commands that still run find that there is no replication.
void replication_stop(struct replication *replication);
// About ten times a second, from one thread.
void replication_tick(struct replication *replication);

struct replicas *replication_replicas(struct replication *replication);
struct follower_view replication_view(struct replication *replication);

// A replica asks to be fed. Takes over the socket, and answers from a thread of its own.
void replication_feed(struct replication *replication, int fd, const struct replica_request *request);

// A replica asks for the list of files of a copy of the whole database, or for some of these files. Take over
// the socket and answer from a thread of their own. `verified`: in the form that has sizes and checksums,
// which only a kvfence asks for.
void replication_send_list(struct replication *replication, int fd, bool verified);
void replication_send_files(struct replication *replication, int fd, const struct snapshot_request *request);

#endif
