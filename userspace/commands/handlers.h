// SPDX-License-Identifier: Apache-2.0
//
// Declares every function that commands.def names, so that each file of commands/ is checked against the
// table. May use: server/command.
#ifndef KVFENCE_COMMANDS_HANDLERS_H
#define KVFENCE_COMMANDS_HANDLERS_H

#include "server/command.h"

#define COMMAND(name, function, ...) command_function function;
#include "commands/commands.def"
#undef COMMAND

#endif
