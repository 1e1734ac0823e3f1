// SPDX-License-Identifier: Apache-2.0
//
// What the server's commands become in the kernel's table of command names, fence_commands. Pure. May use:
// the contract in bpf/.
#ifndef KVFENCE_FENCE_COMMAND_ENTRIES_H
#define KVFENCE_FENCE_COMMAND_ENTRIES_H

#include "bpf/fence_contract.h"

#include <stdbool.h>
#include <stddef.h>

// A row of the server's table. Names are in any case; a subcommand's is "container|subcommand".
struct fence_word {
    const char *name;     // on the wire, after rename-command
    const char *original; // before it: by this one the exceptions know it
    bool writes;          // changes data
};

struct fence_entry {
    struct fence_command_name name;
    struct fence_command command;
};

// Writes at most `count` entries to `out` and returns how many. A name that is too long for the kernel is
// left out: it is unknown there. So are subcommands that nothing depends on.
size_t fence_entries_make(const struct fence_word *words, size_t count, struct fence_entry *out);

// What two servers that share the table put down for one name.
struct fence_command fence_command_merge(const struct fence_command *one, const struct fence_command *other);

#endif
