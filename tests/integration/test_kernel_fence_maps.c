// SPDX-License-Identifier: Apache-2.0
//
// Which maps a server uses, and when: those that appear, vanish or are replaced while it runs, those it must
// not touch, those it shares, and what it needs for it as an ordinary user or in a time namespace.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence_rig.h"
#include "lease_client.h"
#include "server_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHORT_LEASE_MS = 150, LONG_LEASE_MS = 600000, UNANSWERED_MS = 300, NOBODY = 65534 };

static void let_lease_end(redisContext *client) {
    long long expired = lease_number(client, "lease_expirations");
    lease_grant(client, 1, SHORT_LEASE_MS);
    await_expirations(client, expired + 1);
}

static void expect_dropped(const struct test_server *server) {
    redisContext *writer = send_alone(server, "SET key value");
    assert_false(is_answered(writer, UNANSWERED_MS));
    redisFree(writer);
    assert_true(fence_counters(server->port).dropped > 0);
}

static void maps_that_appear_later_are_used(void **state) {
    struct own_server *own = *state;
    let_lease_end(own->client);
    assert_string_equal(lease_text(own->client, "lease_kernel_fence"), "detached");
    assert_non_null(strstr(lease_text(own->client, "lease_kernel_fence_reason"), FENCE_PINS));
    expect_error(own->client, LEASE_REFUSAL, "SET key value"); // the server's own fence stands
    fence_load();
    await_fence(&own->server, "attached");
    expect_dropped(&own->server);
}

static void maps_that_vanish_are_given_up_and_new_ones_taken(void **state) {
    struct own_server *own = *state;
    fence_load();
    await_fence(&own->server, "attached");
    let_lease_end(own->client);
    fence_unload();
    await_fence(&own->server, "detached");
    server_wait_log(&own->server, "are gone");
    expect_error(own->client, LEASE_REFUSAL, "SET key value");
    fence_load();
    await_fence(&own->server, "attached");
    expect_dropped(&own->server);
}

static bool has_entry(void *context) {
    const struct own_server *own = context;
    return fence_entry(own->server.port).deadline_ns != 0;
}

static void replaced_maps_are_taken_in_place_of_the_old(void **state) {
    struct own_server *own = *state;
    fence_load();
    await_fence(&own->server, "attached");
    let_lease_end(own->client);
    fence_unload();
    fence_load(); // before the server looks again, as a rule
    wait_until(has_entry, own, 30, "the new maps have the lease");
    expect_dropped(&own->server);
}

static void maps_of_another_contract_are_left_alone(void **state) {
    struct own_server *own = *state;
    fence_load_as(FENCE_ABI + 1);
    server_wait_log(&own->server, "follows another contract");
    assert_string_equal(lease_text(own->client, "lease_kernel_fence"), "detached");
    assert_non_null(strstr(lease_text(own->client, "lease_kernel_fence_reason"), "abi"));
    let_lease_end(own->client);
    assert_int_equal(fence_entry(own->server.port).deadline_ns, 0);
    expect_error(own->client, LEASE_REFUSAL, "SET key value");
    expect_text(own->client, "OK", "CONFIG SET fence-policy strict");
    assert_string_equal(lease_text(own->client, "lease_kernel_policy"), "strict");
}

static void two_servers_share_the_maps_and_not_their_leases(void **state) {
    struct own_server *own = *state;
    struct test_server other;
    fence_load();
    await_fence(&own->server, "attached");
    server_start(&other, "master-lease-mode block-write\nfence-bpf-path " FENCE_PINS "\n");
    redisContext *client = server_connect(&other);
    lease_grant(client, 7, LONG_LEASE_MS);
    struct fence_lease before = fence_entry(other.port);
    let_lease_end(own->client);
    expect_dropped(&own->server);
    struct fence_lease after = fence_entry(other.port);
    assert_memory_equal(&before, &after, sizeof(before));
    expect_text(client, "OK", "SET key value");
    assert_int_equal(fence_counters(other.port).inspected, 0);
    server_stop(&own->server);
    expect_text(client, "OK", "SET key value");
    redisFree(client);
    server_discard(&other);
}

static void a_replicas_port_is_never_fenced(void **state) {
    struct own_server *own = *state;
    fence_load();
    await_fence(&own->server, "attached");
    let_lease_end(own->client);
    assert_true(fence_entry(own->server.port).deadline_ns != 0);
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    assert_int_equal(fence_entry(own->server.port).deadline_ns, 0);
    expect_error(own->client, "READONLY", "SET key value"); // the server's answer: the packet came through
    own_server_restart(own);
    expect_text(own->client, "OK", "REPLICAOF NO ONE");
    assert_true(fence_entry(own->server.port).deadline_ns != 0);
}

