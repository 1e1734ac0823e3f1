// SPDX-License-Identifier: Apache-2.0
//
// Which keys are served here, where clients are sent for the others, and that this holds while the topology
// changes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_fixture.h"

#include "store/encoding.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

// "foo" is in slot 12182, "bar" in 5061, "a" in 15495.
static char error[CLUSTER_ROUTE_SIZE];

static bool route_of(struct cluster_fixture *fixture, const char *key, bool may_read_replica) {
    struct bytes bytes = bytes_from_text(key);
    const struct cluster_request request = {
        .keys = &bytes, .key_count = 1, .may_read_replica = may_read_replica};
    return cluster_route(fixture->cluster, &request, error);
}

static void assert_sent(struct cluster_fixture *fixture, const char *key, const char *words) {
    assert_false(route_of(fixture, key, false));
    assert_string_equal(error, words);
}

static void without_a_topology_no_slot_is_served(void **state) {
    assert_sent(*state, "foo", "CLUSTERDOWN Hash slot not served");
}

static void own_slots_are_served_and_others_redirected(void **state) {
    cluster_fixture_set(*state, ID_A, TWO_MASTERS, 1);
    assert_true(route_of(*state, "bar", false));
    assert_sent(*state, "foo", "MOVED 12182 127.0.0.1:7002");
}

static void both_ends_of_a_range_belong_to_it(void **state) {
    cluster_fixture_set(*state, ID_A, ID_A " h 7001 master - 5061\n" ID_B " h 7002 master - 5060 5062-12181",
                        1);
    assert_true(route_of(*state, "bar", false));
    assert_sent(*state, "foo", "CLUSTERDOWN Hash slot not served");
}

static void a_tag_decides_for_its_key(void **state) {
    cluster_fixture_set(*state, ID_A, TWO_MASTERS, 1);
    assert_true(route_of(*state, "foo{bar}", false));
    assert_sent(*state, "bar{foo}baz", "MOVED 12182 127.0.0.1:7002");
}

static void keys_of_different_slots_are_refused_wherever_they_are(void **state) {
    cluster_fixture_set(*state, ID_A, ID_A " h 7001 master - 0-16383", 1);
    const struct bytes keys[] = {BYTES_LITERAL("{bar}1"), BYTES_LITERAL("{bar}2"), BYTES_LITERAL("foo")};
    struct cluster_fixture *fixture = *state;
    struct cluster_request request = {.keys = keys, .key_count = 2};
    assert_true(cluster_route(fixture->cluster, &request, error));
    request.key_count = 3;
    assert_false(cluster_route(fixture->cluster, &request, error));
    assert_string_equal(error, "CROSSSLOT Attempted to access keys that don't hash to the same slot");
}

static void a_replica_sends_writes_to_its_master_and_may_serve_reads(void **state) {
    cluster_fixture_set(*state, ID_A, MASTER_AND_REPLICA, 1);
    assert_sent(*state, "foo", "MOVED 12182 127.0.0.1:7002");
    assert_true(route_of(*state, "foo", true));
}

static void a_replica_serves_nothing_of_other_masters(void **state) {
    cluster_fixture_set(*state, ID_C, TWO_MASTERS ID_C " 127.0.0.1 7003 slave " ID_A, 1);
    assert_true(route_of(*state, "bar", true));
    assert_false(route_of(*state, "foo", true));
    assert_string_equal(error, "MOVED 12182 127.0.0.1:7002");
}

static void a_node_that_is_not_in_the_topology_serves_nothing(void **state) {
    cluster_fixture_set(*state, ID_C, TWO_MASTERS, 1);
    assert_sent(*state, "bar", "MOVED 5061 127.0.0.1:7001");
    assert_sent(*state, "foo", "MOVED 12182 127.0.0.1:7002");
}

