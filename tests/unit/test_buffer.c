// SPDX-License-Identifier: Apache-2.0
//
// Growable bytes.
#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static void an_empty_buffer_is_valid_and_can_be_released_twice(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_bytes(&buffer).length, 0);
    buffer_release(&buffer);
    buffer_release(&buffer);
    assert_null(buffer.data);
}

static void appended_bytes_follow_each_other_nul_included(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append(&buffer, BYTES_LITERAL("a\0b"));
    buffer_append(&buffer, (struct bytes){0});
    buffer_append_text(&buffer, "cd");
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES_LITERAL("a\0bcd")));
    buffer_release(&buffer);
}

static void formatted_text_has_no_terminator(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append_format(&buffer, "%s=%d", "port", 6666);
    buffer_append_format(&buffer, "%s", "");
    buffer_append_format(&buffer, ";");
    assert_true(bytes_equal(buffer_bytes(&buffer), BYTES_LITERAL("port=6666;")));
    buffer_release(&buffer);
}

static void growth_keeps_what_was_there(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    struct buffer buffer = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        char byte = (char)(i % 251);
        buffer_append(&buffer, (struct bytes){.data = &byte, .length = 1});
    }
    assert_int_equal(buffer.length, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(buffer.data[i], (char)(i % 251));
    buffer_release(&buffer);
}

static void growth_is_rare(void **state) {
    (void)state;
    struct buffer buffer = {0};
    size_t growths = 0;
    for (size_t i = 0; i < 1U << 20; i++) {
        size_t before = buffer.capacity;
        buffer_append(&buffer, BYTES_LITERAL("x"));
        growths += buffer.capacity != before;
    }
    assert_true(growths < 20);
    buffer_release(&buffer);
}

static void reserved_room_is_writable_and_does_not_count_until_it_is_used(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "ab");
    char *room = buffer_reserve(&buffer, 1000);
    memset(room, 'x', 1000);
    assert_int_equal(buffer.length, 2);
    assert_ptr_equal(room, buffer.data + 2);
    assert_true(buffer.capacity >= 1002);
    buffer_release(&buffer);
}

static void reserving_nothing_gives_a_place(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_non_null(buffer_reserve(&buffer, 0));
    buffer_release(&buffer);
}

static void a_cleared_buffer_keeps_its_memory(void **state) {
    (void)state;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "something");
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, capacity);
    buffer_release(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_valid_and_can_be_released_twice),
        cmocka_unit_test(appended_bytes_follow_each_other_nul_included),
        cmocka_unit_test(formatted_text_has_no_terminator),
        cmocka_unit_test(growth_keeps_what_was_there),
        cmocka_unit_test(growth_is_rare),
        cmocka_unit_test(reserved_room_is_writable_and_does_not_count_until_it_is_used),
        cmocka_unit_test(reserving_nothing_gives_a_place),
        cmocka_unit_test(a_cleared_buffer_keeps_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
