// SPDX-License-Identifier: Apache-2.0
//
// Clients that do what no client library would: they send what they like, read when they like, and look at
// how much memory the server takes. Every failure fails the running cmocka test. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_RAW_CLIENT_H
#define KVFENCE_TESTS_INTEGRATION_RAW_CLIENT_H

#include "harness.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sends all of it, waiting as long as it takes.
void raw_send(int fd, const char *bytes, size_t length);
void raw_send_text(int fd, const char *text);
// Sends it unless the other side has closed the connection.
bool raw_try_send(int fd, const char *bytes, size_t length);

// Reads exactly so many bytes.
void raw_read(int fd, char *bytes, size_t length);
// Reads exactly this text.
void raw_expect(int fd, const char *text);
// Reads until the other side closes and returns what came, malloc'ed and terminated. A reset ends it too.
char *raw_read_to_end(int fd);
// The other side says something that starts with this, and closes.
void raw_expect_last_words(int fd, const char *prefix);
// The other side has closed the connection, or does so without another word.
void raw_expect_closed(int fd);

// Memory that the server occupies now.
int64_t resident_bytes(const struct test_server *server);

#endif
