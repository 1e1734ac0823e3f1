// SPDX-License-Identifier: Apache-2.0
//
// COMMAND DOCS: what the table says about commands, in Redis 7's form, the arguments as a tree that is read
// from the syntax. Uses: command_introspection, server/{server,syntax_arguments}.
#include "commands/command_introspection.h"
#include "commands/handlers.h"
#include "server/server.h"
#include "server/syntax_arguments.h"

struct docs_writer {
    struct reply *reply;
    const struct command_table *table;
};

static void write_field(struct reply *reply, const char *name, const char *value) {
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, value);
}

// --- Arguments ---

// Which of the command's key specifications the next key belongs to: the first key to the first one, the
// others to the second, if there is a second.
struct key_numbering {
    int next, last;
};

static struct key_numbering number_keys(const struct command *command) {
    bool two = command->first_key != 0 && command_key_use(command).others != NULL;
    return (struct key_numbering){.next = 0, .last = two ? 1 : 0};
}

static void write_argument_flags(struct reply *reply, const struct syntax_argument *argument) {
    reply_bulk_text(reply, "flags");
    reply_set(reply, (size_t)argument->optional + argument->multiple + argument->multiple_token);
    if (argument->optional)
        reply_status(reply, "optional");
    if (argument->multiple)
        reply_status(reply, "multiple");
    if (argument->multiple_token)
        reply_status(reply, "multiple_token");
}

static void write_arguments(struct reply *reply, const struct syntax_argument *first,
                            struct key_numbering *keys);

// Recursion is as deep as the syntax is nested, which its reader limits.
// NOLINTBEGIN(misc-no-recursion)
static void write_argument(struct reply *reply, const struct syntax_argument *argument,
                           struct key_numbering *keys) {
    bool is_key = argument->type == SYNTAX_KEY;
    bool has_token = argument->token != NULL;
    bool has_flags = argument->optional || argument->multiple || argument->multiple_token;
    bool has_children = argument->children != NULL;
    reply_map(reply, 2U + is_key + has_token + has_flags + has_children);
    write_field(reply, "name", argument->name);
    write_field(reply, "type", syntax_type_name(argument->type));
    if (is_key) {
        reply_bulk_text(reply, "key_spec_index");
        reply_integer(reply, keys->next);
        keys->next = keys->last;
    }
    if (has_token)
        write_field(reply, "token", argument->token);
    if (has_flags)
        write_argument_flags(reply, argument);
    if (has_children)
        write_arguments(reply, argument->children, keys);
}

static void write_arguments(struct reply *reply, const struct syntax_argument *first,
                            struct key_numbering *keys) {
    size_t count = 0;
    for (const struct syntax_argument *argument = first; argument != NULL; argument = argument->next)
        count++;
    reply_bulk_text(reply, "arguments");
    reply_array(reply, count);
    for (const struct syntax_argument *argument = first; argument != NULL; argument = argument->next)
        write_argument(reply, argument, keys);
}
// NOLINTEND(misc-no-recursion)

// --- Commands ---

static void write_docs(struct docs_writer *writer, const struct command *command);

static void write_subcommand(void *context, const struct command *subcommand) {
    write_docs(context, subcommand);
}

static void count_only(void *context, const struct command *subcommand) {
    (void)context;
    (void)subcommand;
}

// One pair of the reply's map: the name, and a map of what there is to say. Recursion ends at once: a
// subcommand has no subcommands.
static void write_docs(struct docs_writer *writer, const struct command *command) {
    struct reply *reply = writer->reply;
    char error[SYNTAX_ERROR_SIZE];
    struct syntax_arguments arguments = {0};
    bool described = syntax_arguments_read(command->syntax, &arguments, error) && arguments.first != NULL;
    size_t subcommands = command_each_subcommand(writer->table, command, count_only, NULL);
    reply_bulk_text(reply, command->name);
    reply_map(reply, 4U + described + (subcommands != 0));
    write_field(reply, "summary", command->summary);
    write_field(reply, "since", command->since);
    write_field(reply, "group", command_group_name(command->group));
    write_field(reply, "complexity", command->complexity);
    if (described) {
        struct key_numbering keys = number_keys(command);
        write_arguments(reply, arguments.first, &keys);
    }
    if (subcommands != 0) {
        reply_bulk_text(reply, "subcommands");
        reply_map(reply, subcommands);
        (void)command_each_subcommand(writer->table, command, write_subcommand, writer);
    }
    syntax_arguments_release(&arguments);
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
