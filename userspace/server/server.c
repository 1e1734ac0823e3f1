// SPDX-License-Identifier: Apache-2.0
//
// The server's parts, opened in the order in which they depend on each other and closed in reverse. Uses:
// base, store, server.
#include "server/server.h"

#include "base/memory.h"
#include "server/authentication.h"
#include "server/background.h"
#include "server/blocking.h"
#include "server/error_stats.h"
#include "server/expiry.h"
#include "server/kernel_fence.h"
#include "server/key_events.h"
#include "server/latency.h"
#include "server/latency_histogram.h"
#include "server/lease_channel.h"
#include "server/lease_gate.h"
#include "server/listener.h"
#include "server/memory_use.h"
#include "server/pubsub.h"
#include "server/rate_sampler.h"
#include "server/scan_cursors.h"
#include "server/slow_log.h"
#include "server/tuning.h"
#include "server/watch_table.h"
#include "server/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

// --- Opening ---

struct server_rates {
    struct rate_sampler commands, input, output;
};

static const char *ask_lease(void *context, enum store_gate which, uint64_t writes) {
    const struct server *server = context;
    return lease_gate_check(server->lease_gate, which, writes);
}

static uint64_t lease_era_now(void *context) {
    const struct server *server = context;
    return lease_gate_era(server->lease_gate);
}

static bool open_store(struct server *server, const struct server_setup *setup,
                       char error[SERVER_ERROR_SIZE]) {
    const struct config *config = setup->config;
    char *directory = config_text_copy(config, CONFIG_DIR);
    struct buffer path = {0};
    buffer_append_format(&path, "%s/db", directory);
    buffer_append(&path, (struct bytes){"", 1});
    struct store_config store = {
        .directory = path.data,
        .layout = {.name_space = DEFAULT_NAMESPACE, .with_slot = config_yes(config, CONFIG_CLUSTER_ENABLED)},
        .tuning = tuning_from_config(config),
        .sessions =
            (size_t)config_integer(config, CONFIG_WORKERS) + 5, // background jobs, replication, slots, expiry
        .is_replica = server->node.is_replica(server->node.context),
        .is_fenced = true, // until the lease is open and says otherwise
        .keeps_expired_ms = expiry_keeps_ms(server),
        .disk_reserve_bytes = (uint64_t)config_integer(config, CONFIG_DISK_RESERVE_MB) << 20,
        .read_cache_bytes = (size_t)config_integer(config, CONFIG_READ_CACHE_MB) << 20,
        .zset_ranks_bytes = (size_t)config_integer(config, CONFIG_ZSET_RANK_CACHE_MB) << 20,
        .size_limit_bytes = (uint64_t)config_integer(config, CONFIG_MAX_DB_SIZE) << 30,
        .check = setup->check != NULL ? setup->check : ask_lease,
        .era = setup->check != NULL ? NULL : lease_era_now,
        .check_context = setup->check != NULL ? setup->check_context : server,
    };
    char reason[STORE_ERROR_SIZE];
    bool opened = store_open(&store, &server->store, reason);
    if (!opened)
        (void)snprintf(error, SERVER_ERROR_SIZE, "%s", reason);
    buffer_release(&path);
    free(directory);
    return opened;
}

// Which keys have expired for good is nothing that a master without a lease can know.
static void follow_fence(const struct server *server) {
    store_fence(server->store, lease_gate_refuses(server->lease_gate) ? clock_wall_ms() : INT64_MAX);
}

static bool open_lease(struct server *server, char error[SERVER_ERROR_SIZE]) {
    char reason[LEASE_ERROR_SIZE];
    server->lease_gate = lease_gate_open(server->config, &server->node, reason);
    if (server->lease_gate == NULL)
        (void)snprintf(error, SERVER_ERROR_SIZE, "%.*s", (int)SERVER_ERROR_SIZE - 1, reason);
    else if (server->node.take_lease != NULL)
        server->node.take_lease(server->node.context, lease_gate_lease(server->lease_gate));
    if (server->lease_gate != NULL)
        follow_fence(server);
    return server->lease_gate != NULL;
}

static void make_run_id(struct server *server) {
    static const char digits[] = "0123456789abcdef";
    unsigned char random[sizeof(server->run_id) / 2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        memset(random, 0, sizeof(random)); // only a name; nothing depends on its being unique
    for (size_t i = 0; i < sizeof(random); i++) {
        server->run_id[2 * i] = digits[random[i] >> 4];
        server->run_id[2 * i + 1] = digits[random[i] & 15];
    }
}

static void note_start(struct server *server) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = '\0';
    server->executable = memory_copy_text(path);
    server->started_at = clock_wall_ms();
    server->started_us = clock_duration_us();
    server->bgsave_time_ms = -1;
    server->bgsave_duration_s = -1;
    server->bgsave_ok = true;
    make_run_id(server);
}

