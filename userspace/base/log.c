// SPDX-License-Identifier: Apache-2.0
//
// The log's one sink, guarded by one mutex. Uses: clock. This file never calls memory_*, which logs.
#include "base/log.h"

#include "base/assert.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

static struct {
    pthread_mutex_t mutex;
    FILE *file;               // NULL: standard output
    char directory[PATH_MAX]; // empty: standard output
    int day;                  // tm_yday of the open file
} sink = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Atomic int threshold = LOG_INFO;

static FILE *open_day_file(const char *directory, const struct tm *now) {
    char path[PATH_MAX + 32];
    char day[16];
    (void)strftime(day, sizeof(day), "%Y-%m-%d", now);
    (void)snprintf(path, sizeof(path), "%s/kvrocks_%s.log", directory, day);
    // A link that somebody has put there would have any file of this user's written to.
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
    if (fd >= 0 && file == NULL)
        (void)close(fd);
    return file;
}

bool log_open(const char *directory, char *error, size_t error_size) {
    FILE *file = NULL;
    struct tm now = clock_local_time(clock_wall_ms());
    if (directory != NULL) {
        file = open_day_file(directory, &now);
        if (file == NULL) {
            (void)snprintf(
                error, error_size,
                "cannot write a log file in '%s': %s; name another directory with log-dir, or stdout",
                directory, strerror(errno));
            return false;
        }
    }
    pthread_mutex_lock(&sink.mutex);
    if (sink.file != NULL)
        (void)fclose(sink.file);
    sink.file = file;
    sink.day = now.tm_yday;
    (void)snprintf(sink.directory, sizeof(sink.directory), "%s", directory == NULL ? "" : directory);
    pthread_mutex_unlock(&sink.mutex);
    return true;
}

// With the mutex held: the file of today, keeping the old one when it cannot be opened.
static bool reopen_locked(const struct tm *now) {
    FILE *file = open_day_file(sink.directory, now);
    if (file == NULL)
        return false;
    if (sink.file != NULL)
        (void)fclose(sink.file);
    sink.file = file;
    return true;
}

void log_reopen(void) {
    struct tm now = clock_local_time(clock_wall_ms());
    pthread_mutex_lock(&sink.mutex);
    bool done = sink.directory[0] == '\0' || reopen_locked(&now);
    int reason = errno;
    pthread_mutex_unlock(&sink.mutex);
    if (!done)
        log_error("the log file could not be opened again, the old one stays in use: %s", strerror(reason));
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

void log_write(enum log_level level, const char *file, int line, const char *format, ...) {
    static const char *const names[] = {"debug", "info", "warning", "error", "fatal"};
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    wall_ms_t wall = clock_wall_ms();
    struct tm now = clock_local_time(wall);
    char stamp[32];
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &now);

    pthread_mutex_lock(&sink.mutex);
    if (sink.file != NULL && sink.day != now.tm_yday) {
        (void)reopen_locked(&now);
        sink.day = now.tm_yday;
    }
    FILE *out = sink.file != NULL ? sink.file : stdout;
    (void)fprintf(out, "[%s.%03d][%s][%s:%d] %s\n", stamp, (int)(wall % 1000), names[level], base_name(file),
                  line, text);
    (void)fflush(out);
    pthread_mutex_unlock(&sink.mutex);
}

_Noreturn void assertion_failed(const char *expression, const char *file, int line, const char *meaning) {
    log_write(LOG_FATAL, file, line, "assertion failed: %s (%s)", meaning, expression);
    abort();
}
