// SPDX-License-Identifier: Apache-2.0
//
// Numbers as Redis reads and writes them.
#include "base/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { UNTOUCHED = 4711 };

static void integers_are_read_over_the_whole_range(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"0", 0},
        {"1", 1},
        {"-1", -1},
        {"10", 10},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t value = UNTOUCHED;
        assert_true(number_read_integer(bytes_from_text(rows[i].text), &value));
        assert_true(value == rows[i].value);
    }
}

static void what_is_not_a_plain_integer_is_refused_and_leaves_the_result(void **state) {
    (void)state;
    static const char *const rows[] = {"",
                                       "-",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "01",
                                       "-01",
                                       "00",
                                       "-0",
                                       "1.0",
                                       "1e3",
                                       "0x1",
                                       "--1",
                                       "a",
                                       "1\n2",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "18446744073709551616",
                                       "100000000000000000000"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t value = UNTOUCHED;
        assert_false(number_read_integer(bytes_from_text(rows[i]), &value));
        assert_int_equal(value, UNTOUCHED);
    }
    int64_t value = UNTOUCHED;
    assert_false(number_read_integer((struct bytes){0}, &value));
    assert_false(number_read_integer(BYTES_LITERAL("1\0"), &value));
}

static void unsigned_integers_are_read_up_to_64_bits(void **state) {
    (void)state;
    uint64_t value = UNTOUCHED;
    assert_true(number_read_unsigned(BYTES_LITERAL("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    value = UNTOUCHED;
    assert_false(number_read_unsigned(BYTES_LITERAL("18446744073709551616"), &value));
    assert_false(number_read_unsigned(BYTES_LITERAL("99999999999999999999"), &value));
    assert_false(number_read_unsigned(BYTES_LITERAL("-1"), &value));
    assert_int_equal(value, UNTOUCHED);
}

static void written_integers_read_back(void **state) {
    (void)state;
    static const int64_t values[] = {0, 1, -1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[NUMBER_INTEGER_SIZE];
        char expected[32];
        size_t length = number_write_integer(text, values[i]);
        (void)snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        assert_true(bytes_equal((struct bytes){text, length}, bytes_from_text(expected)));
    }
}

static void floats_are_read_as_strtold_reads_them(void **state) {
    (void)state;
    static const struct {
        const char *text;
        long double value;
    } rows[] = {{"0", 0},  {"-0", 0}, {"1.5", 1.5L},      {"-1e3", -1000},      {".5", 0.5L},
                {"5.", 5}, {"+2", 2}, {"inf", HUGE_VALL}, {"-Inf", -HUGE_VALL}, {"0x10", 16}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        long double value = UNTOUCHED;
        assert_true(number_read_float(bytes_from_text(rows[i].text), &value));
        assert_true(value == rows[i].value);
    }
}

static void what_is_not_a_float_is_refused(void **state) {
    (void)state;
    static const char *const rows[] = {"",      " 1", "1 ",  "\t1", "nan",    "-nan",   "nan(1)",
                                       "1.2.3", "1e", "abc", "1,5", "1e5000", "1e-5000"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        long double value = UNTOUCHED;
        assert_false(number_read_float(bytes_from_text(rows[i]), &value));
        assert_true(value == UNTOUCHED);
    }
    long double value = UNTOUCHED;
    assert_false(number_read_float(BYTES_LITERAL("1\0"), &value));
}

static void a_float_longer_than_any_buffer_is_refused(void **state) {
    (void)state;
    char text[NUMBER_FLOAT_SIZE];
    memset(text, '1', sizeof(text));
    long double value = UNTOUCHED;
    assert_false(number_read_float((struct bytes){text, sizeof(text)}, &value));
    assert_true(number_read_float((struct bytes){text, 4000}, &value));
}

static void floats_are_written_without_exponent_and_trailing_zeros(void **state) {
    (void)state;
    static const struct {
        long double value;
        const char *text;
    } rows[] = {{0, "0"},           {-0.0L, "0"},
                {100, "100"},       {10.5L, "10.5"},
                {-3, "-3"},         {1e20L, "100000000000000000000"},
                {0.1L, "0.1"},      {1e-17L, "0.00000000000000001"},
                {1e-30L, "0"},      {-1e-30L, "0"},
                {HUGE_VALL, "inf"}, {-HUGE_VALL, "-inf"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[NUMBER_FLOAT_SIZE];
        size_t length = number_write_float(text, rows[i].value);
        assert_int_equal(length, strlen(rows[i].text));
        assert_memory_equal(text, rows[i].text, length);
    }
}

static void the_largest_float_fits(void **state) {
    (void)state;
    char text[NUMBER_FLOAT_SIZE];
    size_t length = number_write_float(text, -LDBL_MAX);
    assert_true(length > 4900 && length < sizeof(text));
    long double value = 0;
    assert_true(number_read_float((struct bytes){text, length}, &value));
    assert_true(value == -LDBL_MAX);
}

static void doubles_are_written_with_up_to_17_digits(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0, "0"},
                {1, "1"},
                {-0.0, "-0"},
                {0.1, "0.10000000000000001"},
                {-2.5, "-2.5"},
                {1.0 / 3, "0.33333333333333331"},
                {99999999999999984.0, "99999999999999984"},
                {-99999999999999984.0, "-99999999999999984"},
                {1e17, "1e+17"},
                {-1e17, "-1e+17"},
                {0.1 + 0.2, "0.30000000000000004"},
                {5e-324, "4.9406564584124654e-324"},
                {DBL_MAX, "1.7976931348623157e+308"},
                {HUGE_VAL, "inf"},
                {-HUGE_VAL, "-inf"},
                {(double)NAN, "nan"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[NUMBER_FLOAT_SIZE];
        size_t length = number_write_double(text, rows[i].value);
        assert_true(bytes_equal((struct bytes){text, length}, bytes_from_text(rows[i].text)));
    }
}

static void doubles_are_read_as_strtod_reads_them(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } rows[] = {{"0", 0},
                {"-17", -17},
                {"+1", 1},
                {"1.5", 1.5},
                {"1e3", 1000},
                {"0x10", 16},
                {"007", 7},
                {"inf", HUGE_VAL},
                {"-inf", -HUGE_VAL},
                {"+inf", HUGE_VAL},
                {"infinity", HUGE_VAL},
                {"5e-324", 5e-324},
                {"0.1", 0.1},
                {"9007199254740993", 9007199254740992.0},
                {"1.7976931348623157e308", DBL_MAX}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double value = -1;
        assert_true(number_read_double(bytes_from_text(rows[i].text), &value));
        assert_true(value == rows[i].value);
    }
}

static void what_no_double_can_hold_is_refused_and_leaves_the_result(void **state) {
    (void)state;
    static const char *const texts[] = {"",      " 1",     "1 ",     "x",  "1x", "nan", "-",
                                        "1e400", "-1e400", "1e-400", "0x", ".",  "--1"};
    double value = 7;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(number_read_double(bytes_from_text(texts[i]), &value));
    assert_false(number_read_double((struct bytes){"1\0", 2}, &value));
    assert_true(value == 7);
}

static void every_double_reads_back(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned short seed[3] = {(unsigned short)(given != NULL ? strtol(given, NULL, 10) : time(NULL)), 1, 2};
    print_message("seed %u\n", seed[0]);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = (uint64_t)(uint32_t)jrand48(seed) << 32 | (uint32_t)jrand48(seed);
        double value = 0;
        char text[NUMBER_FLOAT_SIZE];
        memcpy(&value, &bits, sizeof(value));
        if (isnan(value))
            continue;
        text[number_write_double(text, value)] = '\0';
        assert_true(strtod(text, NULL) == value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_over_the_whole_range),
        cmocka_unit_test(what_is_not_a_plain_integer_is_refused_and_leaves_the_result),
        cmocka_unit_test(unsigned_integers_are_read_up_to_64_bits),
        cmocka_unit_test(written_integers_read_back),
        cmocka_unit_test(floats_are_read_as_strtold_reads_them),
        cmocka_unit_test(what_is_not_a_float_is_refused),
        cmocka_unit_test(a_float_longer_than_any_buffer_is_refused),
        cmocka_unit_test(floats_are_written_without_exponent_and_trailing_zeros),
        cmocka_unit_test(the_largest_float_fits),
        cmocka_unit_test(doubles_are_written_with_up_to_17_digits),
        cmocka_unit_test(doubles_are_read_as_strtod_reads_them),
        cmocka_unit_test(what_no_double_can_hold_is_refused_and_leaves_the_result),
        cmocka_unit_test(every_double_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
