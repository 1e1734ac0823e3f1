// SPDX-License-Identifier: Apache-2.0
//
// A client's outgoing bytes: a chain of blocks that are filled at the end and sent from the front. Small
// replies are copied into shared blocks; big values are referenced where they lie and released when sent. An
// empty output holds no memory. Not thread-safe: one worker. May use: base.
#ifndef KVFENCE_SERVER_OUTPUT_H
#define KVFENCE_SERVER_OUTPUT_H

#include "base/bytes.h"

#include <stdint.h>

struct output_block;

// Zero-initialised is empty and valid.
struct output {
    struct output_block *first;
    struct output_block *last;
    size_t pending; // bytes not sent yet
};

void output_append(struct output *output, struct bytes bytes);
// Refers to `bytes` until they are sent or dropped, then calls release(owner), on the thread that sends.
void output_append_reference(struct output *output, struct bytes bytes, void (*release)(void *owner),
                             void *owner);

// A place in the output to come back to. Valid until bytes before it are sent or dropped.
struct output_mark {
    struct output_block *block;
    size_t length; // of that block
    size_t pending;
};
struct output_mark output_mark(const struct output *output);
// Drops everything appended since the mark.
void output_truncate(struct output *output, struct output_mark mark);

// Leaves room for a header of at most OUTPUT_DEFERRED_SIZE bytes that becomes known later (the length of an
// array that is counted while it is written). Fill each exactly once, before anything is sent.
enum { OUTPUT_DEFERRED_SIZE = 32 };
struct output_block *output_defer(struct output *output);
void output_fill_deferred(struct output *output, struct output_block *deferred, struct bytes header);

// Sends as much as the socket takes with one writev at a time, up to `limit` bytes, from the front. Returns
// bytes sent, or -1 with errno (EAGAIN is not an error: it returns what was sent, maybe 0).
int64_t output_send(struct output *output, int fd, size_t limit);

// Copies all pending bytes to `to` (pending bytes long). For tests and for captured replies.
void output_copy(const struct output *output, char *to);
// Moves everything from `from` to the end of `to`.
void output_move(struct output *to, struct output *from);
void output_release(struct output *output);

#endif
