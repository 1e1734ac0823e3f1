// SPDX-License-Identifier: Apache-2.0
//
// Random numbers: within their limits, and every one of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

#include <stdbool.h>

static void numbers_below_a_limit_are_below_it_and_all_of_them_come(void **state) {
    (void)state;
    enum { LIMIT = 7, DRAWS = 10000 };
    bool seen[LIMIT] = {false};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t number = random_below(LIMIT);
        assert_true(number < LIMIT);
        seen[number] = true;
    }
    for (int i = 0; i < LIMIT; i++)
        assert_true(seen[i]);
    assert_int_equal(random_below(1), 0);
}

static void two_numbers_differ(void **state) {
    (void)state;
    assert_true(random_number() != random_number()); // the same once in 2^64
}

static void sequences_differ_and_have_all_numbers_below_a_limit(void **state) {
    (void)state;
    enum { LIMIT = 7, DRAWS = 70000 };
    unsigned met[LIMIT] = {0};
    struct random_sequence sequence = random_sequence_begin();
    struct random_sequence other = random_sequence_begin();
    assert_true(sequence.state != other.state);
    for (int i = 0; i < DRAWS; i++) {
        double fraction = random_sequence_fraction(&other);
        assert_true(fraction >= 0 && fraction < 1);
        met[random_sequence_below(&sequence, LIMIT)]++;
    }
    for (int i = 0; i < LIMIT; i++)
        assert_in_range(met[i], DRAWS / LIMIT - 1000, DRAWS / LIMIT + 1000); // ten standard deviations
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_below_a_limit_are_below_it_and_all_of_them_come),
        cmocka_unit_test(two_numbers_differ),
        cmocka_unit_test(sequences_differ_and_have_all_numbers_below_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
