// SPDX-License-Identifier: Apache-2.0
//
// The program as a whole: its options, its start and its end, its signals, and what it leaves in the file
// system.
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool is_there(const struct sandbox *sandbox, const char *name) {
    return access(sandbox_path(sandbox, name), F_OK) == 0;
}

static bool answers(const struct sandbox *sandbox) {
    redisContext *client = redisConnect("127.0.0.1", sandbox->port);
    redisReply *reply = client != NULL && client->err == 0 ? redisCommand(client, "PING") : NULL;
    bool right = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    redisFree(client);
    return right;
}

// --- Options ---

static void version_and_help_are_printed(void **state) {
    struct sandbox *sandbox = *state;
    const char *const flags[] = {"-v", "--version", "-h", "--help"};
    for (size_t i = 0; i < 4; i++) {
        sandbox_write(sandbox, "output", "");
        assert_int_equal(program_wait(program_start(sandbox, ARGUMENTS(flags[i]))), 0);
        assert_non_null(strstr(sandbox_read(sandbox, "output"), i < 2 ? "kvfence 0." : "usage: kvfenced"));
    }
}

static void refused(struct sandbox *sandbox, const char *const *arguments, const char *reason) {
    sandbox_write(sandbox, "errors", "");
    assert_int_equal(program_wait(program_start(sandbox, arguments)), 1);
    const char *errors = sandbox_read(sandbox, "errors");
    assert_int_equal(strncmp(errors, "kvfenced: ", 10), 0);
    if (strstr(errors, reason) == NULL)
        fail_msg("'%s' lacks '%s'", errors, reason);
    assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1);
}

static void options_that_make_no_sense_are_refused_in_one_line(void **state) {
    struct sandbox *sandbox = *state;
    refused(sandbox, ARGUMENTS("kvfence.conf"), "'kvfence.conf' is no option");
    refused(sandbox, ARGUMENTS("-x"), "'-x' is no option");
    refused(sandbox, ARGUMENTS("-c"), "-c needs a file");
    refused(sandbox, ARGUMENTS("-c", "/no/such/file"), "/no/such/file");
    refused(sandbox, ARGUMENTS("--no-such-directive", "1"), "no-such-directive");
    refused(sandbox, ARGUMENTS("--port", "high"), "port");
    refused(sandbox, ARGUMENTS("--dir", "/proc/no-such"), "/proc/no-such");
    refused(sandbox, ARGUMENTS("--dir", sandbox_path(sandbox, "data"), "--log-dir", "/proc/no-such"),
            "/proc/no-such");
}

static void a_mistake_in_the_file_is_named_with_its_line(void **state) {
    struct sandbox *sandbox = *state;
    sandbox_write(sandbox, "conf", "# a comment\nport 12\nworkers none\n");
    refused(sandbox, ARGUMENTS("-c", sandbox_path(sandbox, "conf")), "conf");
    assert_non_null(strstr(sandbox_read(sandbox, "errors"), "3"));
    assert_non_null(strstr(sandbox_read(sandbox, "errors"), "workers"));
}

static void the_file_counts_and_the_command_line_overrides_it(void **state) {
    struct sandbox *sandbox = *state;
    char port[16];
    char text[PATH_MAX + 64];
    (void)snprintf(port, sizeof(port), "%d", sandbox->port);
    (void)snprintf(text, sizeof(text), "dir %s\nport 1\nworkers 1\nlog-dir stdout\n",
                   sandbox_path(sandbox, "data"));
    sandbox_write(sandbox, "conf", text);
    pid_t program =
        program_start(sandbox, ARGUMENTS("--config", sandbox_path(sandbox, "conf"), "--port", port));
    program_await_state(sandbox, "READY=1");
    assert_true(answers(sandbox));
    program_stop(program);
    assert_true(is_there(sandbox, "data/db"));
}

static void a_minus_stands_for_standard_input(void **state) {
    struct sandbox *sandbox = *state;
    char text[PATH_MAX + 64];
    (void)snprintf(text, sizeof(text), "dir %s\nport %d\nworkers 1\n", sandbox_path(sandbox, "data"),
                   sandbox->port);
    sandbox_write(sandbox, "input", text);
    pid_t program = program_start(sandbox, ARGUMENTS("-c", "-"));
    program_await_state(sandbox, "READY=1");
    assert_true(answers(sandbox));
    program_stop(program);
}

// --- Start and end ---

static void it_serves_when_it_says_so_and_says_when_it_stops(void **state) {
    struct sandbox *sandbox = *state;
    pid_t program = program_serve(sandbox, NULL);
    assert_true(answers(sandbox));
    assert_int_equal(kill(program, SIGINT), 0);
    program_await_state(sandbox, "STOPPING=1");
    assert_int_equal(program_wait(program), 0);
    assert_false(answers(sandbox));
}

