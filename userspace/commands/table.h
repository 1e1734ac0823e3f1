// SPDX-License-Identifier: Apache-2.0
//
// The command table as an array. May use: server/command.
#ifndef KVFENCE_COMMANDS_TABLE_H
#define KVFENCE_COMMANDS_TABLE_H

#include "server/command.h"

// A fresh copy of the table, malloc'ed, for command_table_open() or server_open(); *count rows.
struct command *commands_copy(size_t *count);

#endif
