// SPDX-License-Identifier: Apache-2.0
//
// The file of the highest election version: what it refuses to read, and what is left of it when any of the
// system calls that replace it fails. The calls are this program's own: they note their order and fail on
// demand.
#include "lease/state_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// --- System calls that fail on demand ---

enum call { CALL_WRITE, CALL_SYNC_FILE, CALL_RENAME, CALL_SYNC_DIRECTORY, CALLS };

static struct {
    bool watching;
    enum call failing; // CALLS: none
    int reason;        // its errno; 0: a write that takes one byte at a time
    enum call made[16];
    size_t count;
} calls = {.failing = CALLS};

static bool call_fails(enum call call) {
    if (!calls.watching)
        return false;
    // Writes in a row count as one.
    if (calls.count == 0 || call != CALL_WRITE || calls.made[calls.count - 1] != CALL_WRITE) {
        assert_true(calls.count < sizeof(calls.made) / sizeof(*calls.made));
        calls.made[calls.count++] = call;
    }
    errno = calls.reason;
    return call == calls.failing && calls.reason != 0;
}

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) ; the C library's names are reserved
ssize_t write(int file, const void *data, size_t size) {
    if (call_fails(CALL_WRITE))
        return -1;
    bool by_the_byte = calls.watching && calls.failing == CALL_WRITE;
    return syscall(SYS_write, file, data, by_the_byte ? 1 : size);
}

int fsync(int file) {
    struct stat status;
    bool is_directory = fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
    if (call_fails(is_directory ? CALL_SYNC_DIRECTORY : CALL_SYNC_FILE))
        return -1;
    return (int)syscall(SYS_fsync, file);
}

int rename(const char *from, const char *to) {
    if (call_fails(CALL_RENAME))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

static bool write_failing(const char *directory, struct lease_record record, enum call failing, int reason,
                          char error[STATE_FILE_ERROR_SIZE]) {
    calls.count = 0;
    calls.failing = failing;
    calls.reason = reason;
    calls.watching = true;
    bool done = state_file_write(directory, record, error);
    calls.watching = false;
    calls.failing = CALLS;
    return done;
}

// --- A directory for each test ---

static char *path_in(const char *directory, const char *name) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
    return path;
}

static int make_directory(void **state) {
    const char *base = getenv("TMPDIR");
    char *directory = NULL;
    if (asprintf(&directory, "%s/kvfence-state.XXXXXX", base == NULL ? "/tmp" : base) < 0)
        return -1;
    *state = directory;
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state) {
    static const char *const names[] = {LEASE_STATE_FILE_NAME, LEASE_STATE_FILE_NAME ".new", "elsewhere"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = path_in(*state, names[i]);
        if (unlink(path) != 0)
            (void)rmdir(path);
        free(path);
    }
    int result = rmdir(*state);
    free(*state);
    return result;
}

static void put_file(const char *directory, const char *name, const char *text, size_t length) {
    char *path = path_in(directory, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, length), length);
    assert_int_equal(close(file), 0);
    free(path);
}

static void assert_record(const char *directory, uint64_t version, bool ever_held) {
    char error[STATE_FILE_ERROR_SIZE] = "";
    struct lease_record record = {.highest_version = 99, .ever_held = true};
    if (!state_file_read(directory, &record, error))
        fail_msg("%s", error);
    assert_true(record.highest_version == version);
    assert_int_equal(record.ever_held, ever_held);
}

// That the text cannot be read, and that the error names the file and says `what`.
static void assert_unreadable(const char *directory, const char *what) {
    char error[STATE_FILE_ERROR_SIZE] = "";
    struct lease_record record;
    char *path = path_in(directory, LEASE_STATE_FILE_NAME);
    assert_false(state_file_read(directory, &record, error));
    if (strstr(error, path) == NULL || strstr(error, what) == NULL)
        fail_msg("'%s' does not name '%s' and '%s'", error, path, what);
    free(path);
}

static void assert_damaged(const char *directory, const char *text, size_t length) {
    put_file(directory, LEASE_STATE_FILE_NAME, text, length);
    assert_unreadable(directory, "is damaged");
    assert_unreadable(directory, "Restore the file from a copy");
    assert_unreadable(directory, "master-lease-cold-start fence");
}

// --- Reading and writing ---

static void a_missing_file_is_an_empty_record(void **state) {
    assert_record(*state, 0, false);
}

static void what_is_written_is_read(void **state) {
    static const struct lease_record records[] = {{0, false}, {0, true},          {1, false},
                                                  {42, true}, {UINT64_MAX, true}, {UINT64_MAX, false}};
    char error[STATE_FILE_ERROR_SIZE];
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        assert_true(state_file_write(*state, records[i], error));
        assert_record(*state, records[i].highest_version, records[i].ever_held);
    }
}