static bool open_workers(struct server *server) {
    size_t count = (size_t)config_integer(server->config, CONFIG_WORKERS);
    server->workers = memory_allocate_zeroed(count, sizeof(struct worker *));
    for (; server->worker_count < count; server->worker_count++) {
        server->workers[server->worker_count] = worker_open(server, server->worker_count);
        if (server->workers[server->worker_count] == NULL)
            return false;
    }
    return true;
}

static bool open_parts(struct server *server, const struct server_setup *setup,
                       char error[SERVER_ERROR_SIZE]) {
    server->commands = command_table_open(setup->commands, setup->command_count);
    server->slow_log = slow_log_open();
    server->key_events = key_events_open(server->commands);
    server->latency = latency_open();
    server->watch_table = watch_table_open();
    server->key_waits = key_waits_open(blocking_wake);
    server->pubsub = pubsub_open((size_t)config_integer(server->config, CONFIG_WORKERS));
    server->scan_cursors = scan_cursors_open();
    server->error_stats = error_stats_open();
    server->authentication = authentication_open(server->config);
    server->rates = memory_allocate_zeroed(1, sizeof(*server->rates));
    // The store first: its lock makes the data directory ours. Until then a server that is just ending may
    // still be told of a higher election version, which would be on the disk but not known here.
    if (!open_store(server, setup, error) || !open_lease(server, error))
        return false;
    server->lease_channel = lease_channel_open(server);
    server->followed = tuning_follow_config(server->config, server->store);
    size_t workers = (size_t)config_integer(server->config, CONFIG_WORKERS);
    server->background_session = session_open(server->store, workers);
    server->replication_session = session_open(server->store, workers + 1);
    server->expiry = expiry_open(server);
    server->background = background_open();
    server->compactor = background_open();
    (void)snprintf(error, SERVER_ERROR_SIZE, "the server's threads could not be started");
    if (server->background == NULL || server->compactor == NULL || !open_workers(server) ||
        !expiry_start(server->expiry))
        return false;
    server->listener = listener_open(server, error, SERVER_ERROR_SIZE);
    if (server->listener == NULL)
        return false;
    // Between the two: the port is ours now, and nobody has been accepted who could be held back by what an
    // earlier server left in the kernel.
    server->kernel_fence =
        kernel_fence_open(server->config, server->commands, lease_gate_lease(server->lease_gate));
    return listener_start(server->listener, error, SERVER_ERROR_SIZE);
}

struct server *server_open(const struct server_setup *setup, char error[SERVER_ERROR_SIZE]) {
    struct server *server = memory_allocate_zeroed(1, sizeof(*server));
    server->config = setup->config;
    server->node = setup->node != NULL ? *setup->node : node_view_alone();
    server->request_shutdown = setup->request_shutdown;
    server->request_shutdown_context = setup->request_shutdown_context;
    pthread_mutex_init(&server->registry_lock, NULL);
    note_start(server);
    if (open_parts(server, setup, error)) {
        server->started_memory = memory_use_now().resident;
        return server;
    }
    server_close(server);
    return NULL;
}

// Whatever still runs may reach all the workers and the background jobs, so nothing is freed before all of it
// has ended. From when shutting_down is set no command of a client begins.
static void close_workers(struct server *server) {
    expiry_stop(server->expiry);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_stop(server->workers[i]);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
    if (server->store != NULL)
        store_stop_compacting(server->store);
    background_close(server->compactor);
    background_close(server->background);
    for (bool had_work = true; had_work;) {
        had_work = false;
        for (size_t i = 0; i < server->worker_count; i++)
            had_work |= worker_drain(server->workers[i]);
    }
    for (size_t i = 0; i < server->worker_count; i++)
        worker_close(server->workers[i]);
}

