// SPDX-License-Identifier: Apache-2.0
//
// The process and its surroundings: with real children, files and sockets.
#include "base/process.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[256];
static char error[PROCESS_ERROR_SIZE];

static int make_directory(void **state) {
    const char *base = getenv("TMPDIR");
    (void)state;
    (void)snprintf(directory, sizeof(directory), "%s/kvfence-process.XXXXXX", base == NULL ? "/tmp" : base);
    error[0] = '\0';
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state) {
    char command[300];
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)snprintf(command, sizeof(command), "rm -r '%s'", directory);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *read_text(const char *path) {
    static char text[4096];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

// --- Daemon ---

// What the daemon found out about itself, sent through a pipe.
struct daemon_facts {
    pid_t parent, session, self;
    dev_t streams[3];
};

static struct daemon_facts facts_now(pid_t parent) {
    struct daemon_facts facts = {.parent = parent, .session = getsid(0), .self = getpid()};
    for (int i = 0; i < 3; i++) {
        struct stat status = {0};
        (void)fstat(i, &status);
        facts.streams[i] = status.st_rdev;
    }
    return facts;
}

// Runs a process that becomes a daemon; the daemon reports itself ready or not and then sends its facts.
// Returns how the starting process ended.
static int start_daemon(bool becomes_ready, struct daemon_facts *facts) {
    int ends[2];
    int ready = -1;
    assert_int_equal(pipe(ends), 0);
    pid_t starter = fork();
    assert_true(starter >= 0);
    if (starter == 0) {
        pid_t parent = getpid();
        if (!process_daemonize(&ready, error))
            _exit(100);
        if (becomes_ready)
            process_daemon_ready(ready);
        *facts = facts_now(parent);
        _exit(write(ends[1], facts, sizeof(*facts)) == (ssize_t)sizeof(*facts) ? 0 : 1);
    }
    int status = 0;
    (void)close(ends[1]);
    assert_int_equal(waitpid(starter, &status, 0), starter);
    assert_int_equal(read(ends[0], facts, sizeof(*facts)), sizeof(*facts));
    (void)close(ends[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_daemon_is_a_child_that_leads_a_session_without_terminal(void **state) {
    struct daemon_facts facts;
    struct stat nowhere;
    (void)state;
    assert_int_equal(start_daemon(true, &facts), 0);
    assert_int_not_equal(facts.self, facts.parent);
    assert_int_equal(facts.session, facts.self);
    assert_int_equal(stat("/dev/null", &nowhere), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(facts.streams[i], nowhere.st_rdev);
}

static void a_daemon_that_ends_before_it_is_ready_makes_its_starter_fail(void **state) {
    struct daemon_facts facts;
    (void)state;
    assert_int_equal(start_daemon(false, &facts), 1);
}

static void the_starter_waits_until_the_daemon_is_ready(void **state) {
    int hold[2];
    int ready = -1;
    int status = 0;
    (void)state;
    assert_int_equal(pipe(hold), 0);
    pid_t starter = fork();
    assert_true(starter >= 0);
    if (starter == 0) {
        char byte = 0;
        (void)close(hold[1]);
        if (!process_daemonize(&ready, error))
            _exit(100);
        if (read(hold[0], &byte, 1) == 1)
            process_daemon_ready(ready);
        _exit(0);
    }
    (void)close(hold[0]);
    assert_int_equal(waitpid(starter, &status, WNOHANG), 0);
    assert_int_equal(write(hold[1], "", 1), 1);
    assert_int_equal(waitpid(starter, &status, 0), starter);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(hold[1]);
}

// --- Pidfile ---

static void a_pidfile_holds_the_number_of_the_process_and_is_removed(void **state) {
    char expected[32];
    (void)state;
    assert_true(pidfile_write(path_of("pid"), error));
    (void)snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
    assert_string_equal(read_text(path_of("pid")), expected);
    assert_int_equal(access(path_of("pid.new"), F_OK), -1);
    pidfile_remove(path_of("pid"));
    assert_int_equal(access(path_of("pid"), F_OK), -1);
}

static void a_pidfile_that_names_another_process_is_not_removed(void **state) {
    (void)state;
    write_text(path_of("pid"), "1\n");
    pidfile_remove(path_of("pid"));
    assert_string_equal(read_text(path_of("pid")), "1\n");
    pidfile_remove(path_of("no-such-file"));
}

// What pidfile_write() logs when the file holds `text`.
static const char *log_of_overwriting(const char *text) {
    static char log[4096];
    char file[PATH_MAX];
    int saved = dup(STDOUT_FILENO);
    write_text(path_of("pid"), text);
    (void)snprintf(file, sizeof(file), "%s", path_of("output"));
    int output = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)fflush(stdout);
    assert_true(saved >= 0 && output >= 0 && dup2(output, STDOUT_FILENO) >= 0);
    bool done = pidfile_write(path_of("pid"), error);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    (void)close(output);
    assert_true(done);
    (void)snprintf(log, sizeof(log), "%s", read_text(file));
    return log;
}

static void overwriting_the_pidfile_of_a_running_process_is_logged(void **state) {
    (void)state;
    assert_non_null(strstr(log_of_overwriting("1\n"), "named process 1, which is running"));
}

static void overwriting_a_stale_or_senseless_pidfile_is_not_worth_a_line(void **state) {
    char own[32];
    char gone[32];
    int status = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)snprintf(own, sizeof(own), "%d\n", (int)getpid());
    (void)snprintf(gone, sizeof(gone), "%d\n", (int)child);
    const char *rows[] = {own, gone, "", "words\n", "-1\n", "0\n", "99999999999999999999999\n"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(log_of_overwriting(rows[i]), "");
}

static void a_pidfile_that_is_a_link_is_replaced_and_not_followed(void **state) {
    char target[PATH_MAX];
    (void)state;
    (void)snprintf(target, sizeof(target), "%s", path_of("precious"));
    write_text(target, "precious");
    assert_int_equal(symlink(target, path_of("pid")), 0);
    assert_true(pidfile_write(path_of("pid"), error));
    assert_string_equal(read_text(target), "precious");
}

static void a_pidfile_that_cannot_be_written_is_an_error_with_path_and_reason(void **state) {
    (void)state;
    assert_false(pidfile_write("/proc/no-such-directory/pid", error));
    assert_non_null(strstr(error, "/proc/no-such-directory/pid"));
    assert_non_null(strstr(error, "No such file or directory"));
}

// --- Service manager ---

// A service manager's socket, under a path or, if `name` starts with '@', an abstract name.
static int open_manager(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    assert_true(manager >= 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return manager;
}

static void assert_manager_hears(int manager, const char *state) {
    char heard[64] = "";
    assert_true(process_notify(state, error));
    assert_int_equal(recv(manager, heard, sizeof(heard) - 1, MSG_DONTWAIT), strlen(state));
    assert_string_equal(heard, state);
    (void)close(manager);
}

static void the_service_manager_is_told_over_a_socket_in_the_file_system(void **state) {
    (void)state;
    assert_manager_hears(open_manager(path_of("notify")), "READY=1");
}

static void the_service_manager_is_told_over_an_abstract_socket(void **state) {
    char name[64];
    (void)state;
    (void)snprintf(name, sizeof(name), "@kvfence-test-%d", (int)getpid());
    assert_manager_hears(open_manager(name), "STOPPING=1");
}

static void without_a_service_manager_there_is_nobody_to_tell(void **state) {
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    assert_true(process_notify("READY=1", error));
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    assert_true(process_notify("READY=1", error));
}

static void a_service_manager_that_cannot_be_told_is_an_error(void **state) {
    static const struct {
        const char *name, *reason;
    } rows[] = {
        {"/proc/no-such-socket", "No such file or directory"},
        {"relative", "no name of a Unix socket"},
        {"@", "no name of a Unix socket"},
        {"/a-path-that-is-longer-than-the-one-hundred-and-eight-bytes-that-the-address-of-a-unix-socket-has-"
         "room"
         "-for/socket",
         "no name of a Unix socket"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", rows[i].name, 1), 0);
        assert_false(process_notify("READY=1", error));
        assert_non_null(strstr(error, rows[i].name));
        assert_non_null(strstr(error, rows[i].reason));
    }
}

// --- Limits ---

static struct rlimit file_limit(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit;
}

static void the_file_limit_is_raised_and_never_lowered(void **state) {
    struct rlimit before = file_limit();
    struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    (void)state;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(process_raise_file_limit(200), 200);
    assert_int_equal(file_limit().rlim_cur, 200);
    assert_int_equal(process_raise_file_limit(100), 200);
    assert_int_equal(file_limit().rlim_cur, 200);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

// The kernel allows nobody more than fs.nr_open.
static void a_file_limit_out_of_reach_is_approached(void **state) {
    struct rlimit before = file_limit();
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
        bool good = setrlimit(RLIMIT_NOFILE, &low) == 0 &&
                    process_raise_file_limit(UINT64_C(1) << 40) == before.rlim_max;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// --- Directories ---

static void missing_directories_are_created_with_those_above_them(void **state) {
    struct stat status;
    (void)state;
    assert_true(directory_create(path_of("a/b//c/"), error));
    assert_int_equal(stat(path_of("a/b/c"), &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_true(directory_create(path_of("a/b"), error));
    assert_true(directory_create("/", error));
    assert_true(directory_create(".", error));
}

static void a_directory_is_locked_by_one_until_it_lets_go(void **state) {
    int first = -1;
    int second = -1;
    (void)state;
    assert_true(directory_create(path_of("locked"), error));
    assert_true(directory_lock(path_of("locked"), &first, error));
    assert_true(first >= 0);
    assert_false(directory_lock(path_of("locked"), &second, error));
    assert_int_equal(second, -1);
    assert_non_null(strstr(error, "another process is using this data directory"));
    assert_int_equal(close(first), 0);
    assert_true(directory_lock(path_of("locked"), &second, error));
    assert_int_equal(close(second), 0);
    assert_false(directory_lock(path_of("no such"), &second, error));
}

static void a_directory_that_cannot_be_is_an_error_with_path_and_reason(void **state) {
    (void)state;
    write_text(path_of("file"), "");
    assert_false(directory_create(path_of("file"), error));
    assert_non_null(strstr(error, "is not a directory"));
    assert_false(directory_create(path_of("file/below"), error));
    assert_non_null(strstr(error, "Not a directory"));
    assert_false(directory_create("/proc/no-such/deep", error));
    assert_non_null(strstr(error, "'/proc/no-such' cannot be created"));
    assert_non_null(strstr(error, "choose another"));
    assert_false(directory_create("", error));
}

#define process_test(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        process_test(a_daemon_is_a_child_that_leads_a_session_without_terminal),
        process_test(a_daemon_that_ends_before_it_is_ready_makes_its_starter_fail),
        process_test(the_starter_waits_until_the_daemon_is_ready),
        process_test(a_pidfile_holds_the_number_of_the_process_and_is_removed),
        process_test(a_pidfile_that_names_another_process_is_not_removed),
        process_test(overwriting_the_pidfile_of_a_running_process_is_logged),
        process_test(overwriting_a_stale_or_senseless_pidfile_is_not_worth_a_line),
        process_test(a_pidfile_that_is_a_link_is_replaced_and_not_followed),
        process_test(a_pidfile_that_cannot_be_written_is_an_error_with_path_and_reason),
        process_test(the_service_manager_is_told_over_a_socket_in_the_file_system),
        process_test(the_service_manager_is_told_over_an_abstract_socket),
        process_test(without_a_service_manager_there_is_nobody_to_tell),
        process_test(a_service_manager_that_cannot_be_told_is_an_error),
        process_test(the_file_limit_is_raised_and_never_lowered),
        process_test(a_file_limit_out_of_reach_is_approached),
        process_test(missing_directories_are_created_with_those_above_them),
        process_test(a_directory_is_locked_by_one_until_it_lets_go),
        process_test(a_directory_that_cannot_be_is_an_error_with_path_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
