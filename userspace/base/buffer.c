// SPDX-License-Identifier: Apache-2.0
//
// Growable bytes. Uses: memory, assert.
#include "base/buffer.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

char *buffer_reserve(struct buffer *buffer, size_t more) {
    always_assert(more <= SIZE_MAX / 2 - buffer->length, "a buffer's size can be counted");
    size_t needed = buffer->length + more;
    if (needed > buffer->capacity || buffer->data == NULL) {
        size_t doubled = buffer->capacity * 2;
        buffer->capacity = needed > doubled ? needed : doubled;
        if (buffer->capacity < 64)
            buffer->capacity = 64;
        buffer->data = memory_reallocate(buffer->data, buffer->capacity);
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, struct bytes bytes) {
    char *to = buffer_reserve(buffer, bytes.length);
    if (bytes.length != 0)
        memcpy(to, bytes.data, bytes.length);
    buffer->length += bytes.length;
}

void buffer_append_counted(struct buffer *buffer, struct bytes bytes) {
    buffer_append(buffer, (struct bytes){(const char *)&bytes.length, sizeof(bytes.length)});
    buffer_append(buffer, bytes);
}

struct bytes bytes_take_counted(struct bytes *rest) {
    size_t length = 0;
    memcpy(&length, rest->data, sizeof(length));
    struct bytes taken = {rest->data + sizeof(length), length};
    *rest = (struct bytes){taken.data + length, rest->length - sizeof(length) - length};
    return taken;
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, bytes_from_text(text));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    always_assert(length >= 0, "a format of the server's own is valid");
    char *to = buffer_reserve(buffer, (size_t)length + 1);
    va_start(arguments, format);
    (void)vsnprintf(to, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

void buffer_release(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}
