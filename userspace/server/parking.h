// SPDX-License-Identifier: Apache-2.0
//
// Stopping all workers between two commands, for what no worker may see half done: the database is closed and
// another one opened in its place. Clients notice nothing but that they wait; only those in the middle of a
// long reply (server/reply_stream.h) are closed, as it is read from the database that goes. May use:
// server/{server,worker}.
#ifndef KVFENCE_SERVER_PARKING_H
#define KVFENCE_SERVER_PARKING_H

struct server;
struct parking;

// Returns when every worker stands still. Not on a worker's thread, by one thread at a time, and while the
// workers run: the server must not be closed before parking_end().
struct parking *parking_begin(struct server *server);
// Lets them go on.
void parking_end(struct parking *parking);

#endif
