// SPDX-License-Identifier: Apache-2.0
//
// The thread that moves slots to other nodes. For one migration: what the slots hold is sent from a snapshot,
// then what has changed meanwhile, round by round; then the slots' writes are stopped, the rest is sent, and
// the other node takes them over. Whatever fails before that leaves the slots here. The same thread deletes
// keys of slots that have gone, and finds out what became of a hand-over whose answer was lost. May use:
// base, lease, store, server, the other files of cluster/.
#ifndef KVFENCE_CLUSTER_MIGRATION_H
#define KVFENCE_CLUSTER_MIGRATION_H

#include "cluster/cluster.h"
#include "cluster/migration_waiter.h"

struct migration;
struct server;

struct migration *migration_open(struct cluster *cluster);
void migration_close(struct migration *migration);

// False: no thread (logged). The server must outlive migration_stop().
bool migration_start(struct migration *migration, struct server *server);
// Ends a running migration as failed, and the thread.
void migration_stop(struct migration *migration);

// There may be something to do: a migration, slots to be emptied. Any thread, at any time.
void migration_wake(struct migration *migration);

// Another migration has just begun, in this hold of the role guard: whoever waits for an earlier one is told
// that a topology has ended it.
void migration_begins(struct migration *migration);
// Who is told of the end of the migration that has just begun, in the same hold of the role guard; or does
// not want to know any more (false: is told in any case).
void migration_wait(struct migration *migration, migration_done_function *done, void *context);
bool migration_cancel_wait(struct migration *migration, const void *context);

#endif