static void the_log_starts_with_version_process_port_and_directory(void **state) {
    struct sandbox *sandbox = *state;
    char expected[PATH_MAX];
    pid_t program = program_serve(sandbox, ARGUMENTS("--log-level", "warning"));
    (void)snprintf(expected, sizeof(expected), "process %d, port %d, directory %s,", (int)program,
                   sandbox->port, sandbox_path(sandbox, "data"));
    assert_non_null(strstr(sandbox_read(sandbox, "output"), "[warning]"));
    assert_non_null(strstr(sandbox_read(sandbox, "output"), "kvfence 0."));
    assert_non_null(strstr(sandbox_read(sandbox, "output"), expected));
    program_stop(program);
}

static void a_pidfile_names_it_while_it_runs(void **state) {
    struct sandbox *sandbox = *state;
    char expected[16];
    pid_t program = program_serve(sandbox, NULL);
    (void)snprintf(expected, sizeof(expected), "%d\n", (int)program);
    assert_string_equal(sandbox_read(sandbox, "data/kvrocks.pid"), expected);
    program_stop(program);
    assert_false(is_there(sandbox, "data/kvrocks.pid"));
    program = program_serve(sandbox, ARGUMENTS("--pidfile", sandbox_path(sandbox, "elsewhere")));
    assert_true(is_there(sandbox, "elsewhere"));
    assert_false(is_there(sandbox, "data/kvrocks.pid"));
    program_stop(program);
    assert_false(is_there(sandbox, "elsewhere"));
}

static void a_second_server_on_the_same_data_fails_and_leaves_the_first_alone(void **state) {
    struct sandbox *sandbox = *state;
    char before[32];
    pid_t program = program_serve(sandbox, NULL);
    (void)snprintf(before, sizeof(before), "%s", sandbox_read(sandbox, "data/kvrocks.pid"));
    refused(sandbox,
            ARGUMENTS("--dir", sandbox_path(sandbox, "data"), "--port", "0", "--unixsocket",
                      sandbox_path(sandbox, "socket"), "--log-dir", "stdout"),
            "another process is using this data directory");
    assert_string_equal(sandbox_read(sandbox, "data/kvrocks.pid"), before);
    assert_true(answers(sandbox));
    program_stop(program);
}

// What the first server may still change is not read before the data is the second's own.
static void a_second_server_reads_the_lease_only_when_the_data_is_its_own(void **state) {
    struct sandbox *sandbox = *state;
    pid_t program = program_serve(sandbox, NULL);
    sandbox_write(sandbox, "data/lease.state", "being changed");
    const char *const arguments[] = {"--dir",
                                     sandbox_path(sandbox, "data"),
                                     "--port",
                                     "0",
                                     "--unixsocket",
                                     sandbox_path(sandbox, "socket"),
                                     "--log-dir",
                                     "stdout",
                                     NULL};
    refused(sandbox, arguments, "another process is using this data directory");
    program_stop(program);
    refused(sandbox, arguments, "data/lease.state");
}

static void a_second_server_reads_the_topology_only_when_the_data_is_its_own(void **state) {
    struct sandbox *sandbox = *state;
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", sandbox->port);
    pid_t program = program_serve(sandbox, ARGUMENTS("--cluster-enabled", "yes"));
    sandbox_write(sandbox, "data/nodes.conf", "being changed");
    const char *const *arguments = ARGUMENTS("--dir", sandbox_path(sandbox, "data"), "--port", port,
                                             "--cluster-enabled", "yes", "--log-dir", "stdout");
    refused(sandbox, arguments, "another process is using this data directory");
    program_stop(program);
    refused(sandbox, arguments, "data/nodes.conf");
}

static void a_port_in_use_ends_the_start_with_a_reason(void **state) {
    struct sandbox *sandbox = *state;
    char port[16];
    pid_t program = program_serve(sandbox, NULL);
    (void)snprintf(port, sizeof(port), "%d", sandbox->port);
    refused(sandbox, ARGUMENTS("--dir", sandbox_path(sandbox, "other"), "--port", port),
            "Address already in use; stop what uses it, or choose another port");
    assert_false(is_there(sandbox, "other/kvrocks.pid"));
    program_stop(program);
}

// Both signals wait while the process is stopped; the lower number is taken first, the other one comes
// second.
static void a_second_signal_ends_it_at_once(void **state) {
    struct sandbox *sandbox = *state;
    pid_t program = program_serve(sandbox, NULL);
    assert_int_equal(kill(program, SIGSTOP), 0);
    assert_int_equal(kill(program, SIGINT), 0);
    assert_int_equal(kill(program, SIGTERM), 0);
    assert_int_equal(kill(program, SIGCONT), 0);
    assert_int_equal(program_wait(program), 1);
    assert_non_null(strstr(sandbox_read(sandbox, "errors"), "second signal"));
}