static void slots_that_a_new_topology_leaves_out_are_served_no_more(void **state) {
    cluster_fixture_set(*state, ID_A, TWO_MASTERS, 1);
    cluster_fixture_set(*state, ID_A, ID_A " h 7001 master - 0-100", 2);
    assert_sent(*state, "bar", "CLUSTERDOWN Hash slot not served");
    assert_sent(*state, "foo", "CLUSTERDOWN Hash slot not served");
}

static void a_reset_node_serves_nothing(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_fixture_set(fixture, ID_A, TWO_MASTERS, 1);
    assert_true(cluster_reset(fixture->cluster, fixture->error));
    assert_sent(fixture, "bar", "CLUSTERDOWN Hash slot not served");
}

static void every_slot_is_routed_as_the_topology_says(void **state) {
    cluster_fixture_set(*state, ID_A, TWO_MASTERS, 1);
    for (unsigned i = 0; i < 20000; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%u", i);
        bool own = key_slot(bytes_from_text(key)) < 8192;
        assert_int_equal(route_of(*state, key, false), own);
    }
}

static void the_longest_host_fits_a_redirection(void **state) {
    char host[NODE_HOST_MAX + 1];
    char text[600];
    char expected[CLUSTER_ROUTE_SIZE];
    memset(host, 'h', NODE_HOST_MAX);
    host[NODE_HOST_MAX] = '\0';
    (void)snprintf(text, sizeof(text), ID_B " %s 65535 master - 0-16383", host);
    (void)snprintf(expected, sizeof(expected), "MOVED 12182 %s:65535", host);
    cluster_fixture_set(*state, ID_A, text, 1);
    assert_sent(*state, "foo", expected);
}

struct reader {
    struct cluster_fixture *fixture;
    atomic_bool stop;
    atomic_int seen; // how many times it was redirected and served
    bool wrong;
};

// Whatever the moment, "foo" is served here or at 7002.
static void *read_on(void *argument) {
    struct reader *reader = argument;
    char own[CLUSTER_ROUTE_SIZE];
    struct bytes key = BYTES_LITERAL("foo");
    const struct cluster_request request = {.keys = &key, .key_count = 1};
    while (!atomic_load(&reader->stop)) {
        if (!cluster_route(reader->fixture->cluster, &request, own) &&
            strcmp(own, "MOVED 12182 127.0.0.1:7002") != 0 && strcmp(own, "MOVED 12182 127.0.0.1:7001") != 0)
            reader->wrong = true;
        atomic_fetch_add(&reader->seen, 1);
    }
    return NULL;
}

static void routes_are_whole_while_the_topology_changes(void **state) {
    struct reader reader = {.fixture = *state};
    pthread_t thread;
    static const char *const topologies[] = {ID_A " 127.0.0.1 7001 master - 0-16383", TWO_MASTERS};
    cluster_fixture_set(*state, ID_A, TWO_MASTERS, 1);
    assert_true(cluster_set_persistent(reader.fixture->cluster, false, reader.fixture->error));
    assert_int_equal(pthread_create(&thread, NULL, read_on, &reader), 0);
    for (int version = 2; version < 300 || atomic_load(&reader.seen) < 100; version++)
        cluster_fixture_set(*state, ID_A, topologies[version % 2], version);
    atomic_store(&reader.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(reader.wrong);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, cluster_fixture_open, cluster_fixture_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(without_a_topology_no_slot_is_served),
        CASE(own_slots_are_served_and_others_redirected),
        CASE(both_ends_of_a_range_belong_to_it),
        CASE(a_tag_decides_for_its_key),
        CASE(keys_of_different_slots_are_refused_wherever_they_are),
        CASE(a_replica_sends_writes_to_its_master_and_may_serve_reads),
        CASE(a_replica_serves_nothing_of_other_masters),
        CASE(a_node_that_is_not_in_the_topology_serves_nothing),
        CASE(slots_that_a_new_topology_leaves_out_are_served_no_more),
        CASE(a_reset_node_serves_nothing),
        CASE(every_slot_is_routed_as_the_topology_says),
        CASE(the_longest_host_fits_a_redirection),
        CASE(routes_are_whole_while_the_topology_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
