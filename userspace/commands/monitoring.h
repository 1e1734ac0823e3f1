// SPDX-License-Identifier: Apache-2.0
//
// Ending MONITOR, for RESET. May use: server/client.
#ifndef KVFENCE_COMMANDS_MONITORING_H
#define KVFENCE_COMMANDS_MONITORING_H

struct client;

// On the client's own worker. Does nothing if it is no monitor.
void monitor_stop(struct client *client);

#endif
