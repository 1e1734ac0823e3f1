// SPDX-License-Identifier: Apache-2.0
//
// The log: what a line looks like, where it goes, and what happens when files move or days change.
#include "base/log.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char directory[256];
    struct buffer text; // what read_log() read last
};

static int open_place(void **state) {
    struct place *place = calloc(1, sizeof(*place));
    const char *base = getenv("TMPDIR");
    if (place == NULL)
        return -1;
    (void)snprintf(place->directory, sizeof(place->directory), "%s/kvfence-log.XXXXXX",
                   base == NULL ? "/tmp" : base);
    char error[256];
    *state = place;
    return mkdtemp(place->directory) != NULL && log_open(place->directory, error, sizeof(error)) ? 0 : -1;
}

static int close_place(void **state) {
    struct place *place = *state;
    char error[256];
    char path[600];
    log_set_level(LOG_INFO);
    if (!log_open(NULL, error, sizeof(error)))
        return -1;
    DIR *listing = opendir(place->directory);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        (void)snprintf(path, sizeof(path), "%s/%s", place->directory, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(listing);
    (void)rmdir(place->directory);
    buffer_release(&place->text);
    free(place);
    return 0;
}

static void today_path(const struct place *place, char *path, size_t size) {
    struct tm now = clock_local_time(clock_wall_ms());
    (void)snprintf(path, size, "%s/kvrocks_%04d-%02d-%02d.log", place->directory, now.tm_year + 1900,
                   now.tm_mon + 1, now.tm_mday);
}

static const char *read_file(struct place *place, const char *path) {
    buffer_clear(&place->text);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    for (;;) {
        ssize_t count = read(file, buffer_reserve(&place->text, 4096), 4096);
        assert_true(count >= 0);
        if (count == 0)
            break;
        place->text.length += (size_t)count;
    }
    (void)close(file);
    buffer_append(&place->text, (struct bytes){.data = "", .length = 1});
    return place->text.data;
}

static const char *read_log(struct place *place) {
    char path[600];
    today_path(place, path, sizeof(path));
    return read_file(place, path);
}

static void a_line_has_time_level_source_and_message_at_once(void **state) {
    const int line = __LINE__ + 1;
    log_warning("disk %s, %d left", "full", 3);
    const char *text = read_log(*state);
    const char *shape = "[dddd-dd-ddTdd:dd:dd.ddd]";
    for (size_t i = 0; i < strlen(shape); i++)
        assert_true(shape[i] == 'd' ? isdigit((unsigned char)text[i]) : text[i] == shape[i]);
    char expected[200];
    (void)snprintf(expected, sizeof(expected), "[warning][test_log.c:%d] disk full, 3 left\n", line);
    assert_string_equal(text + strlen(shape), expected);
}

static void lines_below_the_level_are_dropped(void **state) {
    log_debug("one");
    log_set_level(LOG_ERROR);
    log_warning("two");
    log_error("three");
    log_set_level(LOG_DEBUG);
    log_debug("four");
    const char *text = read_log(*state);
    assert_null(strstr(text, "one"));
    assert_null(strstr(text, "two"));
    assert_non_null(strstr(text, "three"));
    assert_non_null(strstr(text, "[debug]"));
}

static void control_bytes_cannot_forge_a_line(void **state) {
    log_info("key %s", "a\nb\rc\x1b[0m\x7f"
                       "d\xc3\xa9");
    const char *text = read_log(*state);
    assert_non_null(strstr(text, "key a?b?c?[0m?d\xc3\xa9\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void a_very_long_message_is_cut(void **state) {
    static char huge[100000];
    memset(huge, 'x', sizeof(huge) - 1);
    log_info("%s", huge);
    log_info("next");
    const char *text = read_log(*state);
    assert_true(strlen(text) < 10000);
    assert_non_null(strstr(text, "] next\n"));
}

static void a_directory_that_cannot_be_written_leaves_the_log_where_it_was(void **state) {
    struct place *place = *state;
    char error[256] = "";
    assert_false(log_open("/proc/no-such-directory", error, sizeof(error)));
    assert_non_null(strstr(error, "/proc/no-such-directory"));
    assert_non_null(strstr(error, "No such file or directory"));
    log_info("still here");
    assert_non_null(strstr(read_log(place), "still here"));
}

static void reopening_follows_a_rotated_file(void **state) {
    struct place *place = *state;
    char current[600];
    char rotated[700];
    today_path(place, current, sizeof(current));
    (void)snprintf(rotated, sizeof(rotated), "%s.1", current);
    log_info("before");
    assert_int_equal(rename(current, rotated), 0);
    log_info("between");
    log_reopen();
    log_info("after");
    assert_null(strstr(read_log(place), "before"));
    assert_non_null(strstr(read_log(place), "after"));
    assert_non_null(strstr(read_file(place, rotated), "between"));
    assert_null(strstr(read_file(place, rotated), "after"));
}

static void reopening_appends_to_a_file_that_is_there(void **state) {
    log_info("before");
    log_reopen();
    log_info("after");
    assert_non_null(strstr(read_log(*state), "before"));
    assert_non_null(strstr(read_log(*state), "after"));
}

static void reopening_that_fails_keeps_the_old_file_and_says_so(void **state) {
    struct place *place = *state;
    char moved[300];
    (void)snprintf(moved, sizeof(moved), "%s.moved", place->directory);
    assert_int_equal(rename(place->directory, moved), 0);
    log_reopen();
    assert_int_equal(rename(moved, place->directory), 0);
    assert_non_null(strstr(read_log(place), "could not be opened again"));
}

static void set_zone(const char *zone) {
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

// 26 hours lie between the two zones, so they never have the same day.
static void each_local_day_has_a_file(void **state) {
    struct place *place = *state;
    set_zone("WEST12");
    log_info("in the west");
    assert_non_null(strstr(read_log(place), "in the west"));
    set_zone("EAST-14");
    log_info("in the east");
    assert_non_null(strstr(read_log(place), "in the east"));
    assert_null(strstr(read_log(place), "in the west"));
    set_zone("UTC0");
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *argument) {
    (void)argument;
    for (int i = 0; i < LINES; i++)
        log_info("a line of many that must stay whole.");
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    int lines = 0;
    for (const char *at = read_log(*state); *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_int_equal(at[0], '[');
        const char *end = strchr(at, '\n');
        assert_memory_equal(end - 37, " a line of many that must stay whole.", 37);
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

static void a_failed_assertion_is_logged_and_aborts(void **state) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        volatile int two = 2;
        always_assert(two == 3, "two is three");
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    const char *text = read_log(*state);
    assert_non_null(strstr(text, "[fatal][test_log.c:"));
    assert_non_null(strstr(text, "assertion failed: two is three (two == 3)"));
}

static void without_a_directory_lines_go_to_standard_output(void **state) {
    struct place *place = *state;
    char error[256];
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/output", place->directory);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int saved = dup(STDOUT_FILENO);
    assert_true(file >= 0 && saved >= 0);
    assert_true(log_open(NULL, error, sizeof(error)));
    (void)fflush(stdout);
    assert_true(dup2(file, STDOUT_FILENO) >= 0);
    log_info("to the terminal");
    log_reopen();
    log_info("again");
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    (void)close(file);
    assert_non_null(strstr(read_file(place, path), "to the terminal\n"));
    assert_non_null(strstr(read_file(place, path), "again\n"));
}

#define log_test(function) cmocka_unit_test_setup_teardown(function, open_place, close_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        log_test(a_line_has_time_level_source_and_message_at_once),
        log_test(lines_below_the_level_are_dropped),
        log_test(control_bytes_cannot_forge_a_line),
        log_test(a_very_long_message_is_cut),
        log_test(a_directory_that_cannot_be_written_leaves_the_log_where_it_was),
        log_test(reopening_follows_a_rotated_file),
        log_test(reopening_appends_to_a_file_that_is_there),
        log_test(reopening_that_fails_keeps_the_old_file_and_says_so),
        log_test(each_local_day_has_a_file),
        log_test(lines_of_threads_do_not_mix),
        log_test(a_failed_assertion_is_logged_and_aborts),
        log_test(without_a_directory_lines_go_to_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
