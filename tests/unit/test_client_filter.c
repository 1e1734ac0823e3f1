// SPDX-License-Identifier: Apache-2.0
//
// Which clients a filter means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/client_filter.h"

#include <stdlib.h>
#include <time.h>

static void an_empty_filter_means_every_client(void **state) {
    (void)state;
    struct client_filter filter = {0};
    struct client client = {.id = 7};
    assert_true(client_filter_matches(&filter, &client));
}

static void ids_in_any_order_and_number_mean_those_clients(void **state) {
    (void)state;
    uint64_t ids[] = {9, 3, 9, UINT64_MAX, 1, 5};
    struct client_filter filter = {0};
    client_filter_set_ids(&filter, ids, sizeof(ids) / sizeof(ids[0]));
    static const uint64_t in[] = {1, 3, 5, 9, UINT64_MAX}, out[] = {2, 4, 8, 10, UINT64_MAX - 1};
    for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
        struct client client = {.id = in[i]};
        assert_true(client_filter_matches(&filter, &client));
        client.id = out[i];
        assert_false(client_filter_matches(&filter, &client));
    }
}

static void one_client_can_be_spared(void **state) {
    (void)state;
    uint64_t ids[] = {1, 2};
    struct client_filter filter = {.skipped_id = 2};
    client_filter_set_ids(&filter, ids, 2);
    struct client client = {.id = 1};
    assert_true(client_filter_matches(&filter, &client));
    client.id = 2;
    assert_false(client_filter_matches(&filter, &client));
}

static void all_of_a_filters_conditions_have_to_hold(void **state) {
    (void)state;
    struct client client = {.id = 1, .address = "10.0.0.1:5", .local_address = "10.0.0.2:6666"};
    struct client_filter filter = {.address = BYTES_LITERAL("10.0.0.1:5"),
                                   .local_address = BYTES_LITERAL("10.0.0.2:6666"),
                                   .type = CLIENT_TYPE_NORMAL};
    assert_true(client_filter_matches(&filter, &client));
    filter.local_address = BYTES_LITERAL("10.0.0.2:666");
    assert_false(client_filter_matches(&filter, &client));
    filter.local_address = (struct bytes){0};
    filter.type = CLIENT_TYPE_PUBSUB;
    assert_false(client_filter_matches(&filter, &client));
}

static double seconds_of_this_thread(void) {
    struct timespec used;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

// Looking each client up among all the ids one by one would take ten thousand million steps.
static void many_ids_for_many_clients_take_no_time_to_speak_of(void **state) {
    (void)state;
    enum { IDS = 500000, CLIENTS = 20000 };
    uint64_t *ids = calloc(IDS, sizeof(*ids));
    assert_non_null(ids);
    for (size_t i = 0; i < IDS; i++)
        ids[i] = 2 * i;
    struct client_filter filter = {0};
    client_filter_set_ids(&filter, ids, IDS);
    double started = seconds_of_this_thread();
    struct client client = {0};
    for (client.id = 1; client.id <= CLIENTS; client.id++)
        assert_int_equal(client_filter_matches(&filter, &client), client.id % 2 == 0);
    assert_true(seconds_of_this_thread() - started < 1);
    free(ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_filter_means_every_client),
        cmocka_unit_test(ids_in_any_order_and_number_mean_those_clients),
        cmocka_unit_test(one_client_can_be_spared),
        cmocka_unit_test(all_of_a_filters_conditions_have_to_hold),
        cmocka_unit_test(many_ids_for_many_clients_take_no_time_to_speak_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
