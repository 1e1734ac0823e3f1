// SPDX-License-Identifier: Apache-2.0
//
// What HELLO and RESET share with CLIENT's subcommands. May use: server/client, server/command.
#ifndef KVFENCE_COMMANDS_CLIENT_SETTINGS_H
#define KVFENCE_COMMANDS_CLIENT_SETTINGS_H

#include "server/client.h"

// True if the name can be given to a client; else the error has been replied.
bool client_name_is_valid(struct command_context *context, struct bytes name);
// Gives the client a name, or none if it is empty. On the client's own worker.
void client_rename(struct client *client, struct bytes name);

#endif
