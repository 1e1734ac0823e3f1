// SPDX-License-Identifier: Apache-2.0
//
// INFO: the table of sections, and which of them a client asked for. Uses: info, arguments, server/server.
#include "commands/info.h"

#include "commands/arguments.h"
#include "commands/handlers.h"

#include <inttypes.h>

struct section {
    const char *heading;
    void (*write)(struct server *server, struct buffer *out);
};

// In the order in which they are told.
static const struct section sections[] = {
    {"Server", info_write_server},
    {"Clients", info_write_clients},
    {"Memory", info_write_memory},
    {"Persistence", info_write_persistence},
    {"Stats", info_write_stats},
    {"Replication", info_write_replication},
    {"CPU", info_write_cpu},
    {"Commandstats", info_write_command_stats},
    {"Errorstats", info_write_error_stats},
    {"Cluster", info_write_cluster},
    {"Lease", info_write_lease},
    {"Keyspace", info_write_keyspace},
    {"RocksDB", info_write_rocksdb},
};
enum { SECTION_COUNT = sizeof(sections) / sizeof(sections[0]) };

static void append(const struct section *section, struct server *server, struct buffer *out) {
    buffer_append_format(out, "# %s\r\n", section->heading);
    section->write(server, out);
}

bool info_append_section(struct server *server, struct bytes name, struct buffer *out) {
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!bytes_equal_text_nocase(name, sections[i].heading))
            continue;
        append(&sections[i], server, out);
        return true;
    }
    return false;
}

// Without a section everything is told, as Kvrocks does; a name that is not known adds nothing.
static bool is_wanted(const struct command_context *context, const char *heading) {
    static const char *const all[] = {"all", "default", "everything"};
    if (context->count == 1)
        return true;
    for (size_t i = 1; i < context->count; i++) {
        if (argument_is(context, i, heading))
            return true;
        for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
            if (argument_is(context, i, all[j]))
                return true;
        }
    }
    return false;
}

void command_info(struct command_context *context) {
    struct buffer text = {0};
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!is_wanted(context, sections[i].heading))
            continue;
        if (text.length != 0)
            buffer_append_text(&text, "\r\n");
        append(&sections[i], context->server, &text);
    }
    reply_verbatim(context->reply, "txt", buffer_bytes(&text));
    buffer_release(&text);
}

// --- Lines ---

void info_number(struct buffer *out, const char *name, uint64_t value) {
    buffer_append_format(out, "%s:%" PRIu64 "\r\n", name, value);
}

void info_signed(struct buffer *out, const char *name, int64_t value) {
    buffer_append_format(out, "%s:%" PRId64 "\r\n", name, value);
}

void info_text(struct buffer *out, const char *name, const char *value) {
    buffer_append_format(out, "%s:%s\r\n", name, value);
}

void info_human(struct buffer *out, const char *name, uint64_t bytes) {
    static const char units[] = "KMGTP";
    if (bytes < 1024) {
        buffer_append_format(out, "%s_human:%" PRIu64 "B\r\n", name, bytes);
        return;
    }
    double amount = (double)bytes / 1024;
    size_t unit = 0;
    while (amount >= 1024 && unit + 2 < sizeof(units)) {
        amount /= 1024;
        unit++;
    }
    buffer_append_format(out, "%s_human:%.2f%c\r\n", name, amount, units[unit]);
}
