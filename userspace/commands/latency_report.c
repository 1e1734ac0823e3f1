// SPDX-License-Identifier: Apache-2.0
//
// LATENCY DOCTOR and GRAPH: spikes in words and as a picture. Uses: arguments, server/{latency,server}.
#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/latency.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

enum { SAMPLES_MAX = 160, GRAPH_COLUMNS = 80, GRAPH_ROWS = 4 };

// --- DOCTOR ---

struct report {
    struct server *server;
    struct buffer text;
    size_t events;
};

static void report_event(void *context, const struct latency_event *event) {
    struct report *report = context;
    report->events++;
    buffer_append_format(&report->text,
                         "%zu. %s: the newest spike took %" PRIu64 " ms, the longest %" PRIu64 " ms.\n",
                         report->events, event->name, event->latest.milliseconds, event->maximum_ms);
}

void command_latency_doctor(struct command_context *context) {
    struct report report = {.server = context->server};
    int64_t threshold_ms = config_integer(context->server->config, CONFIG_LATENCY_MONITOR_THRESHOLD);
    latency_each_event(context->server->latency, report_event, &report);
    if (report.events == 0 && threshold_ms == 0)
        buffer_append_text(&report.text, "Latency is not watched. CONFIG SET latency-monitor-threshold "
                                         "<milliseconds> makes the server note what takes longer.\n");
    else if (report.events == 0)
        buffer_append_format(&report.text, "Nothing has taken longer than %" PRId64 " ms.\n", threshold_ms);
    else
        buffer_append_text(&report.text, "LATENCY HISTORY lists an event's spikes, SLOWLOG GET the slowest "
                                         "commands with their arguments.\n");
    reply_verbatim(context->reply, "txt", buffer_bytes(&report.text));
    buffer_release(&report.text);
}

// --- GRAPH ---

struct range {
    uint64_t low, high;
};

static struct range range_of(const struct latency_sample *samples, size_t count) {
    struct range range = {samples[0].milliseconds, samples[0].milliseconds};
    for (size_t i = 1; i < count; i++) {
        if (samples[i].milliseconds < range.low)
            range.low = samples[i].milliseconds;
        if (samples[i].milliseconds > range.high)
            range.high = samples[i].milliseconds;
    }
    return range;
}

// How many rows high a sample's column is: 1 to GRAPH_ROWS.
static uint64_t height_of(uint64_t milliseconds, struct range range) {
    if (range.high == range.low)
        return 1;
    return 1 + (milliseconds - range.low) * (GRAPH_ROWS - 1) / (range.high - range.low);
}

static void draw_columns(struct buffer *out, const struct latency_sample *samples, size_t count,
                         struct range range) {
    for (uint64_t row = GRAPH_ROWS; row >= 1; row--) {
        for (size_t i = 0; i < count; i++) {
            uint64_t height = height_of(samples[i].milliseconds, range);
            const char *mark = height > row ? "|" : " ";
            buffer_append_text(out, height == row ? "#" : mark);
        }
        buffer_append_text(out, "\n");
    }
}

// How long ago, in the biggest unit, in at most three letters: "5s", "12m", "3h", "99d".
static void write_age(char out[8], int64_t seconds) {
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t unit = 0;
    while (unit < 3 && seconds < units[unit].seconds)
        unit++;
    int64_t amount = seconds < 0 ? 0 : seconds / units[unit].seconds;
    (void)snprintf(out, 8, "%d%c", (int)(amount > 99 ? 99 : amount), units[unit].letter);
}

// Ages are read downwards, one a column.
static void draw_ages(struct buffer *out, const struct latency_sample *samples, size_t count, int64_t now) {
    char ages[GRAPH_COLUMNS][8];
    for (size_t i = 0; i < count; i++)
        write_age(ages[i], now - samples[i].when_seconds);
    for (size_t row = 0; row < 3; row++) {
        for (size_t i = 0; i < count; i++)
            buffer_append_format(out, "%c", row < strlen(ages[i]) ? ages[i][row] : ' ');
        buffer_append_text(out, "\n");
    }
}

void command_latency_graph(struct command_context *context) {
    struct latency_sample all[SAMPLES_MAX];
    struct bytes name = context->arguments[2];
    size_t count = latency_history(context->server->latency, name, all);
    if (count == 0) {
        reply_error_format(context->reply, "ERR No samples available for event '%.*s'",
                           bytes_shown_length(name), name.data);
        return;
    }
    size_t shown = count < GRAPH_COLUMNS ? count : GRAPH_COLUMNS;
    const struct latency_sample *samples = all + (count - shown);
    struct range range = range_of(samples, shown);
    struct buffer text = {0};
    buffer_append_format(&text,
                         "%.*s - high %" PRIu64 " ms, low %" PRIu64 " ms (all time high %" PRIu64 " ms)\n",
                         (int)name.length, name.data, range.high, range.low, range_of(all, count).high);
    for (size_t i = 0; i < GRAPH_COLUMNS; i++)
        buffer_append_text(&text, "-");
    buffer_append_text(&text, "\n");
    draw_columns(&text, samples, shown, range);
    draw_ages(&text, samples, shown, context->now / 1000);
    reply_verbatim(context->reply, "txt", buffer_bytes(&text));
    buffer_release(&text);
}
