// SPDX-License-Identifier: Apache-2.0
//
// Four lines of text that a person can read: format, version, whether there was a lease, checksum of the
// three lines before. A file is sound if it is, byte for byte, what would be written for what it says. Uses:
// base.
#include "lease/state_file.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/durable_file.h"
#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1 };

// What an operator must know before touching a file that the server refuses.
#define WHAT_TO_DO                                                                                           \
    "The server does not start, because without this file it could accept writes beside a newer master. "    \
    "Restore the file from a copy; or, if no other node is master of this data, remove it and start with "   \
    "master-lease-cold-start fence: the node then accepts writes after its controller's next heartbeat"

__attribute__((format(printf, 2, 3))) static bool failed(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error, STATE_FILE_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

// FNV-1a: it finds accidents, and nobody who may write the file needs to be kept from forging it.
static uint64_t checksum_of(const char *text, size_t length) {
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return sum;
}

size_t state_file_encode(struct lease_record record, char text[STATE_FILE_TEXT_SIZE]) {
    int body =
        snprintf(text, STATE_FILE_TEXT_SIZE, "kvfence-lease %d\nhighest_version %" PRIu64 "\never_held %d\n",
                 FORMAT, record.highest_version, (int)record.ever_held);
    always_assert(body > 0 && body < STATE_FILE_TEXT_SIZE, "the state file's text fits its buffer");
    int tail = snprintf(text + body, STATE_FILE_TEXT_SIZE - (size_t)body, "checksum %016" PRIx64 "\n",
                        checksum_of(text, (size_t)body));
    always_assert(tail > 0 && tail < STATE_FILE_TEXT_SIZE - body, "the state file's text fits its buffer");
    return (size_t)body + (size_t)tail;
}

static bool path_of(const char *directory, const char *ending, char path[PATH_MAX], char *error) {
    int length = snprintf(path, PATH_MAX, "%s/%s%s", directory, LEASE_STATE_FILE_NAME, ending);
    if (length > 0 && length < PATH_MAX)
        return true;
    return failed(error, "the path of the data directory is too long: '%s'", directory);
}

// --- Reading ---

// Up to `size` bytes from the file's start. -1 with errno.
static ssize_t read_all(int file, char *text, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t count = read(file, text + length, size - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        length += (size_t)count;
    }
    return (ssize_t)length;
}

static ssize_t read_regular_file(int file, char *text, size_t size) {
    struct stat status;
    if (fstat(file, &status) != 0)
        return -1;
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    return read_all(file, text, size);
}

// The number after `name` at the start of *rest, which moves on to the next line.
static bool take_number(struct bytes *rest, const char *name, uint64_t *number) {
    size_t skip = strlen(name);
    const char *end = rest->length == 0 ? NULL : memchr(rest->data, '\n', rest->length);
    if (end == NULL || rest->length < skip || memcmp(rest->data, name, skip) != 0)
        return false;
    size_t line = (size_t)(end - rest->data);
    struct bytes digits = {.data = rest->data + skip, .length = line < skip ? 0 : line - skip};
    *rest = (struct bytes){.data = end + 1, .length = rest->length - line - 1};
    return number_read_unsigned(digits, number);
}

// What the text says, if it is one that state_file_encode() writes.
static bool decode(struct bytes text, struct lease_record *record) {
    char again[STATE_FILE_TEXT_SIZE];
    struct bytes rest = text;
    uint64_t format = 0;
    uint64_t version = 0;
    uint64_t ever_held = 0;
    if (!take_number(&rest, "kvfence-lease ", &format) || !take_number(&rest, "highest_version ", &version) ||
        !take_number(&rest, "ever_held ", &ever_held))
        return false;
    struct lease_record read = {.highest_version = version, .ever_held = ever_held != 0};
    size_t length = state_file_encode(read, again);
    if (!bytes_equal(text, (struct bytes){.data = again, .length = length}))
        return false;
    *record = read;
    return true;
}

static bool interpret(const char *path, struct bytes text, struct lease_record *record, char *error) {
    struct bytes rest = text;
    uint64_t format = 0;
    if (decode(text, record))
        return true;
    if (take_number(&rest, "kvfence-lease ", &format) && format > FORMAT)
        return failed(error,
                      "'%s' was written by a newer version of this server: its format is %" PRIu64
                      ", and this one knows %d. Start the newer version; do not remove the file, it keeps "
                      "an old master from accepting writes",
                      path, format, FORMAT);
    return failed(error, "'%s' is damaged (%zu bytes that are not what this server writes). %s", path,
                  text.length, WHAT_TO_DO);
}

bool state_file_read(const char *directory, struct lease_record *record, char error[STATE_FILE_ERROR_SIZE]) {
    char path[PATH_MAX];
    char text[STATE_FILE_TEXT_SIZE]; // more than any sound file has, so that one too long is noticed
    *record = (struct lease_record){0};
    if (!path_of(directory, "", path, error))
        return false;
    // A pipe under that name must not hold up the start, nor a link lead to somebody else's file.
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0 && errno == ENOENT)
        return true;
    ssize_t length = file < 0 ? -1 : read_regular_file(file, text, sizeof(text));
    int reason = errno;
    if (file >= 0)
        (void)close(file);
    if (length < 0)
        return failed(error, "'%s' cannot be read: %s. %s", path, strerror(reason), WHAT_TO_DO);
    return interpret(path, (struct bytes){.data = text, .length = (size_t)length}, record, error);
}

// --- Writing ---

static bool write_durably(const char *path, struct bytes text) {
    // What a crash left behind under that name.
    if (unlink(path) != 0 && errno != ENOENT)
        return false;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    bool done = durable_file_write_all(file, text) && fsync(file) == 0;
    int reason = errno;
    if (close(file) != 0 && done)
        return false;
    errno = reason;
    return done;
}

bool state_file_write(const char *directory, struct lease_record record, char error[STATE_FILE_ERROR_SIZE]) {
    char path[PATH_MAX];
    char draft[PATH_MAX];
    char text[STATE_FILE_TEXT_SIZE];
    if (!path_of(directory, "", path, error) || !path_of(directory, ".new", draft, error))
        return false;
    size_t length = state_file_encode(record, text);
    if (!write_durably(draft, (struct bytes){.data = text, .length = length}) || rename(draft, path) != 0) {
        int reason = errno;
        (void)unlink(draft);
        return failed(error, "'%s' cannot be written: %s", path, strerror(reason));
    }
    if (!durable_file_sync_directory(path))
        return failed(error, "'%s' cannot be made durable: %s", path, strerror(errno));
    return true;
}
