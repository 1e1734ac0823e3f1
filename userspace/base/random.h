// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that nobody can predict, from the kernel. Thread-safe. May use: the C library.
#ifndef KVFENCE_BASE_RANDOM_H
#define KVFENCE_BASE_RANDOM_H

#include <stdint.h>

uint64_t random_number(void);
// Evenly from 0 to `limit` - 1; `limit` is not 0.
uint64_t random_below(uint64_t limit);

#endif
