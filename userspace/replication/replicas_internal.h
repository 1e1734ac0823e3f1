// SPDX-License-Identifier: Apache-2.0
//
// One replica as its feeding thread and the list of all see it. May use: base, store, replication/replicas.
#ifndef KVFENCE_REPLICATION_REPLICAS_INTERNAL_H
#define KVFENCE_REPLICATION_REPLICAS_INTERNAL_H

#include "replication/link.h"
#include "replication/replicas.h"

#include <stdatomic.h>

struct replica {
    struct replicas *all;
    struct store *store;
    struct link link;
    int wake; // an eventfd: somebody waits for an acknowledgement, or the thread shall end
    int patience_ms;
    struct replica_request request;
    struct replica_announcement address;
    _Atomic bool is_fed;           // it has been admitted
    _Atomic uint64_t sent;         // the newest sequence number that it was sent
    _Atomic uint64_t acknowledged; // and that it has acknowledged
    _Atomic bool acknowledges;     // it has done so at least once, so it can
    _Atomic bool ending;
    struct replica *previous, *next; // under the list's lock
};

// The thread's work once it is admitted: returns when the connection has ended, for whatever reason, or shall
// end.
void replica_feed(struct replica *replica);

// Told by the thread: replica->acknowledged has risen.
void replicas_note_acknowledgement(struct replicas *replicas);
// True if somebody waits for more than that to be acknowledged.
bool replicas_wait_beyond(struct replicas *replicas, uint64_t sequence);

#endif
