// SPDX-License-Identifier: Apache-2.0
//
// Files that are replaced as a whole: what is in them afterwards, also when the replacing fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/durable_file.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char directory[64];
    char path[128];
    char temporary[160];
};

static char error[DURABLE_FILE_ERROR_SIZE];

static int make_place(void **state) {
    static struct place place;
    (void)snprintf(place.directory, sizeof(place.directory), "/tmp/kvfence-file-XXXXXX");
    assert_non_null(mkdtemp(place.directory));
    (void)snprintf(place.path, sizeof(place.path), "%s/file", place.directory);
    (void)snprintf(place.temporary, sizeof(place.temporary), "%s.tmp", place.path);
    *state = &place;
    return 0;
}

static int remove_place(void **state) {
    const struct place *place = *state;
    (void)unlink(place->path);
    (void)rmdir(place->temporary);
    (void)unlink(place->temporary);
    return rmdir(place->directory);
}

static void assert_holds(const struct place *place, const char *text) {
    struct buffer read = {0};
    bool exists = false;
    assert_true(durable_file_read(place->path, &read, &exists, error));
    assert_true(exists);
    assert_int_equal(read.length, strlen(text));
    assert_memory_equal(read.data, text, read.length);
    buffer_release(&read);
}

static void a_file_is_made_if_there_is_none(void **state) {
    const struct place *place = *state;
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("first"), error));
    assert_holds(place, "first");
    assert_int_equal(access(place->temporary, F_OK), -1);
}

static void a_file_is_replaced_by_another_one(void **state) {
    const struct place *place = *state;
    struct stat before;
    struct stat after;
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("first, and long"), error));
    assert_int_equal(stat(place->path, &before), 0);
    FILE *held = fopen(place->path, "re"); // keeps the old file, so that its number is not given again
    assert_non_null(held);
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("second"), error));
    assert_holds(place, "second");
    assert_int_equal(stat(place->path, &after), 0);
    assert_true(before.st_ino != after.st_ino);
    (void)fclose(held);
}

static void only_the_owner_may_read_it(void **state) {
    const struct place *place = *state;
    struct stat status;
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("x"), error));
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 077, 0);
}

static void a_text_of_many_pieces_is_read_back(void **state) {
    enum { LENGTH = 100000 };
    const struct place *place = *state;
    char *text = malloc(LENGTH + 1);
    assert_non_null(text);
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = (char)('a' + i % 23);
    text[LENGTH] = '\0';
    assert_true(durable_file_replace(place->path, bytes_from_text(text), error));
    assert_holds(place, text);
    free(text);
}

static void what_a_crash_has_left_is_overwritten(void **state) {
    const struct place *place = *state;
    FILE *left = fopen(place->temporary, "we");
    assert_non_null(left);
    assert_true(fputs("half of something longer", left) >= 0);
    assert_int_equal(fclose(left), 0);
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("whole"), error));
    assert_holds(place, "whole");
}

static void a_link_in_the_way_is_not_followed(void **state) {
    const struct place *place = *state;
    char target[128];
    (void)snprintf(target, sizeof(target), "%s/target", place->directory);
    assert_int_equal(symlink(target, place->temporary), 0);
    assert_false(durable_file_replace(place->path, BYTES_LITERAL("x"), error));
    assert_non_null(strstr(error, place->temporary));
    assert_int_equal(access(target, F_OK), -1);
}

static void the_old_file_stays_when_the_new_one_cannot_be_made(void **state) {
    const struct place *place = *state;
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("old"), error));
    assert_int_equal(mkdir(place->temporary, 0700), 0);
    assert_false(durable_file_replace(place->path, BYTES_LITERAL("new"), error));
    assert_non_null(strstr(error, "cannot create"));
    assert_non_null(strstr(error, strerror(EISDIR)));
    assert_holds(place, "old");
}

// A limit on the size of files fails a write half way, as a full disk does.
static void the_old_file_stays_when_the_new_one_cannot_be_filled(void **state) {
    const struct place *place = *state;
    struct rlimit before;
    char text[4096];
    memset(text, 'x', sizeof(text));
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("old"), error));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {.rlim_cur = 1000, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    bool replaced = durable_file_replace(place->path, (struct bytes){text, sizeof(text)}, error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_false(replaced);
    assert_non_null(strstr(error, "cannot write"));
    assert_holds(place, "old");
    assert_int_equal(access(place->temporary, F_OK), -1);
}

static void a_missing_file_is_no_failure(void **state) {
    const struct place *place = *state;
    struct buffer read = {0};
    bool exists = true;
    assert_true(durable_file_read(place->path, &read, &exists, error));
    assert_false(exists);
    assert_int_equal(read.length, 0);
    assert_true(durable_file_remove(place->path, error));
}

static void a_removed_file_is_gone(void **state) {
    const struct place *place = *state;
    assert_true(durable_file_replace(place->path, BYTES_LITERAL("x"), error));
    assert_true(durable_file_remove(place->path, error));
    assert_int_equal(access(place->path, F_OK), -1);
}

static void what_cannot_be_read_or_removed_is_named(void **state) {
    const struct place *place = *state;
    struct buffer read = {0};
    bool exists = false;
    assert_false(durable_file_read(place->directory, &read, &exists, error));
    assert_non_null(strstr(error, place->directory));
    assert_false(durable_file_remove(place->directory, error));
    assert_non_null(strstr(error, "cannot remove"));
    buffer_release(&read);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_made_if_there_is_none),
        CASE(a_file_is_replaced_by_another_one),
        CASE(only_the_owner_may_read_it),
        CASE(a_text_of_many_pieces_is_read_back),
        CASE(what_a_crash_has_left_is_overwritten),
        CASE(a_link_in_the_way_is_not_followed),
        CASE(the_old_file_stays_when_the_new_one_cannot_be_made),
        CASE(the_old_file_stays_when_the_new_one_cannot_be_filled),
        CASE(a_missing_file_is_no_failure),
        CASE(a_removed_file_is_gone),
        CASE(what_cannot_be_read_or_removed_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
