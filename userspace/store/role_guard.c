// SPDX-License-Identifier: Apache-2.0
//
// The role guard: one mutex a holder, of which an exclusive taker takes all. May use: base.
#include "store/role_guard.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { CACHE_LINE = 64 };

struct holder {
    alignas(CACHE_LINE) pthread_mutex_t mutex;
};

struct role_guard {
    // What excludes is the holders' mutexes alone. These two are courtesy: a busy holder leaves and enters
    // again faster than a waiting taker wakes up, and could keep it waiting for long. While `wanted` is set,
    // holders queue behind `takers` instead. They only read `wanted`, so its cache line stays shared.
    alignas(CACHE_LINE) atomic_bool wanted;
    alignas(CACHE_LINE) pthread_mutex_t takers;
    size_t count;
    struct holder holders[];
};

static void lock(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_lock(mutex) == 0, "the role guard can be locked");
}

static void unlock(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_unlock(mutex) == 0, "the role guard can be unlocked");
}

struct role_guard *role_guard_open(size_t holders) {
    struct role_guard *guard = aligned_alloc(CACHE_LINE, sizeof *guard + holders * sizeof guard->holders[0]);
    always_assert(guard != NULL, "there is memory for the role guard");
    atomic_init(&guard->wanted, false);
    guard->count = holders;
    always_assert(pthread_mutex_init(&guard->takers, NULL) == 0, "a mutex can be made");
    for (size_t i = 0; i < holders; i++)
        always_assert(pthread_mutex_init(&guard->holders[i].mutex, NULL) == 0, "a mutex can be made");
    return guard;
}

void role_guard_close(struct role_guard *guard) {
    for (size_t i = 0; i < guard->count; i++)
        always_assert(pthread_mutex_destroy(&guard->holders[i].mutex) == 0,
                      "nobody is inside when the role guard is closed");
    always_assert(pthread_mutex_destroy(&guard->takers) == 0,
                  "nobody holds the role guard when it is closed");
    free(guard);
}

bool role_guard_is_wanted(const struct role_guard *guard) {
    return atomic_load_explicit(&guard->wanted, memory_order_relaxed);
}

void role_guard_enter(struct role_guard *guard, size_t holder) {
    always_assert(holder < guard->count, "a holder of the role guard has a place in it");
    if (atomic_load_explicit(&guard->wanted, memory_order_relaxed)) {
        lock(&guard->takers);
        unlock(&guard->takers);
    }
    lock(&guard->holders[holder].mutex);
}

void role_guard_leave(struct role_guard *guard, size_t holder) {
    always_assert(holder < guard->count, "a holder of the role guard has a place in it");
    unlock(&guard->holders[holder].mutex);
}

bool role_guard_is_free(struct role_guard *guard, size_t holder) {
    always_assert(holder < guard->count, "a holder of the role guard has a place in it");
    if (pthread_mutex_trylock(&guard->holders[holder].mutex) != 0)
        return false;
    unlock(&guard->holders[holder].mutex);
    return true;
}

void role_guard_take(struct role_guard *guard) {
    lock(&guard->takers);
    atomic_store_explicit(&guard->wanted, true, memory_order_relaxed);
    for (size_t i = 0; i < guard->count; i++)
        lock(&guard->holders[i].mutex);
}

void role_guard_release(struct role_guard *guard) {
    for (size_t i = guard->count; i > 0; i--)
        unlock(&guard->holders[i - 1].mutex);
    atomic_store_explicit(&guard->wanted, false, memory_order_relaxed);
    unlock(&guard->takers);
}
