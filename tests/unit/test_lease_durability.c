// SPDX-License-Identifier: Apache-2.0
//
// A version and a first lease take effect only when they are durable: the order, seen by a mirror that reads
// the file at the moment it is told, and disks that cannot take it, one of them really full. Mounting that
// one needs root, and fails without.
#include "lease/lease.h"
#include "lease/state_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// --- The order ---

struct reader {
    struct lease_fixture *fixture;
    struct lease_record record; // what a restart would find at the moment of the last change
    int told;
};

static void read_record(void *context, boot_ns_t deadline, enum lease_mode mode) {
    struct reader *reader = context;
    (void)deadline;
    (void)mode;
    reader->record = lease_fixture_record(reader->fixture);
    reader->told++;
}

static void attach(struct reader *reader, struct lease_fixture *fixture) {
    *reader = (struct reader){.fixture = fixture};
    lease_set_mirror(fixture->lease, &(struct lease_mirror){.publish = read_record, .context = reader});
    reader->told = 0;
}

static void a_first_lease_is_durable_before_it_takes_effect(void **state) {
    struct lease_fixture *fixture = *state;
    struct reader reader;
    lease_fixture_open(fixture);
    attach(&reader, fixture);
    assert_int_equal(lease_fixture_heartbeat(fixture, 0, 1000), LEASE_RENEWED);
    assert_int_equal(reader.told, 1);
    assert_true(reader.record.ever_held);
    lease_set_mirror(fixture->lease, NULL);
}

static void a_higher_version_is_durable_before_it_takes_effect(void **state) {
    struct lease_fixture *fixture = *state;
    struct reader reader;
    lease_fixture_open(fixture);
    attach(&reader, fixture);
    for (uint64_t version = 5; version < 10; version++) {
        assert_int_equal(lease_fixture_heartbeat(fixture, version, 1000 + version), LEASE_RENEWED);
        assert_int_equal(reader.record.highest_version, version);
    }
    assert_int_equal(reader.told, 5);
    lease_set_mirror(fixture->lease, NULL);
}

static void an_equal_version_writes_nothing(void **state) {
    struct lease_fixture *fixture = *state;
    struct stat before;
    struct stat after;
    char path[256];
    lease_fixture_open(fixture);
    (void)lease_fixture_heartbeat(fixture, 5, 1000);
    (void)snprintf(path, sizeof(path), "%s/" LEASE_STATE_FILE_NAME, fixture->directory);
    assert_int_equal(stat(path, &before), 0);
    (void)lease_fixture_heartbeat(fixture, 5, 2000);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); // each writing makes a file of its own
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void heartbeats_that_do_not_renew_write_nothing(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    struct lease_heartbeat elsewhere = {
        .form = LEASE_FORM_NODE, .cluster_enabled = true, .lease_ms = 1000, .version = 9};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &elsewhere, &answer);
    assert_int_equal(lease_fixture_heartbeat(fixture, 9, 0), LEASE_INVALID_LENGTH);
    lease_become_replica(fixture->lease);
    assert_int_equal(lease_fixture_heartbeat(fixture, 9, 1000), LEASE_NOT_MASTER);
    assert_int_equal(lease_fixture_record(fixture).highest_version, 0);
    assert_false(lease_fixture_record(fixture).ever_held);
}

static void a_late_heartbeat_of_a_higher_version_is_durable_too(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    struct lease_heartbeat late = {.form = LEASE_FORM_SHORT, .lease_ms = 1, .version = 9};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &late, &answer);
    assert_int_equal(answer.outcome, LEASE_LATE);
    assert_int_equal(lease_fixture_record(fixture).highest_version, 9);
    assert_true(lease_fixture_record(fixture).ever_held);
    assert_false(lease_fixture_passes(fixture));
}

// --- A start that the file forbids ---

