// SPDX-License-Identifier: Apache-2.0
//
// The node's role: a master, or a replica of a master. Every change of role goes through here, whoever asks
// for it (SLAVEOF, CLUSTERX SETNODES, the configuration), and takes the lease with it: a replica has none,
// and who becomes a master again waits for a heartbeat if the data directory ever had a lease. May use: base,
// lease.
#ifndef KVFENCE_REPLICATION_ROLE_H
#define KVFENCE_REPLICATION_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lease;
struct role;

enum { ROLE_HOST_MAX = 255 };

// A master's address. A replica that has not been told its master has an empty host.
struct role_master {
    char host[ROLE_HOST_MAX + 1];
    uint16_t port;
};
// False if the host is too long.
bool role_master_set(struct role_master *master, const char *host, size_t length, uint16_t port);

// A node starts as a master, or as a replica of `master` if that is not NULL.
struct role *role_open(const struct role_master *master);
void role_close(struct role *role);

// Whose lease follows the role from now on; it must have been opened with the role of now. Before threads
// start. NULL: none.
void role_set_lease(struct role *role, struct lease *lease);

// Told after each change, by the thread that makes it and while nothing is written: must be quick. Before
// threads start.
typedef void role_change_function(void *context, bool is_replica);
void role_on_change(struct role *role, role_change_function *function, void *context);

// Changes of role. The caller holds the store's role guard exclusively, so that no write is in flight across
// them, or is alone because no other thread has been started. False: the node is that already, nothing has
// changed.
bool role_become_replica(struct role *role, const struct role_master *master);
bool role_become_master(struct role *role);
// The lease was granted to whom the node is no longer taken for: a master is left as one that has only just
// become it. In the same hold of the guard.
void role_give_up_lease(struct role *role);

// Thread-safe and cheap.
bool role_is_replica(const struct role *role);

// As in the view.
uint64_t role_generation(const struct role *role);

struct role_view {
    bool is_replica;
    struct role_master master; // of a replica
    uint64_t generation;       // raised by each change of role or master
};
// Consistent in itself. Thread-safe.
struct role_view role_view(struct role *role);

#endif
