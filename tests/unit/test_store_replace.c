// SPDX-License-Identifier: Apache-2.0
//
// Putting another database in the place of the open one, on file systems that exchange names in one step and
// on those that do not, and what a crash between any two steps leaves. Each part runs in a process of its
// own, as RocksDB's threads do not survive a fork.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/session.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char directory[64], own[96], other[96], aside[96];
    bool exchanges;
    int steps_left;    // until the process dies; -1: it does not
    int failing_after; // steps, from which on all fail; -1: none does
} scene;

// --- The file system ---

static bool is_ours(const char *path) {
    return strcmp(path, scene.own) == 0 || strcmp(path, scene.other) == 0 || strcmp(path, scene.aside) == 0;
}

// False: it fails.
static bool take_step(const char *path) {
    if (!is_ours(path))
        return true;
    if (scene.steps_left >= 0 && scene.steps_left-- == 0)
        _exit(0);
    if (scene.failing_after == 0) {
        errno = EIO;
        return false;
    }
    if (scene.failing_after > 0)
        scene.failing_after--;
    return true;
}

// In the place of the C library's, for the store and for RocksDB.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
int rename(const char *from, const char *to) {
    return take_step(from) ? renameat(AT_FDCWD, from, AT_FDCWD, to) : -1;
}

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    if (scene.exchanges)
        return take_step(from) ? (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags)
                               : -1;
    errno = EINVAL;
    return -1;
}

// --- Stores ---

static struct store *open_store(const char *directory) {
    const struct store_config config = {.directory = directory,
                                        .layout = {.name_space = DEFAULT_NAMESPACE},
                                        .tuning = store_tuning_default(),
                                        .sessions = 1};
    char error[STORE_ERROR_SIZE];
    struct store *store = NULL;
    if (!store_open(&config, &store, error)) {
        (void)fprintf(stderr, "%s\n", error);
        _exit(2);
    }
    return store;
}

static void make_store(const char *directory, const char *value) {
    struct store *store = open_store(directory);
    struct store_session *session = session_open(store, 0);
    struct bytes key = BYTES_LITERAL("key");
    struct bytes text = bytes_from_text(value);
    session_write_begin(session, &key, 1);
    stage_string(session, key, 0, &text, 1);
    bool committed = store_commit(session) == STORE_OK;
    session_write_end(session);
    if (!committed || store_settle(session) != SETTLED)
        _exit(2);
    session_close(session);
    store_close(store);
}

