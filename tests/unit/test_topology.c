// SPDX-License-Identifier: Apache-2.0
//
// Topologies: what the controller sends, every way in which it can be wrong, and that what is printed is read
// back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/topology.h"
#include "cluster_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct topology *parse(const char *text) {
    const char *error = NULL;
    struct topology *topology = topology_parse(bytes_from_text(text), &error);
    if (topology == NULL)
        fail_msg("'%s': %s", text, error);
    return topology;
}

static void assert_refused(const char *text, const char *words) {
    const char *error = NULL;
    assert_null(topology_parse(bytes_from_text(text), &error));
    assert_string_equal(error, words);
}

// One master with this after its dash.
static void assert_slots_refused(const char *slots, const char *words) {
    char text[256];
    (void)snprintf(text, sizeof(text), ID_A " host 7001 master - %s", slots);
    assert_refused(text, words);
}

static void assert_ranges(const struct topology *topology, size_t node, const char *words) {
    struct buffer text = {0};
    topology_print_ranges(topology, node, &text);
    assert_int_equal(text.length, strlen(words));
    if (text.length != 0)
        assert_memory_equal(text.data, words, text.length);
    buffer_release(&text);
}

// --- What is understood ---

static void nodes_come_in_the_order_of_their_lines(void **state) {
    (void)state;
    struct topology *topology = parse(TWO_MASTERS ID_C " 10.0.0.3 7003 slave " ID_A "\n");
    assert_int_equal(topology->count, 3);
    assert_string_equal(topology->nodes[0].id, ID_A);
    assert_string_equal(topology->nodes[1].host, "127.0.0.1");
    assert_int_equal(topology->nodes[1].port, 7002);
    assert_true(topology->nodes[1].is_master);
    assert_false(topology->nodes[2].is_master);
    assert_string_equal(topology->nodes[2].master_id, ID_A);
    topology_free(topology);
}

static void every_slot_has_the_master_whose_line_names_it(void **state) {
    (void)state;
    struct topology *topology = parse(TWO_MASTERS);
    for (size_t slot = 0; slot < CLUSTER_SLOT_COUNT; slot++)
        assert_int_equal(topology->owners[slot], slot < 8192 ? 0 : 1);
    assert_int_equal(topology->nodes[0].slot_count, 8192);
    assert_int_equal(topology->nodes[1].slot_count, 8192);
    topology_free(topology);
}

static void a_slot_that_nobody_names_has_no_owner(void **state) {
    (void)state;
    struct topology *topology = parse(ID_A " host 7001 master - 5 7-8");
    assert_int_equal(topology->owners[4], TOPOLOGY_NOBODY);
    assert_int_equal(topology->owners[5], 0);
    assert_int_equal(topology->owners[6], TOPOLOGY_NOBODY);
    assert_int_equal(topology->owners[8], 0);
    assert_ranges(topology, 0, " 5 7-8");
    topology_free(topology);
}

// The controller ends such a line in a blank.
static void a_master_may_have_no_slots(void **state) {
    (void)state;
    struct topology *topology = parse(ID_A " host 7001 master - \n");
    assert_int_equal(topology->nodes[0].slot_count, 0);
    assert_ranges(topology, 0, "");
    topology_free(topology);
}

static void blanks_empty_lines_and_carriage_returns_do_not_matter(void **state) {
    (void)state;
    struct topology *topology =
        parse("\n\n  " ID_A "   host\t7001  MASTER  -   0-3  5 \r\n \n" ID_B " host 7002 Replica " ID_A);
    assert_int_equal(topology->count, 2);
    assert_ranges(topology, 0, " 0-3 5");
    topology_free(topology);
}

static void a_replica_that_failed_is_marked(void **state) {
    (void)state;
    struct topology *topology = parse(ID_A " host 7001 master - 0\n" ID_B " host 7002 slave,fail " ID_A
                                           "\n" ID_C " host 7003 slave " ID_A);
    assert_true(topology->nodes[1].has_failed);
    assert_false(topology->nodes[1].is_master);
    assert_false(topology->nodes[2].has_failed);
    topology_free(topology);
}

static void a_replica_may_have_a_master_that_is_not_there(void **state) {
    (void)state;
    struct topology *topology = parse(ID_A " host 7001 slave " ID_C);
    assert_int_equal(topology_find(topology, BYTES_LITERAL(ID_C)), TOPOLOGY_NOBODY);
    topology_free(topology);
}

static void nodes_are_found_by_their_whole_id(void **state) {
    (void)state;
    struct topology *topology = parse(TWO_MASTERS);
    assert_int_equal(topology_find(topology, BYTES_LITERAL(ID_B)), 1);
    assert_int_equal(topology_find(topology, BYTES_LITERAL(ID_C)), TOPOLOGY_NOBODY);
    assert_int_equal(topology_find(topology, BYTES_LITERAL("bByY")), TOPOLOGY_NOBODY);
    assert_int_equal(topology_find(topology, BYTES_LITERAL("")), TOPOLOGY_NOBODY);
    topology_free(topology);
}

// --- What is refused ---

