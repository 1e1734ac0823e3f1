// SPDX-License-Identifier: Apache-2.0
//
// Formats a command once and posts the line to every worker that has monitors. Uses: base,
// server/{client,monitor_format,reply_stream,server,worker}.
#include "server/monitor.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/client.h"
#include "server/monitor_format.h"
#include "server/reply_stream.h"
#include "server/server.h"
#include "server/worker.h"

#include <stdlib.h>

// As much as a monitor may leave unread.
enum { WAITING_BYTES_MAX = 64 << 20 };

void monitor_set(struct client *client, bool on) {
    if (client->is_monitor == on)
        return;
    int change = on ? 1 : -1;
    client->is_monitor = on;
    client_show(client, SHOWN_MONITOR, on);
    atomic_fetch_add(&worker_monitor_queue(client->worker)->monitors, change);
    atomic_fetch_add(&client->server->monitors, change);
}

// One formatted line, shared by the workers that have yet to show it and the one that makes it.
struct shared_line {
    _Atomic size_t holders;
    struct buffer text;
};

static size_t size_of(const struct shared_line *line) {
    return sizeof(*line) + line->text.capacity;
}

static void let_go(struct shared_line *line) {
    if (atomic_fetch_sub(&line->holders, 1) != 1)
        return;
    buffer_release(&line->text);
    free(line);
}

static void show_to_monitor(struct client *client, void *argument) {
    const struct shared_line *line = argument;
    if (!client->is_monitor || client->closing)
        return;
    worker_mark_pending(client->worker, client);
    output_append(&reply_stream_pushes(client)->output, buffer_bytes(&line->text));
}

static void show_line(struct worker *worker, void *argument) {
    struct shared_line *line = argument;
    worker_each_client(worker, show_to_monitor, line);
    atomic_fetch_sub(&worker_monitor_queue(worker)->waiting_bytes, size_of(line));
    let_go(line);
}

static void close_monitor(struct client *client, void *argument) {
    (void)argument;
    if (client->is_monitor)
        client_kill(client);
}

// Behind all that it had yet to show.
static void close_monitors(struct worker *worker, void *argument) {
    (void)argument;
    worker_each_client(worker, close_monitor, NULL);
    atomic_store(&worker_monitor_queue(worker)->is_overfull, false);
}

static void give_up(struct worker *worker, struct monitor_queue *queue) {
    if (atomic_exchange(&queue->is_overfull, true))
        return;
    log_warning("%d monitors are closed: their worker is busy, and %d MB of commands wait to be shown",
                atomic_load(&queue->monitors), WAITING_BYTES_MAX >> 20);
    worker_post(worker, close_monitors, NULL);
}

static void post_line(struct worker *worker, struct shared_line *line) {
    struct monitor_queue *queue = worker_monitor_queue(worker);
    if (atomic_load(&queue->monitors) == 0 || atomic_load(&queue->is_overfull))
        return;
    size_t size = size_of(line);
    if (atomic_fetch_add(&queue->waiting_bytes, size) > WAITING_BYTES_MAX) {
        atomic_fetch_sub(&queue->waiting_bytes, size);
        give_up(worker, queue);
        return;
    }
    atomic_fetch_add(&line->holders, 1);
    worker_post(worker, show_line, line);
}

void monitor_feed(struct server *server, const struct client *from, const struct bytes *arguments,
                  size_t count, int64_t wall_us) {
    struct shared_line *line = memory_allocate_zeroed(1, sizeof(*line));
    struct monitor_line shown = {.wall_us = wall_us,
                                 .address = from->address,
                                 .is_unix_socket = from->is_unix_socket,
                                 .arguments = arguments,
                                 .count = count};
    atomic_store(&line->holders, 1);
    monitor_format(&line->text, &shown);
    for (size_t i = 0; i < server->worker_count; i++)
        post_line(server->workers[i], line);
    let_go(line);
}
