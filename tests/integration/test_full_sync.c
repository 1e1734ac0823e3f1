// SPDX-License-Identifier: Apache-2.0
//
// Replicas that cannot go on by the log: everything is copied, over links that break and bytes that change,
// and histories that parted are thrown away. Until a copy is whole the replica keeps what it had.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replication_pair.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// A replica that has written something of its own needs a copy. Small files, so that there are some.
static const char settings[] = "replication-recv-timeout-ms 2000\n"
                               "rocksdb.write_buffer_size 1\n"
                               "rocksdb.target_file_size_base 1\n"
                               "rocksdb.compression no\n";

static int open_nodes(void **state) {
    static struct nodes nodes;
    nodes_open(&nodes, settings, settings);
    nodes.wire = wire_open(nodes.master.port);
    *state = &nodes;
    return 0;
}

static void reconnect(redisContext **connection, const struct test_server *server) {
    redisFree(*connection);
    *connection = server_connect(server);
}

// Values that differ, so that the files are as big as they look.
static void write_data(redisContext *connection, const char *prefix, int count) {
    enum { SIZE = 10000 };
    char *value = malloc(SIZE + 1);
    assert_non_null(value);
    unsigned seed = 1;
    for (int i = 0; i < count; i++) {
        for (int at = 0; at < SIZE; at++)
            value[at] = (char)('a' + (seed = seed * 1103515245U + 12345U) / 65536 % 26);
        value[SIZE] = '\0';
        expect_text(connection, "OK", "SET %s:%d %s", prefix, i, value);
    }
    free(value);
    expect_integer(connection, 3, "HSET %s:hash a 1 b 2 c 3", prefix);
}

static bool is_compacted(void *context) {
    return server_info_number(context, "rocksdb", "is_compacting") == 0;
}

// Files instead of log, so that the log's beginning is gone.
static void write_out(redisContext *connection) {
    expect_text(connection, "OK", "COMPACT");
    wait_until(is_compacted, connection, 60, "the compaction is over");
}

static long long full_syncs(redisContext *connection) {
    return server_info_number(connection, "stats", "sync_full");
}

// --- Copying ---

static void a_late_replica_copies_everything_and_goes_on_by_the_log(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_replica, "OK", "SET own 1");
    write_data(nodes->to_master, "early", 500);
    write_out(nodes->to_master);
    follow(nodes->to_replica, wire_port(nodes->wire));
    write_data(nodes->to_master, "meanwhile", 100);
    assert_same_data(nodes->to_master, nodes->to_replica);
    expect_null(nodes->to_replica, "GET own");
    long long copies = full_syncs(nodes->to_master);
    assert_true(copies >= 1);
    write_data(nodes->to_master, "later", 10);
    assert_same_data(nodes->to_master, nodes->to_replica);
    assert_int_equal(full_syncs(nodes->to_master), copies);
    assert_true(server_log_contains(&nodes->replica, "the full copy discards 3 sequence numbers"));
}

static void clients_of_the_replica_are_served_all_the_time(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_replica, "OK", "SET early:1 old");
    write_data(nodes->to_master, "early", 300);
    write_out(nodes->to_master);
    follow(nodes->to_replica, wire_port(nodes->wire));
    redisReply *reply = command(nodes->to_replica, "GET early:1");
    while (reply->len < 10) { // until the master's value is there it is the old one, and nothing else
        assert_string_equal(reply->str, "old");
        freeReplyObject(reply);
        reply = command(nodes->to_replica, "GET early:1");
    }
    freeReplyObject(reply);
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void a_copy_over_links_that_break_keeps_what_has_arrived(void **state) {
    struct nodes *nodes = *state;
    write_data(nodes->to_master, "early", 1000);
    write_out(nodes->to_master);
    expect_text(nodes->to_replica, "OK", "SET own 1");
    wire_cut_after(nodes->wire, 6 << 20);
    follow(nodes->to_replica, wire_port(nodes->wire));
    assert_same_data(nodes->to_master, nodes->to_replica);
    assert_false(server_log_contains(&nodes->replica, "bytes, and 0 that were here already"));
    assert_true(wire_bytes(nodes->wire) < 18 << 20);
}

