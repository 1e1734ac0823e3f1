// SPDX-License-Identifier: Apache-2.0
//
// Running a command on its own, with all that stands around it. Uses: base, store/session, the rest of
// server/.
#include "server/dispatch.h"

#include "base/memory.h"
#include "server/blocking.h"
#include "server/dispatch_internal.h"
#include "server/error_stats.h"
#include "server/gather.h"
#include "server/key_events.h"
#include "server/latency.h"
#include "server/latency_histogram.h"
#include "server/monitor.h"
#include "server/reply_stream.h"
#include "server/server.h"
#include "server/slow_log.h"
#include "server/transaction.h"
#include "server/watch_table.h"
#include "server/worker.h"

#include <stdlib.h>

bool dispatch_in_multi(const struct client *client) {
    return client->transaction != NULL && client->transaction->open;
}

static bool reaches_replicas(const struct command *command) {
    return (command->flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE)) != 0;
}

static bool queue_reaches_replicas(const struct transaction *transaction) {
    for (size_t i = 0; i < transaction->count; i++) {
        if (reaches_replicas(transaction->queue[i].command))
            return true;
    }
    return false;
}

// CLIENT PAUSE holds writes, or everything, until its time is over. CLIENT and the like must still get
// through to end it.
static bool is_held_by_pause(struct client *client, const struct command *command) {
    struct server *server = client->server;
    int mode = atomic_load_explicit(&server->pause_mode, memory_order_acquire);
    if (mode == PAUSE_NONE || (command->flags & COMMAND_ADMIN) != 0)
        return false;
    if (clock_duration_us() >= atomic_load_explicit(&server->pause_until_us, memory_order_relaxed))
        return false;
    if (mode == PAUSE_ALL)
        return true;
    if (dispatch_in_multi(client))
        return (command->flags & COMMAND_EXEC) != 0 && queue_reaches_replicas(client->transaction);
    return reaches_replicas(command);
}

// --- Running ---

enum { KEYS_ON_STACK = 16 };

void dispatch_collect_keys(const struct command *command, const struct bytes *arguments, size_t count,
                           struct key_list *keys) {
    size_t positions[KEYS_ON_STACK];
    size_t found = command_key_positions(command, arguments, count, positions, KEYS_ON_STACK);
    size_t *all = positions;
    if (found > KEYS_ON_STACK) {
        all = memory_allocate(found * sizeof(*all));
        (void)command_key_positions(command, arguments, count, all, found);
    }
    key_list_reserve(keys, found);
    for (size_t i = 0; i < found; i++)
        keys->keys[keys->count++] = arguments[all[i]];
    if (all != positions)
        free(all);
}

// To have deleted everything gives nobody anything that waits for a key.
static void touch_key(void *context, struct bytes key, bool all) {
    struct server *server = context;
    if (all) {
        watch_touch_all(server->watch_table);
        return;
    }
    watch_touch(server->watch_table, &key, 1);
    if (key_waits_in_use(server->key_waits))
        key_waits_touch(server->key_waits, key);
}

enum store_status dispatch_commit(struct command_context *context, struct output_mark before) {
    bool writes = session_has_staged(context->session);
    enum store_status status = store_commit(context->session);
    if (status != STORE_OK) {
        output_truncate(&context->reply->output, before);
        reply_error(context->reply, session_error(context->session, status));
        return status;
    }
    context->client->wrote_this_round |= writes;
    session_each_committed_key(context->session, touch_key, context->server);
    return STORE_OK;
}

void dispatch_track_keys(struct command_context *context) {
    if (watch_table_in_use(context->server->watch_table) || key_waits_in_use(context->server->key_waits) ||
        key_events_wanted(context->server))
        session_track_keys(context->session);
}

// CLIENT PAUSE begins while nobody is inside, so whoever it does not hold in here is over before it is
// answered. Who passed the check before it began finds it here.
bool dispatch_begin_write(struct command_context *context, const struct bytes *keys, size_t count,
                          bool exclusive) {
    if (exclusive)
        session_write_begin_exclusive(context->session);
    else
        session_write_begin(context->session, keys, count);
    if (is_held_by_pause(context->client, context->command)) {
        session_write_end(context->session);
        context->held = true;
        return false;
    }
    // Topology and role change only while nobody is inside, so from here on this stays as it is.
    char elsewhere[NODE_ERROR_SIZE];
    if (dispatch_is_elsewhere(context->client, context->command, context->arguments, context->count,
                              elsewhere)) {
        session_write_end(context->session);
        dispatch_reply_elsewhere(context->client, elsewhere);
        return false;
    }
    dispatch_track_keys(context);
    return true;
}

