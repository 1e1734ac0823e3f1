// SPDX-License-Identifier: Apache-2.0
//
// From a parsed command to its reply: the checks in their order, the locks, the run, the commit, the
// statistics. May use: base, store, server.
#ifndef KVFENCE_SERVER_DISPATCH_H
#define KVFENCE_SERVER_DISPATCH_H

#include "server/client.h"

enum dispatch_result {
    DISPATCH_DONE,   // replied or queued, or its reply comes later: consume the command
    DISPATCH_WAIT,   // CLIENT PAUSE: run it again later
    DISPATCH_BLOCKED // it waits for a key, and is run again when its client is woken
};

// Runs one command of the client on its worker's thread. `arguments` are borrowed for the call.
enum dispatch_result dispatch_command(struct client *client, const struct bytes *arguments, size_t count);

// Runs the queued commands of EXEC as one batch: replies with the array, or with one error and nothing
// written. Nothing is replied if the context says `held` afterwards: the transaction is run again later.
// Called by EXEC.
void dispatch_transaction(struct command_context *context);

// Somebody has had the role guard exclusively, so the node may be another one: wakes those who wait for keys,
// and ends subscriptions to what is served elsewhere now. Any thread, outside the guard.
void dispatch_note_changed_node(struct server *server);

#endif