// "old", "new", or something else.
static bool has(struct store *store, const char *wanted) {
    struct store_session *session = session_open(store, 0);
    struct store_value value;
    bool same = store_read(session, BYTES_LITERAL("key"), clock_wall_ms(), &value) == STORE_OK &&
                bytes_equal(value.payload, bytes_from_text(wanted));
    store_value_release(&value);
    session_close(session);
    return same;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

// --- Processes ---

typedef bool part(void);

static void run(part *function) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(function() ? 0 : 1);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// It may even abort.
static void run_whatever_comes(part *function) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(function() ? 0 : 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool prepare(void) {
    make_store(scene.own, "old");
    make_store(scene.other, "new");
    return true;
}

static bool replace_and_look(void) {
    char error[STORE_ERROR_SIZE];
    struct store *store = open_store(scene.own);
    bool replaced = store_replace(store, scene.other, error) && has(store, "new");
    store_close(store);
    return replaced && !exists(scene.aside);
}

static bool replace_until_the_end(void) {
    char error[STORE_ERROR_SIZE];
    (void)store_replace(open_store(scene.own), scene.other, error);
    _exit(0);
}

static bool has_old_outside(void) {
    struct store *store = open_store(scene.other);
    bool right = has(store, "old");
    store_close(store);
    return right;
}

static bool has_one_of_them(void) {
    struct store *store = open_store(scene.own);
    bool right = has(store, "old") || has(store, "new");
    store_close(store);
    return right && !exists(scene.aside);
}

static bool has_new(void) {
    struct store *store = open_store(scene.own);
    bool right = has(store, "new");
    store_close(store);
    return right;
}

// What cannot be opened as a database.
static bool spoil(void) {
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/CURRENT", scene.other);
    FILE *file = fopen(path, "w");
    return file != NULL && fputs("nonsense", file) >= 0 && fclose(file) == 0;
}

static bool replace_in_vain(void) {
    char error[STORE_ERROR_SIZE] = "";
    struct store *store = open_store(scene.own);
    bool right = !store_replace(store, scene.other, error) && error[0] != '\0' && has(store, "old");
    store_close(store);
    return right && !exists(scene.aside);
}

static bool has_old(void) {
    struct store *store = open_store(scene.own);
    bool right = has(store, "old");
    store_close(store);
    return right;
}

// --- Tests ---

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void begin(bool exchanges) {
    (void)snprintf(scene.directory, sizeof(scene.directory), "/tmp/kvfence-replace-XXXXXX");
    assert_non_null(mkdtemp(scene.directory));
    (void)snprintf(scene.own, sizeof(scene.own), "%s/db", scene.directory);
    (void)snprintf(scene.other, sizeof(scene.other), "%s/sync_checkpoint", scene.directory);
    (void)snprintf(scene.aside, sizeof(scene.aside), "%s/db.replaced", scene.directory);
    scene.exchanges = exchanges;
    scene.steps_left = -1;
    scene.failing_after = -1;
    run(prepare);
}

static void end(void) {
    assert_int_equal(nftw(scene.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void another_database_takes_the_place_of_the_open_one(void **state) {
    (void)state;
    for (int exchanges = 0; exchanges < 2; exchanges++) {
        begin(exchanges != 0);
        run(replace_and_look);
        run(has_new);
        run(has_old_outside);
        end();
    }
}

static void one_that_cannot_be_opened_leaves_the_old_one_in_its_place(void **state) {
    (void)state;
    for (int exchanges = 0; exchanges < 2; exchanges++) {
        begin(exchanges != 0);
        run(spoil);
        run(replace_in_vain);
        run(has_old);
        end();
    }
}

static void after_a_crash_between_any_two_steps_there_is_the_old_or_the_new(void **state) {
    enum { STEPS_MOST = 4 };
    (void)state;
    for (int exchanges = 0; exchanges < 2; exchanges++) {
        for (int steps = 0; steps < STEPS_MOST; steps++) {
            begin(exchanges != 0);
            scene.steps_left = steps;
            run(replace_until_the_end);
            scene.steps_left = -1;
            run(has_one_of_them);
            end();
        }
    }
}

static void leave_new_in_place_and_old_aside(void) {
    assert_int_equal(renameat(AT_FDCWD, scene.own, AT_FDCWD, scene.aside), 0);
    assert_int_equal(renameat(AT_FDCWD, scene.other, AT_FDCWD, scene.own), 0);
}

static void after_a_crash_before_the_old_one_is_deleted_there_is_the_new(void **state) {
    (void)state;
    begin(false);
    leave_new_in_place_and_old_aside();
    run(has_new);
    assert_false(exists(scene.aside));
    end();
}

static bool cannot_be_opened(void) {
    const struct store_config config = {.directory = scene.own,
                                        .layout = {.name_space = DEFAULT_NAMESPACE},
                                        .tuning = store_tuning_default(),
                                        .sessions = 1};
    char error[STORE_ERROR_SIZE];
    struct store *store = NULL;
    return !store_open(&config, &store, error);
}

static void the_old_one_is_kept_as_long_as_the_new_one_has_not_been_opened(void **state) {
    (void)state;
    begin(false);
    run(spoil);
    leave_new_in_place_and_old_aside();
    run(cannot_be_opened);
    assert_true(exists(scene.aside));
    assert_int_equal(renameat(AT_FDCWD, scene.own, AT_FDCWD, scene.other), 0);
    run(has_old); // with its name free
    end();
}

// The same, on the way back from one that cannot be opened.
static void after_a_crash_on_the_way_back_there_is_the_old(void **state) {
    enum { STEPS_FIRST = 3, STEPS_MOST = 4 };
    (void)state;
    for (int steps = STEPS_FIRST; steps <= STEPS_MOST; steps++) {
        begin(false);
        run(spoil);
        scene.steps_left = steps;
        run(replace_until_the_end);
        scene.steps_left = -1;
        run(has_old);
        end();
    }
}

// From any step on no name can be given any more.
static void when_there_is_no_way_back_the_next_start_has_one_of_them(void **state) {
    enum { STEPS_MOST = 3 };
    (void)state;
    for (int exchanges = 0; exchanges < 2; exchanges++) {
        for (int steps = 0; steps < STEPS_MOST; steps++) {
            begin(exchanges != 0);
            scene.failing_after = steps;
            run_whatever_comes(replace_until_the_end);
            scene.failing_after = -1;
            run(has_one_of_them);
            end();
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_database_takes_the_place_of_the_open_one),
        cmocka_unit_test(one_that_cannot_be_opened_leaves_the_old_one_in_its_place),
        cmocka_unit_test(after_a_crash_between_any_two_steps_there_is_the_old_or_the_new),
        cmocka_unit_test(after_a_crash_before_the_old_one_is_deleted_there_is_the_new),
        cmocka_unit_test(the_old_one_is_kept_as_long_as_the_new_one_has_not_been_opened),
        cmocka_unit_test(after_a_crash_on_the_way_back_there_is_the_old),
        cmocka_unit_test(when_there_is_no_way_back_the_next_start_has_one_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
