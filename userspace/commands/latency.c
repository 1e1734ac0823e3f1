// SPDX-License-Identifier: Apache-2.0
//
// LATENCY: spikes of slow events, and how commands' run times are distributed. Uses: arguments,
// server/{latency,latency_histogram,server,worker}.
#include "server/latency.h"

#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/latency_histogram.h"
#include "server/server.h"
#include "server/worker.h"

enum { SAMPLES_MAX = 160 };

struct event_writer {
    struct reply *reply;
    size_t count;
};

static void write_event(void *context, const struct latency_event *event) {
    struct event_writer *writer = context;
    reply_array(writer->reply, 4);
    reply_bulk_text(writer->reply, event->name);
    reply_integer(writer->reply, event->latest.when_seconds);
    reply_integer(writer->reply, (int64_t)event->latest.milliseconds);
    reply_integer(writer->reply, (int64_t)event->maximum_ms);
    writer->count++;
}

void command_latency_latest(struct command_context *context) {
    struct event_writer writer = {.reply = context->reply};
    struct output_block *deferred = reply_deferred_begin(context->reply);
    latency_each_event(context->server->latency, write_event, &writer);
    reply_array_end(context->reply, deferred, writer.count);
}

void command_latency_history(struct command_context *context) {
    struct latency_sample samples[SAMPLES_MAX];
    size_t count = latency_history(context->server->latency, context->arguments[2], samples);
    reply_array(context->reply, count);
    for (size_t i = 0; i < count; i++) {
        reply_array(context->reply, 2);
        reply_integer(context->reply, samples[i].when_seconds);
        reply_integer(context->reply, (int64_t)samples[i].milliseconds);
    }
}

void command_latency_reset(struct command_context *context) {
    size_t reset = 0;
    if (context->count == 2)
        reset = latency_reset(context->server->latency, (struct bytes){0});
    for (size_t i = 2; i < context->count; i++) {
        if (context->arguments[i].length != 0)
            reset += latency_reset(context->server->latency, context->arguments[i]);
    }
    reply_integer(context->reply, (int64_t)reset);
}

// --- HISTOGRAM ---

static uint64_t sum_buckets(const struct server *server, size_t command, uint64_t sum[LATENCY_BUCKETS]) {
    uint64_t calls = 0;
    memset(sum, 0, LATENCY_BUCKETS * sizeof(*sum));
    for (size_t i = 0; i < server->worker_count; i++)
        latency_histograms_sum(worker_stats(server->workers[i])->histograms, command, sum);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        calls += sum[i];
    return calls;
}

// Counts are cumulative: how many runs took at most so long. Buckets that add nothing are left out.
static void write_buckets(struct reply *reply, const uint64_t counts[LATENCY_BUCKETS]) {
    struct output_block *deferred = reply_deferred_begin(reply);
    uint64_t cumulative = 0;
    size_t written = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        if (counts[i] == 0)
            continue;
        cumulative += counts[i];
        reply_integer(reply, (int64_t)latency_bucket_limit(i));
        reply_integer(reply, (int64_t)cumulative);
        written++;
    }
    reply_map_end(reply, deferred, written);
}

// Returns how many were written: one, or none if the command has not been run.
static size_t write_histogram(struct command_context *context, const struct command *command) {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t calls = sum_buckets(context->server, command->index, counts);
    if (calls == 0)
        return 0;
    reply_bulk_text(context->reply, command->name);
    reply_map(context->reply, 2);
    reply_bulk_text(context->reply, "calls");
    reply_integer(context->reply, (int64_t)calls);
    reply_bulk_text(context->reply, "histogram_usec");
    write_buckets(context->reply, counts);
    return 1;
}

// A container's name stands for its subcommands, as in Redis.
static size_t write_histograms_named(struct command_context *context, struct bytes name) {
    const struct command_table *table = context->server->commands;
    const struct command *named = command_table_find(table, name);
    size_t written = 0;
    if (named == NULL)
        return 0;
    if (!command_is_container(table, named))
        return write_histogram(context, named);
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command *command = command_table_at(table, i);
        size_t length = strlen(named->name);
        if (strncmp(command->name, named->name, length) == 0 &&
            (command->name[length] == '|' || command->name[length] == '\0'))
            written += write_histogram(context, command);
    }
    return written;
}

void command_latency_histogram(struct command_context *context) {
    const struct command_table *table = context->server->commands;
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t written = 0;
    for (size_t i = 2; i < context->count; i++)
        written += write_histograms_named(context, context->arguments[i]);
    for (size_t i = 0; context->count == 2 && i < command_table_count(table); i++)
        written += write_histogram(context, command_table_at(table, i));
    reply_map_end(context->reply, deferred, written);
}
