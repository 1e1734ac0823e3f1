// SPDX-License-Identifier: Apache-2.0
//
// What belongs into fence_commands, for tests: what the server puts there, and some commands that it does not
// have, so that each kind of entry is met: the container "TESTER" with a subcommand that writes and one that
// does not, and all exceptions. Uses: fence/command_entries, commands/table.
#ifndef KVFENCE_FENCE_COMMAND_ENTRIES_FOR_TESTS_H
#define KVFENCE_FENCE_COMMAND_ENTRIES_FOR_TESTS_H

#include "fence/command_entries.h"

// Sorted by name, the same on every call; *count of them. Not thread-safe.
const struct fence_entry *command_entries(size_t *count);

// NULL if there is none.
const struct fence_command *command_entry_find(const struct fence_command_name *name);

#endif