static void a_text_without_nodes_is_refused(void **state) {
    (void)state;
    assert_refused("", "Invalid cluster nodes info");
    assert_refused("\n \n\t\n", "Invalid cluster nodes info");
}

static void a_line_needs_five_fields(void **state) {
    (void)state;
    assert_refused(ID_A " host 7001 master", "Invalid cluster nodes info");
    assert_refused(TWO_MASTERS ID_C, "Invalid cluster nodes info");
}

static void an_id_has_forty_characters_and_is_given_once(void **state) {
    (void)state;
    assert_refused(ID_A "x host 7001 master - 0", "Invalid cluster node id");
    assert_refused("short host 7001 master - 0", "Invalid cluster node id");
    assert_refused(ID_A " host 7001 master - 0\n" ID_A " host 7002 master - 1", "Invalid cluster node id");
}

static void a_port_is_a_number_of_sixteen_bits(void **state) {
    (void)state;
    assert_refused(ID_A " host 65536 master - 0", "Invalid cluster node port");
    assert_refused(ID_A " host -1 master - 0", "Invalid cluster node port");
    assert_refused(ID_A " host 0 master - 0", "Invalid cluster node port");
    assert_refused(ID_A " host port master - 0", "Invalid cluster node port");
}

static void a_role_is_one_of_the_known_words(void **state) {
    (void)state;
    assert_refused(ID_A " host 7001 primary - 0", "Invalid cluster node role");
    assert_refused(ID_A " host 7001 master,fail - 0", "Invalid cluster node role");
    assert_refused(ID_A " host 7001 slave,fai " ID_B, "Invalid cluster node role");
}

static void a_master_has_no_master(void **state) {
    (void)state;
    assert_refused(ID_A " host 7001 master " ID_B " 0", "Invalid cluster node id");
    assert_refused(ID_A " host 7001 master 0-5", "Invalid cluster node id");
}

static void a_replica_has_the_id_of_another_node_and_nothing_after_it(void **state) {
    (void)state;
    assert_refused(ID_A " host 7001 slave -", "Invalid cluster node id");
    assert_refused(ID_A " host 7001 slave " ID_A, "Invalid cluster node id");
    assert_refused(ID_A " host 7001 slave " ID_B " 0-5", "Invalid cluster nodes info");
}

static void slots_are_numbers_below_16384(void **state) {
    (void)state;
    assert_slots_refused("16384", "Slot is out of range");
    assert_slots_refused("-1", "Slot is out of range");
    assert_slots_refused("0-16384", "Slot is out of range");
    assert_slots_refused("99999999999999999999", "Slot is out of range");
    assert_slots_refused("x", "Slot is out of range");
    assert_slots_refused("0,1", "Slot is out of range");
}

static void a_range_goes_upwards_and_has_one_dash(void **state) {
    (void)state;
    assert_slots_refused("5-5", "Slot is out of range");
    assert_slots_refused("6-5", "Slot is out of range");
    assert_slots_refused("1-2-3", "Slot is out of range");
    assert_slots_refused("1-", "Slot is out of range");
    assert_slots_refused("-", "Slot is out of range");
}

static void a_slot_belongs_to_one_master_and_is_named_once(void **state) {
    (void)state;
    assert_slots_refused("0-5 5", "Slot distribution is overlapped");
    assert_slots_refused("7 7", "Slot distribution is overlapped");
    assert_refused(TWO_MASTERS ID_C " host 7003 master - 100", "Slot distribution is overlapped");
}

static void two_lines_that_have_run_together_are_noticed(void **state) {
    (void)state;
    assert_slots_refused("0-5 0123456789abcdef0123456789abcdef01234567 host 7002 master - 6",
                         "Invalid nodes definition: Missing newline between node entries.");
}

static void bytes_that_would_break_other_formats_are_refused(void **state) {
    (void)state;
    static const char with_nul[] = ID_A " ho\0st 7001 master - 0";
    const char *error = NULL;
    assert_null(topology_parse((struct bytes){with_nul, sizeof(with_nul) - 1}, &error));
    assert_refused(ID_A " ho\x1bst 7001 master - 0", "Invalid cluster nodes info");
}

static void the_line_that_is_wrong_is_told(void **state) {
    (void)state;
    const char *error = NULL;
    size_t line = 0;
    assert_null(
        topology_parse_lines(BYTES_LITERAL(TWO_MASTERS "\n\n" ID_C " host none master -"), &error, &line));
    assert_string_equal(error, "Invalid cluster node port");
    assert_int_equal(line, 5);
    assert_null(topology_parse_lines(BYTES_LITERAL("\n" ID_A " ho\x1bst 7001 master - 0"), &error, &line));
    assert_string_equal(error, "Invalid cluster nodes info");
    assert_int_equal(line, 2);
}

static void a_host_can_be_as_long_as_a_domain_name(void **state) {
    (void)state;
    char host[300];
    char text[400];
    memset(host, 'h', sizeof(host));
    host[NODE_HOST_MAX] = '\0';
    (void)snprintf(text, sizeof(text), ID_A " %s 7001 master - 0", host);
    struct topology *topology = parse(text);
    assert_string_equal(topology->nodes[0].host, host);
    topology_free(topology);
    host[NODE_HOST_MAX] = 'h';
    host[NODE_HOST_MAX + 1] = '\0';
    (void)snprintf(text, sizeof(text), ID_A " %s 7001 master - 0", host);
    assert_refused(text, "Invalid cluster nodes info");
}

