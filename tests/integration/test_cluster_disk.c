// SPDX-License-Identifier: Apache-2.0
//
// A disk that has no room for nodes.conf: the topology is in force, the controller is told that it is not
// saved, and it is saved when it is sent again and there is room. The disk is a small file system in memory,
// in a mount namespace of this program's own; so this needs root, and fails without.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define AS_MASTER  ID_A " 127.0.0.1 7001 master - 0-16383\n"
#define AS_REPLICA ID_A " 127.0.0.1 7001 slave " ID_B "\n" ID_B " 127.0.0.1 7002 master - 0-16383\n"

struct disk {
    char mount_point[64];
    char filler[96];
    struct test_server server;
    redisContext *client;
};

static int enter_own_mounts(void **state) {
    (void)state;
    if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        return 0;
    print_error("a mount namespace of its own needs root\n");
    return -1;
}

static int open_disk(void **state) {
    static struct disk disk;
    char lines[256];
    disk = (struct disk){.mount_point = "/tmp/kvfence-disk-XXXXXX"};
    assert_non_null(mkdtemp(disk.mount_point));
    assert_int_equal(mount("tmpfs", disk.mount_point, "tmpfs", 0, "size=32m"), 0);
    (void)snprintf(disk.filler, sizeof(disk.filler), "%s/filler", disk.mount_point);
    (void)snprintf(lines, sizeof(lines), "dir %s/data\ncluster-enabled yes\nrocksdb.write_buffer_size 1\n",
                   disk.mount_point);
    server_start(&disk.server, lines);
    disk.client = server_connect(&disk.server);
    *state = &disk;
    return 0;
}

static int close_disk(void **state) {
    struct disk *disk = *state;
    redisFree(disk->client);
    server_discard(&disk->server);
    assert_int_equal(umount(disk->mount_point), 0);
    return rmdir(disk->mount_point);
}

// Until not a byte more can be written.
static void fill(const struct disk *disk) {
    static const char zeros[65536];
    int file = open(disk->filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    for (size_t length = sizeof(zeros); length > 0; length /= 2) {
        while (write(file, zeros, length) > 0)
            continue;
    }
    assert_int_equal(close(file), 0);
}

static void expect_not_saved(redisContext *client, const char *nodes, int version) {
    redisReply *reply = set_nodes(client, nodes, version);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(reply->str, "ERR the topology is in force but could not be saved"));
    assert_non_null(strstr(reply->str, "No space left on device"));
    freeReplyObject(reply);
}

static void restart(struct disk *disk) {
    redisFree(disk->client);
    server_kill(&disk->server);
    server_restart(&disk->server);
    disk->client = server_connect(&disk->server);
}

static void a_topology_is_in_force_though_the_disk_is_full_and_is_saved_later(void **state) {
    struct disk *disk = *state;
    expect_text(disk->client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(disk->client, AS_MASTER, 1);
    fill(disk);
    expect_not_saved(disk->client, AS_REPLICA, 2);
    expect_text(disk->client, "2", "CLUSTERX VERSION");
    expect_error(disk->client, "MOVED 12182 127.0.0.1:7002", "SET foo 1");
    expect_error(disk->client, "READONLY", "FLUSHALL");
    assert_true(server_log_contains(&disk->server, "in force but not saved"));
    expect_not_saved(disk->client, AS_REPLICA, 2);
    assert_int_equal(unlink(disk->filler), 0);
    expect_set_nodes(disk->client, AS_REPLICA, 2);
    restart(disk);
    expect_text(disk->client, "2", "CLUSTERX VERSION");
    expect_error(disk->client, "READONLY", "FLUSHALL");
}

static void a_full_disk_leaves_the_old_file_whole(void **state) {
    struct disk *disk = *state;
    expect_text(disk->client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    expect_set_nodes(disk->client, AS_MASTER, 1);
    fill(disk);
    expect_not_saved(disk->client, AS_REPLICA, 2);
    assert_int_equal(unlink(disk->filler), 0); // RocksDB needs room to start
    restart(disk);
    expect_text(disk->client, "1", "CLUSTERX VERSION");
    expect_text(disk->client, "OK", "SET foo 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_topology_is_in_force_though_the_disk_is_full_and_is_saved_later,
                                        open_disk, close_disk),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_file_whole, open_disk, close_disk),
    };
    return cmocka_run_group_tests(tests, enter_own_mounts, NULL);
}