static void a_damaged_file_forbids_the_start(void **state) {
    struct lease_fixture *fixture = *state;
    char path[256];
    char error[LEASE_ERROR_SIZE] = "";
    (void)snprintf(path, sizeof(path), "%s/" LEASE_STATE_FILE_NAME, fixture->directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("kvfence-lease 1\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_false(lease_open(&fixture->config, &fixture->lease, error));
    assert_null(fixture->lease);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, "The server does not start"));
}

// --- A disk that cannot take it ---

// A directory in the place of the draft stops every writing, for root too.
static void block_the_draft(struct lease_fixture *fixture, bool block) {
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/" LEASE_STATE_FILE_NAME ".new", fixture->directory);
    assert_int_equal(block ? mkdir(path, 0700) : rmdir(path), 0);
}

static void what_is_not_durable_does_not_take_effect(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    struct lease_view before = lease_view(fixture->lease);
    block_the_draft(fixture, true);
    lease_fixture_advance_ms(fixture, 500);
    assert_int_equal(lease_fixture_heartbeat(fixture, 6, 60000), LEASE_NOT_DURABLE);
    struct lease_view after = lease_view(fixture->lease);
    assert_int_equal(after.deadline.value, before.deadline.value);
    assert_int_equal(after.election_version, 5);
    assert_int_equal(after.highest_version, 5);
    assert_int_equal(after.counters.renewals, 1);
    lease_fixture_advance_ms(fixture, 501);
    assert_false(lease_fixture_passes(fixture));
    block_the_draft(fixture, false);
}

static void the_old_version_goes_on_while_a_higher_one_cannot_be_made_durable(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    block_the_draft(fixture, true);
    assert_int_equal(lease_fixture_heartbeat(fixture, 6, 60000), LEASE_NOT_DURABLE);
    assert_int_equal(lease_fixture_heartbeat(fixture, 5, 2000), LEASE_RENEWED);
    assert_int_equal(lease_view(fixture->lease).deadline_ms, 2000);
    block_the_draft(fixture, false);
}

static void a_first_lease_that_is_not_durable_leaves_the_node_as_it_was(void **state) {
    struct lease_fixture *fixture = *state;
    lease_fixture_open(fixture);
    block_the_draft(fixture, true);
    assert_int_equal(lease_fixture_heartbeat(fixture, 0, 1000), LEASE_NOT_DURABLE);
    assert_int_equal(lease_view(fixture->lease).status, LEASE_NONE);
    assert_false(lease_view(fixture->lease).ever_held);
    block_the_draft(fixture, false);
}

static void the_next_heartbeat_tries_again_and_the_log_says_so_once(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    block_the_draft(fixture, true);
    for (int attempt = 0; attempt < 3; attempt++)
        assert_int_equal(lease_fixture_heartbeat(fixture, 6, 1000), LEASE_NOT_DURABLE);
    assert_int_equal(
        lease_fixture_logged(fixture, "heartbeats with election version 6 do not renew the lease"), 1);
    block_the_draft(fixture, false);
    assert_int_equal(lease_fixture_heartbeat(fixture, 6, 1000), LEASE_RENEWED);
    assert_int_equal(lease_fixture_logged(fixture, "can be made durable again"), 1);
    assert_int_equal(lease_fixture_record(fixture).highest_version, 6);
}

// The file may hold a version whose writing failed late, so a lower one must not replace it.
static void a_version_that_failed_is_not_lowered_by_the_next(void **state) {
    struct lease_fixture *fixture = lease_fixture_open_held(*state, LEASE_BLOCK_WRITE);
    block_the_draft(fixture, true);
    assert_int_equal(lease_fixture_heartbeat(fixture, 8, 1000), LEASE_NOT_DURABLE);
    block_the_draft(fixture, false);
    assert_int_equal(lease_fixture_heartbeat(fixture, 6, 1000), LEASE_STALE_VERSION);
    assert_int_equal(lease_fixture_record(fixture).highest_version, 8);
    assert_int_equal(lease_fixture_heartbeat(fixture, 8, 1000), LEASE_RENEWED);
}

// --- A disk that is really full ---

struct full_disk {
    struct lease_fixture *fixture;
    char mount_point[160];
    char filler[192];
};