// --- An ordinary user ---

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert_int_equal(system(line), 0); // NOLINT(cert-env33-c): a test's own words
}

// From now on servers run as nobody: no root, no capabilities, no group but its own.
static void make_servers_ordinary(const struct test_server *server, char script[192]) {
    const char *program = getenv("KVFENCED");
    FILE *file = NULL;
    (void)snprintf(script, 192, "%s/kvfenced.sh", server->directory);
    file = fopen(script, "we");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "#!/bin/sh\nexec setpriv --reuid %d --regid %d --clear-groups --bounding-set=-all "
                        "--inh-caps=-all --no-new-privs %s/kvfenced \"$@\"\n",
                        NOBODY, NOBODY, server->directory) > 0);
    assert_int_equal(fclose(file), 0);
    run("cp %s %s/kvfenced && chmod 0755 %s/kvfenced*", program == NULL ? "build/kvfenced" : program,
        server->directory, server->directory);
    run("chown -R %d:%d %s", NOBODY, NOBODY, server->directory);
    assert_int_equal(setenv("KVFENCED", script, 1), 0);
}

static void an_ordinary_user_needs_only_the_rights_of_the_pins(void **state) {
    struct own_server *own = *state;
    char script[192], program[512] = "build/kvfenced";
    if (getenv("KVFENCED") != NULL)
        (void)snprintf(program, sizeof(program), "%s", getenv("KVFENCED"));
    fence_load();
    server_stop(&own->server);
    make_servers_ordinary(&own->server, script);
    own_server_restart(own);
    assert_int_equal(setenv("KVFENCED", program, 1), 0);
    assert_string_equal(lease_text(own->client, "lease_kernel_fence"), "detached");
    assert_non_null(strstr(lease_text(own->client, "lease_kernel_fence_reason"), "ermission denied"));
    // What load-fence.sh --group does.
    run("cd %s && chgrp %d . fence_lease fence_commands fence_stats && chmod 0750 . && "
        "chmod 0660 fence_lease fence_commands fence_stats",
        FENCE_PINS, NOBODY);
    await_fence(&own->server, "attached");
    let_lease_end(own->client);
    expect_dropped(&own->server);
    assert_true(lease_number(own->client, "lease_kernel_dropped") > 0);
}

// --- A time namespace ---

// Until the namespace's descriptor is given back, the children's boot time is an hour ahead.
static int shift_boot_time(void) {
    static const char shift[] = "boottime 3600 0\n";
    int own = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
    assert_true(own >= 0);
    assert_int_equal(unshare(CLONE_NEWTIME), 0);
    int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    assert_true(offsets >= 0);
    assert_int_equal(write(offsets, shift, sizeof(shift) - 1), sizeof(shift) - 1);
    assert_int_equal(close(offsets), 0);
    return own;
}

static void a_shifted_clock_is_corrected_for_the_kernel(void **state) {
    struct own_server *own = *state;
    fence_load();
    long long ahead = lease_number(own->client, "lease_clock_ms") - boot_ms();
    server_stop(&own->server);
    int time_before = shift_boot_time();
    own_server_restart(own);
    assert_int_equal(setns(time_before, CLONE_NEWTIME), 0);
    assert_int_equal(close(time_before), 0);
    long long before = boot_ms();
    lease_grant(own->client, 1, LONG_LEASE_MS);
    long long deadline_ms = (long long)(fence_entry(own->server.port).deadline_ns / 1000000);
    assert_in_range(deadline_ms - LONG_LEASE_MS, before - 1000, boot_ms());
    assert_true(lease_number(own->client, "lease_clock_ms") > before + ahead + 3500 * 1000);
    let_lease_end(own->client);
    expect_dropped(&own->server);
}

static int discard_and_unload(void **state) {
    int status = own_server_discard(state);
    fence_unload();
    return status;
}

#define unfenced_test(test)                                                                                  \
    cmocka_unit_test_prestate_setup_teardown(                                                                \
        (test), own_server_start, discard_and_unload,                                                        \
        (char[]){"master-lease-mode block-write\nfence-bpf-path " FENCE_PINS "\n"})

int main(void) {
    const struct CMUnitTest tests[] = {
        unfenced_test(maps_that_appear_later_are_used),
        unfenced_test(maps_that_vanish_are_given_up_and_new_ones_taken),
        unfenced_test(replaced_maps_are_taken_in_place_of_the_old),
        unfenced_test(maps_of_another_contract_are_left_alone),
        unfenced_test(two_servers_share_the_maps_and_not_their_leases),
        unfenced_test(a_replicas_port_is_never_fenced),
        unfenced_test(an_ordinary_user_needs_only_the_rights_of_the_pins),
        unfenced_test(a_shifted_clock_is_corrected_for_the_kernel),
    };
    return cmocka_run_group_tests(tests, fence_rig_enter, NULL);
}
