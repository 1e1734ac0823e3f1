// SPDX-License-Identifier: Apache-2.0
//
// Counting, finding and combining bits, against a slow bit by bit reckoning.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/bitmap_bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned random_seed(void) {
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    return seed;
}

static void numbers_bits_from_the_most_significant_one_of_the_first_byte(void **state) {
    (void)state;
    struct bytes bytes = BYTES_LITERAL("\x80\x01");
    assert_true(bits_get(bytes, 0));
    assert_false(bits_get(bytes, 1));
    assert_false(bits_get(bytes, 14));
    assert_true(bits_get(bytes, 15));
}

static void takes_bits_after_the_end_for_zero(void **state) {
    (void)state;
    assert_false(bits_get(BYTES_LITERAL("\xff"), 8));
    assert_false(bits_get((struct bytes){0}, 0));
    assert_false(bits_get(BYTES_LITERAL("\xff"), UINT64_MAX));
}

static void counts_both_ends_of_a_range(void **state) {
    (void)state;
    struct bytes foobar = BYTES_LITERAL("foobar");
    assert_int_equal(bits_count(foobar, (struct bit_range){0, 47}), 26);
    assert_int_equal(bits_count(foobar, (struct bit_range){8, 15}), 6);
    assert_int_equal(bits_count(foobar, (struct bit_range){5, 30}), 17);
    assert_int_equal(bits_count(foobar, (struct bit_range){1, 1}), 1);
    assert_int_equal(bits_count(foobar, (struct bit_range){0, 0}), 0);
}

static void finds_the_first_set_and_the_first_clear_bit(void **state) {
    (void)state;
    assert_int_equal(bits_find(BYTES_LITERAL("\xff\xf0\x00"), (struct bit_range){0, 23}, false), 12);
    assert_int_equal(bits_find(BYTES_LITERAL("\x00\xff\xf0"), (struct bit_range){0, 23}, true), 8);
    assert_int_equal(bits_find(BYTES_LITERAL("\x00\xff\xf0"), (struct bit_range){16, 23}, true), 16);
}

static void finds_nothing_outside_the_range(void **state) {
    (void)state;
    assert_int_equal(bits_find(BYTES_LITERAL("\x01\x00\x80"), (struct bit_range){8, 15}, true), -1);
    assert_int_equal(bits_find(BYTES_LITERAL("\x01\x00\x80"), (struct bit_range){8, 16}, true), 16);
    assert_int_equal(bits_find(BYTES_LITERAL("\x3c"), (struct bit_range){2, 5}, false), -1);
    assert_int_equal(bits_find(BYTES_LITERAL("\x3c"), (struct bit_range){2, 6}, false), 6);
}

static uint64_t slow_count(struct bytes bytes, struct bit_range range) {
    uint64_t count = 0;
    for (uint64_t i = range.first; i <= range.last; i++)
        count += bits_get(bytes, i);
    return count;
}

static int64_t slow_find(struct bytes bytes, struct bit_range range, bool wanted) {
    for (uint64_t i = range.first; i <= range.last; i++)
        if (bits_get(bytes, i) == wanted)
            return (int64_t)i;
    return -1;
}

enum { LONGEST = 40 };

// Mostly runs of equal bytes, so that whole words are skipped.
static struct bytes random_bytes(char out[LONGEST], unsigned *seed) {
    static const char fillings[] = {'\x00', '\xff', '\x55'};
    size_t length = 1 + (size_t)rand_r(seed) % LONGEST;
    memset(out, fillings[rand_r(seed) % 3], length);
    for (int changes = rand_r(seed) % 3; changes > 0; changes--)
        out[(size_t)rand_r(seed) % length] = (char)rand_r(seed);
    return (struct bytes){out, length};
}

