// SPDX-License-Identifier: Apache-2.0
//
// What the data directory remembers of the lease, against the real server: restarts of every kind, hand-made
// damage, a full disk, and a process in a time namespace.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "server_fixture.h"
#include "texts.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_MS = 60000 };

#define BLOCKING "master-lease-mode block-write\n"

// --- Restarts ---

static void start_again(struct own_server *own) {
    redisFree(own->client);
    own->client = NULL;
    server_restart(&own->server);
    own->client = server_connect(&own->server);
}

static void kill_and_start(struct own_server *own) {
    server_kill(&own->server);
    start_again(own);
}

static void expect_fenced_until_a_heartbeat(struct own_server *own, unsigned version) {
    expect_lease_state(own->client, "expired");
    expect_error(own->client, LEASE_REFUSAL, "SET key value");
    lease_grant(own->client, version, LONG_MS);
    expect_text(own->client, "OK", "SET key value");
}

static void a_killed_master_comes_back_fenced_although_its_lease_was_long(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 5, LONG_MS);
    expect_text(own->client, "OK", "SET key value");
    kill_and_start(own);
    expect_text(own->client, "value", "GET key");
    expect_fenced_until_a_heartbeat(own, 5);
}

static void so_does_one_that_was_stopped_in_good_order(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 5, LONG_MS);
    own_server_restart(own);
    expect_fenced_until_a_heartbeat(own, 6);
}

static void cold_start_allow_frees_no_directory_that_ever_had_a_lease(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 1, LONG_MS);
    for (int i = 0; i < 3; i++) {
        kill_and_start(own);
        expect_lease_state(own->client, "expired");
        expect_error(own->client, LEASE_REFUSAL, "SET key value");
    }
}

static void the_highest_version_outlives_a_kill(void **state) {
    struct own_server *own = *state;
    for (unsigned version = 10; version < 40; version += 10) {
        lease_grant(own->client, version, LONG_MS);
        kill_and_start(own);
        expect_error(own->client, "ERR election version mismatch", "CLUSTERX HEARTBEAT %u 1000", version - 1);
        assert_int_equal(lease_number(own->client, "lease_highest_version"), version);
        assert_int_equal(lease_number(own->client, "lease_election_version"), 0);
        expect_error(own->client, LEASE_REFUSAL, "SET key value");
    }
}

static void a_directory_without_a_lease_starts_as_its_directive_says(void **state) {
    struct own_server *own = *state;
    expect_text(own->client, "OK", "SET key value");
    kill_and_start(own);
    expect_lease_state(own->client, "none");
    expect_text(own->client, "OK", "SET key value");
    expect_text(own->client, "OK", "CONFIG SET master-lease-cold-start fence");
    expect_text(own->client, "OK", "CONFIG REWRITE");
    kill_and_start(own);
    expect_fenced_until_a_heartbeat(own, 1);
}

static void a_restart_with_the_mode_disabled_still_remembers(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 3, LONG_MS);
    kill_and_start(own);
    expect_text(own->client, "OK", "SET key value");
    expect_text(own->client, "OK", "CONFIG SET master-lease-mode block-write");
    expect_fenced_until_a_heartbeat(own, 3);
}

// --- Damage ---

static void state_path(const struct own_server *own, char out[192]) {
    (void)snprintf(out, 192, "%s/lease.state", own->server.directory);
}

static void write_file(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, char *bytes, size_t size) {
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t length = fread(bytes, 1, size, file);
    assert_int_equal(fclose(file), 0);
    assert_in_range(length, 1, size - 1);
    return length;
}

static void expect_no_start(struct own_server *own) {
    server_spawn(&own->server);
    assert_int_equal(server_wait_exit(&own->server), 1);
    assert_true(server_log_contains(&own->server, "/lease.state"));
    assert_true(server_log_contains(&own->server, "Restore the file from a copy"));
}

