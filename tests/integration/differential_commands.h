// SPDX-License-Identifier: Apache-2.0
//
// Random commands for the comparison with another server: a table of what they look like, and the pools that
// their arguments are drawn from. Everything follows from the seed. May use: the C library.
#ifndef KVFENCE_TESTS_INTEGRATION_DIFFERENTIAL_COMMANDS_H
#define KVFENCE_TESTS_INTEGRATION_DIFFERENTIAL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RANDOM_ARGUMENTS_MAX = 64, RANDOM_ARENA_SIZE = 16 << 10 };

struct random_command {
    const char *arguments[RANDOM_ARGUMENTS_MAX];
    size_t lengths[RANDOM_ARGUMENTS_MAX];
    int count;
    bool any_order;                // Redis promises no order of the reply's elements
    bool in_pairs;                 // two elements each belong together: a field and its value
    char arena[RANDOM_ARENA_SIZE]; // backs the arguments
    size_t used;
};

void random_command_make(uint64_t *seed, struct random_command *out);

// The keys that the commands use: name number `index`, or NULL behind the last one.
const char *random_key_name(size_t index);
uint64_t random_step(uint64_t *seed); // splitmix64

#endif