static void random_ranges_agree_with_a_walk_over_the_bits(void **state) {
    (void)state;
    unsigned seed = random_seed();
    for (int round = 0; round < 20000; round++) {
        char memory[LONGEST];
        struct bytes bytes = random_bytes(memory, &seed);
        uint64_t bits = bytes.length * 8;
        struct bit_range range;
        range.first = (uint64_t)rand_r(&seed) % bits;
        range.last = range.first + (uint64_t)rand_r(&seed) % (bits - range.first);
        assert_int_equal(bits_count(bytes, range), slow_count(bytes, range));
        assert_int_equal(bits_find(bytes, range, true), slow_find(bytes, range, true));
        assert_int_equal(bits_find(bytes, range, false), slow_find(bytes, range, false));
    }
}

static void assert_combined(enum bits_operation operation, struct bytes first, struct bytes second,
                            struct bytes expected) {
    struct buffer result = {0};
    assert_true(bits_combine(&result, BITS_OR, first));
    assert_true(bits_combine(&result, operation, second));
    assert_int_equal(result.length, expected.length);
    if (expected.length != 0)
        assert_memory_equal(result.data, expected.data, expected.length);
    buffer_release(&result);
}

static void combines_strings_of_equal_length(void **state) {
    (void)state;
    struct bytes a = BYTES_LITERAL("\x0f\x33");
    struct bytes b = BYTES_LITERAL("\x55\x55");
    assert_combined(BITS_AND, a, b, BYTES_LITERAL("\x05\x11"));
    assert_combined(BITS_OR, a, b, BYTES_LITERAL("\x5f\x77"));
    assert_combined(BITS_XOR, a, b, BYTES_LITERAL("\x5a\x66"));
}

static void fills_the_shorter_string_up_with_zeros(void **state) {
    (void)state;
    struct bytes longer = BYTES_LITERAL("\xff\xf0\x0f");
    struct bytes shorter = BYTES_LITERAL("\xaa");
    assert_combined(BITS_AND, longer, shorter, BYTES_LITERAL("\xaa\x00\x00"));
    assert_combined(BITS_AND, shorter, longer, BYTES_LITERAL("\xaa\x00\x00"));
    assert_combined(BITS_OR, shorter, longer, BYTES_LITERAL("\xff\xf0\x0f"));
    assert_combined(BITS_XOR, shorter, longer, BYTES_LITERAL("\x55\xf0\x0f"));
    assert_combined(BITS_XOR, longer, shorter, BYTES_LITERAL("\x55\xf0\x0f"));
}

static void takes_an_empty_string_for_zeros(void **state) {
    (void)state;
    struct bytes empty = {0};
    assert_combined(BITS_AND, BYTES_LITERAL("\xff"), empty, BYTES_LITERAL("\x00"));
    assert_combined(BITS_OR, BYTES_LITERAL("\xff"), empty, BYTES_LITERAL("\xff"));
    assert_combined(BITS_XOR, empty, BYTES_LITERAL("\xff"), BYTES_LITERAL("\xff"));
    assert_combined(BITS_AND, empty, empty, empty);
}

static void turns_every_bit_round_for_not(void **state) {
    (void)state;
    struct buffer result = {0};
    assert_true(bits_combine(&result, BITS_NOT, BYTES_LITERAL("\x00\xff\xa5")));
    assert_int_equal(result.length, 3);
    assert_memory_equal(result.data, "\xff\x00\x5a", 3);
    buffer_release(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_bits_from_the_most_significant_one_of_the_first_byte),
        cmocka_unit_test(takes_bits_after_the_end_for_zero),
        cmocka_unit_test(counts_both_ends_of_a_range),
        cmocka_unit_test(finds_the_first_set_and_the_first_clear_bit),
        cmocka_unit_test(finds_nothing_outside_the_range),
        cmocka_unit_test(random_ranges_agree_with_a_walk_over_the_bits),
        cmocka_unit_test(combines_strings_of_equal_length),
        cmocka_unit_test(fills_the_shorter_string_up_with_zeros),
        cmocka_unit_test(takes_an_empty_string_for_zeros),
        cmocka_unit_test(turns_every_bit_round_for_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
