// SPDX-License-Identifier: Apache-2.0
//
// MONITOR. Uses: monitoring, server/{client,server}.
#include "commands/monitoring.h"

#include "commands/handlers.h"
#include "server/client.h"
#include "server/server.h"

static void set_monitor(struct client *client, bool on) {
    if (client->is_monitor == on)
        return;
    client->is_monitor = on;
    client_show(client, SHOWN_MONITOR, on);
    atomic_fetch_add(&client->server->monitors, on ? 1 : -1);
}

void command_monitor(struct command_context *context) {
    set_monitor(context->client, true);
    reply_ok(context->reply);
}

void monitor_stop(struct client *client) {
    set_monitor(client, false);
}
