// SPDX-License-Identifier: Apache-2.0
//
// Random numbers by getrandom(). Uses: assert.
#include "base/random.h"

#include "base/assert.h"

#include <sys/random.h>

uint64_t random_number(void) {
    uint64_t number = 0;
    while (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        continue; // interrupted by a signal
    return number;
}

uint64_t random_below(uint64_t limit) {
    always_assert(limit != 0, "a number is drawn from at least one");
    // Numbers above the last whole multiple of the limit would make the small ones likelier.
    uint64_t beyond = UINT64_MAX - UINT64_MAX % limit;
    uint64_t number = random_number();
    while (number >= beyond)
        number = random_number();
    return number % limit;
}
