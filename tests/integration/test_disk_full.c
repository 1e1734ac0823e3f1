// SPDX-License-Identifier: Apache-2.0
//
// A full disk: no write is acknowledged that is not kept, the server stays up and says what is wrong, and
// goes on by itself when there is room again. The disk is a small file system in memory, in a mount namespace
// of this program's own; so this needs root, and fails without.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_MAX = 128 << 10, WRITES_MAX = 4096, RECOVERY_SECONDS = 40 };

struct full_disk {
    char mount_point[64];
    char filler[96];
    struct test_server server;
    bool acknowledged[WRITES_MAX]; // by number of the write
    int writes;
    size_t value_size;
    unsigned seed;
};

// --- The disk ---

static int enter_own_mounts(void **state) {
    (void)state;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        print_error("a mount namespace of its own needs root\n");
        return -1;
    }
    return 0;
}

static void mount_disk(struct full_disk *disk, int megabytes) {
    char size[32];
    (void)snprintf(size, sizeof(size), "size=%dm", megabytes);
    (void)snprintf(disk->mount_point, sizeof(disk->mount_point), "/tmp/kvfence-disk-XXXXXX");
    assert_non_null(mkdtemp(disk->mount_point));
    assert_int_equal(mount("tmpfs", disk->mount_point, "tmpfs", 0, size), 0);
    (void)snprintf(disk->filler, sizeof(disk->filler), "%s/filler", disk->mount_point);
}

static int64_t free_bytes(const struct full_disk *disk) {
    struct statvfs space;
    assert_int_equal(statvfs(disk->mount_point, &space), 0);
    return (int64_t)(space.f_bavail * space.f_frsize);
}

