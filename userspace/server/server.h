// SPDX-License-Identifier: Apache-2.0
//
// The server as a whole: configuration, store, workers, listeners, and what clients of different workers
// share. Two servers can run in one process. May use: base, store, server.
#ifndef KVFENCE_SERVER_SERVER_H
#define KVFENCE_SERVER_SERVER_H

#include "server/client.h"
#include "server/command.h"
#include "server/config.h"
#include "server/node_view.h"
#include "server/stats.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct authentication; // server/authentication.h
struct background;     // server/background.h
struct expiry;         // server/expiry.h
struct latency;        // server/latency.h
struct lease_channel;  // server/lease_channel.h
struct lease_gate;     // server/lease_gate.h
struct kernel_fence;   // server/kernel_fence.h
struct key_events;     // server/key_events.h
struct key_waits;      // server/key_waits.h
struct listener;       // server/listener.h
struct pubsub;         // server/pubsub.h
struct slow_log;       // server/slow_log.h
struct watch_table;    // server/watch_table.h
struct scan_cursors;   // server/scan_cursors.h
struct error_stats;    // server/error_stats.h
struct followed;       // server/tuning.h
struct server_rates;   // server/server.c

// CLIENT PAUSE. Written under registry_lock, read by every dispatch.
enum pause_mode { PAUSE_NONE, PAUSE_WRITE, PAUSE_ALL };

struct server {
    struct config *config;
    struct store *store;
    struct node_view node; // what the server is in its cluster or to its master
    struct lease_gate *lease_gate;
    struct kernel_fence *kernel_fence;
    struct command_table *commands;
    struct worker **workers;
    size_t worker_count;
    struct listener *listener;
    struct background *background; // short jobs, backups, and those that look at background_stopping()
    struct background *compactor;  // compactions, which can take hours and must not keep a backup waiting
    struct slow_log *slow_log;
    struct latency *latency;
    struct watch_table *watch_table;
    struct key_waits *key_waits;
    struct pubsub *pubsub;
    struct key_events *key_events;
    struct expiry *expiry;
    struct lease_channel *lease_channel;
    struct scan_cursors *scan_cursors;
    struct error_stats *error_stats;
    struct authentication *authentication;
    struct server_rates *rates;
    struct followed *followed;
    struct store_session *background_session;
    struct store_session *replication_session; // of the thread that follows a master

    // All clients of all workers, for CLIENT LIST and KILL.
    pthread_mutex_t registry_lock;
    struct client *registry;
    _Atomic uint64_t next_client_id;
    _Atomic uint64_t connected_clients;
    _Atomic uint64_t connections_received, connections_rejected;
    _Atomic uint64_t full_syncs, partial_syncs, refused_partial_syncs; // asked for by replicas

    _Atomic int monitors;            // clients in MONITOR: 0 is the fast path
    _Atomic int pause_mode;          // enum pause_mode
    _Atomic uint64_t pause_until_us; // by clock_duration_us(), as steps of the clock must not move it
    char run_id[41];
    wall_ms_t started_at;
    uint64_t started_us; // clock_duration_us()
    char *executable;
    uint64_t started_memory;    // resident bytes when it had been opened
    _Atomic bool data_is_stale; // a replica without its master, which must not serve what it has
    _Atomic bool shutting_down; // no command of a client begins any more

    // Rates, sampled by the main loop; relaxed.
    _Atomic uint64_t operations_per_second, input_bytes_per_second, output_bytes_per_second;
    // The last BGSAVE and DBSIZE SCAN.
    _Atomic bool bgsave_in_progress, bgsave_ok, compact_in_progress, dbsize_scan_in_progress;
    _Atomic int64_t bgsave_time_ms, bgsave_duration_s; // -1: never
    _Atomic uint64_t scanned_keys, scanned_expires, scanned_expired;
    _Atomic int64_t scanned_at_ms, scanned_average_ttl_ms;
    void (*request_shutdown)(void *context); // asks main to stop the process; thread-safe
    void *request_shutdown_context;
};

struct server_setup {
    struct config *config;    // borrowed; loaded and validated
    struct command *commands; // the table, borrowed
    size_t command_count;
    const struct node_view *node; // copied; NULL: node_view_alone()
    store_check_function *check;  // for the store, in place of the lease's; NULL: lease_gate_check()
    void *check_context;
    void (*request_shutdown)(void *context);
    void *request_shutdown_context;
};

enum { SERVER_ERROR_SIZE = 768 };
// Opens everything in dependency order; NULL with a reason. Ready to accept when it returns.
struct server *server_open(const struct server_setup *setup, char error[SERVER_ERROR_SIZE]);
// Stops accepting, ends the workers, flushes and closes the store.
void server_close(struct server *server);
// Work for the main thread, ten times a second.
void server_tick(struct server *server);
// A descriptor that becomes readable when the lease's deadline passes: the main thread then calls
// server_on_lease_timer().
int server_lease_timer(const struct server *server);
void server_on_lease_timer(struct server *server);

// The session of the jobs that background_run() is given: only for them, on the background thread.
struct store_session *server_background_session(struct server *server);

// The first of the two sessions' indices that are for moving slots.
size_t server_migration_session(const struct server *server);
// The index of the session of server/expiry.h.
size_t server_expiry_session(const struct server *server);

// CONFIG RESETSTAT: the counters that INFO shows begin again at 0. Thread-safe.
void server_reset_stats(struct server *server);

// Calls function for each worker on that worker's thread and does not wait.
void server_post_all(struct server *server, void (*function)(struct worker *, void *), void *argument);

#endif