static void more_files_than_the_system_allows_are_warned_of(void **state) {
    struct sandbox *sandbox = *state;
    pid_t program = program_serve(sandbox, ARGUMENTS("--maxclients", "2147483647"));
    assert_non_null(strstr(sandbox_read(sandbox, "output"), "but maxclients 2147483647"));
    program_stop(program);
}

// --- Log ---

static const char *today_log(void) {
    static char name[64];
    time_t now = time(NULL);
    struct tm day;
    assert_non_null(localtime_r(&now, &day));
    assert_int_not_equal(strftime(name, sizeof(name), "data/kvrocks_%Y-%m-%d.log", &day), 0);
    return name;
}

static void the_log_lies_with_the_data_and_is_opened_anew_at_hangup(void **state) {
    struct sandbox *sandbox = *state;
    pid_t program = program_serve(sandbox, ARGUMENTS("--log-dir", ""));
    assert_non_null(strstr(sandbox_read(sandbox, today_log()), "kvfence 0."));
    assert_string_equal(sandbox_read(sandbox, "output"), "");
    assert_int_equal(rename(sandbox_path(sandbox, today_log()), sandbox_path(sandbox, "rotated")), 0);
    assert_int_equal(kill(program, SIGHUP), 0);
    while (!is_there(sandbox, today_log())) // the runner's time limit ends a wait in vain
        (void)usleep(1000);
    program_stop(program);
    assert_non_null(strstr(sandbox_read(sandbox, today_log()), "shut down"));
    assert_null(strstr(sandbox_read(sandbox, "rotated"), "shut down"));
}

// --- Daemon ---

static void a_daemon_is_started_when_it_serves(void **state) {
    struct sandbox *sandbox = *state;
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", sandbox->port);
    // The orphaned daemon becomes this process's child, so that its end can be waited for.
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t starter =
        program_start(sandbox, ARGUMENTS("--daemonize", "yes", "--dir", sandbox_path(sandbox, "data"),
                                         "--port", port, "--workers", "1"));
    assert_int_equal(program_wait(starter), 0);
    pid_t daemon = (pid_t)strtol(sandbox_read(sandbox, "data/kvrocks.pid"), NULL, 10);
    sandbox_adopt(sandbox, daemon);
    assert_int_not_equal(daemon, starter);
    assert_true(answers(sandbox));
    assert_int_equal(getsid(daemon), daemon);
    program_stop(daemon);
    assert_false(is_there(sandbox, "data/kvrocks.pid"));
}

static void a_daemon_that_cannot_start_says_why_where_it_was_started(void **state) {
    struct sandbox *sandbox = *state;
    char port[16];
    pid_t program = program_serve(sandbox, NULL);
    (void)snprintf(port, sizeof(port), "%d", sandbox->port);
    refused(sandbox, ARGUMENTS("--daemonize", "yes", "--dir", sandbox_path(sandbox, "other"), "--port", port),
            "Address already in use");
    program_stop(program);
}

static void under_a_service_manager_it_stays_in_the_foreground(void **state) {
    struct sandbox *sandbox = *state;
    pid_t program = program_serve(sandbox, ARGUMENTS("--daemonize", "yes", "--supervised", "systemd"));
    assert_true(answers(sandbox));
    program_stop(program);
}

#define program_test(function) cmocka_unit_test_setup_teardown(function, open_sandbox, close_sandbox)

int main(void) {
    const struct CMUnitTest tests[] = {
        program_test(version_and_help_are_printed),
        program_test(options_that_make_no_sense_are_refused_in_one_line),
        program_test(a_mistake_in_the_file_is_named_with_its_line),
        program_test(the_file_counts_and_the_command_line_overrides_it),
        program_test(a_minus_stands_for_standard_input),
        program_test(it_serves_when_it_says_so_and_says_when_it_stops),
        program_test(the_log_starts_with_version_process_port_and_directory),
        program_test(a_pidfile_names_it_while_it_runs),
        program_test(a_second_server_on_the_same_data_fails_and_leaves_the_first_alone),
        program_test(a_second_server_reads_the_lease_only_when_the_data_is_its_own),
        program_test(a_second_server_reads_the_topology_only_when_the_data_is_its_own),
        program_test(a_port_in_use_ends_the_start_with_a_reason),
        program_test(a_second_signal_ends_it_at_once),
        program_test(more_files_than_the_system_allows_are_warned_of),
        program_test(the_log_lies_with_the_data_and_is_opened_anew_at_hangup),
        program_test(a_daemon_is_started_when_it_serves),
        program_test(a_daemon_that_cannot_start_says_why_where_it_was_started),
        program_test(under_a_service_manager_it_stays_in_the_foreground),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
