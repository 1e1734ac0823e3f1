// SPDX-License-Identifier: Apache-2.0
//
// What a server answers about itself when nobody has told it that it is part of anything.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/node_view.h"

static void alone_a_server_is_a_master_outside_any_cluster(void **state) {
    (void)state;
    struct node_view node = node_view_alone();
    assert_false(node.in_cluster(node.context));
    assert_false(node.is_replica(node.context));
}

static void alone_a_server_has_no_id_that_anybody_could_mean(void **state) {
    (void)state;
    struct node_view node = node_view_alone();
    assert_false(node.is_this_master(node.context, BYTES_LITERAL("")));
    assert_false(
        node.is_this_master(node.context, BYTES_LITERAL("0123456789012345678901234567890123456789")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_a_server_is_a_master_outside_any_cluster),
        cmocka_unit_test(alone_a_server_has_no_id_that_anybody_could_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
