// SPDX-License-Identifier: Apache-2.0
//
// The node's role as clients see and change it: SLAVEOF, ROLE, INFO replication. Nothing connects to a master
// yet, so a replica's link is down. Uses: arguments, info, node, replication/role, server/server.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/info.h"
#include "commands/node.h"
#include "replication/role.h"
#include "server/server.h"

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

static void reply_replica(struct command_context *context, const struct role_master *master) {
    reply_array(context->reply, 5);
    reply_bulk_text(context->reply, "slave");
    reply_bulk_text(context->reply, master->host);
    reply_integer(context->reply, master->port);
    reply_bulk_text(context->reply, "connecting");
    reply_integer(context->reply, (int64_t)store_latest_sequence(context->server->store));
}

void command_role(struct command_context *context) {
    struct role_view view = view_of(context->server);
    if (view.is_replica) {
        reply_replica(context, &view.master);
        return;
    }
    reply_array(context->reply, 3);
    reply_bulk_text(context->reply, "master");
    reply_integer(context->reply, (int64_t)store_latest_sequence(context->server->store));
    reply_array(context->reply, 0);
}

// --- INFO replication ---

static void write_replica(struct server *server, const struct role_master *master, struct buffer *out) {
    info_text(out, "master_host", master->host);
    info_number(out, "master_port", master->port);
    info_text(out, "master_link_status", "down");
    info_text(out, "master_sync_unrecoverable_error", "no");
    info_number(out, "master_sync_in_progress", 0);
    info_signed(out, "master_last_io_seconds_ago", -1);
    info_number(out, "slave_repl_offset", store_latest_sequence(server->store));
    info_signed(out, "slave_priority", config_integer(server->config, CONFIG_SLAVE_PRIORITY));
}

void info_write_replication(struct server *server, struct buffer *out) {
    struct role_view view = view_of(server);
    info_text(out, "role", view.is_replica ? "slave" : "master");
    if (view.is_replica)
        write_replica(server, &view.master, out);
    info_number(out, "connected_slaves", 0);
    info_number(out, "master_repl_offset", store_latest_sequence(server->store));
}
