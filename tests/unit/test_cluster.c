// SPDX-License-Identifier: Apache-2.0
//
// What a node makes of SETNODEID, SETNODES and RESET: which versions it takes, what becomes of it, and what
// nodes.conf brings back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool set_nodes(struct cluster_fixture *fixture, const char *nodes, int64_t version, bool force) {
    return cluster_set_nodes(fixture->cluster, bytes_from_text(nodes), version, force, fixture->error);
}

static bool set_id(struct cluster_fixture *fixture, const char *id) {
    return cluster_set_id(fixture->cluster, bytes_from_text(id), fixture->error);
}

static void assert_id(struct cluster_fixture *fixture, const char *id) {
    struct cluster_view view = cluster_view_begin(fixture->cluster);
    char seen[NODE_ID_LENGTH + 1];
    (void)snprintf(seen, sizeof(seen), "%s", view.id);
    cluster_view_end(fixture->cluster);
    assert_string_equal(seen, id);
}

static struct cluster_place place_of(struct cluster_fixture *fixture) {
    struct cluster_place place;
    cluster_place(fixture->cluster, &place);
    return place;
}

// --- Versions ---

static void a_new_node_has_neither_topology_nor_id(void **state) {
    assert_int_equal(cluster_fixture_version(*state), -1);
    assert_id(*state, "");
    assert_int_equal(place_of(*state).part, CLUSTER_ABSENT);
}

static void version_0_can_be_the_first(void **state) {
    assert_true(set_nodes(*state, TWO_MASTERS, 0, false));
    assert_int_equal(cluster_fixture_version(*state), 0);
}

static void a_negative_version_is_refused_even_by_force(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_false(set_nodes(fixture, TWO_MASTERS, -1, false));
    assert_string_equal(fixture->error, "ERR Invalid cluster version");
    assert_false(set_nodes(fixture, TWO_MASTERS, -1, true));
    assert_string_equal(fixture->error, "ERR Invalid cluster version");
}

static void a_lower_version_is_refused_unless_by_force(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_false(set_nodes(fixture, MASTER_AND_REPLICA, 4, false));
    assert_string_equal(fixture->error, "ERR Invalid cluster version");
    assert_int_equal(place_of(fixture).part, CLUSTER_MASTER);
    assert_true(set_nodes(fixture, MASTER_AND_REPLICA, 4, true));
    assert_int_equal(cluster_fixture_version(fixture), 4);
    assert_int_equal(place_of(fixture).part, CLUSTER_REPLICA);
}

static void the_same_version_changes_nothing_and_is_not_even_read(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_true(set_nodes(fixture, "rubbish", 5, false));
    assert_int_equal(place_of(fixture).part, CLUSTER_MASTER);
    assert_false(set_nodes(fixture, "rubbish", 5, true));
    assert_true(set_nodes(fixture, MASTER_AND_REPLICA, 5, true));
    assert_int_equal(place_of(fixture).part, CLUSTER_REPLICA);
}

static void a_higher_version_replaces_the_topology(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_true(set_nodes(fixture, MASTER_AND_REPLICA, INT64_MAX, false));
    assert_int_equal(cluster_fixture_version(fixture), INT64_MAX);
}

static void a_wrong_topology_leaves_everything_as_it_was(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_false(set_nodes(fixture, ID_A " 127.0.0.1 7001 master - 5-5", 6, false));
    assert_string_equal(fixture->error, "ERR Slot is out of range");
    assert_int_equal(cluster_fixture_version(fixture), 5);
    assert_int_equal(place_of(fixture).part, CLUSTER_MASTER);
}

// --- Who this node is ---

static void an_id_needs_forty_characters_without_blanks(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_false(set_id(fixture, "short"));
    assert_non_null(strstr(fixture->error, "Invalid node id"));
    assert_false(set_id(fixture, ID_A "x"));
    assert_false(set_id(fixture, "aAzZ 000000000000000000000000000000000aA"));
    assert_false(set_id(fixture, "aAzZ\n000000000000000000000000000000000aA"));
    assert_id(fixture, "");
}

