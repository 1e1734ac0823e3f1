// SPDX-License-Identifier: Apache-2.0
//
// Starting and ending the server as a program, for integration tests.
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 60, MOST_ARGUMENTS = 64 };

static int open_manager(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0 && strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setsockopt(manager, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return manager;
}

struct sandbox *sandbox_open(void) {
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    const char *base = getenv("TMPDIR");
    assert_non_null(sandbox);
    (void)snprintf(sandbox->directory, sizeof(sandbox->directory), "%s/kvfence.XXXXXX",
                   base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(sandbox->directory));
    sandbox->manager = open_manager(sandbox_path(sandbox, "manager"));
    sandbox->port = free_port();
    return sandbox;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void sandbox_adopt(struct sandbox *sandbox, pid_t program) {
    size_t count = 0;
    while (sandbox->programs[count] != 0)
        count++;
    assert_true(count + 1 < MOST_PROGRAMS);
    sandbox->programs[count] = program;
}

void sandbox_close(struct sandbox *sandbox) {
    for (size_t i = 0; sandbox->programs[i] != 0; i++) {
        if (waitpid(sandbox->programs[i], NULL, WNOHANG) == 0) {
            (void)kill(sandbox->programs[i], SIGKILL);
            (void)waitpid(sandbox->programs[i], NULL, 0);
        }
    }
    (void)close(sandbox->manager);
    (void)nftw(sandbox->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(sandbox);
}

int open_sandbox(void **state) {
    *state = sandbox_open();
    return 0;
}

int close_sandbox(void **state) {
    sandbox_close(*state);
    return 0;
}

const char *sandbox_path(const struct sandbox *sandbox, const char *name) {
    static char paths[16][PATH_MAX];
    static size_t turn;
    char *path = paths[turn++ % 16];
    (void)snprintf(path, PATH_MAX, "%s/%s", sandbox->directory, name);
    return path;
}

void sandbox_write(const struct sandbox *sandbox, const char *name, const char *text) {
    FILE *file = fopen(sandbox_path(sandbox, name), "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

const char *sandbox_read(const struct sandbox *sandbox, const char *name) {
    static char text[65536];
    FILE *file = fopen(sandbox_path(sandbox, name), "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static void redirect(const struct sandbox *sandbox, const char *name, int flags, int stream) {
    int file = open(sandbox_path(sandbox, name), flags | O_CLOEXEC, 0600);
    if (file < 0)
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(file, stream) < 0)
        _exit(126);
}

pid_t program_start(struct sandbox *sandbox, const char *const *arguments) {
    const char *program = getenv("KVFENCED");
    const char *all[MOST_ARGUMENTS] = {program};
    assert_non_null(program);
    for (size_t i = 0; arguments[i] != NULL; i++) {
        assert_true(i + 2 < MOST_ARGUMENTS);
        all[i + 1] = arguments[i];
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        redirect(sandbox, "input", O_RDONLY, STDIN_FILENO);
        redirect(sandbox, "output", O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
        redirect(sandbox, "errors", O_WRONLY | O_CREAT | O_APPEND, STDERR_FILENO);
        (void)setenv("NOTIFY_SOCKET", sandbox_path(sandbox, "manager"), 1);
        (void)execv(program, (char *const *)(uintptr_t)all);
        _exit(127);
    }
    sandbox_adopt(sandbox, child);
    return child;
}

pid_t program_serve(struct sandbox *sandbox, const char *const *arguments) {
    char port[16];
    char directory[PATH_MAX];
    const char *all[MOST_ARGUMENTS] = {
        "--port",    port,     "--dir",       directory, "--workers",        "1",
        "--log-dir", "stdout", "--daemonize", "no",      "--fence-bpf-path", ""};
    size_t count = 12;
    (void)snprintf(port, sizeof(port), "%d", sandbox->port);
    (void)snprintf(directory, sizeof(directory), "%s", sandbox_path(sandbox, "data"));
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        assert_true(count + 1 < MOST_ARGUMENTS);
        all[count++] = arguments[i];
    }
    pid_t program = program_start(sandbox, all);
    program_await_state(sandbox, "READY=1");
    return program;
}

void program_await_state(const struct sandbox *sandbox, const char *state) {
    char heard[128] = "";
    while (strcmp(heard, state) != 0) {
        ssize_t length = recv(sandbox->manager, heard, sizeof(heard) - 1, 0);
        if (length < 0)
            fail_msg("no '%s' within %d s; errors: %s", state, PATIENCE_SECONDS,
                     sandbox_read(sandbox, "errors"));
        heard[length > 0 ? length : 0] = '\0';
    }
}

int program_wait(pid_t program) {
    int status = 0;
    assert_int_equal(waitpid(program, &status, 0), program);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void program_stop(pid_t program) {
    assert_int_equal(kill(program, SIGTERM), 0);
    assert_int_equal(program_wait(program), 0);
}
