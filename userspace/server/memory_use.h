// SPDX-License-Identifier: Apache-2.0
//
// What memory the process uses, as its allocator (jemalloc if it is linked, else the C library's) and the
// kernel count it. May use: base. Thread-safe.
#ifndef KVFENCE_SERVER_MEMORY_USE_H
#define KVFENCE_SERVER_MEMORY_USE_H

#include "base/buffer.h"

#include <stdint.h>

struct memory_use {
    uint64_t allocated; // by the server and RocksDB
    uint64_t active;    // in pages that hold allocations
    uint64_t mapped;    // resident, as the allocator sees it
    uint64_t resident;  // of the whole process, as the kernel sees it; 0: /proc could not be read
    uint64_t peak;      // the most that was ever resident
    uint64_t system;    // of the machine
};
struct memory_use memory_use_now(void);

// Appends the allocator's name: "jemalloc-5.3.0", "libc".
void memory_use_allocator(struct buffer *out);
// Appends the allocator's own report.
void memory_use_report(struct buffer *out);
// Gives back to the kernel what the allocator holds and does not use.
void memory_use_purge(void);

#endif