static void the_text_is_for_people_too(void **state) {
    (void)state;
    char text[STATE_FILE_TEXT_SIZE];
    size_t length = state_file_encode((struct lease_record){.highest_version = 42, .ever_held = true}, text);
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "kvfence-lease 1\nhighest_version 42\never_held 1\nchecksum "));
}

static void nobody_else_may_read_the_file(void **state) {
    char error[STATE_FILE_ERROR_SIZE];
    struct stat status;
    char *path = path_in(*state, LEASE_STATE_FILE_NAME);
    assert_true(state_file_write(*state, (struct lease_record){.highest_version = 1}, error));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    free(path);
}

static void what_a_crash_left_beside_the_file_is_replaced(void **state) {
    char error[STATE_FILE_ERROR_SIZE];
    put_file(*state, LEASE_STATE_FILE_NAME ".new", "half", 4);
    assert_record(*state, 0, false);
    assert_true(state_file_write(*state, (struct lease_record){.highest_version = 3}, error));
    assert_record(*state, 3, false);
}

// --- Damage ---

static size_t sound_text(char text[STATE_FILE_TEXT_SIZE]) {
    return state_file_encode((struct lease_record){.highest_version = 1234567, .ever_held = true}, text);
}

static void a_file_cut_anywhere_is_refused(void **state) {
    char text[STATE_FILE_TEXT_SIZE];
    size_t length = sound_text(text);
    for (size_t cut = 0; cut < length; cut++)
        assert_damaged(*state, text, cut);
}

// Except for flips that make the number of the format a higher one: those are taken for a newer file, which
// is refused as well.
static void a_flip_of_any_bit_is_refused(void **state) {
    char text[STATE_FILE_TEXT_SIZE];
    size_t length = sound_text(text);
    for (size_t bit = 0; bit < length * 8; bit++) {
        char flipped[STATE_FILE_TEXT_SIZE];
        memcpy(flipped, text, length);
        flipped[bit / 8] = (char)(flipped[bit / 8] ^ (1 << bit % 8));
        put_file(*state, LEASE_STATE_FILE_NAME, flipped, length);
        struct lease_record record;
        char error[STATE_FILE_ERROR_SIZE];
        assert_false(state_file_read(*state, &record, error));
        assert_int_equal(record.highest_version, 0);
        assert_false(record.ever_held);
    }
}

static void a_wrong_checksum_is_refused(void **state) {
    static const char text[] = "kvfence-lease 1\nhighest_version 3\never_held 1\nchecksum 0000000000000000\n";
    assert_damaged(*state, text, sizeof(text) - 1);
}

static void a_lower_version_under_an_old_checksum_is_refused(void **state) {
    char text[STATE_FILE_TEXT_SIZE];
    size_t length = sound_text(text);
    char *digits = strstr(text, "1234567");
    assert_non_null(digits);
    digits[6] = '6';
    assert_damaged(*state, text, length);
}

static void something_behind_the_text_is_refused(void **state) {
    char text[STATE_FILE_TEXT_SIZE + 1];
    size_t length = sound_text(text);
    text[length] = '\n';
    assert_damaged(*state, text, length + 1);
    char long_text[4 * STATE_FILE_TEXT_SIZE];
    memset(long_text, ' ', sizeof(long_text));
    memcpy(long_text, text, length);
    assert_damaged(*state, long_text, sizeof(long_text));
}

static void zeros_as_some_file_systems_leave_them_are_refused(void **state) {
    static const char zeros[64];
    assert_damaged(*state, zeros, sizeof(zeros));
}

static void a_file_of_a_newer_format_is_refused_and_must_not_be_removed(void **state) {
    static const char text[] = "kvfence-lease 2\nwhatever comes\n";
    put_file(*state, LEASE_STATE_FILE_NAME, text, sizeof(text) - 1);
    assert_unreadable(*state, "newer version");
    assert_unreadable(*state, "do not remove the file");
}

static void a_directory_of_that_name_is_refused(void **state) {
    char *path = path_in(*state, LEASE_STATE_FILE_NAME);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_unreadable(*state, "Is a directory");
    assert_unreadable(*state, "Restore the file");
    char error[STATE_FILE_ERROR_SIZE];
    assert_false(state_file_write(*state, (struct lease_record){.highest_version = 1}, error));
    free(path);
}

static void a_pipe_of_that_name_does_not_hold_up_the_start(void **state) {
    char *path = path_in(*state, LEASE_STATE_FILE_NAME);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_unreadable(*state, "cannot be read");
    free(path);
}

static void a_link_of_that_name_is_refused(void **state) {
    char *path = path_in(*state, LEASE_STATE_FILE_NAME);
    char text[STATE_FILE_TEXT_SIZE];
    put_file(*state, "elsewhere", text, sound_text(text));
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_unreadable(*state, "cannot be read");
    free(path);
}

