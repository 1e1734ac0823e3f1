// SPDX-License-Identifier: Apache-2.0
//
// Keys that are named twice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/first_places.h"

#include <stdlib.h>

static void keys_that_are_named_again_lead_to_the_first_place(void **state) {
    (void)state;
    const struct bytes keys[] = {BYTES_LITERAL("b"),  BYTES_LITERAL("a"), BYTES_LITERAL("b"),
                                 BYTES_LITERAL("aa"), BYTES_LITERAL("b"), BYTES_LITERAL("a")};
    const size_t expected[] = {0, 1, 0, 3, 0, 1};
    size_t *places = first_places(keys, 6);
    assert_memory_equal(places, expected, sizeof(expected));
    free(places);
}

static size_t first_equal(const struct bytes *keys, size_t place) {
    size_t first = 0;
    while (!bytes_equal(keys[first], keys[place]))
        first++;
    return first;
}

static void however_often_and_wherever_they_are_named(void **state) {
    (void)state;
    enum { KEYS = 500 };
    static const char names[] = "the quick brown fox jumps over the lazy dog";
    struct bytes keys[KEYS];
    for (size_t i = 0; i < KEYS; i++)
        keys[i] = (struct bytes){names + i * i % 41, i * 7 % 3};
    size_t *places = first_places(keys, KEYS);
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(places[i], first_equal(keys, i));
    free(places);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_named_again_lead_to_the_first_place),
        cmocka_unit_test(however_often_and_wherever_they_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
