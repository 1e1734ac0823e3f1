// SPDX-License-Identifier: Apache-2.0
//
// The node that comes of a configuration and of nodes.conf: its role, what it answers the server, and that
// the directive 'slaveof' follows the role.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_text.h"
#include "commands/node.h"

#include "base/log.h"
#include "cluster/cluster.h"
#include "server/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    char directory[64];
    char path[128];
    struct config *config;
    struct node *node;
    char error[NODE_OPEN_ERROR_SIZE];
};

static int make_place(void **state) {
    static struct place place;
    log_set_level(LOG_FATAL);
    place = (struct place){.directory = "/tmp/kvfence-node-XXXXXX"};
    assert_non_null(mkdtemp(place.directory));
    (void)snprintf(place.path, sizeof(place.path), "%s/nodes.conf", place.directory);
    *state = &place;
    return 0;
}

static void shut(struct place *place) {
    node_close(place->node);
    config_close(place->config);
    place->node = NULL;
    place->config = NULL;
}

static int remove_place(void **state) {
    struct place *place = *state;
    shut(place);
    (void)unlink(place->path);
    return rmdir(place->directory);
}

// Opens it with these directives, name and value in turns.
static bool open_with(struct place *place, char *const *directives, int count) {
    char *arguments[16] = {(char *)(uintptr_t) "--dir", place->directory, (char *)(uintptr_t) "--port",
                           (char *)(uintptr_t) "7001"};
    char error[CONFIG_ERROR_SIZE];
    shut(place);
    for (int i = 0; i < count; i++)
        arguments[4 + i] = directives[i];
    place->config = config_open();
    if (!config_load_arguments(place->config, count + 4, arguments, error))
        fail_msg("%s", error);
    return node_open(place->config, &place->node, place->error);
}

static bool open_plain(struct place *place) {
    return open_with(place, NULL, 0);
}

static bool open_in_cluster(struct place *place) {
    char *directives[] = {(char *)(uintptr_t) "--cluster-enabled", (char *)(uintptr_t) "yes"};
    return open_with(place, directives, 2);
}

static bool open_as_replica(struct place *place) {
    char *directives[] = {(char *)(uintptr_t) "--slaveof", (char *)(uintptr_t) "10.0.0.1",
                          (char *)(uintptr_t) "6666"};
    return open_with(place, directives, 3);
}

static void set_topology(struct place *place, const char *id, const char *nodes, int64_t version) {
    char error[CLUSTER_ERROR_SIZE];
    struct cluster *cluster = node_cluster(place->node);
    assert_true(cluster_set_id(cluster, bytes_from_text(id), error));
    assert_true(cluster_set_nodes(cluster, bytes_from_text(nodes), version, false, error));
    node_follow_topology(place->node);
}

static bool is_replica(const struct place *place) {
    return role_is_replica(node_role(place->node));
}

static void assert_slaveof(const struct place *place, const char *text) {
    char *value = config_text_copy(place->config, CONFIG_SLAVEOF);
    assert_string_equal(value, text);
    free(value);
}

static void by_default_it_is_a_master_outside_any_cluster(void **state) {
    struct place *place = *state;
    assert_true(open_plain(place));
    struct node_view view = node_view_of(place->node);
    assert_false(view.in_cluster(view.context));
    assert_false(view.is_replica(view.context));
    assert_false(view.is_this_master(view.context, BYTES_LITERAL(ID_A)));
    assert_null(view.serves);
    assert_null(node_cluster(place->node));
}

static void slaveof_makes_it_start_as_a_replica(void **state) {
    struct place *place = *state;
    assert_true(open_as_replica(place));
    struct node_view view = node_view_of(place->node);
    assert_true(view.is_replica(view.context));
    assert_string_equal(role_view(node_role(place->node)).master.host, "10.0.0.1");
    assert_int_equal(role_view(node_role(place->node)).master.port, 6666);
}

static void a_master_whose_name_is_too_long_stops_the_start(void **state) {
    struct place *place = *state;
    char host[400];
    memset(host, 'h', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    char *directives[] = {(char *)(uintptr_t) "--slaveof", host, (char *)(uintptr_t) "6666"};
    assert_false(open_with(place, directives, 3));
    assert_non_null(strstr(place->error, "'slaveof' names no master"));
}

static void the_directive_follows_the_role(void **state) {
    struct place *place = *state;
    const struct role_master master = {.host = "10.0.0.2", .port = 6667};
    assert_true(open_as_replica(place));
    node_set_master(place->node, &master);
    assert_slaveof(place, "10.0.0.2 6667");
    node_set_master(place->node, NULL);
    assert_slaveof(place, "");
    assert_false(is_replica(place));
}

static void a_topology_decides_the_role(void **state) {
    struct place *place = *state;
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, MASTER_AND_REPLICA, 1);
    assert_true(is_replica(place));
    assert_slaveof(place, "127.0.0.1 7002");
    set_topology(place, ID_A, TWO_MASTERS, 2);
    assert_false(is_replica(place));
    assert_slaveof(place, "");
}

