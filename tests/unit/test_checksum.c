// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C: the known check value, and the instruction against the table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/checksum.h"

static void the_check_value_is_the_standards(void **state) {
    (void)state;
    assert_int_equal(checksum_extend(0, BYTES_LITERAL("123456789")), 0xe3069283);
    assert_int_equal(checksum_extend_slowly(0, BYTES_LITERAL("123456789")), 0xe3069283);
    assert_int_equal(checksum_extend(0, (struct bytes){0}), 0);
}

static void both_ways_agree_at_every_length_and_in_pieces(void **state) {
    (void)state;
    char data[100];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 37 + 11);
    for (size_t length = 0; length <= sizeof(data); length++) {
        uint32_t whole = checksum_extend_slowly(0, (struct bytes){data, length});
        size_t half = length / 2;
        uint32_t front = checksum_extend(0, (struct bytes){data, half});
        assert_int_equal(checksum_extend(0, (struct bytes){data, length}), whole);
        assert_int_equal(checksum_extend(front, (struct bytes){data + half, length - half}), whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_is_the_standards),
        cmocka_unit_test(both_ways_agree_at_every_length_and_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
