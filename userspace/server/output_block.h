// SPDX-License-Identifier: Apache-2.0
//
// The blocks that an output is made of, and the way to write into the last one without a call. Private to
// output.c, output_send.c and reply.c. May use: base, server/output.
//
// The last block always has text of its own, maybe without room left. What cannot be appended to it (a header
// that becomes known later, a reference) becomes a block that is cut out of the last one's free end, and what
// remains of that becomes the new last block: neither costs an allocation, and no free room is lost. So
// several blocks may lie in one allocation, their home, which is freed with the last of them.
#ifndef KVFENCE_SERVER_OUTPUT_BLOCK_H
#define KVFENCE_SERVER_OUTPUT_BLOCK_H

#include "server/output.h"

enum { OUTPUT_RESERVE_MAXIMUM = 1024 };

struct output_block {
    struct output_block *next;
    const char *data; // `text`, or what a reference refers to
    size_t sent;
    size_t length;   // with what is sent
    size_t capacity; // 0: nothing can be appended
    void (*release)(void *owner);
    void *owner;
    struct output_block *home; // the block at the beginning of the allocation, maybe itself
    uint32_t tenants;          // of a home: how many blocks live in it
    bool awaits_header;
    char text[];
};

// What output_reserve() does where the last block has no room.
char *output_reserve_block(struct output *output, size_t size);
// Frees one block, and what it refers to.
void output_free_block(struct output_block *block);

// Room for `size` (at most OUTPUT_RESERVE_MAXIMUM) contiguous bytes at the end; output_advance() then adds
// what was written of them.
static inline char *output_reserve(struct output *output, size_t size) {
    struct output_block *last = output->last;
    if (last != NULL && last->capacity - last->length >= size)
        return last->text + last->length;
    return output_reserve_block(output, size);
}

static inline void output_advance(struct output *output, size_t size) {
    output->last->length += size;
    output->pending += size;
}

#endif
