// SPDX-License-Identifier: Apache-2.0
//
// Who waits for the end of the migration, if anybody does: CLUSTERX MIGRATE ... SYNC. Thread-safe. May use:
// base.
#ifndef KVFENCE_CLUSTER_MIGRATION_WAITER_H
#define KVFENCE_CLUSTER_MIGRATION_WAITER_H

#include <pthread.h>
#include <stdbool.h>

// `error` is NULL if the slots have been moved; else the reply without its leading '-', valid for the call.
typedef void migration_done_function(void *context, const char *error);

// Zero-initialised but for the lock, nobody waits.
struct migration_waiter {
    pthread_mutex_t lock;
    migration_done_function *done;
    void *context;
};

void migration_waiter_set(struct migration_waiter *waiter, migration_done_function *done, void *context);
// False: it has been told, or is about to be.
bool migration_waiter_cancel(struct migration_waiter *waiter, const void *context);
bool migration_waiter_waits(struct migration_waiter *waiter);
// Calls done() once, from the caller's thread.
void migration_waiter_tell(struct migration_waiter *waiter, const char *error);

#endif
