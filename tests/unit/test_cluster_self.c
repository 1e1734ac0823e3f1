// SPDX-License-Identifier: Apache-2.0
//
// Which addresses are this server's own, and which node of a topology it is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/self.h"
#include "cluster_text.h"

static void an_address_in_bind_is_its_own_and_another_is_not(void **state) {
    (void)state;
    assert_true(cluster_is_own_address("127.0.0.1", "127.0.0.1"));
    assert_true(cluster_is_own_address("10.0.0.1  127.0.0.1\t::1", "::1"));
    assert_false(cluster_is_own_address("127.0.0.1", "127.0.0.2"));
    assert_false(cluster_is_own_address("127.0.0.1", "127.0.0.11"));
    assert_false(cluster_is_own_address("", "127.0.0.1"));
}

static void an_address_is_the_same_however_it_is_written(void **state) {
    (void)state;
    assert_true(cluster_is_own_address("::1", "0:0:0:0:0:0:0:1"));
    assert_true(cluster_is_own_address("FE80::A", "fe80::a"));
    assert_true(cluster_is_own_address("Node-A", "node-a"));
}

static void an_address_for_all_stands_for_those_of_the_interfaces(void **state) {
    (void)state;
    static const char *const all[] = {"*", "0.0.0.0", "::", "10.9.8.7 0.0.0.0"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_true(cluster_is_own_address(all[i], "127.0.0.1"));
        assert_false(cluster_is_own_address(all[i], "192.0.2.1")); // reserved for documentation
    }
}

static void localhost_is_the_loopback_address(void **state) {
    (void)state;
    assert_true(cluster_is_own_address("127.0.0.1", "localhost"));
    assert_true(cluster_is_own_address("::1", "LOCALHOST"));
    assert_false(cluster_is_own_address("10.0.0.1", "localhost"));
}

static void an_entry_longer_than_any_address_is_nobodys(void **state) {
    (void)state;
    char host[400];
    memset(host, 'h', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    assert_false(cluster_is_own_address(host, host));
}

static void a_server_is_the_node_with_its_address_and_port(void **state) {
    (void)state;
    const char *error = NULL;
    struct topology *topology = topology_parse(BYTES_LITERAL(TWO_MASTERS), &error);
    assert_non_null(topology);
    assert_int_equal(cluster_find_self(topology, "127.0.0.1", 7001), 0);
    assert_int_equal(cluster_find_self(topology, "0.0.0.0", 7002), 1);
    assert_int_equal(cluster_find_self(topology, "127.0.0.1", 7003), TOPOLOGY_NOBODY);
    assert_int_equal(cluster_find_self(topology, "10.0.0.1", 7001), TOPOLOGY_NOBODY);
    topology_free(topology);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_in_bind_is_its_own_and_another_is_not),
        cmocka_unit_test(an_address_is_the_same_however_it_is_written),
        cmocka_unit_test(an_address_for_all_stands_for_those_of_the_interfaces),
        cmocka_unit_test(localhost_is_the_loopback_address),
        cmocka_unit_test(an_entry_longer_than_any_address_is_nobodys),
        cmocka_unit_test(a_server_is_the_node_with_its_address_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