// Beside the keys that are locked others can change while it reads.
static void call_inside(struct command_context *context) {
    bool on_snapshot = (context->command->flags & COMMAND_OTHER_KEYS) != 0;
    if (on_snapshot)
        session_snapshot_begin(context->session);
    context->command->function(context);
    if (on_snapshot)
        session_snapshot_end(context->session);
}

static void run_inside(struct command_context *context) {
    struct output_mark before = output_mark(&context->reply->output);
    uint64_t errors = context->reply->errors;
    struct key_events_before events;
    dispatch_feed_monitors(context);
    key_events_begin(context, &events);
    call_inside(context);
    if (context->reply->errors == errors && session_has_staged(context->session) &&
        dispatch_commit(context, before) == STORE_OK)
        key_events_tell(context, &events);
    key_events_drop(&events);
    session_write_end(context->session);
}

static void run_write(struct command_context *context) {
    struct bytes on_stack[KEYS_ON_STACK];
    struct key_list keys = {.keys = on_stack, .capacity = KEYS_ON_STACK};
    bool is_exclusive = (context->command->flags & COMMAND_EXCLUSIVE) != 0;
    dispatch_collect_keys(context->command, context->arguments, context->count, &keys);
    bool is_done = (gather_is_open(context->worker) ||
                    gather_takes(context->client, context->command, context->arguments, context->count)) &&
                   gather_run(context, &keys);
    if (!is_done && dispatch_begin_write(context, keys.keys, keys.count, is_exclusive))
        run_inside(context);
    if (is_exclusive)
        dispatch_note_changed_node(context->server);
    key_list_release(&keys);
}

static bool runs_inside_guard(const struct command *command) {
    return (command->flags & (COMMAND_WRITE | COMMAND_EXCLUSIVE)) != 0;
}

static void run(struct command_context *context) {
    if (runs_inside_guard(context->command)) {
        run_write(context);
    } else if ((context->command->flags & COMMAND_SNAPSHOT) != 0) {
        session_snapshot_begin(context->session);
        context->command->function(context);
        session_snapshot_end(context->session);
    } else {
        context->command->function(context);
    }
    if (!context->held)
        key_events_tell_misses(context);
}

// --- Accounting ---

void dispatch_count_error(struct client *client) {
    counter_add(&worker_stats(client->worker)->errors, 1);
    error_stats_count(client->server->error_stats, client->reply.last_error_code);
}

void dispatch_count_failed(struct client *client, const struct command *command) {
    counter_add(&worker_stats(client->worker)->by_command[command->index].failed, 1);
    dispatch_count_error(client);
}

void dispatch_note_slow(struct command_context *context, uint64_t microseconds) {
    struct server *server = context->server;
    struct client *client = context->client;
    int64_t limit = config_integer(server->config, CONFIG_SLOWLOG_LOG_SLOWER_THAN);
    if (limit >= 0 && microseconds >= (uint64_t)limit &&
        (context->command->flags & COMMAND_SKIP_SLOWLOG) == 0)
        slow_log_add(server->slow_log, context->arguments, context->count, microseconds, context->now,
                     client->address, client->name == NULL ? "" : client->name,
                     (size_t)config_integer(server->config, CONFIG_SLOWLOG_MAX_LEN));
    int64_t threshold_ms = config_integer(server->config, CONFIG_LATENCY_MONITOR_THRESHOLD);
    if (threshold_ms > 0 && microseconds >= (uint64_t)threshold_ms * 1000)
        latency_add(server->latency,
                    (context->command->flags & COMMAND_FAST) != 0 ? "fast-command" : "command", context->now,
                    microseconds / 1000);
}

void dispatch_account(struct command_context *context, uint64_t started_us, bool failed) {
    struct worker_stats *stats = worker_stats(context->worker);
    struct command_stats *own = &stats->by_command[context->command->index];
    uint64_t microseconds = clock_duration_us() - started_us;
    counter_add(&stats->commands, 1);
    counter_add(&own->calls, 1);
    counter_add(&own->microseconds, microseconds);
    latency_histograms_add(stats->histograms, context->command->index, microseconds);
    if (failed)
        dispatch_count_failed(context->client, context->command);
    dispatch_note_slow(context, microseconds);
}

// A command that has waited was shown when it came.
void dispatch_feed_monitors(struct command_context *context) {
    if (atomic_load_explicit(&context->server->monitors, memory_order_relaxed) == 0 ||
        context->client->blocked != NULL)
        return;
    if ((context->command->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)) == 0)
        monitor_feed(context->server, context->client, context->arguments, context->count, clock_wall_us());
}

static bool waits_for_key(const struct client *client) {
    return client->blocked != NULL && client->wait == CLIENT_BLOCKED;
}

