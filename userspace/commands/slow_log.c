// SPDX-License-Identifier: Apache-2.0
//
// SLOWLOG: the commands that took longest lately. Uses: arguments, container, server/slow_log, server/server.
#include "server/slow_log.h"

#include "commands/arguments.h"
#include "commands/container.h"
#include "commands/handlers.h"
#include "server/server.h"

struct entry_writer {
    struct reply *reply;
    size_t count;
};

static void write_entry(void *context, const struct slow_log_entry *entry) {
    struct entry_writer *writer = context;
    struct reply *reply = writer->reply;
    reply_array(reply, 6);
    reply_integer(reply, (int64_t)entry->id);
    reply_integer(reply, entry->when_seconds);
    reply_integer(reply, (int64_t)entry->microseconds);
    reply_array(reply, entry->count);
    for (size_t i = 0; i < entry->count; i++)
        reply_bulk(reply, entry->arguments[i]);
    reply_bulk_text(reply, entry->client_address);
    reply_bulk_text(reply, entry->client_name);
    writer->count++;
}

void command_slowlog_get(struct command_context *context) {
    static const char message[] = "ERR count should be greater than or equal to -1";
    int64_t most = 10;
    if (context->count > 3) {
        reply_subcommand_syntax_error(context);
        return;
    }
    if (context->count == 3 && !argument_integer_or(context, 2, &most, message))
        return;
    if (most < -1) {
        reply_error(context->reply, message);
        return;
    }
    struct entry_writer writer = {.reply = context->reply};
    struct output_block *deferred = reply_deferred_begin(context->reply);
    slow_log_each(context->server->slow_log, most == -1 ? SIZE_MAX : (size_t)most, write_entry, &writer);
    reply_array_end(context->reply, deferred, writer.count);
}

void command_slowlog_len(struct command_context *context) {
    reply_integer(context->reply, (int64_t)slow_log_length(context->server->slow_log));
}

void command_slowlog_reset(struct command_context *context) {
    slow_log_reset(context->server->slow_log);
    reply_ok(context->reply);
}