static void a_file_that_may_not_be_read_is_refused(void **state) {
    char error[STATE_FILE_ERROR_SIZE];
    char *path = path_in(*state, LEASE_STATE_FILE_NAME);
    assert_true(state_file_write(*state, (struct lease_record){.highest_version = 1}, error));
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) != 0) // root reads it all the same, and then it is sound
        assert_unreadable(*state, "Permission denied");
    else
        assert_record(*state, 1, false);
    free(path);
}

static void a_path_that_is_too_long_is_named(void **state) {
    (void)state;
    char directory[8192];
    char error[STATE_FILE_ERROR_SIZE];
    struct lease_record record;
    memset(directory, 'd', sizeof(directory) - 1);
    directory[sizeof(directory) - 1] = '\0';
    assert_false(state_file_read(directory, &record, error));
    assert_non_null(strstr(error, "too long"));
    assert_false(state_file_write(directory, record, error));
}

// --- What is left when writing fails ---

static void the_file_is_synced_before_it_is_renamed_and_the_directory_after(void **state) {
    char error[STATE_FILE_ERROR_SIZE];
    assert_true(write_failing(*state, (struct lease_record){.highest_version = 1}, CALLS, 0, error));
    static const enum call wanted[] = {CALL_WRITE, CALL_SYNC_FILE, CALL_RENAME, CALL_SYNC_DIRECTORY};
    assert_int_equal(calls.count, 4);
    assert_memory_equal(calls.made, wanted, sizeof(wanted));
}

static void a_write_that_takes_a_byte_at_a_time_is_finished(void **state) {
    char error[STATE_FILE_ERROR_SIZE];
    assert_true(write_failing(*state, (struct lease_record){.highest_version = 8}, CALL_WRITE, 0, error));
    assert_record(*state, 8, false);
}

static void a_failure_before_the_rename_leaves_the_old_file_and_nothing_else(void **state) {
    static const enum call failing[] = {CALL_WRITE, CALL_SYNC_FILE, CALL_RENAME};
    char error[STATE_FILE_ERROR_SIZE] = "";
    char *draft = path_in(*state, LEASE_STATE_FILE_NAME ".new");
    assert_true(
        state_file_write(*state, (struct lease_record){.highest_version = 7, .ever_held = true}, error));
    for (size_t i = 0; i < sizeof(failing) / sizeof(*failing); i++) {
        assert_false(
            write_failing(*state, (struct lease_record){.highest_version = 8}, failing[i], ENOSPC, error));
        assert_non_null(strstr(error, "lease.state' cannot be written: No space left on device"));
        assert_record(*state, 7, true);
        assert_int_equal(access(draft, F_OK), -1);
    }
    free(draft);
}

static void a_directory_that_cannot_be_synced_is_a_failure(void **state) {
    char error[STATE_FILE_ERROR_SIZE] = "";
    assert_false(
        write_failing(*state, (struct lease_record){.highest_version = 8}, CALL_SYNC_DIRECTORY, EIO, error));
    assert_non_null(strstr(error, "cannot be made durable: Input/output error"));
    assert_record(*state, 8, false);
}

static void a_missing_directory_is_a_failure(void **state) {
    char error[STATE_FILE_ERROR_SIZE] = "";
    char *directory = path_in(*state, "nowhere");
    assert_false(state_file_write(directory, (struct lease_record){.highest_version = 8}, error));
    assert_non_null(strstr(error, "No such file or directory"));
    free(directory);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_missing_file_is_an_empty_record),
        FILE_TEST(what_is_written_is_read),
        FILE_TEST(the_text_is_for_people_too),
        FILE_TEST(nobody_else_may_read_the_file),
        FILE_TEST(what_a_crash_left_beside_the_file_is_replaced),
        FILE_TEST(a_file_cut_anywhere_is_refused),
        FILE_TEST(a_flip_of_any_bit_is_refused),
        FILE_TEST(a_wrong_checksum_is_refused),
        FILE_TEST(a_lower_version_under_an_old_checksum_is_refused),
        FILE_TEST(something_behind_the_text_is_refused),
        FILE_TEST(zeros_as_some_file_systems_leave_them_are_refused),
        FILE_TEST(a_file_of_a_newer_format_is_refused_and_must_not_be_removed),
        FILE_TEST(a_directory_of_that_name_is_refused),
        FILE_TEST(a_pipe_of_that_name_does_not_hold_up_the_start),
        FILE_TEST(a_link_of_that_name_is_refused),
        FILE_TEST(a_file_that_may_not_be_read_is_refused),
        FILE_TEST(a_path_that_is_too_long_is_named),
        FILE_TEST(the_file_is_synced_before_it_is_renamed_and_the_directory_after),
        FILE_TEST(a_write_that_takes_a_byte_at_a_time_is_finished),
        FILE_TEST(a_failure_before_the_rename_leaves_the_old_file_and_nothing_else),
        FILE_TEST(a_directory_that_cannot_be_synced_is_a_failure),
        FILE_TEST(a_missing_directory_is_a_failure),
    };
    return cmocka_run_group_tests_name("lease_state_file", tests, NULL, NULL);
}
