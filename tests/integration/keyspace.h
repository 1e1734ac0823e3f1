// SPDX-License-Identifier: Apache-2.0
//
// Everything that a server holds as text, to see whether something has changed: every key that SCAN finds
// with its type, when it expires and its content. Every failure fails the running cmocka test. Include after
// cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_KEYSPACE_H
#define KVFENCE_TESTS_INTEGRATION_KEYSPACE_H

#include "base/buffer.h"

#include <hiredis/hiredis.h>

// Appends a line for each key. The same keyspace gives the same text.
void keyspace_describe(redisContext *connection, struct buffer *out);
// The same for the keys that match a pattern.
void keyspace_describe_matching(redisContext *connection, const char *pattern, struct buffer *out);
// Fails the test, and shows both, unless the keyspace is as `wanted` says.
void keyspace_expect(redisContext *connection, const struct buffer *wanted, const char *after_what);

#endif