// Takes room away until only `left` bytes are free.
static void fill_disk(const struct full_disk *disk, int64_t left) {
    int fd = open(disk->filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    int64_t length = free_bytes(disk) - left;
    if (length > 0)
        assert_int_equal(posix_fallocate(fd, lseek(fd, 0, SEEK_END), length), 0);
    assert_int_equal(close(fd), 0);
}

static void take_room(const struct full_disk *disk, int64_t length) {
    fill_disk(disk, free_bytes(disk) - length);
}

static void give_room(const struct full_disk *disk) {
    assert_int_equal(unlink(disk->filler), 0);
}

static unsigned seed_of_run(void) {
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed: KVFENCE_SEED=%u\n", seed);
    return seed;
}

static struct full_disk *disk_open(int megabytes, size_t value_size) {
    struct full_disk *disk = calloc(1, sizeof(*disk));
    assert_non_null(disk);
    mount_disk(disk, megabytes);
    disk->value_size = value_size;
    disk->seed = seed_of_run();
    return disk;
}

static void start_on(struct full_disk *disk, const char *config) {
    char lines[512];
    (void)snprintf(lines, sizeof(lines), "dir %s/data\nrocksdb.write_buffer_size 16\n%s", disk->mount_point,
                   config);
    server_start(&disk->server, lines);
}

static void disk_close(struct full_disk *disk) {
    server_discard(&disk->server);
    assert_int_equal(umount(disk->mount_point), 0);
    assert_int_equal(rmdir(disk->mount_point), 0);
    free(disk);
}

// --- Writes ---

// Bytes that no compression makes smaller, the same ones each time for the same number.
static const char *value_of(const struct full_disk *disk, int number) {
    static uint64_t words[VALUE_MAX / sizeof(uint64_t)];
    uint64_t next = ((uint64_t)disk->seed << 32) + (uint64_t)number + 1;
    for (size_t i = 0; i < disk->value_size / sizeof(*words); i++) {
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        words[i] = next;
    }
    return (const char *)words;
}

// Writes one value more; true if it was acknowledged. A refusal must name the full disk.
static bool write_one(struct full_disk *disk, const char *wanted_error) {
    assert_true(disk->writes < WRITES_MAX);
    int number = disk->writes++;
    redisContext *connection = server_connect(&disk->server);
    redisReply *reply =
        redisCommand(connection, "SET key:%d %b", number, value_of(disk, number), disk->value_size);
    assert_non_null(reply);
    bool stored = reply->type == REDIS_REPLY_STATUS;
    if (!stored && (reply->type != REDIS_REPLY_ERROR || strstr(reply->str, wanted_error) == NULL))
        fail_msg("'%s' does not say '%s'", reply->str == NULL ? "" : reply->str, wanted_error);
    disk->acknowledged[number] = stored;
    freeReplyObject(reply);
    redisFree(connection);
    return stored;
}

static bool a_write_passes(void *context) {
    return write_one(context, "No space left");
}

static void write_until_full(struct full_disk *disk, const char *wanted_error) {
    while (write_one(disk, wanted_error))
        ;
}

static void check_all_acknowledged(const struct full_disk *disk) {
    redisContext *connection = server_connect(&disk->server);
    int kept = 0;
    for (int number = 0; number < disk->writes; number++) {
        if (!disk->acknowledged[number])
            continue;
        redisReply *reply = command(connection, "GET key:%d", number);
        if (reply->type != REDIS_REPLY_STRING || reply->len != disk->value_size ||
            memcmp(reply->str, value_of(disk, number), reply->len) != 0)
            fail_msg("write %d was acknowledged and is lost", number);
        freeReplyObject(reply);
        kept++;
    }
    assert_true(kept > 0);
    redisFree(connection);
}

static void check_alive(const struct full_disk *disk) {
    redisContext *connection = server_connect(&disk->server);
    expect_text(connection, "PONG", "PING");
    redisFree(connection);
}

// What must hold on a disk that was filled in any way.
static void check_errors_and_recovery(struct full_disk *disk) {
    for (int i = 0; i < 20; i++) {
        (void)write_one(disk, "No space left");
        check_alive(disk);
    }
    server_wait_log(&disk->server, "No space left");
    give_room(disk);
    wait_until(a_write_passes, disk, RECOVERY_SECONDS, "writes are taken again when there is room");
    server_wait_log(&disk->server, "the database takes writes again");
    check_all_acknowledged(disk);
    server_kill(&disk->server);
    server_restart(&disk->server);
    check_all_acknowledged(disk);
    assert_true(write_one(disk, "No space left"));
}

// --- Tests ---

static void a_full_disk_costs_nothing_but_the_writes_that_were_refused(void **state) {
    (void)state;
    struct full_disk *disk = disk_open(96, 64 << 10);
    take_room(disk, 32 << 20);
    start_on(disk, "disk-reserve-mb 0");
    write_until_full(disk, "No space left");
    check_errors_and_recovery(disk);
    disk_close(disk);
}

static void a_log_of_writes_that_cannot_grow_costs_nothing_but_the_writes_that_were_refused(void **state) {
    (void)state;
    struct full_disk *disk = disk_open(96, 100 << 10);
    fill_disk(disk, 8 << 20); // so that RocksDB cannot reserve room for the log when it makes it
    start_on(disk, "disk-reserve-mb 0");
    for (int i = 0; i < 10; i++)
        assert_true(write_one(disk, ""));
    fill_disk(disk, 400 << 10);
    write_until_full(disk, "No space left");
    assert_true(disk->writes < 20);
    check_errors_and_recovery(disk);
    disk_close(disk);
}

// One of those who write at once, on workers of their own.
struct member {
    pthread_t thread;
    const struct full_disk *disk;
    int number;
    const char *value;
    bool refused; // the end came by an error, not by the end of the connection
};

// Sends 50 writes at a time until one is refused.
static void *write_until_refused(void *argument) {
    struct member *member = argument;
    redisContext *connection = server_connect(&member->disk->server);
    redisReply *reply = NULL;
    for (int i = 0; !member->refused; i++) {
        for (int n = 0; i % 50 == 0 && n < 50; n++)
            (void)redisAppendCommand(connection, "SET crowd:%d:%d %b", member->number, n, member->value,
                                     (size_t)200);
        if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
            break;
        member->refused = reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "No space left") != NULL;
        freeReplyObject(reply);
    }
    redisFree(connection);
    return NULL;
}

// While one worker finds that the log cannot be written any more, others are about to write to it.
static void a_crowd_that_fills_the_disk_is_refused_and_does_not_end_the_server(void **state) {
    (void)state;
    enum { CROWD = 4, ROUNDS = 8 };
    for (int round = 0; round < ROUNDS; round++) {
        struct full_disk *disk = disk_open(64, 1000);
        fill_disk(disk, 4 << 20);
        start_on(disk, "disk-reserve-mb 0\nworkers 4");
        struct member members[CROWD] = {0};
        for (int i = 0; i < CROWD; i++) {
            members[i].disk = disk;
            members[i].value = value_of(disk, 0);
            members[i].number = i;
            assert_int_equal(pthread_create(&members[i].thread, NULL, write_until_refused, &members[i]), 0);
        }
        for (int i = 0; i < CROWD; i++) {
            assert_int_equal(pthread_join(members[i].thread, NULL), 0);
            assert_true(members[i].refused);
        }
        check_alive(disk);
        disk_close(disk);
    }
}

