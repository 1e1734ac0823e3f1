// SPDX-License-Identifier: Apache-2.0
//
// INFO's sections about what is stored: keyspace, rocksdb. Uses: info, server/server, store/store.
#include "commands/info.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// --- Keyspace ---

// The remark that Kvrocks puts before the numbers: they are those of the last DBSIZE SCAN.
static void write_scan_remark(const struct server *server, struct buffer *out) {
    wall_ms_t scanned_at = atomic_load(&server->scanned_at_ms);
    if (scanned_at <= 0) {
        buffer_append_text(out, "# WARN: DBSIZE SCAN never performed yet\r\n");
        return;
    }
    struct tm when = clock_local_time(scanned_at);
    char text[64];
    (void)strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &when);
    buffer_append_format(out, "# Last DBSIZE SCAN time: %s\r\n", text);
}

static void write_percent(struct buffer *out, const char *name, uint64_t part, uint64_t whole) {
    buffer_append_format(out, "%s: %g%%\r\n", name, whole == 0 ? 0 : (double)part * 100 / (double)whole);
}

void info_write_keyspace(struct server *server, struct buffer *out) {
    struct store_space space = store_space_now(server->store);
    uint64_t limit = (uint64_t)config_integer(server->config, CONFIG_MAX_DB_SIZE) << 30;
    write_scan_remark(server, out);
    buffer_append_format(
        out, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=%" PRId64 ",expired=%" PRIu64 "\r\n",
        atomic_load(&server->scanned_keys), atomic_load(&server->scanned_expires),
        atomic_load(&server->scanned_average_ttl_ms), atomic_load(&server->scanned_expired));
    info_number(out, "sequence", store_latest_sequence(server->store));
    info_number(out, "used_db_size", space.database_bytes);
    info_number(out, "max_db_size", limit);
    write_percent(out, "used_percent", space.database_bytes, limit);
    info_number(out, "disk_capacity", space.disk_capacity);
    info_number(out, "used_disk_size", space.disk_used);
    write_percent(out, "used_disk_percent", space.disk_used, space.disk_capacity);
}

// --- RocksDB ---

static void write_of_family(struct buffer *out, const char *name, enum column_family family, uint64_t value) {
    buffer_append_format(out, "%s[%s]:%" PRIu64 "\r\n", name, column_family_name(family), value);
}

// The number before `words` in RocksDB's text; 0 if they are not there.
static uint64_t number_before(const char *text, const char *words) {
    const char *found = strstr(text, words);
    if (found == NULL)
        return 0;
    const char *digit = found;
    while (digit > text && digit[-1] >= '0' && digit[-1] <= '9')
        digit--;
    return strtoull(digit, NULL, 10);
}

// How often writes were slowed down or stopped, and by what. RocksDB's C interface tells it only as text:
// "Stalls(count): 0 level0_slowdown, 0 level0_slowdown_with_compaction, ...".
static void write_stalls(const struct server *server, struct buffer *out, enum column_family family) {
    static const struct {
        const char *name;
        const char *words;
    } stalls[] = {
        {"level0_file_limit_slowdown", " level0_slowdown,"},
        {"level0_file_limit_stop", " level0_numfiles,"},
        {"pending_compaction_bytes_slowdown", " slowdown for pending_compaction_bytes"},
        {"pending_compaction_bytes_stop", " stop for pending_compaction_bytes"},
        {"memtable_count_limit_slowdown", " memtable_slowdown"},
        {"memtable_count_limit_stop", " memtable_compaction"},
    };
    char *text = store_property_text(server->store, family, "rocksdb.cfstats-no-file-histogram");
    for (size_t i = 0; i < sizeof(stalls) / sizeof(stalls[0]); i++)
        write_of_family(out, stalls[i].name, family, text == NULL ? 0 : number_before(text, stalls[i].words));
    free(text);
}

static void write_family(const struct server *server, struct buffer *out, enum column_family family) {
    write_of_family(out, "estimate_keys", family,
                    store_property(server->store, family, "rocksdb.estimate-num-keys"));
    write_of_family(out, "index_and_filter_cache_usage", family,
                    store_property(server->store, family, "rocksdb.estimate-table-readers-mem"));
    write_stalls(server, out, family);
}

static uint64_t sum_of_families(const struct server *server, const char *property) {
    uint64_t sum = 0;
    for (int i = 0; i < FAMILY_COUNT; i++)
        sum += store_property(server->store, (enum column_family)i, property);
    return sum;
}

// Numbers of the whole database, and those that each family has its own of.
static void write_totals(const struct server *server, struct buffer *out) {
    static const struct {
        const char *name;
        const char *property;
        bool summed;
    } totals[] = {
        {"all_mem_tables", "rocksdb.size-all-mem-tables", true},
        {"cur_mem_tables", "rocksdb.cur-size-all-mem-tables", true},
        {"snapshots", "rocksdb.num-snapshots", false},
        {"num_immutable_tables", "rocksdb.num-immutable-mem-table", true},
        {"num_running_flushes", "rocksdb.num-running-flushes", false},
        {"memtable_flush_pending", "rocksdb.mem-table-flush-pending", true},
        {"compaction_pending", "rocksdb.compaction-pending", true},
        {"num_running_compactions", "rocksdb.num-running-compactions", false},
        {"num_live_versions", "rocksdb.num-live-versions", true},
        {"num_super_version", "rocksdb.current-super-version-number", true},
        {"num_background_errors", "rocksdb.background-errors", false},
    };
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        uint64_t value = totals[i].summed ? sum_of_families(server, totals[i].property)
                                          : store_property(server->store, FAMILY_DEFAULT, totals[i].property);
        info_number(out, totals[i].name, value);
    }
}

void info_write_rocksdb(struct server *server, struct buffer *out) {
    info_number(out, "block_cache_usage", store_block_cache_usage(server->store));
    write_of_family(out, "block_cache_pinned_usage", FAMILY_DEFAULT,
                    store_block_cache_pinned_usage(server->store));
    for (int i = 0; i < FAMILY_COUNT; i++)
        write_family(server, out, (enum column_family)i);
    write_totals(server, out);
    info_text(out, "is_bgsaving", atomic_load(&server->bgsave_in_progress) ? "yes" : "no");
    info_text(out, "is_compacting", atomic_load(&server->compact_in_progress) ? "yes" : "no");
}
