// SPDX-License-Identifier: Apache-2.0
//
// Commands that wait until a key has something for them: BLPOP and its kin. Such a command is not consumed
// while it waits: each time its client is woken it is dispatched again like any other command, with all
// checks and locks, and either replies or goes on waiting. The reply at the end of its time, or of CLIENT
// UNBLOCK, is written here. May use: base, store/session, server/{client,command,key_waits}.
#ifndef KVFENCE_SERVER_BLOCKING_H
#define KVFENCE_SERVER_BLOCKING_H

#include "server/client.h"
#include "server/key_waits.h"

// --- For commands, which run with the locks of all their keys ---

// The keys among the arguments in the order in which they are to be tried. Somebody who waits for one of them
// already comes first there.
struct blocking_keys {
    size_t first, count; // the arguments
    enum value_type type;
    size_t tried;
    size_t woken_by; // the argument of the key that the client was woken for: comes first; 0: none
};
void blocking_keys_begin(const struct command_context *context, size_t first, size_t count,
                         enum value_type type, struct blocking_keys *out);
// The next argument to try; false behind the last one. A command that has waited already takes a key of
// another type as one that is missing, so such keys are left out then.
bool blocking_keys_next(struct command_context *context, struct blocking_keys *keys, size_t *index);

// What a waiting command replies where it must not wait: inside EXEC.
enum blocking_null { BLOCKING_NULL, BLOCKING_NULL_ARRAY };

// None of the keys had anything: waits, or goes on waiting, or replies. `timeout_ms` counts from the first
// time; 0: for ever.
void blocking_wait(struct command_context *context, const struct blocking_keys *keys, uint64_t timeout_ms,
                   enum blocking_null otherwise);

// --- For the dispatcher ---

// Before a command is dispatched again: true if its wait has ended, by time or CLIENT UNBLOCK. Then the reply
// has been written.
bool blocking_has_ended(struct client *client);
// Something is in the way of trying: it is tried again later.
void blocking_put_off(struct client *client);
// The command has been replied to, or the client is being closed. Does nothing for one that does not wait.
void blocking_end(struct client *client);

// --- For others ---

key_wake_function blocking_wake; // what the server's key_waits_open() is given

// CLIENT UNBLOCK, from any thread that holds the registry's lock: false if the client waits for no key, or
// something else has ended its wait just now.
enum blocking_end { BLOCKING_END_TIMEOUT, BLOCKING_END_ERROR };
bool blocking_unblock(struct client *client, enum blocking_end how);

// A fenced master keeps nobody waiting: wakes all who wait if it is one. Any thread, from time to time.
void blocking_look_at_lease(struct server *server);

#endif
