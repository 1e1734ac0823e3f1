// SPDX-License-Identifier: Apache-2.0
//
// Makes the array of commands.def's rows. Uses: handlers, memory.
#include "commands/table.h"

#include "base/memory.h"
#include "commands/handlers.h"

static const struct command rows[] = {
#define COMMAND(row_name, row_function, row_arity, row_flags, row_first, row_last, row_step, row_group,      \
                row_since, row_complexity, row_syntax, row_summary)                                          \
    {.name = row_name,                                                                                       \
     .function = row_function,                                                                               \
     .arity = row_arity,                                                                                     \
     .flags = row_flags,                                                                                     \
     .first_key = row_first,                                                                                 \
     .last_key = row_last,                                                                                   \
     .key_step = row_step,                                                                                   \
     .group = GROUP_##row_group,                                                                             \
     .since = row_since,                                                                                     \
     .complexity = row_complexity,                                                                           \
     .syntax = row_syntax,                                                                                   \
     .original = row_name,                                                                                   \
     .summary = row_summary},
#include "commands/commands.def"
#undef COMMAND
};

struct command *commands_copy(size_t *count) {
    *count = sizeof(rows) / sizeof(rows[0]);
    return memory_copy(rows, sizeof(rows));
}
