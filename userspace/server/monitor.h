// SPDX-License-Identifier: Apache-2.0
//
// MONITOR: shows every command that runs to the clients that asked for it. May use: base, server.
#ifndef KVFENCE_SERVER_MONITOR_H
#define KVFENCE_SERVER_MONITOR_H

#include "base/bytes.h"

#include <stdint.h>

struct client;
struct server;

// Sends one command to all monitors, through the workers that have any. `from` runs it, on the calling
// thread. `wall_us`: microseconds since the epoch. Call it only if server->monitors is not 0.
void monitor_feed(struct server *server, const struct client *from, const struct bytes *arguments,
                  size_t count, int64_t wall_us);

#endif
