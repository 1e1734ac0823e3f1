// SPDX-License-Identifier: Apache-2.0
//
// COMMAND DOCS: what the table says about commands, in Redis 7's form. Uses: command_introspection,
// server/server.
#include "commands/command_introspection.h"
#include "commands/handlers.h"
#include "server/server.h"

struct docs_writer {
    struct reply *reply;
    const struct command_table *table;
};

static void write_docs(struct docs_writer *writer, const struct command *command);

static void write_subcommand(void *context, const struct command *subcommand) {
    write_docs(context, subcommand);
}

static void count_only(void *context, const struct command *subcommand) {
    (void)context;
    (void)subcommand;
}

static void write_field(struct reply *reply, const char *name, const char *value) {
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, value);
}

// One pair of the reply's map: the name, and a map of what there is to say. Recursion ends at once: a
// subcommand has no subcommands.
static void write_docs(struct docs_writer *writer, const struct command *command) {
    struct reply *reply = writer->reply;
    size_t subcommands = command_each_subcommand(writer->table, command, count_only, NULL);
    reply_bulk_text(reply, command->name);
    reply_map(reply, 4U + (subcommands != 0));
    write_field(reply, "summary", command->summary);
    write_field(reply, "since", command->since);
    write_field(reply, "group", command_group_name(command->group));
    write_field(reply, "complexity", command->complexity);
    if (subcommands == 0)
        return;
    reply_bulk_text(reply, "subcommands");
    reply_map(reply, subcommands);
    (void)command_each_subcommand(writer->table, command, write_subcommand, writer);
}

static size_t write_all(struct docs_writer *writer) {
    size_t written = 0;
    for (size_t i = 0; i < command_table_count(writer->table); i++) {
        const struct command *command = command_table_at(writer->table, i);
        if (!command_is_top_level(command))
            continue;
        write_docs(writer, command);
        written++;
    }
    return written;
}

// Names that are not known are left out.
void command_command_docs(struct command_context *context) {
    struct docs_writer writer = {.reply = context->reply, .table = context->server->commands};
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t written = 0;
    if (context->count == 2)
        written = write_all(&writer);
    for (size_t i = 2; i < context->count; i++) {
        const struct command *command = command_table_find(writer.table, context->arguments[i]);
        if (command == NULL)
            continue;
        write_docs(&writer, command);
        written++;
    }
    reply_map_end(context->reply, deferred, written);
}
