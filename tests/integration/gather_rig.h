// SPDX-License-Identifier: Apache-2.0
//
// A server inside the test's own process whose commits the test can refuse and count, and clients that send
// several commands at once. Every failure fails the running cmocka test. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_GATHER_RIG_H
#define KVFENCE_TESTS_INTEGRATION_GATHER_RIG_H

#include "inner_server.h"

#include <stdatomic.h>

// Answers for the check function, and counts the questions; asked by the server's workers.
struct gates {
    _Atomic(const char *) at_commit;
    atomic_int commits;
};

struct gathering {
    struct inner_server inner;
    struct gates gates;
    redisContext *client;
};

// The setup and teardown of a test, whose state it is.
int gather_rig_open(void **state);
int gather_rig_close(void **state);

// For gates.at_commit.
#define REFUSAL "READONLY master lease expired"

// Sends all of them at once.
void send_together(redisContext *client, const char *const *commands, size_t count);
#define SEND_TOGETHER(client, commands)                                                                      \
    send_together((client), (commands), sizeof(commands) / sizeof((commands)[0]))

// Wait for the next reply, which must be this integer, or of this type.
void expect_next_integer(redisContext *client, long long wanted);
void expect_next_type(redisContext *client, int wanted);

#endif
