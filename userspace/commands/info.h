// SPDX-License-Identifier: Apache-2.0
//
// INFO's sections. Each is one function that appends its lines; info.c holds the table of them. May use:
// base, server/server.
#ifndef KVFENCE_COMMANDS_INFO_H
#define KVFENCE_COMMANDS_INFO_H

#include "base/buffer.h"

#include <stdint.h>

// What the server tells its clients that it is compatible with.
#define REDIS_VERSION   "7.0.15"
#define KVROCKS_VERSION "2.10.0"

struct server;

// Appends one section with its heading ("replication", in any case). False if there is none of this name.
bool info_append_section(struct server *server, struct bytes name, struct buffer *out);

// The sections, without headings.
void info_write_server(struct server *server, struct buffer *out);
void info_write_clients(struct server *server, struct buffer *out);
void info_write_memory(struct server *server, struct buffer *out);
void info_write_persistence(struct server *server, struct buffer *out);
void info_write_stats(struct server *server, struct buffer *out);
void info_write_replication(struct server *server, struct buffer *out);
void info_write_cpu(struct server *server, struct buffer *out);
void info_write_command_stats(struct server *server, struct buffer *out);
void info_write_error_stats(struct server *server, struct buffer *out);
void info_write_cluster(struct server *server, struct buffer *out);
void info_write_lease(struct server *server, struct buffer *out);
void info_write_keyspace(struct server *server, struct buffer *out);
void info_write_rocksdb(struct server *server, struct buffer *out);

// Lines: "name:value" and CRLF.
void info_number(struct buffer *out, const char *name, uint64_t value);
void info_signed(struct buffer *out, const char *name, int64_t value);
void info_text(struct buffer *out, const char *name, const char *value);
// The same number a second time for people: "name_human:1.50M".
void info_human(struct buffer *out, const char *name, uint64_t bytes);

#endif
