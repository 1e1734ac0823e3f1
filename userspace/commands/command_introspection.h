// SPDX-License-Identifier: Apache-2.0
//
// What the files behind COMMAND tell each other about a row of the table. May use: server/command.
#ifndef KVFENCE_COMMANDS_COMMAND_INTROSPECTION_H
#define KVFENCE_COMMANDS_COMMAND_INTROSPECTION_H

#include "server/command.h"

// Redis' ACL categories in the order in which Redis tells them.
enum command_category {
    CATEGORY_KEYSPACE,
    CATEGORY_READ,
    CATEGORY_WRITE,
    CATEGORY_STRING,
    CATEGORY_BITMAP,
    CATEGORY_HASH,
    CATEGORY_LIST,
    CATEGORY_SET,
    CATEGORY_SORTED_SET,
    CATEGORY_PUBSUB,
    CATEGORY_ADMIN,
    CATEGORY_FAST,
    CATEGORY_SLOW,
    CATEGORY_BLOCKING,
    CATEGORY_DANGEROUS,
    CATEGORY_CONNECTION,
    CATEGORY_TRANSACTION,
    CATEGORY_COUNT
};
const char *command_category_name(enum command_category category); // without '@'
// A bit (1 << category) for each category that the command belongs to.
uint32_t command_categories(const struct command_table *table, const struct command *command);

// How a command uses its keys, as blank-separated words of Redis ("RW access update"): the first key, and the
// others if they are used differently (NULL: they are not).
struct key_use {
    const char *first;
    const char *others;
};
struct key_use command_key_use(const struct command *command);

// True for a row whose name has no '|'.
bool command_is_top_level(const struct command *command);
// The rows whose names have "<container>|" in front: calls `each` for every one, returns how many.
size_t command_each_subcommand(const struct command_table *table, const struct command *container,
                               void (*each)(void *context, const struct command *subcommand), void *context);

// Writes blank-separated words as a set of simple strings. NULL or "": the empty set.
void reply_words(struct reply *reply, const char *words);
// Writes COMMAND INFO's entry of ten elements.
void reply_command_entry(struct reply *reply, const struct command_table *table,
                         const struct command *command);

#endif
