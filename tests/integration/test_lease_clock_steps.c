// SPDX-License-Identifier: Apache-2.0
//
// A wall clock that is stepped must not move a lease: not one that is held, and not one that a heartbeat
// grants which lay in its socket across the step. A server inside this process, whose wall clock the test
// sets by standing before the C library's functions; the kernel's receive timestamps are shifted likewise.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"
#include "lease_client.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HOUR_MS = 3600000, LONG_MS = 600000, STEPS = 4 };

static _Atomic long long clock_step_ms; // of the wall clock
static _Atomic long long stamp_step_ms; // of the wall clock when the bytes came that are read now

static void add_milliseconds(struct timespec *time, long long milliseconds) {
    long long ns = (time->tv_sec * 1000LL + milliseconds) * 1000000 + time->tv_nsec;
    *time = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
    if (syscall(SYS_clock_gettime, clock_id, tp) != 0)
        return -1;
    if (clock_id == CLOCK_REALTIME)
        add_milliseconds(tp, atomic_load(&clock_step_ms));
    return 0;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    ssize_t count = syscall(SYS_recvmsg, fd, message, flags);
    struct cmsghdr *header = count > 0 && message->msg_controllen > 0 ? CMSG_FIRSTHDR(message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(header), sizeof(stamp));
        add_milliseconds(&stamp, atomic_load(&stamp_step_ms));
        memcpy(CMSG_DATA(header), &stamp, sizeof(stamp));
    }
    return count;
}

struct stepped_server {
    struct inner_server inner;
    redisContext *controller, *writer, *sleeper;
};

static int start(void **state) {
    struct stepped_server *stepped = calloc(1, sizeof(*stepped));
    assert_non_null(stepped);
    atomic_store(&clock_step_ms, 0);
    atomic_store(&stamp_step_ms, 0);
    inner_server_open(&stepped->inner, 1, NULL, NULL);
    stepped->controller = server_connect(&stepped->inner.address);
    stepped->writer = server_connect(&stepped->inner.address);
    stepped->sleeper = server_connect(&stepped->inner.address);
    expect_text(stepped->writer, "OK", "CONFIG SET master-lease-mode block-write");
    lease_grant(stepped->controller, 1, LONG_MS);
    *state = stepped;
    return 0;
}

static int stop(void **state) {
    struct stepped_server *stepped = *state;
    redisFree(stepped->controller);
    redisFree(stepped->writer);
    redisFree(stepped->sleeper);
    inner_server_discard(&stepped->inner);
    free(stepped);
    return 0;
}

static const long long steps[STEPS] = {HOUR_MS, -2LL * HOUR_MS, 700, -700};

static void step_by(long long milliseconds) {
    atomic_fetch_add(&clock_step_ms, milliseconds);
    atomic_fetch_add(&stamp_step_ms, milliseconds);
}

static void a_lease_that_is_held_is_not_moved_by_steps(void **state) {
    struct stepped_server *stepped = *state;
    long long left = lease_number(stepped->controller, "lease_deadline_ms");
    for (size_t i = 0; i < STEPS; i++) {
        step_by(steps[i]);
        long long now = lease_number(stepped->controller, "lease_deadline_ms");
        assert_in_range(left - now, 0, 60000);
        expect_text(stepped->writer, "OK", "SET key value");
    }
}

static void a_lease_that_ran_out_is_not_brought_back_by_steps(void **state) {
    struct stepped_server *stepped = *state;
    lease_grant(stepped->controller, 1, 1);
    let_boot_time_pass(5);
    for (size_t i = 0; i < STEPS; i++) {
        step_by(steps[i]);
        expect_error(stepped->writer, LEASE_REFUSAL, "SET key value");
    }
}

static void heartbeats_after_a_step_renew_as_before(void **state) {
    struct stepped_server *stepped = *state;
    for (size_t i = 0; i < STEPS; i++) {
        step_by(steps[i]);
        for (int round = 0; round < 3; round++) {
            lease_grant(stepped->controller, 1, LONG_MS);
            let_boot_time_pass(30);
            assert_in_range(lease_number(stepped->controller, "lease_deadline_ms"), LONG_MS - 60000, LONG_MS);
        }
    }
    assert_int_equal(lease_number(stepped->controller, "lease_late_heartbeats"), 0);
}

// The only worker sleeps while the heartbeat comes, and the clock is stepped before it is read. Forward: the
// stamp would be far too old, which would fence for nothing. Backward by less than the heartbeat's age: it
// would be too young.
static void wait_across_a_step(struct stepped_server *stepped, long long step_ms, unsigned lease_ms) {
    enum { BEFORE_MS = 800 };
    lease_grant(stepped->controller, 1, LONG_MS);
    let_boot_time_pass(50); // the server has looked at the socket, and found nothing
    send_command(stepped->sleeper, "DEBUG SLEEP 1");
    let_boot_time_pass(50);
    send_command(stepped->controller, "CLUSTERX HEARTBEAT 1 %u", lease_ms);
    let_boot_time_pass(BEFORE_MS);
    atomic_fetch_add(&clock_step_ms, step_ms);
    expect_next_text(stepped->sleeper, "OK");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(stepped->controller, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    freeReplyObject(reply);
    atomic_store(&stamp_step_ms, atomic_load(&clock_step_ms));
}

static void a_heartbeat_that_waited_across_a_step_back_is_not_taken_for_younger(void **state) {
    wait_across_a_step(*state, -700, 500);
    struct stepped_server *stepped = *state;
    expect_error(stepped->writer, LEASE_REFUSAL, "SET key value");
    expect_lease_state(stepped->writer, "expired");
}

static void a_heartbeat_that_waited_across_a_step_forward_is_not_lost(void **state) {
    wait_across_a_step(*state, HOUR_MS, LONG_MS);
    struct stepped_server *stepped = *state;
    expect_text(stepped->writer, "OK", "SET key value");
    assert_in_range(lease_number(stepped->writer, "lease_deadline_ms"), LONG_MS - 60000, LONG_MS - 500);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_lease_that_is_held_is_not_moved_by_steps),
        WITH_SERVER(a_lease_that_ran_out_is_not_brought_back_by_steps),
        WITH_SERVER(heartbeats_after_a_step_renew_as_before),
        WITH_SERVER(a_heartbeat_that_waited_across_a_step_back_is_not_taken_for_younger),
        WITH_SERVER(a_heartbeat_that_waited_across_a_step_forward_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
