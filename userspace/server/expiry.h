// SPDX-License-Identifier: Apache-2.0
//
// Finds keys whose time is over, deletes them and tells the event `expired`. Nobody else needs that, as
// readers take such a key for absent and compaction reclaims it, so it rests unless notify-keyspace-events
// asks for that event, and on a replica, which is sent its master's deletions, and on a master whose lease
// has expired. A replica keeps them for an hour, as it may be the master soon who has to tell of them; no
// longer, as its own master may never delete them. May use: base, store/session, server.
//
// A thread of its own goes round the keyspace, some milliseconds of each tenth of a second, so that a key is
// found at the latest when the walk comes to it, and deletes first what commands have met meanwhile. A key is
// read again with its lock held and deleted by store_commit(), like any other write, and told of once that is
// settled.
#ifndef KVFENCE_SERVER_EXPIRY_H
#define KVFENCE_SERVER_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

struct expiry;
struct server;

// How long compaction is to leave keys that have expired where they are, for this module to find them: the
// store is to know it from when it is opened on.
int64_t expiry_keeps_ms(const struct server *server);

// Before the first worker: they tell it what they meet.
struct expiry *expiry_open(struct server *server);
// Once the workers are there. False: no thread could be started (logged).
bool expiry_start(struct expiry *expiry);
// Before the workers end: ends the thread. NULL is fine, as for expiry_close().
void expiry_stop(struct expiry *expiry);
// After the workers have ended.
void expiry_close(struct expiry *expiry);

// Ten times a second: decides whether there is something to do, and wakes the thread if so.
void expiry_tick(struct expiry *expiry);

#endif
