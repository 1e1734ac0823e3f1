// SPDX-License-Identifier: Apache-2.0
//
// What commands with subcommands have in common: the reply to a wrong one, and HELP, made from the rows of
// commands.def so that no text has to be kept in step. Uses: container, server/server.
#include "base/buffer.h"
#include "commands/container.h"
#include "commands/handlers.h"
#include "server/server.h"

#include <ctype.h>
#include <stdio.h>

enum { NAME_SIZE = 64, SHOWN_WORD_MAX = 128 };

// The container's name in capitals: what stands before the '|', or the whole name.
static void container_name(const char *name, char out[NAME_SIZE]) {
    size_t length = 0;
    while (name[length] != '\0' && name[length] != '|' && length < NAME_SIZE - 1) {
        out[length] = (char)toupper((unsigned char)name[length]);
        length++;
    }
    out[length] = '\0';
}

void reply_subcommand_syntax_error(struct command_context *context) {
    char name[NAME_SIZE];
    container_name(context->command->name, name);
    struct bytes word = context->arguments[context->count > 1 ? 1 : 0];
    size_t shown = word.length < SHOWN_WORD_MAX ? word.length : SHOWN_WORD_MAX;
    reply_error_format(context->reply,
                       "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                       (int)shown, word.data, name);
}

// The dispatcher refuses an unknown subcommand itself; a container has no row that is run otherwise.
void command_container(struct command_context *context) {
    reply_subcommand_syntax_error(context);
}

static void reply_subcommand_help(struct reply *reply, const struct command *command,
                                  const char *subcommand) {
    struct buffer line = {0};
    for (const char *letter = subcommand; *letter != '\0'; letter++)
        buffer_append_format(&line, "%c", toupper((unsigned char)*letter));
    if (command->syntax[0] != '\0')
        buffer_append_format(&line, " %s", command->syntax);
    buffer_append(&line, (struct bytes){.data = "", .length = 1});
    reply_status(reply, line.data);
    buffer_clear(&line);
    buffer_append_format(&line, "    %s", command->summary);
    buffer_append(&line, (struct bytes){.data = "", .length = 1});
    reply_status(reply, line.data);
    buffer_release(&line);
}

void command_container_help(struct command_context *context) {
    const struct command_table *table = context->server->commands;
    char name[NAME_SIZE];
    container_name(context->command->name, name);
    size_t prefix = strlen(name) + 1;
    struct output_block *deferred = reply_deferred_begin(context->reply);
    size_t lines = 1;
    char title[NAME_SIZE * 2];
    (void)snprintf(title, sizeof(title), "%s <subcommand> [argument [argument ...]]. Subcommands are:", name);
    reply_status(context->reply, title);
    for (size_t i = 0; i < command_table_count(table); i++) {
        const struct command *command = command_table_at(table, i);
        if (strncasecmp(command->name, name, prefix - 1) != 0 || command->name[prefix - 1] != '|')
            continue;
        reply_subcommand_help(context->reply, command, command->name + prefix);
        lines += 2;
    }
    reply_array_end(context->reply, deferred, lines);
}
