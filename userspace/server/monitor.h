// SPDX-License-Identifier: Apache-2.0
//
// MONITOR: shows every command that runs to the clients that asked for it. May use: base, server.
#ifndef KVFENCE_SERVER_MONITOR_H
#define KVFENCE_SERVER_MONITOR_H

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct client;
struct server;

// A worker's monitors and what it has yet to show them. Zero-initialised is empty. Thread-safe.
struct monitor_queue {
    _Atomic int monitors;
    _Atomic size_t waiting_bytes;
    _Atomic bool is_overfull; // nothing is added any more, and its monitors will be closed
};

// Makes the client a monitor, or none. On its worker's thread.
void monitor_set(struct client *client, bool on);

// Sends one command to all monitors, through the workers that have any. `from` runs it, on the calling
// thread. `wall_us`: microseconds since the epoch. Call it only if server->monitors is not 0. The monitors of
// a worker that is too busy to show what has been sent, up to 64 MB of it, are closed.
void monitor_feed(struct server *server, const struct client *from, const struct bytes *arguments,
                  size_t count, int64_t wall_us);

#endif
