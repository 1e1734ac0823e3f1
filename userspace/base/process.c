// SPDX-License-Identifier: Apache-2.0
//
// Daemon, pidfile, service notification, limits, directories. Uses: log.
#include "base/process.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Puts the reason into `error` and returns false, for the caller to return.
__attribute__((format(printf, 2, 3))) static bool failed(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error, PROCESS_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

// read() that goes on after a signal.
static ssize_t read_some(int file, void *to, size_t size) {
    ssize_t count = 0;
    do {
        count = read(file, to, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

// The parent of a daemon: one byte means that the child serves, the pipe's end that it has gone.
static _Noreturn void wait_for_child(int ready) {
    char byte = 0;
    _exit(read_some(ready, &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

bool process_daemonize(int *ready, char error[PROCESS_ERROR_SIZE]) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return failed(error, "cannot become a daemon: no pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) {
        int reason = errno;
        (void)close(ends[0]);
        (void)close(ends[1]);
        return failed(error, "cannot become a daemon: cannot fork: %s", strerror(reason));
    }
    if (child > 0) {
        (void)close(ends[1]);
        wait_for_child(ends[0]);
    }
    (void)close(ends[0]);
    (void)setsid(); // cannot fail: a fresh child leads no process group
    *ready = ends[1];
    return true;
}

void process_daemon_ready(int ready) {
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) {
        log_warning("the daemon keeps its terminal: /dev/null cannot be opened: %s", strerror(errno));
    } else {
        (void)fflush(NULL);
        for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
            (void)dup2(nowhere, stream);
        if (nowhere > STDERR_FILENO)
            (void)close(nowhere);
    }
    if (write(ready, "", 1) != 1)
        log_warning("the process that started the daemon could not be told that it is ready: %s",
                    strerror(errno));
    (void)close(ready);
}

// The process that a pidfile names, or 0.
static pid_t pidfile_read(const char *path) {
    char text[32];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t length = read_some(file, text, sizeof(text) - 1);
    (void)close(file);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static bool is_running(pid_t pid) {
    return kill(pid, 0) == 0 || errno == EPERM;
}

// Writes `text` into a new file; whatever was there under that name is replaced, not followed.
static bool write_new_file(const char *path, const char *text) {
    (void)unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0)
        return false;
    bool done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    return close(file) == 0 && done;
}

bool pidfile_write(const char *path, char error[PROCESS_ERROR_SIZE]) {
    char draft[PATH_MAX];
    char text[32];
    pid_t other = pidfile_read(path);
    if (other != 0 && other != getpid() && is_running(other))
        log_warning("pidfile %s named process %d, which is running; it now names this one", path, (int)other);
    if (snprintf(draft, sizeof(draft), "%s.new", path) >= (int)sizeof(draft))
        return failed(error, "pidfile '%s': the path is too long", path);
    (void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (write_new_file(draft, text) && rename(draft, path) == 0)
        return true;
    int reason = errno;
    (void)unlink(draft);
    return failed(error, "pidfile '%s' cannot be written: %s", path, strerror(reason));
}

void pidfile_remove(const char *path) {
    if (pidfile_read(path) == getpid() && unlink(path) != 0)
        log_warning("pidfile %s could not be removed: %s", path, strerror(errno));
}

// Fills the address of a socket named by a path or, after '@', by an abstract name. 0 if the name does not
// fit.
static socklen_t unix_address(const char *name, struct sockaddr_un *address) {
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(address->sun_path))
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, length);
    if (name[0] == '@')
        address->sun_path[0] = '\0'; // an abstract name ends where the address ends
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

bool process_notify(const char *state, char error[PROCESS_ERROR_SIZE]) {
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    if (name == NULL || name[0] == '\0')
        return true;
    socklen_t size = unix_address(name, &address);
    if (size == 0)
        return failed(error, "NOTIFY_SOCKET '%s' is no name of a Unix socket", name);
    int notifier = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notifier < 0)
        return failed(error, "no socket for NOTIFY_SOCKET: %s", strerror(errno));
    ssize_t sent = sendto(notifier, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    int reason = errno;
    (void)close(notifier);
    if (sent != (ssize_t)strlen(state))
        return failed(error, "NOTIFY_SOCKET '%s' does not take '%s': %s", name, state, strerror(reason));
    return true;
}

uint64_t process_raise_file_limit(uint64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    // First with the hard limit raised too, which needs privilege, then as far as the hard limit goes.
    struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};
    if (limit.rlim_max < wanted)
        raised.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

// A component of the path that is there already is fine; whether the whole is a directory shows at the end.
bool directory_create(const char *path, char error[PROCESS_ERROR_SIZE]) {
    char partial[PATH_MAX];
    struct stat status;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(partial))
        return failed(error, "directory '%s': the path is empty or too long", path);
    for (size_t end = 1; end <= length; end++) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        memcpy(partial, path, end);
        partial[end] = '\0';
        if (mkdir(partial, 0755) != 0 && errno != EEXIST)
            return failed(error,
                          "directory '%s' cannot be created: %s; choose another or make it for this user",
                          partial, strerror(errno));
    }
    if (stat(path, &status) != 0)
        return failed(error, "directory '%s' cannot be looked at: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return failed(error, "'%s' is not a directory", path);
    return true;
}

bool directory_is_trusted(const char *path, char error[PROCESS_ERROR_SIZE]) {
    struct stat status;
    if (stat(path, &status) != 0)
        return failed(error, "directory '%s' cannot be looked at: %s", path, strerror(errno));
    if (status.st_uid == geteuid() || status.st_uid == 0)
        return true;
    return failed(error,
                  "directory '%s' belongs to user %u, and this process is user %u's: run it as its owner",
                  path, (unsigned)status.st_uid, (unsigned)geteuid());
}

bool directory_lock(const char *path, int *lock, char error[PROCESS_ERROR_SIZE]) {
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return failed(error, "directory '%s' cannot be opened: %s", path, strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    bool is_taken = errno == EWOULDBLOCK;
    (void)close(*lock);
    *lock = -1;
    return !is_taken || failed(error,
                               "another process is using this data directory, '%s'; stop it or choose "
                               "another 'dir'",
                               path);
}

void process_keep_files_private(void) {
    enum { NOT_FOR_OTHERS = 0027, NOBODY_ELSE = 0077 };
    mode_t stricter = umask(NOBODY_ELSE);
    (void)umask(stricter | NOT_FOR_OTHERS);
}
