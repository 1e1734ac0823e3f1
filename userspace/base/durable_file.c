// SPDX-License-Identifier: Apache-2.0
//
// Replacing small files as a whole. Uses: base/buffer, base/memory.
#include "base/durable_file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool failed(char error[DURABLE_FILE_ERROR_SIZE], const char *what, const char *path, int problem) {
    (void)snprintf(error, DURABLE_FILE_ERROR_SIZE, "cannot %s '%.300s': %s", what, path, strerror(problem));
    return false;
}

bool durable_file_write_all(int file, struct bytes text) {
    while (text.length > 0) {
        ssize_t count = write(file, text.data, text.length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            errno = count == 0 ? ENOSPC : errno;
            return false;
        }
        text.data += count;
        text.length -= (size_t)count;
    }
    return true;
}

// Leaves errno set if it fails. A close() that fails can mean that the data was not stored.
static bool write_and_close(int file, struct bytes text) {
    bool written = durable_file_write_all(file, text) && fsync(file) == 0;
    int problem = errno;
    if (close(file) != 0 && written)
        return false;
    errno = problem;
    return written;
}

bool durable_file_sync_directory(const char *path) {
    char *copy = memory_copy_text(path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (directory < 0)
        return false;
    bool synced = fsync(directory) == 0;
    int problem = errno;
    (void)close(directory);
    errno = problem;
    return synced;
}

static bool replace(const char *path, const char *temporary, struct bytes text,
                    char error[DURABLE_FILE_ERROR_SIZE]) {
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return failed(error, "create", temporary, errno);
    bool written = write_and_close(file, text);
    if (!written)
        (void)failed(error, "write", temporary, errno);
    else if (rename(temporary, path) != 0)
        written = failed(error, "replace", path, errno);
    if (!written)
        (void)unlink(temporary);
    return written;
}

bool durable_file_replace(const char *path, struct bytes text, char error[DURABLE_FILE_ERROR_SIZE]) {
    struct buffer temporary = {0};
    buffer_append_format(&temporary, "%s.tmp%c", path, '\0');
    bool replaced = replace(path, temporary.data, text, error);
    buffer_release(&temporary);
    return replaced &&
           (durable_file_sync_directory(path) || failed(error, "sync the directory of", path, errno));
}

bool durable_file_remove(const char *path, char error[DURABLE_FILE_ERROR_SIZE]) {
    if (unlink(path) != 0)
        return errno == ENOENT || failed(error, "remove", path, errno);
    return durable_file_sync_directory(path) || failed(error, "sync the directory of", path, errno);
}

bool durable_file_read(const char *path, struct buffer *out, bool *exists,
                       char error[DURABLE_FILE_ERROR_SIZE]) {
    enum { PIECE = 16384 };
    int file = open(path, O_RDONLY | O_CLOEXEC);
    *exists = file >= 0;
    if (file < 0)
        return errno == ENOENT || failed(error, "open", path, errno);
    ssize_t count = 0;
    do {
        count = read(file, buffer_reserve(out, PIECE), PIECE);
        if (count > 0)
            out->length += (size_t)count;
    } while (count > 0 || (count < 0 && errno == EINTR));
    int problem = errno;
    (void)close(file);
    return count == 0 || failed(error, "read", path, problem);
}
