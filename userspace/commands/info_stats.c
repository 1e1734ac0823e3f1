// SPDX-License-Identifier: Apache-2.0
//
// INFO's sections about what the server has done: stats, commandstats, errorstats. Uses: info,
// server/{error_stats,server,stats,worker}.
#include "commands/info.h"
#include "server/error_stats.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/worker.h"

#include <inttypes.h>
#include <stddef.h>

// The sum over the workers of the counter that lies `offset` bytes into their statistics.
static uint64_t sum_at(const struct server *server, size_t offset) {
    uint64_t sum = 0;
    for (size_t i = 0; i < server->worker_count; i++) {
        const char *statistics = (const char *)worker_stats(server->workers[i]);
        sum += counter_read((const _Atomic uint64_t *)(const void *)(statistics + offset));
    }
    return sum;
}
#define SUM(server, counter) sum_at(server, offsetof(struct worker_stats, counter))

static void write_rate(struct buffer *out, const char *name, uint64_t bytes_per_second) {
    buffer_append_format(out, "%s:%.2f\r\n", name, (double)bytes_per_second / 1024);
}

static void write_traffic(struct server *server, struct buffer *out) {
    info_number(out, "total_connections_received", atomic_load(&server->connections_received));
    info_number(out, "total_commands_processed", SUM(server, commands));
    info_number(out, "instantaneous_ops_per_sec", atomic_load(&server->operations_per_second));
    info_number(out, "total_net_input_bytes", SUM(server, input_bytes));
    info_number(out, "total_net_output_bytes", SUM(server, output_bytes));
    write_rate(out, "instantaneous_input_kbps", atomic_load(&server->input_bytes_per_second));
    write_rate(out, "instantaneous_output_kbps", atomic_load(&server->output_bytes_per_second));
}

// After Kvrocks' fields come those that Redis has besides, then what only this server counts.
void info_write_stats(struct server *server, struct buffer *out) {
    struct store_counters store = store_counters_now(server->store);
    write_traffic(server, out);
    info_number(out, "sync_full", atomic_load(&server->full_syncs));
    info_number(out, "sync_partial_ok", atomic_load(&server->partial_syncs));
    info_number(out, "sync_partial_err", atomic_load(&server->refused_partial_syncs));
    info_number(out, "keyspace_hits", store.hits);
    info_number(out, "keyspace_misses", store.misses);
    info_number(out, "pubsub_channels", pubsub_topics(server->pubsub, TOPIC_CHANNEL));
    info_number(out, "pubsub_patterns", pubsub_topics(server->pubsub, TOPIC_PATTERN));
    info_number(out, "pubsubshard_channels", pubsub_topics(server->pubsub, TOPIC_SHARD_CHANNEL));
    info_number(out, "rejected_connections", atomic_load(&server->connections_rejected));
    info_number(out, "total_error_replies", SUM(server, errors));
    info_number(out, "client_output_buffer_limit_disconnections", SUM(server, limit_closed));
    info_number(out, "long_replies_in_progress", SUM(server, streams));
    info_number(out, "idle_timeout_disconnections", SUM(server, timeout_closed));
    info_number(out, "protocol_error_disconnections", SUM(server, protocol_errors));
    info_number(out, "late_write_disconnections", SUM(server, late_closed));
    info_number(out, "expired_key_reads", store.expired_reads);
    info_number(out, "read_cache_hits", store.cached_reads);
    info_number(out, "zset_rank_cache_hits", store.ranks_found);
    info_number(out, "zset_rank_cache_builds", store.ranks_built);
    info_number(out, "commits", store.commits);
    info_number(out, "commits_refused", store.refused);
    info_number(out, "commits_failed", store.failed);
    info_number(out, "rounds", SUM(server, rounds));
    info_number(out, "rounds_late", store.late);
    info_number(out, "wal_flushes", store.wal_flushes);
}

struct command_totals {
    uint64_t calls, microseconds, rejected, failed;
};

static struct command_totals totals_of(const struct server *server, size_t index) {
    struct command_totals totals = {0};
    for (size_t i = 0; i < server->worker_count; i++) {
        const struct command_stats *stats = &worker_stats(server->workers[i])->by_command[index];
        totals.calls += counter_read(&stats->calls);
        totals.microseconds += counter_read(&stats->microseconds);
        totals.rejected += counter_read(&stats->rejected);
        totals.failed += counter_read(&stats->failed);
    }
    return totals;
}

void info_write_command_stats(struct server *server, struct buffer *out) {
    for (size_t i = 0; i < command_table_count(server->commands); i++) {
        struct command_totals totals = totals_of(server, i);
        if (totals.calls == 0 && totals.rejected == 0 && totals.failed == 0)
            continue;
        double average = totals.calls == 0 ? 0 : (double)totals.microseconds / (double)totals.calls;
        buffer_append_format(out, "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64 ",usec_per_call=%.2f",
                             command_table_at(server->commands, i)->name, totals.calls, totals.microseconds,
                             average);
        buffer_append_format(out, ",rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64 "\r\n", totals.rejected,
                             totals.failed);
    }
}

static void write_error(void *context, const char *code, uint64_t count) {
    buffer_append_format(context, "errorstat_%s:count=%" PRIu64 "\r\n", code, count);
}

void info_write_error_stats(struct server *server, struct buffer *out) {
    error_stats_each(server->error_stats, write_error, out);
}
