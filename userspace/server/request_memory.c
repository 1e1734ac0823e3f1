// SPDX-License-Identifier: Apache-2.0
//
// Where a request parser's bytes lie: in the owner's scratch area, in the parser's buffer, or in a block for
// one big bulk string; and how they move from one to the other. All sizes here are chosen by clients, so
// running out of memory is an answer and not the end. Uses: base/{assert,memory}.
#include "server/request_parser_state.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>

enum {
    SMALLEST_ROOM = 16 * 1024, // offered to a read, so that a pipeline needs few of them
    WASTE_ALLOWED = 64 * 1024  // a buffer up to this size is not shrunk
};

struct request_parser *request_parser_open(void) {
    struct request_parser *parser = memory_allocate_zeroed(1, sizeof(*parser));
    parser->arguments = parser->few;
    parser->capacity = REQUEST_FEW_ARGUMENTS;
    return parser;
}

static void release_arguments(struct request_parser *parser) {
    if (parser->arguments == parser->few)
        return;
    free(parser->arguments);
    parser->arguments = parser->few;
    parser->capacity = REQUEST_FEW_ARGUMENTS;
}

void request_release_extras(struct request_parser *parser) {
    while (parser->big != NULL) {
        struct big_bulk *next = parser->big->next;
        free(parser->big);
        parser->big = next;
    }
    parser->big_size = 0;
    free(parser->words);
    parser->words = NULL;
    if (parser->capacity > REQUEST_KEPT_ARGUMENTS)
        release_arguments(parser);
}

void request_parser_close(struct request_parser *parser) {
    if (parser == NULL)
        return;
    request_release_extras(parser);
    release_arguments(parser);
    free(parser->own);
    free(parser->error);
    free(parser);
}

bool request_grow_arguments(struct request_parser *parser) {
    if (parser->capacity > UINT32_MAX / 4)
        return false;
    bool are_few = parser->arguments == parser->few;
    uint32_t capacity = parser->capacity * 4;
    struct bytes *grown =
        memory_try_reallocate(are_few ? NULL : parser->arguments, capacity * sizeof(struct bytes));
    if (grown == NULL)
        return false;
    if (are_few)
        memcpy(grown, parser->few, sizeof(parser->few));
    parser->arguments = grown;
    parser->capacity = capacity;
    return true;
}

bool request_begin_big_bulk(struct request_parser *parser) {
    size_t size = parser->bulk_length + REQUEST_LINE_END;
    struct big_bulk *big = memory_try_allocate(sizeof(*big) + size);
    if (big == NULL)
        return false;
    *big = (struct big_bulk){.next = parser->big, .size = size, .filled = parser->length - parser->position};
    memcpy(big->data, parser->data + parser->position, big->filled);
    parser->length = parser->position;
    parser->big = big;
    parser->big_size += size;
    parser->bulk_is_big = true;
    return true;
}

static bool big_bulk_is_short(const struct request_parser *parser) {
    return parser->bulk_is_big && parser->big->filled < parser->big->size;
}

static bool holds_nothing(const struct request_parser *parser) {
    return parser->start == parser->length;
}

static void forget_data(struct request_parser *parser) {
    free(parser->own);
    parser->own = NULL;
    parser->own_capacity = 0;
    parser->data = NULL;
    parser->length = parser->start = parser->position = parser->searched = 0;
}

// The arguments that point into `data` follow it to its new place; those in big bulks stay.
static void move_arguments(struct request_parser *parser, const char *to) {
    if (parser->words != NULL)
        return;
    uintptr_t from = (uintptr_t)(parser->data + parser->start);
    for (uint32_t i = 0; i < parser->found; i++) {
        uintptr_t offset = (uintptr_t)parser->arguments[i].data - from;
        if (offset < parser->length - parser->start)
            parser->arguments[i].data = to + offset;
    }
}

// Moves what is not consumed to `to`, which may overlap with where it is.
static void move_data(struct request_parser *parser, char *to) {
    move_arguments(parser, to);
    memmove(to, parser->data + parser->start, parser->length - parser->start);
    parser->data = to;
    parser->length -= parser->start;
    parser->position -= parser->start;
    parser->start = 0;
}

static bool move_to_new_buffer(struct request_parser *parser, size_t capacity) {
    char *buffer = memory_try_allocate(capacity);
    if (buffer == NULL)
        return false;
    move_data(parser, buffer);
    free(parser->own);
    parser->own = buffer;
    parser->own_capacity = capacity;
    return true;
}

// Growing doubles and compacting waits until half of the buffer is free, so each byte moves a few times only.
static bool make_room(struct request_parser *parser) {
    if (parser->own_capacity - parser->length >= SMALLEST_ROOM)
        return true;
    size_t held = parser->length - parser->start;
    if (held <= parser->own_capacity / 2 && parser->own_capacity - held >= SMALLEST_ROOM) {
        move_data(parser, parser->own);
        return true;
    }
    return move_to_new_buffer(parser, held + (held > SMALLEST_ROOM ? held : SMALLEST_ROOM));
}

bool request_parser_room(struct request_parser *parser, char **to, size_t *room) {
    if (holds_nothing(parser)) {
        forget_data(parser);
        return false;
    }
    always_assert(parser->data == parser->own, "bytes are received only while none are attached");
    if (big_bulk_is_short(parser)) {
        *to = parser->big->data + parser->big->filled;
        *room = parser->big->size - parser->big->filled;
        return true;
    }
    *room = make_room(parser) ? parser->own_capacity - parser->length : 0;
    *to = parser->own + parser->length;
    return true;
}

void request_parser_filled(struct request_parser *parser, size_t count) {
    if (big_bulk_is_short(parser)) {
        always_assert(count <= parser->big->size - parser->big->filled, "a read stays within its room");
        parser->big->filled += count;
        return;
    }
    always_assert(count <= parser->own_capacity - parser->length, "a read stays within its room");
    parser->length += count;
}

void request_parser_attach(struct request_parser *parser, const char *data, size_t length) {
    always_assert(holds_nothing(parser), "bytes are attached only to an empty parser");
    forget_data(parser);
    parser->data = data;
    parser->length = length;
}

bool request_parser_detach(struct request_parser *parser) {
    if (parser->expected == 0 && !parser->ready)
        release_arguments(parser);
    size_t held = parser->length - parser->start;
    if (held == 0 || parser->error != NULL) {
        forget_data(parser);
        return true;
    }
    if (parser->data != parser->own) {
        if (move_to_new_buffer(parser, held))
            return true;
        parser->expected = parser->found = 0;
        parser->ready = false;
        forget_data(parser);
        return false;
    }
    // Without memory for a smaller buffer the big one does as well.
    if (parser->own_capacity > WASTE_ALLOWED && held < parser->own_capacity / 4)
        (void)move_to_new_buffer(parser, held + SMALLEST_ROOM);
    return true;
}

size_t request_parser_following(const struct request_parser *parser) {
    return parser->length - parser->position;
}

size_t request_parser_pending(const struct request_parser *parser) {
    size_t missing = big_bulk_is_short(parser) ? parser->big->size - parser->big->filled : 0;
    return parser->length - parser->start + parser->big_size - missing;
}

size_t request_parser_memory(const struct request_parser *parser) {
    size_t arguments = parser->arguments == parser->few ? 0 : parser->capacity * sizeof(struct bytes);
    size_t missing = big_bulk_is_short(parser) ? parser->big->size - parser->big->filled : 0;
    return sizeof(*parser) + arguments + parser->own_capacity + parser->big_size - missing;
}
