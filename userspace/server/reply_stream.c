// SPDX-License-Identifier: Apache-2.0
//
// The streams of clients. Uses: base, server/{client,config,server,worker}.
#include "server/reply_stream.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/server.h"
#include "server/worker.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    // Replies up to this are written by the command itself, as there is no gain in dividing them.
    COMMAND_BYTES = 256 << 10,
    COMMAND_TIME_US = 2000,
    // Big enough that the turns between slices cost next to nothing. More than two streams share what two
    // have,
    // so that the other clients' turns do not come later the more there are, down to the smallest slice.
    SLICE_BYTES = 128 << 10,
    SLICE_TIME_US = 1000,
    SMALLEST_SLICE_BYTES = 8 << 10,
    SMALLEST_SLICE_TIME_US = 50,
    // The next slice is written when less than this is left of what was.
    LOW_WATER = 64 << 10,
    // What a client has to take in stalled-reply-timeout.
    TAKEN_BYTES = 64 << 10,
    // What EXEC may hold.
    WHOLE_BYTES = 512 << 20
};

struct reply_stream {
    const struct reply_source *source;
    void *state;
    struct reply pushes; // what came from others since it began
    bool has_left;
    uint64_t taken;     // bytes since then
    uint64_t taking_us; // when the client last had taken enough
};

// --- Budgets ---

static struct reply_budget more_than(const struct reply *reply, size_t bytes, uint64_t time_us) {
    return (struct reply_budget){.pending_most = reply->output.pending + bytes, .time_us = time_us};
}

struct reply_budget reply_budget_of_command(const struct reply *reply) {
    return more_than(reply, COMMAND_BYTES, COMMAND_TIME_US);
}

struct reply_budget reply_budget_of_whole(void) {
    return (struct reply_budget){.pending_most = WHOLE_BYTES};
}

// Time counts from the first look, so that a short reply needs none.
bool reply_budget_looks_at_time(struct reply_budget *budget) {
    if (budget->time_us == 0)
        return false;
    uint64_t now_us = clock_duration_us();
    if (budget->until_us == 0)
        budget->until_us = now_us + budget->time_us;
    return now_us >= budget->until_us;
}

// --- Beginning and ending ---

void reply_stream_begin(struct client *client, const struct reply_source *source, void *state) {
    always_assert(client->stream == NULL && !client->in_exec, "a client has one reply at a time");
    struct reply_stream *stream = memory_allocate_zeroed(1, sizeof(*stream));
    stream->source = source;
    stream->state = state;
    stream->pushes.protocol = client->reply.protocol;
    stream->taking_us = clock_duration_us();
    client->stream = stream;
    counter_add(&worker_stats(client->worker)->streams, 1);
}

void reply_stream_end(struct client *client) {
    struct reply_stream *stream = client->stream;
    if (stream == NULL)
        return;
    client->stream = NULL;
    counter_add(&worker_stats(client->worker)->streams, UINT64_MAX); // one less
    stream->source->close(stream->state);
    output_release(&stream->pushes.output);
    free(stream);
}

void reply_stream_break_off(struct client *client, const char *why) {
    if (client->stream == NULL)
        return;
    log_warning("client %s is closed in the middle of a reply: %s", client->address, why);
    reply_stream_end(client);
    client_kill(client);
}

// --- Going on ---

static void end_whole(struct client *client) {
    struct output pushes = client->stream->pushes.output;
    client->stream->pushes.output = (struct output){0};
    reply_stream_end(client);
    output_move(&client->reply.output, &pushes);
}

// A client that only counts so far takes nothing.
static void note_progress(struct client *client) {
    uint64_t now_us = worker_round_time_us(client->worker);
    client->stream->taken = 0;
    client->stream->taking_us = now_us;
    atomic_store_explicit(&client->last_active_us, now_us, memory_order_relaxed);
}

static uint64_t share(uint64_t whole, uint64_t sharers, uint64_t least) {
    uint64_t part = sharers > 2 ? whole * 2 / sharers : whole;
    return part > least ? part : least;
}

static struct reply_budget budget_of_slice(const struct client *client) {
    uint64_t streams = counter_read(&worker_stats(client->worker)->streams);
    return more_than(&client->reply, share(SLICE_BYTES, streams, SMALLEST_SLICE_BYTES),
                     share(SLICE_TIME_US, streams, SMALLEST_SLICE_TIME_US));
}

void reply_stream_advance(struct client *client) {
    struct reply_stream *stream = client->stream;
    const char *error = NULL;
    stream->has_left = true;
    if (client->reply.output.pending >= LOW_WATER)
        return;
    note_progress(client);
    struct reply_budget budget = budget_of_slice(client);
    switch (stream->source->write(stream->state, &client->reply, &budget, &error)) {
    case REPLY_GOES_ON:
        break;
    case REPLY_IS_WHOLE:
        end_whole(client);
        break;
    case REPLY_IS_BROKEN:
        log_error("client %s is closed in the middle of a reply: %s", client->address, error);
        client->closing = true;
        break;
    }
}

bool reply_stream_has_left(const struct client *client) {
    return client->stream->has_left;
}

void reply_stream_note_sent(struct client *client, size_t count) {
    client->stream->taken += count;
    if (client->stream->taken >= TAKEN_BYTES)
        note_progress(client);
}

void reply_stream_check(struct client *client, uint64_t now_us) {
    uint64_t most_s = (uint64_t)config_integer(client->server->config, CONFIG_STALLED_REPLY_TIMEOUT);
    if (now_us < client->stream->taking_us || now_us - client->stream->taking_us <= most_s * 1000000)
        return;
    log_warning("client %s is closed in the middle of a reply: it has taken less than %d KB of it in %" PRIu64
                " s (stalled-reply-timeout)",
                client->address, TAKEN_BYTES >> 10, most_s);
    counter_add(&worker_stats(client->worker)->limit_closed, 1);
    client_kill(client);
}

// --- What is no reply ---

struct reply *reply_stream_pushes(struct client *client) {
    return client->stream == NULL ? &client->reply : &client->stream->pushes;
}

size_t reply_stream_pending(const struct client *client) {
    size_t pending = client->reply.output.pending;
    return client->stream == NULL ? pending : pending + client->stream->pushes.output.pending;
}