static bool has_room(void *context) {
    return write_one(context, "the disk is almost full");
}

static void the_reserve_refuses_what_adds_data_and_lets_the_rest_through(void **state) {
    (void)state;
    struct full_disk *disk = disk_open(160, 64 << 10);
    start_on(disk, "");
    redisContext *connection = server_connect(&disk->server);
    for (int i = 0; i < 10; i++)
        assert_true(write_one(disk, ""));
    fill_disk(disk, 6 << 20);
    server_wait_log(&disk->server, "almost full"); // writes before that could take all there is
    assert_false(write_one(disk, "ERR the disk is almost full"));
    expect_error(connection, "ERR the disk is almost full", "SET a b");
    expect_integer(connection, 1, "DEL key:0");
    disk->acknowledged[0] = false;
    expect_integer(connection, 1, "EXPIRE key:1 100");
    expect_integer(connection, (long long)disk->value_size, "STRLEN key:2");
    give_room(disk);
    wait_until(has_room, disk, RECOVERY_SECONDS, "writes are taken again when there is room");
    server_wait_log(&disk->server, "there is room again");
    check_all_acknowledged(disk);
    redisFree(connection);
    disk_close(disk);
}

// Whether the server that was spawned has ended, or answers.
static bool has_decided(void *context) {
    struct test_server *server = context;
    siginfo_t ended = {0};
    assert_int_equal(waitid(P_PID, (id_t)server->pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    redisContext *connection = redisConnect("127.0.0.1", server->port);
    bool serves = connection != NULL && connection->err == 0;
    redisFree(connection);
    return serves || ended.si_pid == server->pid;
}

// A start needs a little room, for a list of files and a log of writes. Whatever there is, the server serves
// or says what is missing.
static void start_with_room(struct full_disk *disk, int64_t left) {
    fill_disk(disk, left);
    server_spawn(&disk->server);
    wait_until(has_decided, &disk->server, RECOVERY_SECONDS, "the server serves or ends");
    siginfo_t ended = {0};
    assert_int_equal(waitid(P_PID, (id_t)disk->server.pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    if (ended.si_pid == 0) {
        check_all_acknowledged(disk);
        server_kill(&disk->server);
    } else {
        assert_int_equal(server_wait_exit(&disk->server), 1);
        assert_true(server_log_contains(&disk->server, "the disk is full; free some space and start again"));
    }
    give_room(disk);
}

static void a_start_on_a_full_disk_works_or_says_why_not(void **state) {
    (void)state;
    struct full_disk *disk = disk_open(96, 64 << 10);
    start_on(disk, "disk-reserve-mb 0");
    for (int i = 0; i < 10; i++)
        assert_true(write_one(disk, ""));
    server_kill(&disk->server);
    start_with_room(disk, 0);
    assert_true(server_log_contains(&disk->server, "No space left"));
    for (int64_t left = 4 << 10; left <= 1 << 20; left *= 4)
        start_with_room(disk, left);
    server_restart(&disk->server);
    check_all_acknowledged(disk);
    assert_true(write_one(disk, ""));
    disk_close(disk);
}

static void a_stop_on_a_full_disk_loses_nothing(void **state) {
    (void)state;
    struct full_disk *disk = disk_open(96, 64 << 10);
    take_room(disk, 32 << 20);
    start_on(disk, "disk-reserve-mb 0");
    write_until_full(disk, "No space left");
    server_stop(&disk->server);
    give_room(disk);
    server_restart(&disk->server);
    check_all_acknowledged(disk);
    disk_close(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_costs_nothing_but_the_writes_that_were_refused),
        cmocka_unit_test(a_log_of_writes_that_cannot_grow_costs_nothing_but_the_writes_that_were_refused),
        cmocka_unit_test(a_crowd_that_fills_the_disk_is_refused_and_does_not_end_the_server),
        cmocka_unit_test(the_reserve_refuses_what_adds_data_and_lets_the_rest_through),
        cmocka_unit_test(a_start_on_a_full_disk_works_or_says_why_not),
        cmocka_unit_test(a_stop_on_a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, enter_own_mounts, NULL);
}
