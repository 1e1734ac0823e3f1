// SPDX-License-Identifier: Apache-2.0
//
// The thread that follows a master. Uses: base, lease, store/{apply,history}, server, replication.
#include "replication/follower.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "replication/follower_internal.h"
#include "replication/replicas.h"
#include "replication/role.h"
#include "replication/snapshots.h"
#include "server/server.h"
#include "store/session.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PAUSE_LEAST_MS = 100, PAUSE_MOST_MS = 5000 };

// --- What others see ---

void follower_set_state(struct follower *follower, enum follower_state state) {
    atomic_store(&follower->state, (int)state);
    follower_judge_staleness(follower);
}

void follower_heard(struct follower *follower) {
    atomic_store_explicit(&follower->heard_us, clock_duration_us(), memory_order_relaxed);
}

// Only a replica can be stale.
void follower_judge_staleness(struct follower *follower) {
    struct server *server = follower->server;
    bool stale = role_is_replica(follower->role) && atomic_load(&follower->state) != FOLLOWER_CONNECTED &&
                 !config_yes(server->config, CONFIG_SLAVE_SERVE_STALE_DATA);
    atomic_store(&server->data_is_stale, stale);
}

struct follower_view follower_view(struct follower *follower) {
    uint64_t heard = atomic_load_explicit(&follower->heard_us, memory_order_relaxed);
    return (struct follower_view){.state = (enum follower_state)atomic_load(&follower->state),
                                  .is_refused = atomic_load(&follower->is_refused),
                                  .silent_seconds =
                                      heard == 0 ? -1 : (int64_t)((clock_duration_us() - heard) / 1000000)};
}

// --- The thread ---

bool follower_is_outdated(const struct follower *follower) {
    return atomic_load(&follower->ending) ||
           role_generation(follower->role) != follower->following.generation;
}

void follower_restart_givers(struct follower *follower) {
    replicas_start(follower->replicas, follower->server->store, follower->patience_ms);
    snapshots_start(follower->snapshots, follower->server->store, follower->patience_ms);
}

// Until somebody wants the thread, or the time is over.
static void rest(struct follower *follower, int milliseconds) {
    struct pollfd source = {.fd = follower->wake, .events = POLLIN};
    uint64_t count = 0;
    (void)poll(&source, 1, milliseconds);
    (void)!read(follower->wake, &count, sizeof(count));
}

static void make_link(struct follower *follower) {
    follower->link = (struct link){
        .fd = -1,
        .wake = follower->wake,
        .timeout_ms = (int)config_integer(follower->server->config, CONFIG_REPLICATION_CONNECT_TIMEOUT_MS)};
}

// One connection, from beginning to end. True: it was good for something, so the next try may come soon.
static bool follow_once(struct follower *follower) {
    const struct role_master *master = &follower->following.master;
    make_link(follower);
    follower_set_state(follower, FOLLOWER_CONNECTING);
    bool was_good = false;
    if (link_connect(&follower->link, master->host, master->port)) {
        follower->link.timeout_ms =
            (int)config_integer(follower->server->config, CONFIG_REPLICATION_RECV_TIMEOUT_MS);
        follower_set_state(follower, FOLLOWER_GREETING);
        was_good = follower_greet(follower) && follower_synchronise(follower);
    }
    if (!follower_is_outdated(follower) && follower->link.error[0] != '\0')
        log_warning("master %s:%u is not followed at the moment: %s", master->host, master->port,
                    follower->link.error);
    link_close(&follower->link);
    return was_good;
}

static void follow(struct follower *follower) {
    int pause_ms = PAUSE_LEAST_MS;
    atomic_store(&follower->is_refused, false);
    atomic_store(&follower->heard_us, 0);
    while (!follower_is_outdated(follower)) {
        bool was_good = follow_once(follower);
        if (follower_is_outdated(follower))
            break;
        follower_set_state(follower, FOLLOWER_CONNECTING);
        pause_ms = was_good ? PAUSE_LEAST_MS : pause_ms;
        if (follower->link.error[0] != '\0')
            rest(follower, pause_ms);
        pause_ms = pause_ms * 2 < PAUSE_MOST_MS ? pause_ms * 2 : PAUSE_MOST_MS;
    }
}

static void *run(void *argument) {
    struct follower *follower = argument;
    (void)pthread_setname_np(pthread_self(), "follow-master");
    session_prepare_thread();
    while (!atomic_load(&follower->ending)) {
        rest(follower, 0); // what wanted the thread until here is seen by what comes next
        follower->following = role_view(follower->role);
        bool has_master = follower->following.is_replica && follower->following.master.host[0] != '\0';
        follower_set_state(follower, has_master ? FOLLOWER_CONNECTING : FOLLOWER_IDLE);
        if (has_master)
            follow(follower);
        else
            rest(follower, -1);
    }
    return NULL;
}

struct follower *follower_open(const struct follower_config *config) {
    struct follower *follower = memory_allocate_zeroed(1, sizeof(*follower));
    follower->server = config->server;
    follower->role = config->role;
    follower->replicas = config->replicas;
    follower->snapshots = config->snapshots;
    follower->patience_ms = config->patience_ms;
    follower->session = config->server->replication_session;
    follower->link.fd = -1;
    follower_load_version(follower);
    follower_remove_old_copy(follower);
    follower->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (follower->wake >= 0 && pthread_create(&follower->thread, NULL, run, follower) == 0)
        return follower;
    log_error("the thread that follows a master could not be started");
    if (follower->wake >= 0)
        (void)close(follower->wake);
    free(follower);
    return NULL;
}

void follower_look(struct follower *follower) {
    uint64_t one = 1;
    follower_judge_staleness(follower);
    (void)!write(follower->wake, &one, sizeof(one)); // a counter that is full wakes as well
}

void follower_end(struct follower *follower) {
    if (follower == NULL)
        return;
    atomic_store(&follower->ending, true);
    follower_look(follower);
    always_assert(pthread_join(follower->thread, NULL) == 0, "the following thread can be joined");
}

void follower_close(struct follower *follower) {
    if (follower == NULL)
        return;
    (void)close(follower->wake);
    free(follower);
}
