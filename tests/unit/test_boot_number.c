// SPDX-License-Identifier: Apache-2.0
//
// The number of this boot: the same as long as the host runs, another after it was started anew.
#include "base/boot_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

static void it_stays_the_same_while_the_host_runs(void **state) {
    (void)state;
    char error[256];
    uint64_t first = 0;
    uint64_t second = 1;
    assert_true(boot_number(&first, error, sizeof(error)));
    assert_true(boot_number(&second, error, sizeof(error)));
    assert_true(first == second);
    assert_true(first < UINT64_C(1) << BOOT_NUMBER_BITS);
}

// No two within a year, the longest that readings of one boot could reach into those of another.
static void names_that_differ_in_a_digit_are_far_apart(void **state) {
    (void)state;
    char text[64];
    uint64_t numbers[256];
    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(text, sizeof(text), "0c9d4f4e-6f0b-4a6b-8d0e-1d2f3a4b5c%02x\n", i);
        numbers[i] = boot_number_of(bytes_from_text(text));
        assert_true(numbers[i] < UINT64_C(1) << BOOT_NUMBER_BITS);
        for (unsigned other = 0; other < i; other++) {
            uint64_t low = numbers[i] < numbers[other] ? numbers[i] : numbers[other];
            assert_true(numbers[i] + numbers[other] - 2 * low > UINT64_C(366) * 86400000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_the_same_while_the_host_runs),
        cmocka_unit_test(names_that_differ_in_a_digit_are_far_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