static void a_node_without_an_id_finds_itself_by_its_address(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_true(set_nodes(fixture, TWO_MASTERS, 1, false));
    assert_id(fixture, ID_A);
    assert_int_equal(place_of(fixture).part, CLUSTER_MASTER);
}

static void an_id_that_was_told_counts_more_than_the_address(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_B, TWO_MASTERS, 1);
    assert_id(fixture, ID_B);
    assert_true(set_nodes(fixture, TWO_MASTERS, 1, true)); // force looks at the addresses again
    assert_id(fixture, ID_A);
}

static void another_id_gives_another_place_in_the_same_topology(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, MASTER_AND_REPLICA, 1);
    assert_int_equal(place_of(fixture).part, CLUSTER_REPLICA);
    assert_true(set_id(fixture, ID_B));
    assert_int_equal(place_of(fixture).part, CLUSTER_MASTER);
    assert_true(set_id(fixture, ID_C));
    assert_int_equal(place_of(fixture).part, CLUSTER_ABSENT);
}

static void a_replica_knows_where_its_master_is(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, MASTER_AND_REPLICA, 1);
    struct cluster_place place = place_of(fixture);
    assert_string_equal(place.master_host, "127.0.0.1");
    assert_int_equal(place.master_port, 7002);
}

static void a_replica_of_a_master_that_is_not_there_knows_no_host(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, ID_A " 127.0.0.1 7001 slave " ID_C, 1);
    assert_int_equal(place_of(fixture).part, CLUSTER_REPLICA);
    assert_string_equal(place_of(fixture).master_host, "");
}

static void only_its_own_id_as_a_master_is_meant_by_a_heartbeat(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_true(set_id(fixture, ID_A));
    assert_false(cluster_is_this_master(fixture->cluster, BYTES_LITERAL(ID_A))); // no topology yet
    assert_true(set_nodes(fixture, TWO_MASTERS, 1, false));
    assert_true(cluster_is_this_master(fixture->cluster, BYTES_LITERAL(ID_A)));
    assert_false(cluster_is_this_master(fixture->cluster, BYTES_LITERAL(ID_B)));
    assert_false(cluster_is_this_master(fixture->cluster, BYTES_LITERAL("")));
    assert_true(set_nodes(fixture, MASTER_AND_REPLICA, 2, false));
    assert_false(cluster_is_this_master(fixture->cluster, BYTES_LITERAL(ID_A)));
    assert_true(set_nodes(fixture, ID_B " 127.0.0.1 7002 master - 0", 3, false));
    assert_false(cluster_is_this_master(fixture->cluster, BYTES_LITERAL(ID_A)));
}

// --- nodes.conf ---

static void a_restart_brings_everything_back(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, MASTER_AND_REPLICA, 9);
    assert_true(cluster_fixture_reopen(fixture, true));
    assert_int_equal(cluster_fixture_version(fixture), 9);
    assert_id(fixture, ID_A);
    assert_int_equal(place_of(fixture).part, CLUSTER_REPLICA);
    assert_string_equal(place_of(fixture).master_host, "127.0.0.1");
}

static void an_id_alone_survives_a_restart(void **state) {
    struct cluster_fixture *fixture = *state;
    assert_true(set_id(fixture, ID_B));
    assert_true(cluster_fixture_reopen(fixture, true));
    assert_id(fixture, ID_B);
    assert_int_equal(cluster_fixture_version(fixture), -1);
}

static void a_node_that_keeps_nothing_forgets_and_reads_nothing(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 9);
    assert_true(cluster_fixture_reopen(fixture, false));
    assert_int_equal(cluster_fixture_version(fixture), -1);
    cluster_fixture_set(fixture, ID_B, TWO_MASTERS, 10);
    assert_true(cluster_fixture_reopen(fixture, true));
    assert_int_equal(cluster_fixture_version(fixture), 9);
}

static void persistence_can_be_switched_off_and_on(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 9);
    assert_true(cluster_set_persistent(fixture->cluster, false, fixture->error));
    assert_int_equal(access(fixture->path, F_OK), -1);
    assert_true(set_nodes(fixture, TWO_MASTERS, 10, false));
    assert_int_equal(access(fixture->path, F_OK), -1);
    assert_true(cluster_set_persistent(fixture->cluster, true, fixture->error));
    assert_true(cluster_fixture_reopen(fixture, true));
    assert_int_equal(cluster_fixture_version(fixture), 10);
}

