// SPDX-License-Identifier: Apache-2.0
//
// What stands in the data directory while a copy of the master's data takes the place of the database, and
// that neither a crash nor a copy that does not fit keeps a replica from being copied to again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replication_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

// The replica has written something of its own, so it needs a copy.
static int open_nodes(void **state) {
    static struct nodes nodes;
    nodes_open(&nodes, NULL, NULL);
    expect_text(nodes.to_master, "OK", "SET key master's");
    expect_text(nodes.to_replica, "OK", "SET key own");
    *state = &nodes;
    return 0;
}

static void path_in(const struct test_server *server, const char *name, char path[256]) {
    (void)snprintf(path, 256, "%s/%s", server->directory, name);
}

static bool is_gone(void *path) {
    return access(path, F_OK) != 0 && errno == ENOENT;
}

// --- What a crash leaves ---

static void put_file(const struct test_server *server, const char *name) {
    char path[256];
    path_in(server, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("of the old database", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

// Killed right after the exchange: the directory of the copy holds the old database.
static void leave_old_database(const struct test_server *server) {
    char path[256];
    path_in(server, "sync_checkpoint", path);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file(server, "sync_checkpoint/000123.sst");
    path_in(server, "sync_checkpoint/archive", path);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file(server, "sync_checkpoint/archive/000042.log");
}

static void an_old_database_that_a_crash_left_is_deleted_and_in_nobodys_way(void **state) {
    struct nodes *nodes = *state;
    char path[256];
    server_kill(&nodes->replica);
    leave_old_database(&nodes->replica);
    server_restart(&nodes->replica);
    redisFree(nodes->to_replica);
    nodes->to_replica = server_connect(&nodes->replica);
    path_in(&nodes->replica, "sync_checkpoint", path);
    wait_until(is_gone, path, 60, "the old database is deleted");
    follow(nodes->to_replica, nodes->master.port);
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void a_copy_that_cannot_be_opened_is_in_nobodys_way(void **state) {
    struct nodes *nodes = *state;
    struct test_server other;
    char path[256];
    server_start(&other, "cluster-enabled yes\n"); // its keys are laid out otherwise
    redisContext *to_other = server_connect(&other);
    expect_text(to_other, "OK", "CLUSTERX SETNODEID 0123456789012345678901234567890123456789");
    expect_text(to_other, "OK", "CLUSTERX SETNODES %s 1",
                "0123456789012345678901234567890123456789 127.0.0.1 7777 master - 0-16383");
    expect_text(to_other, "OK", "SET key other");
    follow(nodes->to_replica, other.port);
    server_wait_log(&nodes->replica, "was written in cluster mode");
    expect_text(nodes->to_replica, "own", "GET key");
    follow(nodes->to_replica, nodes->master.port);
    assert_same_data(nodes->to_master, nodes->to_replica);
    path_in(&nodes->replica, "sync_checkpoint", path);
    wait_until(is_gone, path, 60, "nothing is left of the copies");
    redisFree(to_other);
    server_discard(&other);
}

// --- In which order it goes ---

// Where the events tell of this name, by these kinds; -1: they do not.
static long first_event(const char *events, ssize_t length, uint32_t kinds, const char *name) {
    for (ssize_t at = 0; at < length;) {
        struct inotify_event event;
        memcpy(&event, events + at, sizeof(event));
        if ((event.mask & kinds) != 0 && strcmp(events + at + sizeof(event), name) == 0)
            return at;
        at += (ssize_t)(sizeof(event) + event.len);
    }
    return -1;
}

static void from_the_exchange_on_no_copy_can_be_gone_on_with(void **state) {
    struct nodes *nodes = *state;
    static char events[64 << 10];
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(watch >= 0);
    assert_true(inotify_add_watch(watch, nodes->replica.directory, IN_DELETE | IN_MOVED_FROM) >= 0);
    follow(nodes->to_replica, nodes->master.port);
    assert_same_data(nodes->to_master, nodes->to_replica);
    ssize_t length = read(watch, events, sizeof(events));
    assert_true(length > 0);
    long source_deleted = first_event(events, length, IN_DELETE, "sync_checkpoint.source");
    long exchanged = first_event(events, length, IN_MOVED_FROM, "sync_checkpoint");
    assert_true(exchanged >= 0);
    assert_true(source_deleted >= 0 && source_deleted < exchanged);
    (void)close(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, open_nodes, nodes_close)
        WITH_NODES(an_old_database_that_a_crash_left_is_deleted_and_in_nobodys_way),
        WITH_NODES(a_copy_that_cannot_be_opened_is_in_nobodys_way),
        WITH_NODES(from_the_exchange_on_no_copy_can_be_gone_on_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
