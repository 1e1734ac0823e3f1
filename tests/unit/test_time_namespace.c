// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of time namespaces, in its words and for real.
#include "base/time_namespace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t parsed(const char *text) {
    int64_t offset = 1;
    if (!time_namespace_parse(text, &offset))
        fail_msg("not understood: %s", text);
    return offset;
}

static void offsets_are_read_as_the_kernel_writes_them(void **state) {
    (void)state;
    assert_int_equal(parsed("monotonic           0         0\nboottime            0         0\n"), 0);
    assert_int_equal(parsed("monotonic           0         0\nboottime       100000         0\n"),
                     100000000000000);
    assert_int_equal(parsed("monotonic           7         5\nboottime           -5 500000000\n"),
                     -4500000000);
    assert_int_equal(parsed("boottime 1 1\nmonotonic 2 2\n"), 1000000001);
}

static void anything_else_is_not_understood(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "monotonic 0 0\n",
                                        "boottime\n",
                                        "boottime x 0\n",
                                        "boottime 1\n",
                                        "boottime 1 x\n",
                                        "boottime 1 2x\n",
                                        "boottime 1 -2\n",
                                        "boottime 1 1000000000\n",
                                        "boottime 99999999999999999999 0\n",
                                        "boottime 9999999999999 0\n"};
    int64_t offset = 7;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(time_namespace_parse(texts[i], &offset));
    assert_int_equal(offset, 7);
}

static void outside_of_namespaces_nothing_is_shifted(void **state) {
    (void)state;
    int64_t offset = 1;
    char error[256];
    assert_true(time_namespace_boot_offset(&offset, error, sizeof(error)));
    assert_int_equal(offset, 0);
}

// In a child, which stays behind in its namespaces: exits with 0 if all is as it should be. A process that
// has made a namespace for its children is not in it itself, and cannot tell its own shift any more.
static int look_from_inside(void) {
    int64_t offset = 0;
    char error[256];
    FILE *file = unshare(CLONE_NEWTIME) == 0 ? fopen("/proc/self/timens_offsets", "we") : NULL;
    if (file == NULL || fprintf(file, "boottime 5000 0\n") < 0 || fclose(file) != 0)
        return 2;
    if (time_namespace_boot_offset(&offset, error, sizeof(error)))
        return 3;
    pid_t child = fork();
    if (child == 0)
        _exit(time_namespace_boot_offset(&offset, error, sizeof(error)) && offset == 5000000000000 ? 0 : 4);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}

static void inside_of_one_the_shift_is_told(void **state) {
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(look_from_inside());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_read_as_the_kernel_writes_them),
        cmocka_unit_test(anything_else_is_not_understood),
        cmocka_unit_test(outside_of_namespaces_nothing_is_shifted),
        cmocka_unit_test(inside_of_one_the_shift_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
