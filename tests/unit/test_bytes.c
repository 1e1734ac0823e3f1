// SPDX-License-Identifier: Apache-2.0
//
// Runs of bytes: equality and order.
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct bytes nothing = {0};

static void equal_runs_have_the_same_length_and_bytes(void **state) {
    (void)state;
    assert_true(bytes_equal(BYTES_LITERAL("abc"), BYTES_LITERAL("abc")));
    assert_false(bytes_equal(BYTES_LITERAL("abc"), BYTES_LITERAL("abd")));
    assert_false(bytes_equal(BYTES_LITERAL("abc"), BYTES_LITERAL("ab")));
    assert_true(bytes_equal(nothing, BYTES_LITERAL("")));
}

static void a_nul_is_a_byte_like_any_other(void **state) {
    (void)state;
    assert_int_equal(BYTES_LITERAL("a\0b").length, 3);
    assert_true(bytes_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0b")));
    assert_false(bytes_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0c")));
    assert_true(bytes_compare(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0c")) < 0);
}

static void text_compares_without_regard_to_case_but_with_regard_to_length(void **state) {
    (void)state;
    assert_true(bytes_equal_text_nocase(BYTES_LITERAL("GeT"), "get"));
    assert_false(bytes_equal_text_nocase(BYTES_LITERAL("get"), "gets"));
    assert_false(bytes_equal_text_nocase(BYTES_LITERAL("gets"), "get"));
    assert_false(bytes_equal_text_nocase(BYTES_LITERAL("get\0"), "get"));
    assert_true(bytes_equal_text_nocase(nothing, ""));
}

static void order_is_by_unsigned_bytes(void **state) {
    (void)state;
    assert_true(bytes_compare(BYTES_LITERAL("a"), BYTES_LITERAL("b")) < 0);
    assert_true(bytes_compare(BYTES_LITERAL("\xff"), BYTES_LITERAL("a")) > 0);
    assert_int_equal(bytes_compare(BYTES_LITERAL("same"), BYTES_LITERAL("same")), 0);
}

static void a_prefix_orders_before_what_it_is_a_prefix_of(void **state) {
    (void)state;
    assert_true(bytes_compare(BYTES_LITERAL("ab"), BYTES_LITERAL("abc")) < 0);
    assert_true(bytes_compare(BYTES_LITERAL("abc"), BYTES_LITERAL("ab")) > 0);
    assert_true(bytes_compare(nothing, BYTES_LITERAL("a")) < 0);
    assert_int_equal(bytes_compare(nothing, nothing), 0);
}

static void text_becomes_bytes_without_its_terminator(void **state) {
    (void)state;
    struct bytes bytes = bytes_from_text("four");
    assert_int_equal(bytes.length, 4);
    assert_memory_equal(bytes.data, "four", 4);
    assert_int_equal(bytes_from_text("").length, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_runs_have_the_same_length_and_bytes),
        cmocka_unit_test(a_nul_is_a_byte_like_any_other),
        cmocka_unit_test(text_compares_without_regard_to_case_but_with_regard_to_length),
        cmocka_unit_test(order_is_by_unsigned_bytes),
        cmocka_unit_test(a_prefix_orders_before_what_it_is_a_prefix_of),
        cmocka_unit_test(text_becomes_bytes_without_its_terminator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
