// SPDX-License-Identifier: Apache-2.0
//
// Random numbers that nobody can predict, from the kernel. Thread-safe, but for sequences. May use: the C
// library.
#ifndef KVFENCE_BASE_RANDOM_H
#define KVFENCE_BASE_RANDOM_H

#include <stdint.h>

uint64_t random_number(void);
// Evenly from 0 to `limit` - 1; `limit` is not 0.
uint64_t random_below(uint64_t limit);

// Many numbers that follow from one of the kernel's and cost next to nothing: for what is only to look
// random, as who sees enough of them could go on. Not thread-safe.
struct random_sequence {
    uint64_t state;
};
struct random_sequence random_sequence_begin(void);
uint64_t random_sequence_below(struct random_sequence *sequence, uint64_t limit);
double random_sequence_fraction(struct random_sequence *sequence); // from 0 to less than 1

#endif
