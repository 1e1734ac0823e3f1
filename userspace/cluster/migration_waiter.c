// SPDX-License-Identifier: Apache-2.0
//
// Uses: base.
#include "cluster/migration_waiter.h"

#include "base/assert.h"

#include <stddef.h>

static void lock(struct migration_waiter *waiter) {
    always_assert(pthread_mutex_lock(&waiter->lock) == 0, "the waiter can be locked");
}

static void unlock(struct migration_waiter *waiter) {
    always_assert(pthread_mutex_unlock(&waiter->lock) == 0, "the waiter can be unlocked");
}

void migration_waiter_set(struct migration_waiter *waiter, migration_done_function *done, void *context) {
    lock(waiter);
    always_assert(waiter->done == NULL, "one migration has one waiter");
    waiter->done = done;
    waiter->context = context;
    unlock(waiter);
}

bool migration_waiter_cancel(struct migration_waiter *waiter, const void *context) {
    lock(waiter);
    bool waits = waiter->done != NULL && waiter->context == context;
    if (waits)
        waiter->done = NULL;
    unlock(waiter);
    return waits;
}

bool migration_waiter_waits(struct migration_waiter *waiter) {
    lock(waiter);
    bool waits = waiter->done != NULL;
    unlock(waiter);
    return waits;
}

void migration_waiter_tell(struct migration_waiter *waiter, const char *error) {
    lock(waiter);
    migration_done_function *done = waiter->done;
    void *context = waiter->context;
    waiter->done = NULL;
    unlock(waiter);
    if (done != NULL)
        done(context, error);
}
