// SPDX-License-Identifier: Apache-2.0
//
// The node's role as clients see and change it: SLAVEOF, ROLE, INFO replication. Uses: arguments, info, node,
// replication, server/server.
#include "replication/replication.h"
#include "base/memory.h"
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/info.h"
#include "commands/node.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdlib.h>

static struct role_view view_of(const struct server *server) {
    const struct node *node = node_of(server);
    struct role_view master = {0};
    return node == NULL ? master : role_view(node_role(node));
}

// --- SLAVEOF, REPLICAOF ---

static bool is_host(struct bytes text) {
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return false;
    }
    return text.length != 0;
}

// False: the error is replied. Names are not looked up: that could take seconds, and nothing runs meanwhile.
static bool read_master(struct command_context *context, const struct node *node,
                        struct role_master *master) {
    struct bytes host = context->arguments[1];
    uint64_t port = 0;
    const char *error = NULL;
    if (!number_read_unsigned(context->arguments[2], &port))
        error = "ERR port should be number";
    else if (port == 0 || port > UINT16_MAX)
        error = "ERR port is out of range";
    else if (!is_host(host) || !role_master_set(master, host.data, host.length, (uint16_t)port))
        error = "ERR invalid host name";
    else if (node_is_own_address(node, master->host, master->port))
        error = "ERR can't replicate itself";
    else if (config_yes(context->server->config, CONFIG_ROCKSDB_WRITE_OPTIONS_DISABLE_WAL))
        error = "ERR slaveof doesn't work with disable_wal option";
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

void command_replicaof(struct command_context *context) {
    struct node *node = node_of(context->server);
    struct role_master master;
    if (node == NULL) {
        reply_error(context->reply, "ERR this server's role cannot be changed");
    } else if (node_cluster(node) != NULL) {
        reply_error(context->reply, "ERR can't change to slave in cluster mode");
    } else if (argument_is(context, 1, "no") && argument_is(context, 2, "one")) {
        node_set_master(node, NULL);
        reply_ok(context->reply);
    } else if (read_master(context, node, &master)) {
        node_set_master(node, &master);
        reply_ok(context->reply);
    }
}

// --- ROLE ---

static struct replication *replication_of(const struct server *server) {
    const struct node *node = node_of(server);
    return node == NULL ? NULL : node_replication(node);
}

static struct follower_view follower_of(const struct server *server) {
    struct replication *replication = replication_of(server);
    struct follower_view none = {.silent_seconds = -1};
    return replication == NULL ? none : replication_view(replication);
}

// Kvrocks' words and types: its numbers are texts here.
static void reply_replica(struct command_context *context, const struct role_master *master) {
    enum follower_state state = follower_of(context->server).state;
    reply_array(context->reply, 5);
    reply_bulk_text(context->reply, "slave");
    reply_bulk_text(context->reply, master->host);
    reply_bulk_integer(context->reply, master->port);
    reply_bulk_text(context->reply, state == FOLLOWER_CONNECTED ? "connected"
                                    : state == FOLLOWER_COPYING ? "sync"
                                                                : "connecting");
    reply_bulk_integer(context->reply, (int64_t)store_latest_sequence(context->server->store));
}

enum { REPLICAS_SHOWN = 256 };

// malloc'ed.
static struct replica_view *replicas_of(const struct server *server, size_t *count) {
    struct replica_view *views = memory_allocate(REPLICAS_SHOWN * sizeof(*views));
    struct replication *replication = replication_of(server);
    size_t all =
        replication == NULL ? 0 : replicas_view(replication_replicas(replication), views, REPLICAS_SHOWN);
    *count = all < REPLICAS_SHOWN ? all : REPLICAS_SHOWN;
    return views;
}

static void reply_replicas(struct command_context *context, const struct replica_view *views, size_t count) {
    reply_array(context->reply, count);
    for (size_t i = 0; i < count; i++) {
        reply_array(context->reply, 3);
        reply_bulk_text(context->reply, views[i].host);
        reply_bulk_integer(context->reply, views[i].port);
        reply_bulk_integer(context->reply, (int64_t)views[i].acknowledged);
    }
}

void command_role(struct command_context *context) {
    struct role_view view = view_of(context->server);
    if (view.is_replica) {
        reply_replica(context, &view.master);
        return;
    }
    size_t count = 0;
    struct replica_view *views = replicas_of(context->server, &count);
    reply_array(context->reply, count == 0 ? 2 : 3);
    reply_bulk_text(context->reply, "master");
    reply_bulk_integer(context->reply, (int64_t)store_latest_sequence(context->server->store));
    if (count != 0)
        reply_replicas(context, views, count);
    free(views);
}

// --- INFO replication ---

static void write_replica(struct server *server, const struct role_master *master, struct buffer *out) {
    struct follower_view view = follower_of(server);
    info_text(out, "master_host", master->host);
    info_number(out, "master_port", master->port);
    info_text(out, "master_link_status", view.state == FOLLOWER_CONNECTED ? "up" : "down");
    info_text(out, "master_sync_unrecoverable_error", view.is_refused ? "yes" : "no");
    info_number(out, "master_sync_in_progress", view.state == FOLLOWER_COPYING);
    info_signed(out, "master_last_io_seconds_ago", view.silent_seconds);
    info_number(out, "slave_repl_offset", store_latest_sequence(server->store));
    info_signed(out, "slave_priority", config_integer(server->config, CONFIG_SLAVE_PRIORITY));
}

// The lag is counted in sequence numbers.
static void write_replicas(struct server *server, struct buffer *out) {
    size_t count = 0;
    struct replica_view *views = replicas_of(server, &count);
    uint64_t latest = store_latest_sequence(server->store);
    info_number(out, "connected_slaves", count);
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = views[i].acknowledged;
        buffer_append_format(out, "slave%zu:ip=%s,port=%u,offset=%" PRIu64 ",lag=%" PRIu64 "\r\n", i,
                             views[i].host, views[i].port, offset, latest > offset ? latest - offset : 0);
    }
    info_number(out, "master_repl_offset", latest);
    free(views);
}

void info_write_replication(struct server *server, struct buffer *out) {
    struct role_view view = view_of(server);
    info_text(out, "role", view.is_replica ? "slave" : "master");
    if (view.is_replica)
        write_replica(server, &view.master, out);
    write_replicas(server, out);
}
