// SPDX-License-Identifier: Apache-2.0
//
// A client's transaction: what MULTI queues and what WATCH watches. May use: base, server/command.
#ifndef KVFENCE_SERVER_TRANSACTION_H
#define KVFENCE_SERVER_TRANSACTION_H

#include "base/buffer.h"
#include "server/command.h"

#include <stdatomic.h>

struct watch;

struct queued_command {
    const struct command *command;
    struct bytes *arguments; // one block with the text
    size_t count;
};

struct transaction {
    bool open;   // between MULTI and EXEC
    bool broken; // a command was refused while queueing: EXEC answers EXECABORT, nothing more is queued
    struct queued_command *queue;
    size_t count, capacity;
    struct buffer outbox;  // what EXEC publishes when it has committed: server/outbox.h
    size_t queued_bytes;   // the memory that the queued commands take
    struct watch *watches; // this client's watched keys (server/watch_table.h)
    size_t watch_count;
    _Atomic bool dirty; // a watched key was changed
};

// The client's transaction, made on first use.
struct transaction *client_transaction(struct client *client);
// Copies the command to the end of the queue, unless the transaction is broken anyway. If there is no memory
// for it or the queue would take more than `most` bytes, breaks the transaction, empties the queue and
// returns the error; otherwise NULL.
const char *transaction_queue(struct transaction *transaction, const struct command *command,
                              const struct bytes *arguments, size_t count, size_t most);
// Empties the queue and ends MULTI; watches stay.
void transaction_discard(struct transaction *transaction);
// Ends MULTI and all watches and frees it. NULL is fine.
void transaction_close(struct client *client);

#endif
