// SPDX-License-Identifier: Apache-2.0
//
// The controller's part in tests of the lease, and what INFO says of it. Every failure fails the running
// cmocka test. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_LEASE_CLIENT_H
#define KVFENCE_TESTS_INTEGRATION_LEASE_CLIENT_H

#include "harness.h"

// What begins the reply to a refused write.
#define LEASE_REFUSAL "READONLY master lease expired"

// Grants a lease by the short form of the heartbeat, which must be answered with the node's state.
void lease_grant(redisContext *connection, unsigned version, unsigned lease_ms);

// A field of INFO lease as a number.
long long lease_number(redisContext *connection, const char *field);
// Fails unless lease_state is `wanted`: none, held or expired.
void expect_lease_state(redisContext *connection, const char *wanted);
// Waits until INFO says that so many leases have run out.
void await_expirations(redisContext *connection, long long wanted);

// CLOCK_BOOTTIME, and letting some of it pass.
long long boot_ms(void);
void let_boot_time_pass(int milliseconds);

#endif
