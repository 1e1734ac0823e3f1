// SPDX-License-Identifier: Apache-2.0
//
// What running a single command and running a transaction share. May use: base, store/session, server.
#ifndef KVFENCE_SERVER_DISPATCH_INTERNAL_H
#define KVFENCE_SERVER_DISPATCH_INTERNAL_H

#include "server/command.h"

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

// Enters the store for writing with these keys locked, or all alone. False if CLIENT PAUSE holds the command:
// then it is outside again, and the context says `held`.
bool dispatch_begin_write(struct command_context *context, const struct bytes *keys, size_t count,
                          bool exclusive);
// Commits what is staged and marks the watchers of its keys. If the commit fails, everything replied since
// `before` is replaced by one error; false then.
bool dispatch_commit(struct command_context *context, struct output_mark before);

// Statistics, slow log and latency of one command that has run.
void dispatch_account(struct command_context *context, uint64_t started_us, bool failed);
// Shows the command to those who MONITOR.
void dispatch_feed_monitors(struct command_context *context);

#endif