// False if a pause has come between: nothing has been done, and the command has to be run again.
static bool execute(struct client *client, const struct command *command, const struct bytes *arguments,
                    size_t count) {
    struct command_context context = {
        .server = client->server,
        .worker = client->worker,
        .client = client,
        .session = worker_session(client->worker),
        .command = command,
        .arguments = arguments,
        .count = count,
        .reply = &client->reply,
        .now = clock_wall_ms(),
    };
    uint64_t errors = client->reply.errors;
    bool shown_last = (command->flags & COMMAND_EXEC) != 0; // after the commands that it runs
    if (!shown_last && !runs_inside_guard(command))         // else when it is certain to run
        dispatch_feed_monitors(&context);
    uint64_t reads = session_reads(context.session);
    uint64_t started_us = clock_duration_us();
    run(&context);
    if (context.held)
        return false;
    if (shown_last)
        dispatch_feed_monitors(&context);
    client->read_this_round |= session_reads(context.session) != reads;
    if (!waits_for_key(client))
        dispatch_account(&context, started_us, client->reply.errors != errors);
    return true;
}

// Subscribing is answered by what is published from then on, of which its confirmation is a part.
static bool is_answered_by_pushes(const struct client *client) {
    const uint32_t flags = COMMAND_PUBSUB | COMMAND_SUBSCRIBER;
    const struct command *command = atomic_load_explicit(&client->last_command, memory_order_relaxed);
    return command != NULL && (command->flags & flags) == flags;
}

// CLIENT REPLY OFF and SKIP: the command ran, its reply is dropped.
static void apply_reply_mode(struct client *client, struct output_mark mark) {
    if (client->reply_mode == CLIENT_REPLY_ON)
        return;
    if (!is_answered_by_pushes(client)) {
        reply_stream_end(client);
        output_truncate(&client->reply.output, mark);
    }
    if (client->reply_mode == CLIENT_REPLY_SKIP)
        client->reply_mode = CLIENT_REPLY_SKIP_NEXT;
    else if (client->reply_mode == CLIENT_REPLY_SKIP_NEXT)
        client->reply_mode = CLIENT_REPLY_ON;
}

// The command's reply is there, whoever has written it.
static void finish(struct client *client, struct output_mark mark) {
    blocking_end(client);
    counter_add(&client->total_commands, 1);
    if (client->asking != 0)
        client->asking--;
    apply_reply_mode(client, mark);
}

static enum dispatch_result run_admitted(struct client *client, const struct command *command,
                                         const struct bytes *arguments, size_t count) {
    atomic_store_explicit(&client->last_command, command, memory_order_relaxed);
    client->in_command = true;
    bool done = !dispatch_passes_multi(client, command, arguments, count) ||
                execute(client, command, arguments, count);
    client->in_command = false;
    if (!done)
        return DISPATCH_WAIT;
    return waits_for_key(client) ? DISPATCH_BLOCKED : DISPATCH_DONE;
}

// A wait that was ended, not served.
static void account_ended_wait(struct client *client, uint64_t errors) {
    const struct command *command = atomic_load_explicit(&client->last_command, memory_order_relaxed);
    struct worker_stats *stats = worker_stats(client->worker);
    counter_add(&stats->commands, 1);
    counter_add(&stats->by_command[command->index].calls, 1);
    if (client->reply.errors == errors)
        return;
    dispatch_count_failed(client, command);
}

static enum dispatch_result dispatch_anew(struct client *client, const struct command *named,
                                          const struct bytes *arguments, size_t count) {
    const struct command *command = dispatch_admit(client, named, arguments, count);
    if (command != NULL && is_held_by_pause(client, command))
        return DISPATCH_WAIT;
    if (command != NULL)
        return run_admitted(client, command, arguments, count);
    dispatch_count_error(client);
    if (dispatch_in_multi(client))
        client->transaction->broken = true;
    return DISPATCH_DONE;
}

enum dispatch_result dispatch_command(struct client *client, const struct bytes *arguments, size_t count) {
    const struct command *command = command_table_resolve(client->server->commands, arguments, count);
    if (gather_is_open(client->worker) && !gather_takes(client, command, arguments, count))
        gather_end(client->worker);
    struct output_mark mark = output_mark(&client->reply.output);
    uint64_t errors = client->reply.errors;
    enum dispatch_result result = DISPATCH_DONE;
    if (client->blocked != NULL && blocking_has_ended(client))
        account_ended_wait(client, errors);
    else
        result = dispatch_anew(client, command, arguments, count);
    if (result == DISPATCH_DONE)
        finish(client, mark);
    else if (result == DISPATCH_WAIT && client->blocked != NULL)
        blocking_put_off(client);
    return result;
}