// What stops the file from being written: a directory where its temporary file goes.
static void block_file(const struct cluster_fixture *fixture, bool on) {
    char temporary[160];
    (void)snprintf(temporary, sizeof(temporary), "%s.tmp", fixture->path);
    assert_int_equal(on ? mkdir(temporary, 0700) : rmdir(temporary), 0);
}

static void a_topology_that_cannot_be_saved_is_in_force_and_the_caller_is_told(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    block_file(fixture, true);
    assert_false(set_nodes(fixture, MASTER_AND_REPLICA, 6, false));
    assert_non_null(strstr(fixture->error, "ERR the topology is in force but could not be saved"));
    assert_non_null(strstr(fixture->error, "nodes.conf"));
    assert_int_equal(place_of(fixture).part, CLUSTER_REPLICA);
    block_file(fixture, false);
}

static void the_same_topology_sent_again_is_saved_then(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    block_file(fixture, true);
    assert_false(set_nodes(fixture, MASTER_AND_REPLICA, 6, false));
    assert_false(set_nodes(fixture, MASTER_AND_REPLICA, 6, false));
    assert_false(set_id(fixture, ID_A));
    block_file(fixture, false);
    assert_true(set_nodes(fixture, MASTER_AND_REPLICA, 6, false));
    assert_true(cluster_fixture_reopen(fixture, true));
    assert_int_equal(cluster_fixture_version(fixture), 6);
}

// The controller sends both with every change, to every node.
static void what_is_known_already_is_not_written_again(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_int_equal(unlink(fixture->path), 0);
    assert_true(set_id(fixture, ID_A));
    assert_true(set_nodes(fixture, TWO_MASTERS, 5, false));
    assert_int_equal(access(fixture->path, F_OK), -1);
}

static void a_damaged_file_keeps_the_node_from_starting(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_int_equal(truncate(fixture->path, 150), 0);
    assert_false(cluster_fixture_reopen(fixture, true));
    assert_null(fixture->cluster);
    assert_non_null(strstr(fixture->error, fixture->path));
    assert_non_null(strstr(fixture->error, "Delete the file"));
}

static void a_reset_forgets_everything_and_removes_the_file(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 5);
    assert_true(cluster_reset(fixture->cluster, fixture->error));
    assert_int_equal(cluster_fixture_version(fixture), -1);
    assert_id(fixture, "");
    assert_int_equal(access(fixture->path, F_OK), -1);
    assert_true(set_nodes(fixture, TWO_MASTERS, 0, false));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, cluster_fixture_open, cluster_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_new_node_has_neither_topology_nor_id),
        CASE(version_0_can_be_the_first),
        CASE(a_negative_version_is_refused_even_by_force),
        CASE(a_lower_version_is_refused_unless_by_force),
        CASE(the_same_version_changes_nothing_and_is_not_even_read),
        CASE(a_higher_version_replaces_the_topology),
        CASE(a_wrong_topology_leaves_everything_as_it_was),
        CASE(an_id_needs_forty_characters_without_blanks),
        CASE(a_node_without_an_id_finds_itself_by_its_address),
        CASE(an_id_that_was_told_counts_more_than_the_address),
        CASE(another_id_gives_another_place_in_the_same_topology),
        CASE(a_replica_knows_where_its_master_is),
        CASE(a_replica_of_a_master_that_is_not_there_knows_no_host),
        CASE(only_its_own_id_as_a_master_is_meant_by_a_heartbeat),
        CASE(a_restart_brings_everything_back),
        CASE(an_id_alone_survives_a_restart),
        CASE(a_node_that_keeps_nothing_forgets_and_reads_nothing),
        CASE(persistence_can_be_switched_off_and_on),
        CASE(a_topology_that_cannot_be_saved_is_in_force_and_the_caller_is_told),
        CASE(the_same_topology_sent_again_is_saved_then),
        CASE(what_is_known_already_is_not_written_again),
        CASE(a_damaged_file_keeps_the_node_from_starting),
        CASE(a_reset_forgets_everything_and_removes_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