static void a_topology_without_the_node_leaves_its_role(void **state) {
    struct place *place = *state;
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, MASTER_AND_REPLICA, 1);
    set_topology(place, ID_A, ID_B " 127.0.0.1 7002 master - 0-16383", 2);
    assert_true(is_replica(place));
    assert_string_equal(role_view(node_role(place->node)).master.host, "127.0.0.1");
}

static void a_replica_whose_master_is_missing_accepts_no_writes_either(void **state) {
    struct place *place = *state;
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, ID_A " 127.0.0.1 7001 slave " ID_C, 1);
    assert_true(is_replica(place));
    assert_string_equal(role_view(node_role(place->node)).master.host, "");
    assert_slaveof(place, "");
}

static void a_replica_keeps_following_when_its_master_goes_missing(void **state) {
    struct place *place = *state;
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, MASTER_AND_REPLICA, 1);
    set_topology(place, ID_A, ID_A " 127.0.0.1 7001 slave " ID_C, 2);
    assert_int_equal(role_view(node_role(place->node)).master.port, 7002);
}

static void a_restarted_node_is_what_nodes_conf_says(void **state) {
    struct place *place = *state;
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, MASTER_AND_REPLICA, 1);
    assert_true(open_in_cluster(place));
    assert_true(is_replica(place));
    assert_slaveof(place, "127.0.0.1 7002");
}

static void in_a_cluster_it_answers_for_its_slots(void **state) {
    struct place *place = *state;
    char error[NODE_ERROR_SIZE];
    const struct bytes keys[] = {BYTES_LITERAL("bar"), BYTES_LITERAL("foo")};
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, TWO_MASTERS, 1);
    struct node_view view = node_view_of(place->node);
    assert_true(view.in_cluster(view.context));
    assert_true(view.is_this_master(view.context, BYTES_LITERAL(ID_A)));
    assert_true(view.serves(view.context, &(struct node_request){.keys = keys, .key_count = 1}, error));
    assert_false(view.serves(view.context, &(struct node_request){.keys = keys + 1, .key_count = 1}, error));
    assert_string_equal(error, "MOVED 12182 127.0.0.1:7002");
}

static void config_set_decides_whether_nodes_conf_is_kept(void **state) {
    struct place *place = *state;
    char error[CONFIG_ERROR_SIZE];
    struct bytes pair[] = {BYTES_LITERAL("persist-cluster-nodes-enabled"), BYTES_LITERAL("no")};
    assert_true(open_in_cluster(place));
    set_topology(place, ID_A, TWO_MASTERS, 1);
    assert_int_equal(access(place->path, F_OK), 0);
    assert_true(config_set(place->config, pair, 1, error));
    assert_int_equal(access(place->path, F_OK), -1);
    pair[1] = BYTES_LITERAL("yes");
    assert_true(config_set(place->config, pair, 1, error));
    assert_int_equal(access(place->path, F_OK), 0);
}

static void only_its_own_address_with_its_own_port_is_itself(void **state) {
    struct place *place = *state;
    assert_true(open_plain(place));
    config_note(place->config, CONFIG_BIND, BYTES_LITERAL("127.0.0.1"));
    assert_true(node_is_own_address(place->node, "127.0.0.1", 7001));
    assert_true(node_is_own_address(place->node, "localhost", 7001));
    assert_false(node_is_own_address(place->node, "127.0.0.1", 7002));
    assert_false(node_is_own_address(place->node, "127.0.0.2", 7001));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(by_default_it_is_a_master_outside_any_cluster),
        CASE(slaveof_makes_it_start_as_a_replica),
        CASE(a_master_whose_name_is_too_long_stops_the_start),
        CASE(the_directive_follows_the_role),
        CASE(a_topology_decides_the_role),
        CASE(a_topology_without_the_node_leaves_its_role),
        CASE(a_replica_whose_master_is_missing_accepts_no_writes_either),
        CASE(a_replica_keeps_following_when_its_master_goes_missing),
        CASE(a_restarted_node_is_what_nodes_conf_says),
        CASE(in_a_cluster_it_answers_for_its_slots),
        CASE(config_set_decides_whether_nodes_conf_is_kept),
        CASE(only_its_own_address_with_its_own_port_is_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
