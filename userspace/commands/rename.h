// SPDX-License-Identifier: Apache-2.0
//
// The directive rename-command, applied to the command table before the server opens it. May use: base,
// server/command.
#ifndef KVFENCE_COMMANDS_RENAME_H
#define KVFENCE_COMMANDS_RENAME_H

#include "server/command.h"

enum { COMMANDS_RENAME_ERROR_SIZE = 256 };

// Applies lines of `old new`, or `old ""` to remove, one after the other, to `commands`; *count falls by the
// rows that are removed. A command with subcommands takes them along. The new names live in *names, which the
// caller frees with free() after the last use of `commands`. False with a reason: then there is nothing to
// free and `commands` must not be used any more.
bool commands_rename(struct command *commands, size_t *count, struct bytes lines, char **names,
                     char error[COMMANDS_RENAME_ERROR_SIZE]);

#endif
