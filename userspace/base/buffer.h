// SPDX-License-Identifier: Apache-2.0
//
// A growable run of bytes that its holder owns. Growth is for the server's own needs: out of memory aborts.
// Not thread-safe. May use: base/bytes, base/memory.
#ifndef KVFENCE_BASE_BUFFER_H
#define KVFENCE_BASE_BUFFER_H

#include "base/bytes.h"

// Zero-initialised is empty and valid.
struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

// Makes room for `more` bytes after the length and returns where they go; the length stays.
char *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, struct bytes bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
__attribute__((format(printf, 2, 3))) void buffer_append_format(struct buffer *buffer, const char *format,
                                                                ...);
void buffer_release(struct buffer *buffer); // frees and empties

// A run of byte strings, each behind its length, in the process's own byte order: never for a file or a wire.
void buffer_append_counted(struct buffer *buffer, struct bytes bytes);
// Takes the first of them off `rest`, which is what such a buffer holds and is not empty. Points into it.
struct bytes bytes_take_counted(struct bytes *rest);

static inline void buffer_clear(struct buffer *buffer) {
    buffer->length = 0;
}

// Borrowed: valid until the buffer is next changed.
static inline struct bytes buffer_bytes(const struct buffer *buffer) {
    return (struct bytes){.data = buffer->data, .length = buffer->length};
}

#endif
