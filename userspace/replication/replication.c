// SPDX-License-Identifier: Apache-2.0
//
// Bringing the parts of replication together. Uses: base, store/{history,log_tail}, server, replication.
#include "replication/replication.h"

#include "base/log.h"
#include "base/memory.h"
#include "replication/peer.h"
#include "replication/snapshots.h"
#include "server/server.h"
#include "store/history.h"
#include "store/log_tail.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// How many times replication-recv-timeout-ms a replica may be silent: 32 s by default.
enum { PATIENCE = 10 };

struct replication {
    struct role *role;
    struct replicas *replicas;
    struct snapshots *snapshots;         // from start to close
    _Atomic(struct follower *) follower; // from start to close
    _Atomic(struct server *) server;     // from start to stop
};

// The thread that changes the role must not wait for anything here: the follower may be waiting for it.
static void follow_role(void *context, bool is_replica) {
    struct replication *replication = context;
    struct follower *follower = atomic_load(&replication->follower);
    const struct server *server = atomic_load(&replication->server);
    if (server != NULL)
        store_follow(server->store, is_replica ? 0 : INT64_MAX);
    if (follower != NULL)
        follower_look(follower);
    if (is_replica) {
        replicas_end_waits(replication->replicas);
        replicas_send_away(replication->replicas);
    }
}

// True if this node's history leads on from the last write of the replica.
static bool history_leads_on(struct store *store, struct bytes id, uint64_t last) {
    struct history history;
    uint64_t common = 0;
    char *error = NULL;
    if (!history_read(store, &history, &error)) {
        log_error("the history cannot be read: %s", error);
        free(error);
        return false;
    }
    // Where only a Kvrocks has written, on both sides, all there is are the numbers.
    if (history.count == 0)
        return bytes_equal(id, BYTES_LITERAL(PEER_NO_ID));
    return history_common(&history, store_latest_sequence(store), id, last, &common) && common == last;
}

// On the thread of the replica that asks. replication_stop() waits for it, so the server is there if it is
// at the beginning.
static const char *admit(void *context, const struct replica_request *request) {
    struct replication *replication = context;
    struct server *server = atomic_load(&replication->server);
    struct bytes id = bytes_from_text(request->history);
    uint64_t next = request->next;
    const char *error = NULL;
    if (server == NULL)
        return PEER_LOADING_ERROR;
    if (id.length != 0 && (next == 0 || !history_leads_on(server->store, id, next - 1)))
        error = "ERR wrong replication id of the last log";
    else if (next == 0 || next > store_latest_sequence(server->store) + 1 ||
             !log_tail_is_available(server->store, next))
        error = "ERR sequence out of range, please use fullsync";
    atomic_fetch_add(error == NULL ? &server->partial_syncs : &server->refused_partial_syncs, 1);
    return error;
}

struct replication *replication_open(struct role *role) {
    struct replication *replication = memory_allocate_zeroed(1, sizeof(*replication));
    replication->role = role;
    replication->replicas = replicas_open(admit, replication);
    role_on_change(role, follow_role, replication);
    return replication;
}

void replication_close(struct replication *replication) {
    if (replication == NULL)
        return;
    role_on_change(replication->role, NULL, NULL);
    follower_close(atomic_load(&replication->follower));
    replicas_close(replication->replicas);
    snapshots_close(replication->snapshots);
    free(replication);
}

static const char *follow_stale_setting(void *context, enum config_id id) {
    (void)id;
    follower_judge_staleness(context);
    return NULL;
}

bool replication_start(struct replication *replication, struct server *server,
                       char error[REPLICATION_ERROR_SIZE]) {
    int patience_ms = (int)config_integer(server->config, CONFIG_REPLICATION_RECV_TIMEOUT_MS) * PATIENCE;
    replication->snapshots = snapshots_open(server->config);
    replicas_start(replication->replicas, server->store, patience_ms);
    snapshots_start(replication->snapshots, server->store, patience_ms);
    const struct follower_config config = {.server = server,
                                           .role = replication->role,
                                           .replicas = replication->replicas,
                                           .snapshots = replication->snapshots,
                                           .patience_ms = patience_ms};
    struct follower *follower = follower_open(&config);
    if (follower == NULL) {
        (void)snprintf(error, REPLICATION_ERROR_SIZE, "the thread of replication could not be started");
        return false;
    }
    config_on_change(server->config, CONFIG_SLAVE_SERVE_STALE_DATA, follow_stale_setting, follower);
    atomic_store(&replication->follower, follower);
    atomic_store(&replication->server, server);
    // It may have changed since the store was opened, and may do so now.
    bool was_replica = role_is_replica(replication->role);
    follow_role(replication, was_replica);
    if (role_is_replica(replication->role) != was_replica)
        follow_role(replication, !was_replica);
    return true;
}

void replication_stop(struct replication *replication) {
    struct server *server = atomic_exchange(&replication->server, NULL);
    if (server != NULL)
        config_on_change(server->config, CONFIG_SLAVE_SERVE_STALE_DATA, NULL, NULL);
    follower_end(atomic_load(&replication->follower));
    replicas_stop(replication->replicas);
    if (replication->snapshots != NULL)
        snapshots_stop(replication->snapshots);
}

void replication_tick(struct replication *replication) {
    snapshots_tick(replication->snapshots);
}

struct replicas *replication_replicas(struct replication *replication) {
    return replication->replicas;
}

struct follower_view replication_view(struct replication *replication) {
    struct follower *follower = atomic_load(&replication->follower);
    struct follower_view none = {.silent_seconds = -1};
    return follower == NULL ? none : follower_view(follower);
}

// --- Replicas that ask ---

void replication_feed(struct replication *replication, int fd, const struct replica_request *request) {
    if (!replicas_add(replication->replicas, fd, request))
        log_info("a replica is not fed at the moment");
}

void replication_send_list(struct replication *replication, int fd, bool verified) {
    struct server *server = atomic_load(&replication->server);
    if (server == NULL) {
        (void)close(fd);
        return;
    }
    atomic_fetch_add(&server->full_syncs, 1);
    snapshots_send_list(replication->snapshots, fd, verified);
}

void replication_send_files(struct replication *replication, int fd, const struct snapshot_request *request) {
    if (atomic_load(&replication->server) == NULL)
        (void)close(fd);
    else
        snapshots_send_files(replication->snapshots, fd, request);
}
