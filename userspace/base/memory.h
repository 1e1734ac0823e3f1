// SPDX-License-Identifier: Apache-2.0
//
// Memory whose exhaustion is decided in one place. The plain functions are for the server's own needs, where
// there is nothing sensible to do without the memory: they log and abort. memory_try_* are for sizes that a
// client chooses; they return NULL and the client gets an error. Released with free(). Thread-safe.
#ifndef KVFENCE_BASE_MEMORY_H
#define KVFENCE_BASE_MEMORY_H

#include <stddef.h>

void *memory_allocate(size_t size); // uninitialised
void *memory_allocate_zeroed(size_t count, size_t size);
void *memory_reallocate(void *block, size_t size);
char *memory_copy_text(const char *text);
void *memory_copy(const void *data, size_t size); // size 0 gives a block that can be freed
void *memory_try_allocate(size_t size);
void *memory_try_allocate_zeroed(size_t size);
void *memory_try_reallocate(void *block, size_t size);

#endif
