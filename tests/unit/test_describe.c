// SPDX-License-Identifier: Apache-2.0
//
// CLUSTER INFO and CLUSTER NODES, line by line: what the controller, redis-cli and exporters take apart.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/describe.h"
#include "cluster_text.h"

enum { NOW = 1700000000123 };

static const struct slot_moves nothing_moves;

static struct cluster_view view_of(const char *nodes, const char *id) {
    const char *error = NULL;
    struct topology *topology = topology_parse(bytes_from_text(nodes), &error);
    assert_non_null(topology);
    return (struct cluster_view){.version = 12,
                                 .id = id,
                                 .topology = topology,
                                 .self = topology_find(topology, bytes_from_text(id)),
                                 .moves = &nothing_moves};
}

static void free_view(const struct cluster_view *view) {
    topology_free((struct topology *)(uintptr_t)view->topology);
}

static void assert_text(struct buffer *text, const char *wanted) {
    buffer_append(text, (struct bytes){"", 1});
    assert_string_equal(text->data, wanted);
    buffer_release(text);
}

static void info_has_its_lines_in_order_each_with_one_colon(void **state) {
    (void)state;
    struct cluster_view view = view_of(TWO_MASTERS ID_C " 10.0.0.3 7003 slave " ID_A, ID_A);
    struct buffer text = {0};
    describe_info(&view, &text);
    assert_text(&text, "cluster_state:ok\r\n"
                       "cluster_slots_assigned:16384\r\n"
                       "cluster_slots_ok:16384\r\n"
                       "cluster_slots_pfail:0\r\n"
                       "cluster_slots_fail:0\r\n"
                       "cluster_known_nodes:3\r\n"
                       "cluster_size:2\r\n"
                       "cluster_current_epoch:12\r\n"
                       "cluster_my_epoch:12\r\n");
    free_view(&view);
}

static void masters_without_slots_do_not_count_as_size(void **state) {
    (void)state;
    struct cluster_view view = view_of(ID_A " h 7001 master - 0-9\n" ID_B " h 7002 master -", ID_A);
    struct buffer text = {0};
    describe_info(&view, &text);
    buffer_append(&text, (struct bytes){"", 1});
    assert_non_null(strstr(text.data, "cluster_slots_assigned:10\r\n"));
    assert_non_null(strstr(text.data, "cluster_known_nodes:2\r\ncluster_size:1\r\n"));
    buffer_release(&text);
    free_view(&view);
}

static void nodes_tells_each_node_in_a_line_and_marks_this_one(void **state) {
    (void)state;
    struct cluster_view view =
        view_of(ID_A " 127.0.0.1 7001 slave " ID_B "\n" ID_B " 10.0.0.2 7002 master - 0-100 200\n" ID_C
                     " host 7003 slave,fail " ID_B,
                ID_A);
    struct buffer text = {0};
    describe_nodes(&view, NOW, &text);
    assert_text(&text, ID_A
                " 127.0.0.1:7001@17001 myself,slave " ID_B " 1700000000122 1700000000123 12 connected\n" ID_B
                " 10.0.0.2:7002@17002 master - 1700000000122 1700000000123 12 connected 0-100 200\n" ID_C
                " host:7003@17003 slave,fail " ID_B " 1700000000122 1700000000123 12 connected\n");
    free_view(&view);
}

static void a_node_that_is_not_in_the_topology_marks_none(void **state) {
    (void)state;
    struct cluster_view view = view_of(TWO_MASTERS, ID_C);
    struct buffer text = {0};
    describe_nodes(&view, NOW, &text);
    buffer_append(&text, (struct bytes){"", 1});
    assert_null(strstr(text.data, "myself"));
    buffer_release(&text);
    free_view(&view);
}

static void replicas_of_a_master_are_told_and_no_others(void **state) {
    (void)state;
    struct cluster_view view = view_of(TWO_MASTERS ID_C " h 7003 slave " ID_B, ID_A);
    struct buffer none = {0};
    struct buffer text = {0};
    describe_replicas(&view, 0, NOW, &none);
    assert_int_equal(none.length, 0);
    describe_replicas(&view, 1, NOW, &text);
    assert_text(&text, ID_C " h:7003@17003 slave " ID_B " 1700000000122 1700000000123 12 connected\n");
    free_view(&view);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_has_its_lines_in_order_each_with_one_colon),
        cmocka_unit_test(masters_without_slots_do_not_count_as_size),
        cmocka_unit_test(nodes_tells_each_node_in_a_line_and_marks_this_one),
        cmocka_unit_test(a_node_that_is_not_in_the_topology_marks_none),
        cmocka_unit_test(replicas_of_a_master_are_told_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