static void a_byte_that_changes_on_the_way_is_noticed(void **state) {
    struct nodes *nodes = *state;
    write_data(nodes->to_master, "early", 500);
    write_out(nodes->to_master);
    expect_text(nodes->to_replica, "OK", "SET own 1");
    wire_damage_after(nodes->wire, 2 << 20);
    follow(nodes->to_replica, wire_port(nodes->wire));
    assert_same_data(nodes->to_master, nodes->to_replica);
    assert_true(server_log_contains(&nodes->replica, "has come damaged"));
}

static bool is_copying(void *context) {
    return server_info_number(context, "replication", "master_sync_in_progress") == 1;
}

static void a_replica_that_is_killed_while_copying_has_its_old_data(void **state) {
    struct nodes *nodes = *state;
    write_data(nodes->to_master, "early", 500);
    write_out(nodes->to_master);
    expect_text(nodes->to_replica, "OK", "SET own 1");
    wire_limit(nodes->wire, 1 << 20);
    follow(nodes->to_replica, wire_port(nodes->wire));
    wait_until(is_copying, nodes->to_replica, 60, "the replica is copying");
    server_kill(&nodes->replica);
    server_restart(&nodes->replica);
    reconnect(&nodes->to_replica, &nodes->replica);
    expect_text(nodes->to_replica, "1", "GET own");
    wire_limit(nodes->wire, 0);
    follow(nodes->to_replica, wire_port(nodes->wire));
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void a_master_that_is_killed_while_copied_is_copied_when_it_is_back(void **state) {
    struct nodes *nodes = *state;
    write_data(nodes->to_master, "early", 500);
    write_out(nodes->to_master);
    expect_text(nodes->to_replica, "OK", "SET own 1");
    wire_limit(nodes->wire, 1 << 20);
    follow(nodes->to_replica, wire_port(nodes->wire));
    wait_until(is_copying, nodes->to_replica, 60, "the replica is copying");
    server_kill(&nodes->master);
    expect_text(nodes->to_replica, "1", "GET own");
    server_restart(&nodes->master);
    reconnect(&nodes->to_master, &nodes->master);
    wire_limit(nodes->wire, 0);
    assert_same_data(nodes->to_master, nodes->to_replica);
}

static void a_replica_killed_at_any_moment_has_the_old_data_or_the_new(void **state) {
    enum { ROUNDS = 6 };
    struct nodes *nodes = *state;
    write_data(nodes->to_master, "early", 100);
    write_out(nodes->to_master);
    for (int round = 0; round < ROUNDS; round++) {
        expect_text(nodes->to_replica, "OK", "REPLICAOF NO ONE");
        expect_text(nodes->to_replica, "OK", "SET own %d", round);
        follow(nodes->to_replica, wire_port(nodes->wire));
        struct timespec moment = {.tv_nsec = 1000000L * (20 + 60 * round)};
        (void)nanosleep(&moment, NULL);
        server_kill(&nodes->replica);
        server_restart(&nodes->replica);
        reconnect(&nodes->to_replica, &nodes->replica);
        redisReply *own = command(nodes->to_replica, "GET own");
        long long others = server_info_number(nodes->to_master, "replication", "master_repl_offset") -
                           server_info_number(nodes->to_replica, "replication", "master_repl_offset");
        assert_true((own->type == REDIS_REPLY_STRING && atoi(own->str) == round) || others >= 0);
        freeReplyObject(own);
    }
    follow(nodes->to_replica, wire_port(nodes->wire));
    assert_same_data(nodes->to_master, nodes->to_replica);
}

// A database that was open: its log has a directory of its own.
static void leave_old_database(const struct test_server *server) {
    static const char *const names[] = {"", "/archive", "/archive/000001.log", "/000004.sst", "/CURRENT"};
    char path[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/sync_checkpoint%s", server->directory, names[i]);
        if (i < 2) {
            assert_int_equal(mkdir(path, 0700), 0);
            continue;
        }
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs("of another database", file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
}

static bool has_no_old_database(void *context) {
    const struct test_server *server = context;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/sync_checkpoint", server->directory);
    return access(path, F_OK) != 0;
}

static void an_old_database_in_the_copys_place_is_in_nobodys_way(void **state) {
    struct nodes *nodes = *state;
    expect_text(nodes->to_replica, "OK", "SET own 1");
    write_data(nodes->to_master, "early", 100);
    write_out(nodes->to_master);
    leave_old_database(&nodes->replica);
    follow(nodes->to_replica, wire_port(nodes->wire));
    assert_same_data(nodes->to_master, nodes->to_replica);
    assert_true(has_no_old_database(&nodes->replica));
}

static void an_old_database_in_the_copys_place_is_deleted_at_the_start(void **state) {
    struct nodes *nodes = *state;
    server_kill(&nodes->replica);
    leave_old_database(&nodes->replica);
    server_restart(&nodes->replica);
    wait_until(has_no_old_database, &nodes->replica, 60, "the old database is deleted");
    reconnect(&nodes->to_replica, &nodes->replica);
}

static void the_rate_of_copies_is_limited(void **state) {
    struct nodes *nodes = *state;
    write_data(nodes->to_master, "early", 500); // 5 MB
    write_out(nodes->to_master);
    expect_text(nodes->to_replica, "OK", "SET own 1");
    expect_text(nodes->to_master, "OK", "CONFIG SET max-replication-mb 1");
    follow(nodes->to_replica, wire_port(nodes->wire));
    wait_until(is_copying, nodes->to_replica, 60, "the replica is copying");
    uint64_t before = wire_bytes(nodes->wire);
    struct timespec second = {.tv_sec = 1};
    (void)nanosleep(&second, NULL);
    assert_true(wire_bytes(nodes->wire) - before < 3 << 20);
    expect_text(nodes->to_master, "OK", "CONFIG SET max-replication-mb 0");
    assert_same_data(nodes->to_master, nodes->to_replica);
}

// --- Histories that part ---

// The replica is promoted, and both are written to: one of them must give in.
static void what_only_an_old_master_has_is_thrown_away(void **state) {
    struct nodes *nodes = *state;
    follow(nodes->to_replica, wire_port(nodes->wire));
    expect_text(nodes->to_master, "OK", "SET shared 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_replica, "OK", "REPLICAOF NO ONE");
    expect_text(nodes->to_replica, "OK", "SET new 1"); // three numbers: two for the new id
    for (int i = 0; i < 3; i++)
        expect_text(nodes->to_master, "OK", "SET late %d", i);
    // Level with each other, and yet different.
    assert_int_equal(server_info_number(nodes->to_master, "replication", "master_repl_offset"),
                     server_info_number(nodes->to_replica, "replication", "master_repl_offset"));
    follow(nodes->to_master, nodes->replica.port);
    assert_same_data(nodes->to_replica, nodes->to_master);
    expect_null(nodes->to_master, "GET late");
    expect_text(nodes->to_master, "1", "GET new");
    assert_true(server_log_contains(&nodes->master,
                                    "discards 3 sequence numbers that the master does not have: 4 to 6"));
}

static void an_old_master_that_is_behind_but_parted_is_found_out(void **state) {
    struct nodes *nodes = *state;
    follow(nodes->to_replica, wire_port(nodes->wire));
    expect_text(nodes->to_master, "OK", "SET shared 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    expect_text(nodes->to_replica, "OK", "REPLICAOF NO ONE");
    for (int i = 0; i < 20; i++)
        expect_text(nodes->to_replica, "OK", "SET new %d", i);
    expect_text(nodes->to_master, "OK", "SET late 1");
    follow(nodes->to_master, nodes->replica.port);
    assert_same_data(nodes->to_replica, nodes->to_master);
    expect_null(nodes->to_master, "GET late");
    assert_true(server_log_contains(&nodes->master, "discards 1 sequence numbers"));
}

static void who_wrote_nothing_of_its_own_needs_no_copy(void **state) {
    struct nodes *nodes = *state;
    follow(nodes->to_replica, wire_port(nodes->wire));
    expect_text(nodes->to_master, "OK", "SET shared 1");
    wait_in_step(nodes->to_master, nodes->to_replica);
    server_kill(&nodes->master);
    expect_text(nodes->to_replica, "OK", "REPLICAOF NO ONE");
    expect_text(nodes->to_replica, "OK", "SET new 1");
    server_restart(&nodes->master);
    reconnect(&nodes->to_master, &nodes->master);
    follow(nodes->to_master, nodes->replica.port);
    assert_same_data(nodes->to_replica, nodes->to_master);
    assert_int_equal(full_syncs(nodes->to_replica), 0);
}

// --- Masters that must not be followed ---

static void a_master_of_an_outdated_election_is_refused(void **state) {
    struct nodes *nodes = *state;
    struct test_server other;
    server_start(&other, settings);
    redisContext *to_other = server_connect(&other);
    freeReplyObject(command(nodes->to_master, "CLUSTERX HEARTBEAT 7 60000"));
    freeReplyObject(command(to_other, "CLUSTERX HEARTBEAT 3 60000"));
    expect_text(nodes->to_master, "OK", "SET key new");
    expect_text(to_other, "OK", "SET key outdated");
    follow(nodes->to_replica, nodes->master.port);
    wait_in_step(nodes->to_master, nodes->to_replica);
    server_kill(&nodes->replica); // what it knows outlives it
    server_restart(&nodes->replica);
    reconnect(&nodes->to_replica, &nodes->replica);
    follow(nodes->to_replica, other.port);
    server_wait_log(&nodes->replica, "its election version 3 is outdated, 7 is known from earlier masters, "
                                     "and kept in '");
    expect_text(nodes->to_replica, "new", "GET key");
    freeReplyObject(command(to_other, "CLUSTERX HEARTBEAT 8 60000"));
    assert_same_data(to_other, nodes->to_replica);
    redisFree(to_other);
    server_discard(&other);
}

// One that was named by mistake, of another cluster: this node has taken nothing from it yet.
static void the_election_version_of_a_master_met_in_passing_is_not_kept(void **state) {
    struct nodes *nodes = *state;
    struct test_server right;
    server_start(&right, settings);
    redisContext *to_right = server_connect(&right);
    freeReplyObject(command(nodes->to_master, "CLUSTERX HEARTBEAT 900 60000"));
    freeReplyObject(command(to_right, "CLUSTERX HEARTBEAT 3 60000"));
    write_data(nodes->to_master, "wrong", 100);
    expect_text(to_right, "OK", "SET key right");
    expect_text(nodes->to_replica, "OK", "SET own 1");
    wire_limit(nodes->wire, 64 << 10);
    follow(nodes->to_replica, wire_port(nodes->wire));
    wait_until(is_copying, nodes->to_replica, 60, "the wrong master is copied");
    follow(nodes->to_replica, right.port);
    assert_same_data(to_right, nodes->to_replica);
    redisFree(to_right);
    server_discard(&right);
}

static void a_master_of_another_name_is_refused(void **state) {
    struct nodes *nodes = *state;
    struct test_server other;
    server_start(&other, "db-name another.db\n");
    redisContext *to_other = server_connect(&other);
    expect_text(to_other, "OK", "SET key 1");
    expect_text(nodes->to_replica, "OK", "SET key own");
    follow(nodes->to_replica, other.port);
    server_wait_log(&nodes->replica, "its db-name is 'another.db', and 'change.me.db' here");
    expect_text(nodes->to_replica, "own", "GET key");
    redisFree(to_other);
    server_discard(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, open_nodes, nodes_close)
        WITH_NODES(a_late_replica_copies_everything_and_goes_on_by_the_log),
        WITH_NODES(clients_of_the_replica_are_served_all_the_time),
        WITH_NODES(a_copy_over_links_that_break_keeps_what_has_arrived),
        WITH_NODES(a_byte_that_changes_on_the_way_is_noticed),
        WITH_NODES(a_replica_that_is_killed_while_copying_has_its_old_data),
        WITH_NODES(a_master_that_is_killed_while_copied_is_copied_when_it_is_back),
        WITH_NODES(a_replica_killed_at_any_moment_has_the_old_data_or_the_new),
        WITH_NODES(an_old_database_in_the_copys_place_is_in_nobodys_way),
        WITH_NODES(an_old_database_in_the_copys_place_is_deleted_at_the_start),
        WITH_NODES(the_rate_of_copies_is_limited),
        WITH_NODES(what_only_an_old_master_has_is_thrown_away),
        WITH_NODES(an_old_master_that_is_behind_but_parted_is_found_out),
        WITH_NODES(who_wrote_nothing_of_its_own_needs_no_copy),
        WITH_NODES(a_master_of_an_outdated_election_is_refused),
        WITH_NODES(the_election_version_of_a_master_met_in_passing_is_not_kept),
        WITH_NODES(a_master_of_another_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
