// SPDX-License-Identifier: Apache-2.0
//
// Server and kernel together: what the kernel's half does with real packets to a real server, while its lease
// holds, ends, comes back, and when the server is stopped, killed or ended.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence_rig.h"
#include "lease_client.h"
#include "server_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SHORT_LEASE_MS = 150, LONG_LEASE_MS = 600000, UNANSWERED_MS = 300 };

// A lease that is over.
static void let_lease_end(const struct own_server *own) {
    long long expired = lease_number(own->client, "lease_expirations");
    lease_grant(own->client, 1, SHORT_LEASE_MS);
    await_expirations(own->client, expired + 1);
}

static long long kernel_number(const struct own_server *own, const char *field) {
    return lease_number(own->client, field);
}

static void a_heartbeat_moves_the_kernels_deadline(void **state) {
    struct own_server *own = *state;
    long long before = boot_ms();
    lease_grant(own->client, 1, LONG_LEASE_MS);
    struct fence_lease entry = fence_entry(own->server.port);
    long long deadline_ms = (long long)(entry.deadline_ns / 1000000);
    assert_in_range(deadline_ms - LONG_LEASE_MS, before - 1000, boot_ms());
    assert_int_equal(entry.mode, FENCE_MODE_BLOCK_WRITE);
    assert_int_equal(entry.owner, own->server.pid);
    assert_string_equal(lease_text(own->client, "lease_kernel_fence"), "attached");
    assert_string_equal(lease_text(own->client, "lease_kernel_fence_reason"), "");
    expect_text(own->client, "OK", "SET key value");
    assert_int_equal(kernel_number(own, "lease_kernel_inspected"), 0);
}

static void the_kernel_drops_writes_after_the_deadline_and_nothing_else(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 1, LONG_LEASE_MS);
    expect_text(own->client, "OK", "SET key before");
    let_lease_end(own);
    redisContext *writer = send_alone(&own->server, "SET key after");
    assert_false(is_answered(writer, UNANSWERED_MS));
    assert_true(kernel_number(own, "lease_kernel_dropped") >= 1);
    expect_text(own->client, "before", "GET key");
    expect_text(own->client, "PONG", "PING");
    assert_int_equal(kernel_number(own, "lease_writes_refused"), 0); // the server has not seen the write
    assert_true(fence_counters(own->server.port).dropped >= 1);
    // TCP sends what was dropped again, and the new lease lets it through.
    lease_grant(own->client, 1, LONG_LEASE_MS);
    expect_answer(writer, "OK");
    expect_text(own->client, "after", "GET key");
}

static void what_does_not_change_data_comes_through(void **state) {
    struct own_server *own = *state;
    let_lease_end(own);
    expect_text(own->client, "OK", "CONFIG SET slowlog-max-len 100");
    expect_text(own->client, "OK", "MULTI");
    expect_text(own->client, "QUEUED", "GET key");
    freeReplyObject(command(own->client, "EXEC"));
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    expect_text(own->client, "OK", "REPLICAOF NO ONE");
    lease_grant(own->client, 2, LONG_LEASE_MS);
    assert_int_equal(fence_counters(own->server.port).dropped, 0);
}

static void log_only_counts_what_it_would_drop(void **state) {
    struct own_server *own = *state;
    let_lease_end(own);
    expect_text(own->client, "OK", "CONFIG SET master-lease-mode log-only");
    assert_int_equal(fence_entry(own->server.port).mode, FENCE_MODE_LOG_ONLY);
    expect_text(own->client, "OK", "SET key value");
    assert_int_equal(kernel_number(own, "lease_kernel_would_drop"), 1);
    assert_int_equal(kernel_number(own, "lease_kernel_dropped"), 0);
    expect_text(own->client, "OK", "CONFIG SET master-lease-mode disabled");
    assert_int_equal(fence_entry(own->server.port).deadline_ns, 0);
    expect_text(own->client, "OK", "SET key value");
    assert_int_equal(kernel_number(own, "lease_kernel_would_drop"), 1);
    expect_text(own->client, "OK", "CONFIG SET master-lease-mode block-write");
    redisContext *writer = send_alone(&own->server, "SET key value");
    assert_false(is_answered(writer, UNANSWERED_MS));
    redisFree(writer);
    assert_true(kernel_number(own, "lease_kernel_dropped") >= 1);
}

static bool has_stopped_undecided(void *context) {
    return kernel_number(context, "lease_kernel_undecided") > 0;
}

