// SPDX-License-Identifier: Apache-2.0
//
// COMMAND: lists and describes the rows of the table. Uses: arguments, command_introspection, base/glob,
// server/server.
#include "commands/command_introspection.h"

#include "base/glob.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/server.h"

bool command_is_top_level(const struct command *command) {
    return strchr(command->name, '|') == NULL;
}

size_t command_each_subcommand(const struct command_table *table, const struct command *container,
                               void (*each)(void *context, const struct command *subcommand), void *context) {
    size_t length = strlen(container->name);
    size_t found = 0;
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command *command = command_table_at(table, i);
        if (strncmp(command->name, container->name, length) != 0 || command->name[length] != '|')
            continue;
        each(context, command);
        found++;
    }
    return found;
}

static size_t count_top_level(const struct command_table *table) {
    size_t count = 0;
    for (size_t i = 0; i < command_table_count(table); i++)
        count += command_is_top_level(command_table_at(table, i));
    return count;
}

static void reply_all_entries(struct command_context *context) {
    const struct command_table *table = context->server->commands;
    reply_array(context->reply, count_top_level(table));
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command *command = command_table_at(table, i);
        if (command_is_top_level(command))
            reply_command_entry(context->reply, table, command);
    }
}

void command_command(struct command_context *context) {
    reply_all_entries(context);
}

void command_command_count(struct command_context *context) {
    reply_integer(context->reply, (int64_t)count_top_level(context->server->commands));
}

void command_command_info(struct command_context *context) {
    const struct command_table *table = context->server->commands;
    if (context->count == 2) {
        reply_all_entries(context);
        return;
    }
    reply_array(context->reply, context->count - 2);
    for (size_t i = 2; i < context->count; i++) {
        const struct command *command = command_table_find(table, context->arguments[i]);
        if (command == NULL)
            reply_null(context->reply);
        else
            reply_command_entry(context->reply, table, command);
    }
}

// --- LIST ---

// Does a command pass COMMAND LIST's filter with this value?
typedef bool list_filter(const struct command_table *table, const struct command *command,
                         struct bytes value);

static bool is_any(const struct command_table *table, const struct command *command, struct bytes value) {
    (void)table;
    (void)command;
    (void)value;
    return true;
}

static bool matches_pattern(const struct command_table *table, const struct command *command,
                            struct bytes value) {
    (void)table;
    return glob_match(value, bytes_from_text(command->name), true);
}

static bool is_in_category(const struct command_table *table, const struct command *command,
                           struct bytes value) {
    uint32_t categories = command_categories(table, command);
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        if ((categories & 1U << i) != 0 &&
            bytes_equal_text_nocase(value, command_category_name((enum command_category)i)))
            return true;
    }
    return false;
}

// There are no modules, so no command comes from one.
static bool is_of_module(const struct command_table *table, const struct command *command,
                         struct bytes value) {
    (void)table;
    (void)command;
    (void)value;
    return false;
}

static list_filter *read_list_filter(const struct command_context *context) {
    if (context->count == 2)
        return is_any;
    if (context->count != 5 || !argument_is(context, 2, "filterby"))
        return NULL;
    if (argument_is(context, 3, "pattern"))
        return matches_pattern;
    if (argument_is(context, 3, "aclcat"))
        return is_in_category;
    return argument_is(context, 3, "module") ? is_of_module : NULL;
}

void command_command_list(struct command_context *context) {
    const struct command_table *table = context->server->commands;
    list_filter *passes = read_list_filter(context);
    if (passes == NULL) {
        reply_syntax_error(context);
        return;
    }
    struct bytes value = context->arguments[context->count - 1];
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t listed = 0;
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command *command = command_table_at(table, i);
        if (!passes(table, command, value))
            continue;
        reply_bulk_text(context->reply, command->name);
        listed++;
    }
    reply_array_end(context->reply, deferred, listed);
}
