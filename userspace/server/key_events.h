// SPDX-License-Identifier: Apache-2.0
//
// Keyspace notifications: tells subscribers what commands have done to which keys, as notify-keyspace-events
// asks for. What is told has been committed; what the reader sees of it is as safe as a reply. May use: base,
// store/session, server.
#ifndef KVFENCE_SERVER_KEY_EVENTS_H
#define KVFENCE_SERVER_KEY_EVENTS_H

#include "server/command.h"
#include "server/key_event_classes.h"

struct key_events;
struct key_events *key_events_open(const struct command_table *commands);
void key_events_close(struct key_events *events);

// True if there is anybody to tell of anything: the fast path.
bool key_events_wanted(const struct server *server);

// Around a command that writes, with its keys locked. Where a transaction runs, the events go into its
// outbox.
struct key_note;
struct key_events_before {
    struct key_note *notes; // of the command's keys that did not exist, or whose time was over
};
void key_events_begin(struct command_context *context, struct key_events_before *before);
// The command has succeeded: tells what it has done, and is at an end either way.
void key_events_tell(struct command_context *context, struct key_events_before *before);
void key_events_drop(struct key_events_before *before);

// After a command that reads: tells which of its keys do not exist.
void key_events_tell_misses(struct command_context *context);

// True if keys whose time is over are to be found and told of, whether anybody listens or not.
bool key_events_want_expired(const struct server *server);
// Tells that such a key has been deleted. Thread: any but the workers'.
void key_events_tell_expired(struct server *server, struct bytes key);

#endif
