// SPDX-License-Identifier: Apache-2.0
//
// Replies as text, so that a test says in one line what it sends and what it wants:
//
//   +OK -> OK    :1 -> 1    bulk abc -> 'abc'    null -> nil    array -> [1 'abc' nil]    -ERR x -> -ERR x
//
// Commands are written in hiredis' format: blanks separate arguments, %s and %b are one argument each. May
// use: hiredis, cmocka.
#ifndef KVFENCE_TESTS_INTEGRATION_REPLY_TEXT_H
#define KVFENCE_TESTS_INTEGRATION_REPLY_TEXT_H

#include <hiredis/hiredis.h>

// Sends the command and fails the test unless its reply, as text, is `wanted`.
void expect_reply(redisContext *connection, const char *wanted, const char *format, ...);

// The same for the next reply, or message, that comes without having been asked for.
void expect_coming(redisContext *connection, const char *wanted);

// Sends the command and returns its reply as text, malloc'ed; "closed" if the connection is gone.
char *reply_text(redisContext *connection, const char *format, ...);

// Sends the command and returns its integer reply; fails the test if it is none.
long long reply_integer_of(redisContext *connection, const char *format, ...);

#endif