static int mount_disk(void **state) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        print_error("a mount namespace of its own needs root\n");
        return -1;
    }
    void *fixture = NULL;
    if (lease_fixture_set_up(&fixture) != 0)
        return -1;
    struct full_disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL)
        return -1;
    disk->fixture = fixture;
    (void)snprintf(disk->mount_point, sizeof(disk->mount_point), "%s/disk", disk->fixture->directory);
    (void)snprintf(disk->filler, sizeof(disk->filler), "%s/filler", disk->mount_point);
    *state = disk;
    if (mkdir(disk->mount_point, 0700) != 0)
        return -1;
    disk->fixture->config.directory = disk->mount_point;
    return mount("tmpfs", disk->mount_point, "tmpfs", 0, "size=64k");
}

static int unmount_disk(void **state) {
    struct full_disk *disk = *state;
    void *fixture = disk->fixture;
    lease_fixture_shut(disk->fixture);
    int result = umount(disk->mount_point);
    free(disk);
    return lease_fixture_tear_down(&fixture) != 0 ? -1 : result;
}

static void fill(const struct full_disk *disk) {
    static const char page[4096];
    int file = open(disk->filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    while (write(file, page, sizeof(page)) > 0)
        ;
    assert_int_equal(close(file), 0);
}

static void on_a_full_disk_the_lease_is_not_extended_under_a_higher_version(void **state) {
    struct full_disk *disk = *state;
    struct lease_fixture *fixture = lease_fixture_open_held(disk->fixture, LEASE_BLOCK_WRITE);
    boot_ns_t deadline = lease_view(fixture->lease).deadline;
    fill(disk);
    struct lease_heartbeat higher = {
        .form = LEASE_FORM_SHORT, .lease_ms = 60000, .version = 6, .arrived = lease_view(fixture->lease).now};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &higher, &answer);
    assert_int_equal(answer.outcome, LEASE_NOT_DURABLE);
    assert_non_null(strstr(answer.error, "ERR the election version could not be made durable"));
    assert_non_null(strstr(answer.error, "No space left on device"));
    assert_int_equal(lease_view(fixture->lease).deadline.value, deadline.value);
    assert_int_equal(lease_view(fixture->lease).highest_version, 5);
    assert_int_equal(lease_fixture_heartbeat(fixture, 5, 1000), LEASE_RENEWED); // needs no room

    lease_fixture_restart(fixture); // the old file is whole
    assert_int_equal(lease_view(fixture->lease).highest_version, 5);
    assert_int_equal(unlink(disk->filler), 0);
    lease_heartbeat(fixture->lease, &higher, &answer);
    assert_int_equal(answer.outcome, LEASE_RENEWED);
}

#define DISK_TEST(test) cmocka_unit_test_setup_teardown(test, lease_fixture_set_up, lease_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        DISK_TEST(a_first_lease_is_durable_before_it_takes_effect),
        DISK_TEST(a_higher_version_is_durable_before_it_takes_effect),
        DISK_TEST(an_equal_version_writes_nothing),
        DISK_TEST(heartbeats_that_do_not_renew_write_nothing),
        DISK_TEST(a_late_heartbeat_of_a_higher_version_is_durable_too),
        DISK_TEST(a_damaged_file_forbids_the_start),
        DISK_TEST(what_is_not_durable_does_not_take_effect),
        DISK_TEST(the_old_version_goes_on_while_a_higher_one_cannot_be_made_durable),
        DISK_TEST(a_first_lease_that_is_not_durable_leaves_the_node_as_it_was),
        DISK_TEST(the_next_heartbeat_tries_again_and_the_log_says_so_once),
        DISK_TEST(a_version_that_failed_is_not_lowered_by_the_next),
        cmocka_unit_test_setup_teardown(on_a_full_disk_the_lease_is_not_extended_under_a_higher_version,
                                        mount_disk, unmount_disk),
    };
    return cmocka_run_group_tests_name("lease_durability", tests, NULL, NULL);
}