static void a_damaged_state_file_keeps_the_server_from_starting_and_is_named(void **state) {
    struct own_server *own = *state;
    char path[192];
    char whole[512];
    lease_grant(own->client, 7, LONG_MS);
    server_stop(&own->server);
    state_path(own, path);
    size_t length = read_file(path, whole, sizeof(whole));
    for (size_t cut = 0; cut < length; cut += 5) {
        write_file(path, whole, cut);
        expect_no_start(own);
    }
    for (size_t at = 0; at < length; at += 9) {
        char damaged[sizeof(whole)];
        memcpy(damaged, whole, length);
        damaged[at] ^= 1;
        write_file(path, damaged, length);
        expect_no_start(own);
    }
    write_file(path, whole, length);
    start_again(own);
    assert_int_equal(lease_number(own->client, "lease_highest_version"), 7);
    expect_fenced_until_a_heartbeat(own, 7);
}

static void a_state_file_that_is_none_keeps_the_server_from_starting(void **state) {
    struct own_server *own = *state;
    char path[192];
    lease_grant(own->client, 7, LONG_MS);
    server_stop(&own->server);
    state_path(own, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    server_spawn(&own->server);
    assert_int_equal(server_wait_exit(&own->server), 1);
    assert_true(server_log_contains(&own->server, "/lease.state"));
    assert_int_equal(rmdir(path), 0);
    start_again(own); // as a new directory
    expect_lease_state(own->client, "none");
}

// What a crash may leave beside the file is no damage.
static void a_file_that_was_being_written_when_the_server_died_is_no_damage(void **state) {
    struct own_server *own = *state;
    char path[200];
    lease_grant(own->client, 7, LONG_MS);
    server_kill(&own->server);
    (void)snprintf(path, sizeof(path), "%s/lease.state.new", own->server.directory);
    write_file(path, "kvfence-le", 10);
    start_again(own);
    expect_fenced_until_a_heartbeat(own, 8);
    assert_int_equal(lease_number(own->client, "lease_highest_version"), 8);
}

// --- A full disk ---

struct full_disk {
    char mount_point[64], filler[96];
};

static void fill(const struct full_disk *disk) {
    static const char bytes[4096];
    int fd = open(disk->filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    assert_int_equal(close(fd), 0);
}

static void expect_refused_version(redisContext *client, unsigned version) {
    expect_error(client, "ERR the election version could not be made durable", "CLUSTERX HEARTBEAT %u %d",
                 version, LONG_MS);
}

static void without_room_for_a_new_version_the_lease_is_not_extended(void **state) {
    struct full_disk disk = {.mount_point = "/tmp/kvfence-disk-XXXXXX"};
    struct test_server server;
    char lines[160];
    (void)state;
    assert_non_null(mkdtemp(disk.mount_point));
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        fail_msg("a mount namespace of its own needs root");
    assert_int_equal(mount("tmpfs", disk.mount_point, "tmpfs", 0, "size=24m"), 0);
    (void)snprintf(disk.filler, sizeof(disk.filler), "%s/filler", disk.mount_point);
    (void)snprintf(lines, sizeof(lines), "dir %s/data\nrocksdb.write_buffer_size 4\n" BLOCKING,
                   disk.mount_point);
    server_start(&server, lines);
    redisContext *client = server_connect(&server);
    lease_grant(client, 4, LONG_MS);
    long long renewals = lease_number(client, "lease_renewals");
    fill(&disk);
    expect_refused_version(client, 5);
    expect_refused_version(client, 5);
    assert_int_equal(lease_number(client, "lease_highest_version"), 4);
    assert_int_equal(lease_number(client, "lease_election_version"), 4);
    assert_int_equal(lease_number(client, "lease_renewals"), renewals);
    lease_grant(client, 4, LONG_MS); // the version that is durable still counts
    assert_int_equal(server_log_count(&server, "do not renew the lease"), 1);
    assert_int_equal(unlink(disk.filler), 0);
    lease_grant(client, 5, LONG_MS);
    assert_int_equal(lease_number(client, "lease_highest_version"), 5);
    redisFree(client);
    server_discard(&server);
    assert_int_equal(umount(disk.mount_point), 0);
    assert_int_equal(rmdir(disk.mount_point), 0);
}

static void the_first_lease_of_all_needs_room_too(void **state) {
    struct own_server *own = *state;
    char path[200];
    // A directory in the place of the temporary file: the disk cannot take it, for another reason.
    (void)snprintf(path, sizeof(path), "%s/lease.state.new", own->server.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused_version(own->client, 1);
    expect_lease_state(own->client, "none");
    assert_int_equal(rmdir(path), 0);
    lease_grant(own->client, 1, LONG_MS);
    expect_lease_state(own->client, "held");
}

// --- A time namespace ---

static void shift_boot_time_of_children(long seconds) {
    assert_int_equal(unshare(CLONE_NEWTIME), 0);
    FILE *file = fopen("/proc/self/timens_offsets", "we");
    assert_non_null(file);
    assert_true(fprintf(file, "boottime %ld 0\n", seconds) > 0);
    assert_int_equal(fclose(file), 0);
}

// How far the shown clock is ahead of boot time, this test's own.
static long long clock_ahead_ms(struct own_server *own) {
    return lease_number(own->client, "lease_clock_ms") - boot_ms();
}

// A host that was started anew would show another clock at the same uptime.
static void the_shown_clock_outlives_restarts_and_is_not_the_bare_uptime(void **state) {
    struct own_server *own = *state;
    long long before = clock_ahead_ms(own);
    assert_true(before > 86400000); // longer than any lease: one in ten million boots is not
    server_stop(&own->server);
    start_again(own);
    assert_in_range(clock_ahead_ms(own) - before + 10000, 0, 20000);
}

static void expect_shifted_by(struct own_server *own, long long before, long seconds) {
    char line[96];
    (void)snprintf(line, sizeof(line), "its boot time is %+ld ms against the host's", seconds * 1000);
    server_wait_log(&own->server, line);
    long long ahead = clock_ahead_ms(own) - before;
    assert_in_range(ahead + 100000, seconds * 1000 + 100000 - 10000, seconds * 1000 + 100000 + 10000);
}

// The last test, as the program's children stay there.
static void in_a_time_namespace_the_shift_is_told_and_leases_are_as_long_as_anywhere(void **state) {
    struct own_server *own = *state;
    long long ahead = clock_ahead_ms(own);
    assert_false(server_log_contains(&own->server, "time namespace"));
    server_stop(&own->server);
    shift_boot_time_of_children(100000);
    start_again(own);
    expect_shifted_by(own, ahead, 100000);
    lease_grant(own->client, 1, LONG_MS);
    assert_in_range(lease_number(own->client, "lease_deadline_ms"), LONG_MS / 2, LONG_MS);
    expect_text(own->client, "OK", "SET key value");
    lease_grant(own->client, 1, 20);
    await_expirations(own->client, 1); // by the timer, which is of the same clock
    server_wait_log(&own->server, "master lease expired");
    expect_error(own->client, LEASE_REFUSAL, "SET key value");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(a_killed_master_comes_back_fenced_although_its_lease_was_long, BLOCKING),
        own_server_test(so_does_one_that_was_stopped_in_good_order, BLOCKING),
        own_server_test(cold_start_allow_frees_no_directory_that_ever_had_a_lease,
                        BLOCKING "master-lease-cold-start allow"),
        own_server_test(the_highest_version_outlives_a_kill, BLOCKING),
        own_server_test(the_shown_clock_outlives_restarts_and_is_not_the_bare_uptime, BLOCKING),
        own_server_test(a_directory_without_a_lease_starts_as_its_directive_says, BLOCKING),
        own_server_test(a_restart_with_the_mode_disabled_still_remembers, ""),
        own_server_test(a_damaged_state_file_keeps_the_server_from_starting_and_is_named, BLOCKING),
        own_server_test(a_state_file_that_is_none_keeps_the_server_from_starting, BLOCKING),
        own_server_test(a_file_that_was_being_written_when_the_server_died_is_no_damage, BLOCKING),
        cmocka_unit_test(without_room_for_a_new_version_the_lease_is_not_extended),
        own_server_test(the_first_lease_of_all_needs_room_too, BLOCKING),
        own_server_test(in_a_time_namespace_the_shift_is_told_and_leases_are_as_long_as_anywhere, BLOCKING),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
