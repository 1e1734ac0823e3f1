// SPDX-License-Identifier: Apache-2.0
//
// Sends an output's bytes from the front. Uses: base/assert.
#include "server/output.h"

#include "base/assert.h"
#include "server/output_block.h"

#include <errno.h>
#include <sys/uio.h>

enum { PIECES_AT_ONCE = 64 };

// Gathers up to `limit` pending bytes; returns how many pieces they are in.
static int gather(const struct output *output, size_t limit, struct iovec *pieces, size_t *total) {
    int count = 0;
    *total = 0;
    const struct output_block *block = output->first;
    for (; block != NULL && count < PIECES_AT_ONCE && *total < limit; block = block->next) {
        always_assert(!block->awaits_header, "a deferred header is filled before it is sent");
        size_t length = block->length - block->sent;
        if (length > limit - *total)
            length = limit - *total;
        if (length == 0)
            continue;
        // writev() reads only, though its type does not say so.
        pieces[count++] =
            (struct iovec){.iov_base = (void *)((uintptr_t)block->data + block->sent), .iov_len = length};
        *total += length;
    }
    return count;
}

// Takes `count` sent bytes off the front.
static void drop_sent(struct output *output, size_t count) {
    output->pending -= count;
    if (output->pending == 0) {
        output_release(output);
        return;
    }
    for (;;) {
        struct output_block *block = output->first;
        size_t left = block->length - block->sent;
        if (count < left) {
            block->sent += count;
            return;
        }
        count -= left;
        output->first = block->next;
        output_free_block(block);
    }
}

int64_t output_send(struct output *output, int fd, size_t limit) {
    size_t sent = 0;
    if (output->pending == 0)
        output_release(output); // what was truncated to nothing
    while (output->pending != 0 && sent < limit) {
        struct iovec pieces[PIECES_AT_ONCE];
        size_t total = 0;
        int count = gather(output, limit - sent, pieces, &total);
        ssize_t written = writev(fd, pieces, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? (int64_t)sent : -1;
        drop_sent(output, (size_t)written);
        sent += (size_t)written;
        if ((size_t)written < total)
            break;
    }
    return (int64_t)sent;
}