// --- Printing ---

static void assert_printed(const char *line) {
    struct topology *topology = parse(line);
    struct buffer text = {0};
    topology_print_node(topology, 0, &text);
    assert_int_equal(text.length, strlen(line));
    assert_memory_equal(text.data, line, text.length);
    buffer_release(&text);
    topology_free(topology);
}

static void a_node_is_printed_as_its_line(void **state) {
    (void)state;
    assert_printed(ID_A " host 7001 master - 0-5 7 16383");
    assert_printed(ID_A " host 7001 master -");
    assert_printed(ID_A " host 7001 slave " ID_B);
    assert_printed(ID_A " host 7001 slave,fail " ID_B);
}

// So many masters, each slot given to one of them or to nobody.
static void print_random(struct buffer *text, unsigned masters, const uint16_t *owners) {
    for (unsigned node = 0; node < masters; node++) {
        buffer_append_format(text, "%040u host %u master -", node, node + 1);
        for (unsigned slot = 0; slot < CLUSTER_SLOT_COUNT; slot++) {
            if (owners[slot] == node)
                buffer_append_format(text, " %u", slot);
        }
        buffer_append_text(text, "\n");
    }
}

static void print_all(const struct topology *topology, struct buffer *text) {
    for (size_t i = 0; i < topology->count; i++) {
        topology_print_node(topology, i, text);
        buffer_append_text(text, "\n");
    }
}

static void random_topologies_survive_printing_and_reading(void **state) {
    (void)state;
    static uint16_t owners[CLUSTER_SLOT_COUNT];
    const char *given = getenv("TEST_SEED");
    unsigned seed = given == NULL ? (unsigned)time(NULL) : (unsigned)strtoul(given, NULL, 10);
    print_message("TEST_SEED=%u\n", seed);
    srand(seed);
    for (int round = 0; round < 20; round++) {
        unsigned masters = 1 + (unsigned)rand() % 7;
        unsigned run = 1 + (unsigned)rand() % 500; // how long the same owner is likely to go on
        for (size_t slot = 0; slot < CLUSTER_SLOT_COUNT; slot++) {
            bool changes = slot == 0 || (unsigned)rand() % run == 0;
            unsigned drawn = (unsigned)rand() % (masters + 1);
            owners[slot] =
                !changes ? owners[slot - 1] : (uint16_t)(drawn == masters ? TOPOLOGY_NOBODY : drawn);
        }
        struct buffer text = {0};
        struct buffer again = {0};
        const char *error = NULL;
        print_random(&text, masters, owners);
        struct topology *first = topology_parse(buffer_bytes(&text), &error);
        assert_non_null(first);
        assert_memory_equal(first->owners, owners, sizeof(owners));
        print_all(first, &again);
        struct topology *second = topology_parse(buffer_bytes(&again), &error);
        assert_non_null(second);
        assert_memory_equal(second->owners, owners, sizeof(owners));
        topology_free(first);
        topology_free(second);
        buffer_release(&text);
        buffer_release(&again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_come_in_the_order_of_their_lines),
        cmocka_unit_test(every_slot_has_the_master_whose_line_names_it),
        cmocka_unit_test(a_slot_that_nobody_names_has_no_owner),
        cmocka_unit_test(a_master_may_have_no_slots),
        cmocka_unit_test(blanks_empty_lines_and_carriage_returns_do_not_matter),
        cmocka_unit_test(a_replica_that_failed_is_marked),
        cmocka_unit_test(a_replica_may_have_a_master_that_is_not_there),
        cmocka_unit_test(nodes_are_found_by_their_whole_id),
        cmocka_unit_test(a_text_without_nodes_is_refused),
        cmocka_unit_test(a_line_needs_five_fields),
        cmocka_unit_test(an_id_has_forty_characters_and_is_given_once),
        cmocka_unit_test(a_port_is_a_number_of_sixteen_bits),
        cmocka_unit_test(a_role_is_one_of_the_known_words),
        cmocka_unit_test(a_master_has_no_master),
        cmocka_unit_test(a_replica_has_the_id_of_another_node_and_nothing_after_it),
        cmocka_unit_test(slots_are_numbers_below_16384),
        cmocka_unit_test(a_range_goes_upwards_and_has_one_dash),
        cmocka_unit_test(a_slot_belongs_to_one_master_and_is_named_once),
        cmocka_unit_test(two_lines_that_have_run_together_are_noticed),
        cmocka_unit_test(bytes_that_would_break_other_formats_are_refused),
        cmocka_unit_test(the_line_that_is_wrong_is_told),
        cmocka_unit_test(a_host_can_be_as_long_as_a_domain_name),
        cmocka_unit_test(a_node_is_printed_as_its_line),
        cmocka_unit_test(random_topologies_survive_printing_and_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
