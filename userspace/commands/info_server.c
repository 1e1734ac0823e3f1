// SPDX-License-Identifier: Apache-2.0
//
// INFO's sections about the process: server, clients, memory, persistence, cpu, cluster. Uses: info,
// server/{client,memory_use,server}.
#include "commands/info.h"
#include "server/client.h"
#include "server/memory_use.h"
#include "server/server.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *mode_of(const struct server *server) {
    return config_yes(server->config, CONFIG_CLUSTER_ENABLED) ? "cluster" : "standalone";
}

static void write_versions(struct buffer *out) {
    info_text(out, "version", KVROCKS_VERSION);
    info_text(out, "kvrocks_version", KVROCKS_VERSION);
    info_text(out, "redis_version", REDIS_VERSION);
    info_text(out, "git_sha1", "unknown");
    info_text(out, "kvrocks_git_sha1", "unknown");
    info_text(out, "kvfence_version", KVFENCE_VERSION);
}

static void write_system(struct buffer *out) {
    struct utsname system;
    if (uname(&system) == 0)
        buffer_append_format(out, "os:%s %s %s\r\n", system.sysname, system.release, system.machine);
    else
        info_text(out, "os", "unknown");
#ifdef __clang__
    info_text(out, "clang_version", __clang_version__);
#else
    buffer_append_format(out, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    info_number(out, "arch_bits", sizeof(void *) * 8);
}

void info_write_server(struct server *server, struct buffer *out) {
    uint64_t uptime_s = (clock_duration_us() - server->started_us) / 1000000;
    const char *path = config_path(server->config);
    write_versions(out);
    info_text(out, "redis_mode", mode_of(server));
    info_text(out, "kvrocks_mode", mode_of(server));
    write_system(out);
    info_signed(out, "process_id", getpid());
    info_text(out, "run_id", server->run_id);
    info_signed(out, "tcp_port", config_integer(server->config, CONFIG_PORT));
    info_signed(out, "server_time_usec", clock_wall_us());
    info_number(out, "uptime_in_seconds", uptime_s);
    info_number(out, "uptime_in_days", uptime_s / 86400);
    info_text(out, "executable", server->executable == NULL ? "" : server->executable);
    info_text(out, "config_file", path == NULL ? "" : path);
}

static uint64_t count_blocked(struct server *server) {
    uint64_t blocked = 0;
    pthread_mutex_lock(&server->registry_lock);
    for (struct client *client = server->registry; client != NULL; client = client->registry_next)
        blocked += (atomic_load(&client->flags_shown) & (uint32_t)SHOWN_BLOCKED) != 0;
    pthread_mutex_unlock(&server->registry_lock);
    return blocked;
}

void info_write_clients(struct server *server, struct buffer *out) {
    info_signed(out, "maxclients", config_integer(server->config, CONFIG_MAXCLIENTS));
    info_number(out, "connected_clients", atomic_load(&server->connected_clients));
    info_signed(out, "monitor_clients", atomic_load(&server->monitors));
    info_number(out, "blocked_clients", count_blocked(server));
}

static void write_amount(struct buffer *out, const char *name, uint64_t bytes) {
    info_number(out, name, bytes);
    info_human(out, name, bytes);
}

void info_write_memory(struct server *server, struct buffer *out) {
    struct memory_use use = memory_use_now();
    uint64_t cache = store_read_cache_usage(server->store);
    uint64_t used = use.allocated + cache;
    write_amount(out, "used_memory", used); // first: redis-cli --stat takes the first such name
    write_amount(out, "used_memory_rss", use.resident);
    write_amount(out, "used_memory_lua", 0);
    info_number(out, "used_memory_startup", server->started_memory);
    write_amount(out, "used_memory_peak", use.peak);
    write_amount(out, "total_system_memory", use.system);
    write_amount(out, "maxmemory", 0);
    info_text(out, "maxmemory_policy", "noeviction");
    write_amount(out, "read_cache_usage", cache);
    write_amount(out, "zset_rank_cache_usage", store_zset_ranks_usage(server->store));
    double fragmentation = used == 0 ? 0 : (double)use.resident / (double)used;
    buffer_append_format(out, "mem_fragmentation_ratio:%.2f\r\n", fragmentation);
    buffer_append_text(out, "mem_allocator:");
    memory_use_allocator(out);
    buffer_append_text(out, "\r\n");
}

void info_write_persistence(struct server *server, struct buffer *out) {
    int64_t time_ms = atomic_load(&server->bgsave_time_ms);
    info_number(out, "loading", 0);
    info_number(out, "bgsave_in_progress", atomic_load(&server->bgsave_in_progress));
    info_signed(out, "last_bgsave_time", time_ms < 0 ? -1 : time_ms / 1000);
    info_text(out, "last_bgsave_status", atomic_load(&server->bgsave_ok) ? "ok" : "err");
    info_signed(out, "last_bgsave_time_sec", atomic_load(&server->bgsave_duration_s));
}

static void write_cpu_time(struct buffer *out, const char *name, struct timeval time) {
    buffer_append_format(out, "%s:%ld.%06ld\r\n", name, (long)time.tv_sec, (long)time.tv_usec);
}

void info_write_cpu(struct server *server, struct buffer *out) {
    (void)server;
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage); // cannot fail for these arguments
    write_cpu_time(out, "used_cpu_sys", usage.ru_stime);
    write_cpu_time(out, "used_cpu_user", usage.ru_utime);
}

void info_write_cluster(struct server *server, struct buffer *out) {
    info_number(out, "cluster_enabled", config_yes(server->config, CONFIG_CLUSTER_ENABLED));
}
