// SPDX-License-Identifier: Apache-2.0
//
// Heartbeats and what becomes of them. Uses: cmocka, hiredis, harness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_SECONDS = 30 };

void lease_grant(redisContext *connection, unsigned version, unsigned lease_ms) {
    redisReply *reply = command(connection, "CLUSTERX HEARTBEAT %u %u", version, lease_ms);
    if (reply->type != REDIS_REPLY_STRING || strstr(reply->str, "\r\nlease_state:") == NULL)
        fail_msg("a heartbeat was answered with: %s", reply->str == NULL ? "nothing" : reply->str);
    freeReplyObject(reply);
}

long long lease_number(redisContext *connection, const char *field) {
    return server_info_number(connection, "lease", field);
}

void expect_lease_state(redisContext *connection, const char *wanted) {
    char line[64];
    (void)snprintf(line, sizeof(line), "\r\nlease_state:%s\r\n", wanted);
    redisReply *reply = command(connection, "INFO lease");
    if (reply->str == NULL || strstr(reply->str, line) == NULL)
        fail_msg("the lease is not %s: %s", wanted, reply->str == NULL ? "no reply" : reply->str);
    freeReplyObject(reply);
}

struct expectation {
    redisContext *connection;
    long long expirations;
};

static bool have_expired(void *context) {
    const struct expectation *expectation = context;
    return lease_number(expectation->connection, "lease_expirations") >= expectation->expirations;
}

void await_expirations(redisContext *connection, long long wanted) {
    struct expectation expectation = {connection, wanted};
    wait_until(have_expired, &expectation, PATIENCE_SECONDS, "the lease runs out");
    assert_int_equal(lease_number(connection, "lease_expirations"), wanted);
}

long long boot_ms(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void let_boot_time_pass(int milliseconds) {
    long long end = boot_ms() + milliseconds;
    for (long long left = milliseconds; left >= 0; left = end - boot_ms())
        (void)poll(NULL, 0, (int)left + 1);
}
