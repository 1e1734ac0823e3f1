// SPDX-License-Identifier: Apache-2.0
//
// What running a single command and running a transaction share. May use: base, store/session, server.
#ifndef KVFENCE_SERVER_DISPATCH_INTERNAL_H
#define KVFENCE_SERVER_DISPATCH_INTERNAL_H

#include "server/command.h"
#include "server/node_view.h"

// Keys to be locked together. Starts on memory of the caller's and moves to the heap when that is too small.
struct key_list {
    struct bytes *keys;
    size_t count, capacity;
    bool on_heap;
};
void key_list_reserve(struct key_list *list, size_t more);
void key_list_add(struct key_list *list, struct bytes key);
void key_list_release(struct key_list *list);

// Adds the keys among the command's arguments.
void dispatch_collect_keys(const struct command *command, const struct bytes *arguments, size_t count,
                           struct key_list *keys);

// True if this node is not the one to run the command now: in a cluster its keys are served elsewhere, or it
// writes and the node is a replica. The error is then the reply without its leading '-'.
bool dispatch_is_elsewhere(const struct client *client, const struct command *command,
                           const struct bytes *arguments, size_t count, char error[NODE_ERROR_SIZE]);
// The same for a transaction's queued commands: true if one of them is not to be run here. Replies then.
bool dispatch_refuse_queue(struct command_context *context);
// Replies with the error. Whoever waited for a key when the node became a replica is told so.
void dispatch_reply_elsewhere(struct client *client, const char *error);

// Between MULTI and its end.
bool dispatch_in_multi(const struct client *client);

// Makes sure that what the arguments name is a command (else `command` is NULL) and can be run by this client
// with them. NULL: the error is replied, and not counted yet (dispatch_count_error()).
const struct command *dispatch_admit(struct client *client, const struct command *command,
                                     const struct bytes *arguments, size_t count);
// False if the client is in MULTI and the command was queued, or refused.
bool dispatch_passes_multi(struct client *client, const struct command *command,
                           const struct bytes *arguments, size_t count);
// Counts the error that was replied last.
void dispatch_count_error(struct client *client);

// Enters the store for writing with these keys locked, or all alone. False if CLIENT PAUSE holds the command:
// then it is outside again, and the context says `held`; or if the node is not the one to run it, which is
// replied then.
bool dispatch_begin_write(struct command_context *context, const struct bytes *keys, size_t count,
                          bool exclusive);
// Commits what is staged and marks the watchers of its keys. If the commit fails, everything replied since
// `before` is replaced by one error.
enum store_status dispatch_commit(struct command_context *context, struct output_mark before);

// Remembers what the command stages, if somebody wants to know of changed keys. With the keys locked.
void dispatch_track_keys(struct command_context *context);

// Counts an error that is the last reply to this command of the client's.
void dispatch_count_failed(struct client *client, const struct command *command);

// Statistics, slow log and latency of one command that has run.
void dispatch_account(struct command_context *context, uint64_t started_us, bool failed);
// Of that only the slow log and the latency events.
void dispatch_note_slow(struct command_context *context, uint64_t microseconds);
// Shows the command to those who MONITOR.
void dispatch_feed_monitors(struct command_context *context);

#endif