static void the_policy_takes_effect_at_once(void **state) {
    struct own_server *own = *state;
    static const char inline_read[] = "GET key\r\n";
    let_lease_end(own);
    assert_string_equal(lease_text(own->client, "lease_kernel_policy"), "writes");
    int raw = server_connect_raw(&own->server);
    char byte = 0;
    assert_int_equal(write(raw, inline_read, sizeof(inline_read) - 1), sizeof(inline_read) - 1);
    assert_int_equal(read(raw, &byte, 1), 1);
    expect_text(own->client, "OK", "CONFIG SET fence-policy strict");
    assert_int_equal(fence_entry(own->server.port).policy, FENCE_POLICY_STRICT);
    assert_string_equal(lease_text(own->client, "lease_kernel_policy"), "strict");
    assert_int_equal(kernel_number(own, "lease_kernel_undecided"), 0);
    assert_int_equal(write(raw, inline_read, sizeof(inline_read) - 1), sizeof(inline_read) - 1);
    wait_until(has_stopped_undecided, own, 30, "the kernel drops what it cannot decide");
    expect_text(own->client, "OK", "CONFIG SET fence-policy writes");
    assert_int_equal(fence_entry(own->server.port).policy, FENCE_POLICY_WRITES);
    (void)close(raw);
}

static void a_renamed_write_is_dropped_by_its_new_name(void **state) {
    struct own_server *own = *state;
    let_lease_end(own);
    redisContext *writer = send_alone(&own->server, "PUT key value");
    assert_false(is_answered(writer, UNANSWERED_MS));
    redisFree(writer);
    assert_true(kernel_number(own, "lease_kernel_dropped") >= 1);
    expect_error(own->client, "ERR unknown command", "SET key value");
}

static bool has_dropped(void *context) {
    const struct own_server *own = context;
    return fence_counters(own->server.port).dropped > 0;
}

static void a_stopped_server_is_still_fenced(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 1, SHORT_LEASE_MS);
    server_pause(&own->server);
    let_boot_time_pass(SHORT_LEASE_MS + 10);
    redisContext *writer = send_alone(&own->server, "SET key value");
    wait_until(has_dropped, own, 30, "the kernel drops the write");
    server_continue(&own->server);
    expect_lease_state(own->client, "expired");
    expect_null(own->client, "GET key");
    redisFree(writer);
}

static void a_killed_server_leaves_the_fence_and_the_next_takes_it_over(void **state) {
    struct own_server *own = *state;
    let_lease_end(own);
    struct fence_lease before = fence_entry(own->server.port);
    server_kill(&own->server);
    struct fence_lease after = fence_entry(own->server.port);
    assert_memory_equal(&before, &after, sizeof(before));
    own_server_restart(own);
    assert_int_equal(fence_entry(own->server.port).owner, own->server.pid);
    assert_true(fence_entry(own->server.port).deadline_ns != 0);
    lease_grant(own->client, 1, LONG_LEASE_MS);
    expect_text(own->client, "OK", "SET key value");
}

static void a_server_that_ends_leaves_a_fence_only_if_it_keeps_writers_out(void **state) {
    struct own_server *own = *state;
    const struct fence_lease none = {0};
    lease_grant(own->client, 1, LONG_LEASE_MS);
    server_stop(&own->server);
    struct fence_lease entry = fence_entry(own->server.port);
    assert_memory_equal(&entry, &none, sizeof(none));
    own_server_restart(own); // expired, as it has had a lease
    server_stop(&own->server);
    entry = fence_entry(own->server.port);
    assert_true(entry.deadline_ns != 0);
    assert_int_equal(entry.mode, FENCE_MODE_BLOCK_WRITE);
    server_wait_log(&own->server, "goes on keeping writers from port");
}

static int load_and_start(void **state) {
    fence_load();
    return own_server_start(state);
}

static int discard_and_unload(void **state) {
    int status = own_server_discard(state);
    fence_unload();
    return status;
}

#define fenced_test(test, directives)                                                                        \
    cmocka_unit_test_prestate_setup_teardown((test), load_and_start, discard_and_unload, (char[]){directives})
#define BLOCK "master-lease-mode block-write\nfence-bpf-path " FENCE_PINS "\n"

int main(void) {
    const struct CMUnitTest tests[] = {
        fenced_test(a_heartbeat_moves_the_kernels_deadline, BLOCK),
        fenced_test(the_kernel_drops_writes_after_the_deadline_and_nothing_else, BLOCK),
        fenced_test(what_does_not_change_data_comes_through, BLOCK),
        fenced_test(log_only_counts_what_it_would_drop, BLOCK),
        fenced_test(the_policy_takes_effect_at_once, BLOCK),
        fenced_test(a_renamed_write_is_dropped_by_its_new_name, BLOCK "rename-command SET put"),
        fenced_test(a_stopped_server_is_still_fenced, BLOCK),
        fenced_test(a_killed_server_leaves_the_fence_and_the_next_takes_it_over, BLOCK),
        fenced_test(a_server_that_ends_leaves_a_fence_only_if_it_keeps_writers_out, BLOCK),
    };
    return cmocka_run_group_tests(tests, fence_rig_enter, NULL);
}
