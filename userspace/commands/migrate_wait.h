// SPDX-License-Identifier: Apache-2.0
//
// A client that waits for the end of the migration that it has begun. May use: cluster, server.
#ifndef KVFENCE_COMMANDS_MIGRATE_WAIT_H
#define KVFENCE_COMMANDS_MIGRATE_WAIT_H

#include "server/command.h"

struct migration; // cluster/migration.h

// Right after the migration has begun, in the same hold of the role guard. The reply comes at its end, or is
// null after `timeout_s` (0: never); the migration goes on in any case.
void migrate_wait(struct command_context *context, struct migration *migration, int64_t timeout_s);

#endif
