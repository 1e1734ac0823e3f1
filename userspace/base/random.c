// SPDX-License-Identifier: Apache-2.0
//
// Random numbers by getrandom(). Uses: assert.
#include "base/random.h"

#include "base/assert.h"

#include <stdbool.h>
#include <sys/random.h>

uint64_t random_number(void) {
    uint64_t number = 0;
    while (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        continue; // interrupted by a signal
    return number;
}

// Numbers above the last whole multiple of the limit would make the small ones likelier.
static bool is_within(uint64_t number, uint64_t limit) {
    return number < UINT64_MAX - UINT64_MAX % limit;
}

uint64_t random_below(uint64_t limit) {
    always_assert(limit != 0, "a number is drawn from at least one");
    uint64_t number = random_number();
    while (!is_within(number, limit))
        number = random_number();
    return number % limit;
}

struct random_sequence random_sequence_begin(void) {
    return (struct random_sequence){.state = random_number()};
}

// Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
static uint64_t next_number(struct random_sequence *sequence) {
    uint64_t word = sequence->state += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

uint64_t random_sequence_below(struct random_sequence *sequence, uint64_t limit) {
    always_assert(limit != 0, "a number is drawn from at least one");
    uint64_t number = next_number(sequence);
    while (!is_within(number, limit))
        number = next_number(sequence);
    return number % limit;
}

double random_sequence_fraction(struct random_sequence *sequence) {
    const double steps = 9007199254740992.0; // 2^53: all that a double holds
    return (double)(next_number(sequence) >> 11) / steps;
}
