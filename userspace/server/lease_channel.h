// SPDX-License-Identifier: Apache-2.0
//
// The lease's own channel, __lease__: tells subscribers when the lease is granted, has expired, has refused
// writes, or is reset, by comparing what it is with what it was when it was last looked at. Thread-safe. May
// use: base, lease, server.
#ifndef KVFENCE_SERVER_LEASE_CHANNEL_H
#define KVFENCE_SERVER_LEASE_CHANNEL_H

struct lease_channel;
struct server;
struct worker;

struct lease_channel *lease_channel_open(struct server *server);
void lease_channel_close(struct lease_channel *channel);

// Publishes what has happened since the last look, in this order and with these fields behind the first word:
//
//   expired election_version=<number>
//   reset highest_version=<number>                            the node has become a replica or a new master
//   granted election_version=<number> deadline_ms=<from now>  not for a renewal of a lease that is held
//   refused writes=<number>                                   at most once a second
//
// To be called when the lease may have changed, and about ten times a second. `worker`: whose thread this is,
// or NULL.
void lease_channel_look(struct server *server, struct worker *worker);

#endif
