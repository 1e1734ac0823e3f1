// SPDX-License-Identifier: Apache-2.0
//
// Checked allocation. Uses: log.
#include "base/memory.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static void *or_abort(void *block, size_t size) {
    if (block == NULL) {
        log_write(LOG_FATAL, __FILE__, __LINE__, "out of memory: %zu bytes could not be allocated", size);
        abort();
    }
    return block;
}

void *memory_allocate(size_t size) {
    return or_abort(malloc(size == 0 ? 1 : size), size);
}

void *memory_allocate_zeroed(size_t count, size_t size) {
    return or_abort(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size), count * size);
}

void *memory_reallocate(void *block, size_t size) {
    return or_abort(realloc(block, size == 0 ? 1 : size), size);
}

char *memory_copy_text(const char *text) {
    return memory_copy(text, strlen(text) + 1);
}

void *memory_copy(const void *data, size_t size) {
    void *copy = memory_allocate(size);
    if (size != 0)
        memcpy(copy, data, size);
    return copy;
}

void *memory_try_allocate(size_t size) {
    return malloc(size == 0 ? 1 : size);
}

void *memory_try_allocate_zeroed(size_t size) {
    return calloc(1, size == 0 ? 1 : size);
}

void *memory_try_reallocate(void *block, size_t size) {
    return realloc(block, size == 0 ? 1 : size);
}
