// SPDX-License-Identifier: Apache-2.0
//
// Backups: a consistent copy of the database in backup-dir, hard-linked where the file system allows, made on
// the background thread. As in Kvrocks there is one: a new one takes the place of the old one when it is
// complete. May use: base, store, server/{background,config,server}.
#ifndef KVFENCE_SERVER_BACKUP_H
#define KVFENCE_SERVER_BACKUP_H

#include <stdbool.h>

struct server;

// Called on the background thread when the backup is there, or could not be made (logged), or the server
// stops.
typedef void backup_done_function(void *context, bool succeeded);

// False, and `done` is not called, if one is being made already. `done` may be NULL. Thread-safe.
bool backup_start(struct server *server, backup_done_function *done, void *context);

// Deletes the backup, on the background thread. False if one is being made. Thread-safe.
bool backup_start_purge(struct server *server);

#endif
