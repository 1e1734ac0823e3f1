// SPDX-License-Identifier: Apache-2.0
//
// Formats a command once and posts the line to every worker. Uses: base,
// server/{monitor_format,server,worker}.
#include "server/monitor.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "server/monitor_format.h"
#include "server/server.h"
#include "server/worker.h"

#include <stdlib.h>

// One formatted line, shared by the workers that have yet to show it.
struct shared_line {
    _Atomic size_t holders;
    struct buffer text;
};

static void show_line(struct worker *worker, void *argument) {
    struct shared_line *line = argument;
    worker_feed_monitors(worker, buffer_bytes(&line->text));
    if (atomic_fetch_sub(&line->holders, 1) != 1)
        return;
    buffer_release(&line->text);
    free(line);
}

void monitor_feed(struct server *server, const struct client *from, const struct bytes *arguments,
                  size_t count, int64_t wall_us) {
    struct shared_line *line = memory_allocate_zeroed(1, sizeof(*line));
    struct monitor_line shown = {.wall_us = wall_us,
                                 .address = from->address,
                                 .is_unix_socket = from->is_unix_socket,
                                 .arguments = arguments,
                                 .count = count};
    atomic_store(&line->holders, server->worker_count);
    monitor_format(&line->text, &shown);
    server_post_all(server, show_line, line);
}
