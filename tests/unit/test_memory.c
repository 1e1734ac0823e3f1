// SPDX-License-Identifier: Apache-2.0
//
// Checked allocation: what a size of nothing gives, and what happens when there is no memory.
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// More than any allocator gives; volatile, so that the compiler does not know.
static volatile size_t too_much = SIZE_MAX / 2;

static void a_size_of_nothing_gives_a_block_that_can_be_freed(void **state) {
    (void)state;
    void *blocks[] = {memory_allocate(0), memory_allocate_zeroed(0, 8), memory_allocate_zeroed(8, 0),
                      memory_copy("x", 0), memory_try_allocate(0)};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        assert_non_null(blocks[i]);
        free(blocks[i]);
    }
}

static void zeroed_memory_is_zero(void **state) {
    (void)state;
    unsigned char *block = memory_allocate_zeroed(1000, 3);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(block[i], 0);
    free(block);
}

static void copies_are_equal_and_their_own(void **state) {
    (void)state;
    char original[] = "orig\0inal";
    char *text = memory_copy_text(original);
    char *data = memory_copy(original, sizeof(original));
    original[0] = 'X';
    assert_string_equal(text, "orig");
    assert_memory_equal(data, "orig\0inal", sizeof(original));
    free(text);
    free(data);
}

static void reallocation_keeps_the_contents(void **state) {
    (void)state;
    char *block = memory_copy_text("kept");
    block = memory_reallocate(block, 100000);
    assert_string_equal(block, "kept");
    block = memory_try_reallocate(block, 5);
    assert_non_null(block);
    assert_string_equal(block, "kept");
    free(block);
    block = memory_reallocate(NULL, 0);
    assert_non_null(block);
    free(block);
}

static void a_size_that_a_client_chose_may_fail(void **state) {
    (void)state;
    assert_null(memory_try_allocate(too_much));
    char *block = memory_copy_text("still there");
    assert_null(memory_try_reallocate(block, too_much));
    assert_string_equal(block, "still there");
    free(block);
}

// How a child that allocates in one of the aborting ways ends.
static int status_of_child(int way) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "we", stdout);
        if (way == 0)
            free(memory_allocate(too_much));
        else if (way == 1)
            free(memory_allocate_zeroed(too_much, 4));
        else
            free(memory_reallocate(NULL, too_much));
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void the_server_stops_when_it_has_no_memory_for_itself(void **state) {
    (void)state;
    for (int way = 0; way < 3; way++) {
        int status = status_of_child(way);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_of_nothing_gives_a_block_that_can_be_freed),
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(copies_are_equal_and_their_own),
        cmocka_unit_test(reallocation_keeps_the_contents),
        cmocka_unit_test(a_size_that_a_client_chose_may_fail),
        cmocka_unit_test(the_server_stops_when_it_has_no_memory_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
