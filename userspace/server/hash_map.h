// SPDX-License-Identifier: Apache-2.0
//
// uthash with the server's own allocation, so that running out of memory is logged like everywhere else. For
// maps off the hot path. May use: base.
#ifndef KVFENCE_SERVER_HASH_MAP_H
#define KVFENCE_SERVER_HASH_MAP_H

#include "base/memory.h"

#include <stdlib.h>

#define uthash_malloc(size)      memory_allocate(size)
#define uthash_free(block, size) free(block)
#include <uthash.h>

#endif
