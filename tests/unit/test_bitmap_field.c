// SPDX-License-Identifier: Apache-2.0
//
// BITFIELD's integers: their types, where their bits lie, and what overflow does to them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/bitmap_field.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct field_type type_of(const char *text) {
    struct field_type type = {0};
    assert_true(field_type_read(bytes_from_text(text), &type));
    return type;
}

static void reads_the_types_there_are(void **state) {
    (void)state;
    assert_true(type_of("i8").is_signed);
    assert_int_equal(type_of("i8").bits, 8);
    assert_false(type_of("u1").is_signed);
    assert_int_equal(type_of("u1").bits, 1);
    assert_int_equal(type_of("u63").bits, 63);
    assert_int_equal(type_of("i64").bits, 64);
}

static void refuses_types_there_are_not(void **state) {
    (void)state;
    static const char *const wrong[] = {"",   "i",   "u",   "i0",  "u0",   "u64",        "i65",
                                        "I8", "U8",  "x8",  "i-1", "i08",  "i8 ",        "8",
                                        "ii", "i+8", "u 8", "i8x", "i999", "i4294967304"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct field_type type = {0};
        if (field_type_read(bytes_from_text(wrong[i]), &type))
            fail_msg("'%s' was taken for a type", wrong[i]);
    }
}

static void reads_fields_most_significant_bit_first_at_any_bit(void **state) {
    (void)state;
    struct bytes bytes = BYTES_LITERAL("\x12\x34\xf0");
    assert_int_equal(field_get(bytes, type_of("u8"), 0), 0x12);
    assert_int_equal(field_get(bytes, type_of("u8"), 4), 0x23);
    assert_int_equal(field_get(bytes, type_of("u16"), 0), 0x1234);
    assert_int_equal(field_get(bytes, type_of("i4"), 16), -1);
    assert_int_equal(field_get(bytes, type_of("u4"), 16), 15);
}

static void reads_zeros_after_the_end(void **state) {
    (void)state;
    struct bytes bytes = BYTES_LITERAL("\xff");
    assert_int_equal(field_get(bytes, type_of("u16"), 0), 0xff00);
    assert_int_equal(field_get(bytes, type_of("i8"), 8), 0);
    assert_int_equal(field_get((struct bytes){0}, type_of("i64"), 4096), 0);
}

static void writes_only_the_bits_of_the_field(void **state) {
    (void)state;
    char data[3] = {'\xff', '\xff', '\xff'};
    field_set(data, type_of("u8"), 4, 0);
    assert_memory_equal(data, "\xf0\x0f\xff", 3);
    field_set(data, type_of("i4"), 10, -2);
    assert_memory_equal(data, "\xf0\x3b\xff", 3);
}

struct overflow_case {
    const char *type;
    int64_t old, increment;
    int64_t wrapped, saturated;
    bool fits;
};

static void follows_the_overflow_rules_when_adding(void **state) {
    (void)state;
    static const struct overflow_case cases[] = {
        {"u2", 3, 1, 0, 3, false},
        {"u2", 0, -1, 3, 0, false},
        {"u2", 1, 1, 2, 2, true},
        {"u8", 5, INT64_MIN, 5, 0, false},
        {"u63", INT64_MAX, 1, 0, INT64_MAX, false},
        {"u63", INT64_MAX, INT64_MAX, INT64_MAX - 1, INT64_MAX, false},
        {"i8", 127, 1, -128, 127, false},
        {"i8", -128, -1, 127, -128, false},
        {"i8", -1, 2, 1, 1, true},
        {"i8", 5, INT64_MIN, 5, -128, false},
        {"i64", INT64_MAX, 1, INT64_MIN, INT64_MAX, false},
        {"i64", INT64_MIN, -1, INT64_MAX, INT64_MIN, false},
        {"i64", INT64_MIN, INT64_MAX, -1, -1, true},
        {"i1", 0, 1, -1, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct overflow_case *c = &cases[i];
        struct field_type type = type_of(c->type);
        int64_t out = 0;
        assert_true(field_add(type, c->old, c->increment, FIELD_WRAP, &out));
        assert_int_equal(out, c->wrapped);
        assert_true(field_add(type, c->old, c->increment, FIELD_SATURATE, &out));
        assert_int_equal(out, c->saturated);
        assert_int_equal(field_add(type, c->old, c->increment, FIELD_FAIL, &out), c->fits);
    }
}

static void follows_the_overflow_rules_when_setting(void **state) {
    (void)state;
    static const struct overflow_case cases[] = {
        {"u8", 0, 255, 255, 255, true},
        {"u8", 0, 256, 0, 255, false},
        {"u8", 0, -1, 255, 255, false},
        {"u63", 0, -1, INT64_MAX, INT64_MAX, false},
        {"i8", 0, -128, -128, -128, true},
        {"i8", 0, 128, -128, 127, false},
        {"i8", 0, -129, 127, -128, false},
        {"i8", 0, INT64_MIN, 0, -128, false},
        {"i64", 0, INT64_MIN, INT64_MIN, INT64_MIN, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct overflow_case *c = &cases[i];
        struct field_type type = type_of(c->type);
        int64_t out = 0;
        assert_true(field_fit(type, c->increment, FIELD_WRAP, &out));
        assert_int_equal(out, c->wrapped);
        assert_true(field_fit(type, c->increment, FIELD_SATURATE, &out));
        assert_int_equal(out, c->saturated);
        assert_int_equal(field_fit(type, c->increment, FIELD_FAIL, &out), c->fits);
    }
}

static int64_t random_integer(unsigned *seed) {
    uint64_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 21 ^ (uint64_t)(uint32_t)rand_r(seed);
    return (int64_t)value;
}

static void reads_back_what_it_wrote_and_leaves_the_rest_alone(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    for (int round = 0; round < 10000; round++) {
        char data[24];
        char before[24];
        struct field_type type = {.is_signed = rand_r(&seed) % 2 == 0};
        type.bits = 1 + (unsigned)rand_r(&seed) % (type.is_signed ? 64 : 63);
        uint64_t offset = (uint64_t)rand_r(&seed) % (sizeof(data) * 8 - type.bits + 1);
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = before[i] = (char)rand_r(&seed);
        int64_t value = 0;
        assert_true(field_fit(type, random_integer(&seed), FIELD_WRAP, &value));
        field_set(data, type, offset, value);
        assert_int_equal(field_get((struct bytes){data, sizeof(data)}, type, offset), value);
        int64_t old = field_get((struct bytes){before, sizeof(before)}, type, offset);
        field_set(data, type, offset, old);
        assert_memory_equal(data, before, sizeof(data));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_types_there_are),
        cmocka_unit_test(refuses_types_there_are_not),
        cmocka_unit_test(reads_fields_most_significant_bit_first_at_any_bit),
        cmocka_unit_test(reads_zeros_after_the_end),
        cmocka_unit_test(writes_only_the_bits_of_the_field),
        cmocka_unit_test(follows_the_overflow_rules_when_adding),
        cmocka_unit_test(follows_the_overflow_rules_when_setting),
        cmocka_unit_test(reads_back_what_it_wrote_and_leaves_the_rest_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
