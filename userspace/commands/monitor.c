// SPDX-License-Identifier: Apache-2.0
//
// MONITOR. Uses: monitoring, server/{client,monitor}.
#include "commands/monitoring.h"

#include "commands/handlers.h"
#include "server/client.h"
#include "server/monitor.h"

void command_monitor(struct command_context *context) {
    monitor_set(context->client, true);
    reply_ok(context->reply);
}

void monitor_stop(struct client *client) {
    monitor_set(client, false);
}