void server_close(struct server *server) {
    if (server == NULL)
        return;
    atomic_store(&server->shutting_down, true);
    listener_close(server->listener);
    close_workers(server);
    expiry_close(server->expiry);
    session_close(server->background_session);
    session_close(server->replication_session);
    store_close(server->store);
    kernel_fence_close(server->kernel_fence);
    lease_channel_close(server->lease_channel);
    lease_gate_close(server->lease_gate);
    authentication_close(server->authentication);
    error_stats_close(server->error_stats);
    scan_cursors_close(server->scan_cursors);
    key_events_close(server->key_events);
    pubsub_close(server->pubsub);
    key_waits_close(server->key_waits);
    watch_table_close(server->watch_table);
    latency_close(server->latency);
    slow_log_close(server->slow_log);
    command_table_close(server->commands);
    pthread_mutex_destroy(&server->registry_lock);
    free(server->followed);
    free(server->rates);
    free(server->workers);
    free(server->executable);
    free(server);
}

// --- While it runs ---

struct totals {
    uint64_t commands, input_bytes, output_bytes;
};

static struct totals sum_workers(const struct server *server) {
    struct totals sum = {0};
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker_stats *stats = worker_stats(server->workers[i]);
        sum.commands += counter_read(&stats->commands);
        sum.input_bytes += counter_read(&stats->input_bytes);
        sum.output_bytes += counter_read(&stats->output_bytes);
    }
    return sum;
}

static void sample_rates(struct server *server) {
    uint64_t now = clock_duration_us();
    struct totals totals = sum_workers(server);
    struct server_rates *rates = server->rates;
    rate_sampler_add(&rates->commands, now, totals.commands);
    rate_sampler_add(&rates->input, now, totals.input_bytes);
    rate_sampler_add(&rates->output, now, totals.output_bytes);
    atomic_store(&server->operations_per_second, rate_sampler_rate(&rates->commands));
    atomic_store(&server->input_bytes_per_second, rate_sampler_rate(&rates->input));
    atomic_store(&server->output_bytes_per_second, rate_sampler_rate(&rates->output));
}

// A pause that is over is forgotten, so that commands need not look at the clock any more. Under the lock, or
// a new pause that comes meanwhile would be forgotten with it.
static void end_pause(struct server *server) {
    if (atomic_load(&server->pause_mode) == PAUSE_NONE)
        return;
    pthread_mutex_lock(&server->registry_lock);
    if (clock_duration_us() >= atomic_load(&server->pause_until_us))
        atomic_store(&server->pause_mode, PAUSE_NONE);
    pthread_mutex_unlock(&server->registry_lock);
}

void server_tick(struct server *server) {
    sample_rates(server);
    end_pause(server);
    store_tick(server->store);
    server_on_lease_timer(server);
    follow_fence(server);
    expiry_tick(server->expiry);
    fence_tick(kernel_fence_mirror(server->kernel_fence));
}

int server_lease_timer(const struct server *server) {
    return lease_gate_timer(server->lease_gate);
}

void server_on_lease_timer(struct server *server) {
    lease_gate_on_timer(server->lease_gate);
    blocking_look_at_lease(server);
    lease_channel_look(server, NULL);
}

void server_post_all(struct server *server, void (*function)(struct worker *, void *), void *argument) {
    for (size_t i = 0; i < server->worker_count; i++)
        worker_post(server->workers[i], function, argument);
}

struct store_session *server_background_session(struct server *server) {
    return server->background_session;
}

// Those before it are the workers', the background jobs' and the replication's.
size_t server_migration_session(const struct server *server) {
    return server->worker_count + 2;
}

size_t server_expiry_session(const struct server *server) {
    return (size_t)config_integer(server->config, CONFIG_WORKERS) + 4;
}

static void reset_worker_stats(struct worker *worker, void *argument) {
    (void)argument;
    struct worker_stats *stats = worker_stats(worker);
    _Atomic uint64_t *const counters[] = {&stats->commands,        &stats->input_bytes, &stats->output_bytes,
                                          &stats->protocol_errors, &stats->late_closed, &stats->limit_closed,
                                          &stats->timeout_closed,  &stats->rounds,      &stats->errors};
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        counter_reset(counters[i]);
    latency_histograms_reset(stats->histograms);
    size_t commands = command_table_count(worker_server(worker)->commands);
    for (size_t i = 0; i < commands; i++) {
        counter_reset(&stats->by_command[i].calls);
        counter_reset(&stats->by_command[i].microseconds);
        counter_reset(&stats->by_command[i].rejected);
        counter_reset(&stats->by_command[i].failed);
    }
}

void server_reset_stats(struct server *server) {
    server_post_all(server, reset_worker_stats, NULL);
    error_stats_reset(server->error_stats);
    atomic_store(&server->connections_received, 0);
    atomic_store(&server->connections_rejected, 0);
    atomic_store(&server->full_syncs, 0);
    atomic_store(&server->partial_syncs, 0);
    atomic_store(&server->refused_partial_syncs, 0);
}
