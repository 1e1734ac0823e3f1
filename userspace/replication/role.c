// SPDX-License-Identifier: Apache-2.0
//
// The role and its changes. Uses: base, lease.
#include "replication/role.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "lease/lease.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct role {
    atomic_bool is_replica; // written under the lock, read by every write
    pthread_mutex_t lock;
    struct role_master master;   // guarded by the lock
    _Atomic uint64_t generation; // written under the lock
    struct lease *lease;         // constant once threads run
    role_change_function *on_change;
    void *on_change_context;
};

static void take(struct role *role) {
    always_assert(pthread_mutex_lock(&role->lock) == 0, "the role can be locked");
}

static void release(struct role *role) {
    always_assert(pthread_mutex_unlock(&role->lock) == 0, "the role can be unlocked");
}

bool role_master_set(struct role_master *master, const char *host, size_t length, uint16_t port) {
    if (length > ROLE_HOST_MAX)
        return false;
    *master = (struct role_master){.port = port};
    memcpy(master->host, host, length);
    return true;
}

struct role *role_open(const struct role_master *master) {
    struct role *role = memory_allocate_zeroed(1, sizeof(*role));
    always_assert(pthread_mutex_init(&role->lock, NULL) == 0, "a mutex can be made");
    atomic_init(&role->is_replica, master != NULL);
    if (master != NULL)
        role->master = *master;
    return role;
}

void role_close(struct role *role) {
    if (role == NULL)
        return;
    (void)pthread_mutex_destroy(&role->lock);
    free(role);
}

void role_set_lease(struct role *role, struct lease *lease) {
    role->lease = lease;
}

void role_on_change(struct role *role, role_change_function *function, void *context) {
    role->on_change = function;
    role->on_change_context = context;
}

static void tell_change(struct role *role, bool is_replica) {
    if (role->on_change != NULL)
        role->on_change(role->on_change_context, is_replica);
}

static bool same_master(const struct role_master *one, const struct role_master *other) {
    return one->port == other->port && strcmp(one->host, other->host) == 0;
}

static void log_master(const struct role_master *master) {
    if (master->host[0] == '\0')
        log_warning("this node is a replica now, of a master that it has not been told");
    else
        log_warning("this node is a replica of %s:%u now", master->host, master->port);
}

// Writes are refused before the lease is taken away, as nothing else would refuse them then.
bool role_become_replica(struct role *role, const struct role_master *master) {
    take(role);
    bool was_replica = role_is_replica(role);
    bool changes = !was_replica || !same_master(&role->master, master);
    if (changes)
        role->master = *master;
    atomic_store_explicit(&role->is_replica, true, memory_order_release);
    if (!was_replica && role->lease != NULL)
        lease_become_replica(role->lease);
    role->generation += changes;
    release(role);
    if (changes) {
        log_master(master);
        tell_change(role, true);
    }
    return changes;
}

// The lease is expired, if there ever was one, before writes can pass.
bool role_become_master(struct role *role) {
    take(role);
    bool changes = role_is_replica(role);
    if (changes && role->lease != NULL)
        lease_become_master(role->lease);
    if (changes)
        role->master = (struct role_master){0};
    atomic_store_explicit(&role->is_replica, false, memory_order_release);
    role->generation += changes;
    release(role);
    if (changes) {
        log_warning("this node is a master now");
        tell_change(role, false);
    }
    return changes;
}

void role_give_up_lease(struct role *role) {
    take(role);
    if (role->lease != NULL)
        lease_give_up(role->lease);
    release(role);
}

bool role_is_replica(const struct role *role) {
    return atomic_load_explicit(&role->is_replica, memory_order_acquire);
}

uint64_t role_generation(const struct role *role) {
    return atomic_load_explicit(&role->generation, memory_order_acquire);
}

struct role_view role_view(struct role *role) {
    take(role);
    struct role_view view = {
        .is_replica = role_is_replica(role), .master = role->master, .generation = role->generation};
    release(role);
    return view;
}
