// SPDX-License-Identifier: Apache-2.0
//
// The queue of MULTI. Only the client's own worker touches it, but for `dirty`, which a watched key's writer
// sets. Uses: memory, client, server, watch_table.
#include "server/transaction.h"

#include "base/memory.h"
#include "server/client.h"
#include "server/server.h"
#include "server/watch_table.h"

#include <stdlib.h>

// A queue up to this long is kept for the next MULTI.
enum { FIRST_CAPACITY = 16 };

struct transaction *client_transaction(struct client *client) {
    if (client->transaction == NULL)
        client->transaction = memory_allocate_zeroed(1, sizeof(*client->transaction));
    return client->transaction;
}

static size_t text_length(const struct bytes *arguments, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += arguments[i].length;
    return total;
}

// The arguments and, behind them, their text, in one block. NULL: out of memory.
static struct bytes *copy_arguments(const struct bytes *arguments, size_t count, size_t block_size) {
    struct bytes *copies = memory_try_allocate(block_size);
    if (copies == NULL)
        return NULL;
    char *text = (char *)(copies + count);
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct bytes){.data = text, .length = arguments[i].length};
        if (arguments[i].length != 0)
            memcpy(text, arguments[i].data, arguments[i].length);
        text += arguments[i].length;
    }
    return copies;
}

static bool make_room(struct transaction *transaction) {
    if (transaction->count < transaction->capacity)
        return true;
    size_t capacity = transaction->capacity == 0 ? FIRST_CAPACITY : 2 * transaction->capacity;
    struct queued_command *queue =
        memory_try_reallocate(transaction->queue, capacity * sizeof(*transaction->queue));
    if (queue == NULL)
        return false;
    transaction->queue = queue;
    transaction->capacity = capacity;
    return true;
}

static void drop_queue(struct transaction *transaction) {
    for (size_t i = 0; i < transaction->count; i++)
        free(transaction->queue[i].arguments);
    if (transaction->capacity > FIRST_CAPACITY) {
        free(transaction->queue);
        transaction->queue = NULL;
        transaction->capacity = 0;
    }
    transaction->count = 0;
    transaction->queued_bytes = 0;
}

static const char *break_off(struct transaction *transaction, const char *error) {
    transaction->broken = true;
    drop_queue(transaction);
    return error;
}

const char *transaction_queue(struct transaction *transaction, const struct command *command,
                              const struct bytes *arguments, size_t count, size_t most) {
    size_t block_size = count * sizeof(*arguments) + text_length(arguments, count);
    size_t cost = block_size + sizeof(*transaction->queue);
    if (transaction->broken)
        return NULL;
    if (cost > most || transaction->queued_bytes > most - cost)
        return break_off(transaction, "ERR the transaction takes more than client-query-buffer-limit bytes, "
                                      "its commands are discarded");
    struct bytes *copies = make_room(transaction) ? copy_arguments(arguments, count, block_size) : NULL;
    if (copies == NULL)
        return break_off(transaction, "ERR out of memory for the transaction, its commands are discarded");
    transaction->queue[transaction->count++] =
        (struct queued_command){.command = command, .arguments = copies, .count = count};
    transaction->queued_bytes += cost;
    return NULL;
}

void transaction_discard(struct transaction *transaction) {
    buffer_release(&transaction->outbox);
    drop_queue(transaction);
    transaction->open = false;
    transaction->broken = false;
}

void transaction_close(struct client *client) {
    struct transaction *transaction = client->transaction;
    if (transaction == NULL)
        return;
    watch_remove_all(client->server->watch_table, transaction);
    transaction_discard(transaction);
    buffer_release(&transaction->outbox);
    free(transaction->queue);
    free(transaction);
    client->transaction = NULL;
}
