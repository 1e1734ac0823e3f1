// SPDX-License-Identifier: Apache-2.0
//
// Clients without a library. Uses: cmocka.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raw_client.h"

#include "base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool raw_try_send(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return false;
        if (sent < 0)
            fail_msg("cannot send: %s", strerror(errno));
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

void raw_send(int fd, const char *bytes, size_t length) {
    if (!raw_try_send(fd, bytes, length))
        fail_msg("the server has closed the connection");
}

void raw_send_text(int fd, const char *text) {
    raw_send(fd, text, strlen(text));
}

// 0 at the end, which a reset is as well.
static size_t read_some(int fd, char *bytes, size_t length) {
    for (;;) {
        ssize_t count = recv(fd, bytes, length, 0);
        if (count >= 0)
            return (size_t)count;
        if (errno == ECONNRESET)
            return 0;
        if (errno != EINTR)
            fail_msg("cannot receive: %s", strerror(errno));
    }
}

void raw_read(int fd, char *bytes, size_t length) {
    while (length > 0) {
        size_t count = read_some(fd, bytes, length);
        if (count == 0)
            fail_msg("the server closed the connection, %zu bytes early", length);
        bytes += count;
        length -= count;
    }
}

void raw_expect(int fd, const char *text) {
    size_t length = strlen(text);
    char *bytes = malloc(length + 1);
    assert_non_null(bytes);
    raw_read(fd, bytes, length);
    bytes[length] = '\0';
    assert_string_equal(bytes, text);
    free(bytes);
}

char *raw_read_to_end(int fd) {
    enum { CHUNK = 1 << 16 };
    struct buffer bytes = {0};
    size_t count = 0;
    do {
        count = read_some(fd, buffer_reserve(&bytes, CHUNK), CHUNK);
        bytes.length += count;
    } while (count != 0);
    buffer_append(&bytes, (struct bytes){.data = "", .length = 1});
    return bytes.data;
}

void raw_expect_last_words(int fd, const char *prefix) {
    char *words = raw_read_to_end(fd);
    if (strncmp(words, prefix, strlen(prefix)) != 0)
        fail_msg("'%s' does not start with '%s'", words, prefix);
    free(words);
}

void raw_expect_closed(int fd) {
    char *words = raw_read_to_end(fd);
    assert_string_equal(words, "");
    free(words);
}

int64_t resident_bytes(const struct test_server *server) {
    char path[64];
    char text[256];
    char *pages = NULL;
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)server->pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_int_equal(fclose(file), 0);
    (void)strtol(text, &pages, 10); // the size comes first
    return strtol(pages, NULL, 10) * sysconf(_SC_PAGESIZE);
}
