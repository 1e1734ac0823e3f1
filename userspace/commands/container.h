// SPDX-License-Identifier: Apache-2.0
//
// What commands with subcommands have in common. May use: server/command.
#ifndef KVFENCE_COMMANDS_CONTAINER_H
#define KVFENCE_COMMANDS_CONTAINER_H

#include "server/command.h"

// "ERR unknown subcommand or wrong number of arguments for 'x'. Try CLIENT HELP.", x being argument 1.
void reply_subcommand_syntax_error(struct command_context *context);

#endif
