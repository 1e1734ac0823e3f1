// SPDX-License-Identifier: Apache-2.0
//
// The chain of blocks of an output: appending, marks, deferred headers. Uses: base/{assert,memory}.
#include "server/output.h"

#include "base/assert.h"
#include "base/memory.h"
#include "server/output_block.h"

#include <stdalign.h>
#include <stdlib.h>

// Sizes of blocks with their headers: for a client that gets one small reply, and for a busy one. The
// smallest doubled some times is the largest, and all of these are sizes that malloc does not round up.
enum { SMALLEST_BLOCK = 1280, LARGEST_BLOCK = 16 * SMALLEST_BLOCK };

// Makes a block at `place`, which holds `size` bytes from there on, and links it as the last.
static struct output_block *add_block(struct output *output, void *place, size_t size,
                                      struct output_block *home) {
    struct output_block *block = place;
    *block = (struct output_block){.capacity = size - sizeof(*block), .home = home};
    block->data = block->text;
    if (home == NULL)
        block->home = block;
    block->home->tenants++;
    if (output->last != NULL)
        output->last->next = block;
    else
        output->first = block;
    output->last = block;
    return block;
}

// The more is pending, the bigger the next block; in any case big enough for `size` more bytes.
static struct output_block *allocate_block(struct output *output, size_t size) {
    size_t needed = sizeof(struct output_block) + size;
    size_t total = SMALLEST_BLOCK;
    while (total < output->pending && total < LARGEST_BLOCK)
        total *= 2;
    if (total < needed)
        total = needed;
    return add_block(output, memory_allocate(total), total, NULL);
}

void output_free_block(struct output_block *block) {
    if (block->release != NULL)
        block->release(block->owner);
    struct output_block *home = block->home;
    if (--home->tenants == 0)
        free(home);
}

char *output_reserve_block(struct output *output, size_t size) {
    return allocate_block(output, size)->text;
}

void output_append(struct output *output, struct bytes bytes) {
    struct output_block *last = output->last;
    size_t room = last == NULL ? 0 : last->capacity - last->length;
    size_t now = bytes.length < room ? bytes.length : room;
    if (now != 0) {
        memcpy(last->text + last->length, bytes.data, now);
        output_advance(output, now);
    }
    size_t rest = bytes.length - now;
    if (rest == 0)
        return;
    memcpy(output_reserve_block(output, rest), bytes.data + now, rest);
    output_advance(output, rest);
}

// Cuts a block with `room` bytes out of the last one's free end, and makes a new last block of what remains.
static struct output_block *cut_block(struct output *output, size_t room) {
    size_t alignment = alignof(struct output_block);
    size_t size = (sizeof(struct output_block) + room + alignment - 1) & ~(alignment - 1);
    size_t needed = alignment - 1 + size + sizeof(struct output_block);
    struct output_block *last = output->last;
    if (last == NULL || last->capacity - last->length < needed)
        last = allocate_block(output, needed);
    char *end = last->text + last->capacity;
    char *place = last->text + last->length;
    place += -(uintptr_t)place & (alignment - 1);
    last->capacity = last->length;
    struct output_block *cut = add_block(output, place, size, last->home);
    cut->capacity = 0;
    place += size;
    (void)add_block(output, place, (size_t)(end - place), last->home);
    return cut;
}

void output_append_reference(struct output *output, struct bytes bytes, void (*release)(void *owner),
                             void *owner) {
    struct output_block *block = cut_block(output, 0);
    block->data = bytes.data;
    block->length = bytes.length;
    block->release = release;
    block->owner = owner;
    output->pending += bytes.length;
}

struct output_block *output_defer(struct output *output) {
    struct output_block *block = cut_block(output, OUTPUT_DEFERRED_SIZE);
    block->awaits_header = true;
    return block;
}

void output_fill_deferred(struct output *output, struct output_block *deferred, struct bytes header) {
    always_assert(deferred->awaits_header && header.length <= OUTPUT_DEFERRED_SIZE,
                  "a deferred header is filled once and is short");
    memcpy(deferred->text, header.data, header.length);
    deferred->length = header.length;
    deferred->awaits_header = false;
    output->pending += header.length;
}

static void free_chain(struct output_block *block) {
    while (block != NULL) {
        struct output_block *next = block->next;
        output_free_block(block);
        block = next;
    }
}

struct output_mark output_mark(const struct output *output) {
    const struct output_block *last = output->last;
    return (struct output_mark){
        .block = output->last, .length = last == NULL ? 0 : last->length, .pending = output->pending};
}

void output_truncate(struct output *output, struct output_mark mark) {
    if (mark.block == NULL) {
        output_release(output);
        return;
    }
    free_chain(mark.block->next);
    mark.block->next = NULL;
    mark.block->length = mark.length;
    output->last = mark.block;
    output->pending = mark.pending;
}

void output_copy(const struct output *output, char *to) {
    for (const struct output_block *block = output->first; block != NULL; block = block->next) {
        size_t left = block->length - block->sent;
        if (left != 0)
            memcpy(to, block->data + block->sent, left);
        to += left;
    }
}

void output_move(struct output *to, struct output *from) {
    if (from->first == NULL)
        return;
    if (to->last == NULL)
        to->first = from->first;
    else
        to->last->next = from->first;
    to->last = from->last;
    to->pending += from->pending;
    *from = (struct output){0};
}

void output_release(struct output *output) {
    free_chain(output->first);
    *output = (struct output){0};
}
