// SPDX-License-Identifier: Apache-2.0
//
// COMMAND GETKEYS and GETKEYSANDFLAGS: the keys of a whole command that is given as arguments. Uses:
// arguments, command_introspection, base/memory, server/server.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/command_introspection.h"
#include "commands/handlers.h"
#include "server/server.h"

#include <stdlib.h>

// The command that is asked about, and where its keys are. `positions` is malloc'ed.
struct asked_command {
    const struct command *command;
    const struct bytes *arguments;
    size_t count;
    size_t *positions;
    size_t key_count;
};

static bool arity_fits(int arity, size_t count) {
    return arity < 0 ? count >= (size_t)-arity : count == (size_t)arity;
}

// False: the error has been replied.
static bool find_keys(struct command_context *context, struct asked_command *asked) {
    asked->arguments = context->arguments + 2;
    asked->count = context->count - 2;
    asked->command = command_table_resolve(context->server->commands, asked->arguments, asked->count);
    const char *error = NULL;
    if (asked->command == NULL)
        error = "ERR Invalid command specified";
    else if (asked->command->first_key == 0 &&
             (asked->command->flags & (COMMAND_COUNTED_KEYS | COMMAND_COUNTED_KEYS_LATER)) == 0)
        error = "ERR The command has no key arguments";
    else if (!arity_fits(asked->command->arity, asked->count))
        error = "ERR Invalid number of arguments specified for command";
    if (error != NULL) {
        reply_error(context->reply, error);
        return false;
    }
    asked->key_count = command_key_positions(asked->command, asked->arguments, asked->count, NULL, 0);
    asked->positions = memory_allocate((asked->key_count + 1) * sizeof(*asked->positions));
    (void)command_key_positions(asked->command, asked->arguments, asked->count, asked->positions,
                                asked->key_count);
    return true;
}

void command_command_getkeys(struct command_context *context) {
    struct asked_command asked = {0};
    if (!find_keys(context, &asked))
        return;
    reply_array(context->reply, asked.key_count);
    for (size_t i = 0; i < asked.key_count; i++)
        reply_bulk(context->reply, asked.arguments[asked.positions[i]]);
    free(asked.positions);
}

static bool any_argument_is(const struct asked_command *asked, size_t from, const char *word) {
    for (size_t i = from; i < asked->count; i++) {
        if (bytes_equal_text_nocase(asked->arguments[i], word))
            return true;
    }
    return false;
}

// SET reads the key only with GET, and BITFIELD changes it only with SET or INCRBY.
static const char *key_use_now(const struct asked_command *asked, size_t key) {
    struct key_use use = command_key_use(asked->command);
    if (strcmp(asked->command->name, "set") == 0)
        return any_argument_is(asked, 3, "get") ? "RW access update" : "OW update";
    if (strcmp(asked->command->name, "bitfield") == 0) {
        bool changes = any_argument_is(asked, 2, "set") || any_argument_is(asked, 2, "incrby");
        return changes ? "RW access update" : "RO access";
    }
    return key == 0 || use.others == NULL ? use.first : use.others;
}

void command_command_getkeysandflags(struct command_context *context) {
    struct asked_command asked = {0};
    if (!find_keys(context, &asked))
        return;
    reply_array(context->reply, asked.key_count);
    for (size_t i = 0; i < asked.key_count; i++) {
        reply_array(context->reply, 2);
        reply_bulk(context->reply, asked.arguments[asked.positions[i]]);
        reply_words(context->reply, key_use_now(&asked, i));
    }
    free(asked.positions);
}
