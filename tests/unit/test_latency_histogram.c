// SPDX-License-Identifier: Apache-2.0
//
// Histograms of commands' times: the right bucket, sums over workers, and a reader beside the writer.
#include "server/latency_histogram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { COMMANDS = 10 };

static int open_histograms(void **state) {
    *state = latency_histograms_open(COMMANDS);
    return 0;
}

static int close_histograms(void **state) {
    latency_histograms_close(*state);
    return 0;
}

// The one bucket that a time falls into.
static size_t bucket_of(uint64_t microseconds) {
    struct latency_histograms *histograms = latency_histograms_open(1);
    latency_histograms_add(histograms, 0, microseconds);
    uint64_t sum[LATENCY_BUCKETS] = {0};
    latency_histograms_sum(histograms, 0, sum);
    latency_histograms_close(histograms);
    size_t bucket = 0;
    while (bucket < LATENCY_BUCKETS && sum[bucket] == 0)
        bucket++;
    return bucket;
}

static uint64_t total(const struct latency_histograms *histograms, size_t command) {
    uint64_t sum[LATENCY_BUCKETS] = {0};
    latency_histograms_sum(histograms, command, sum);
    uint64_t count = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        count += sum[i];
    return count;
}

static void a_command_that_never_ran_has_no_counts(void **state) {
    for (size_t i = 0; i < COMMANDS; i++)
        assert_int_equal(total(*state, i), 0);
}

static void a_time_falls_into_the_first_bucket_that_is_not_below_it(void **state) {
    (void)state;
    assert_int_equal(bucket_of(0), 0);
    assert_int_equal(bucket_of(1), 0);
    assert_int_equal(bucket_of(2), 1);
    assert_int_equal(bucket_of(3), 2);
    assert_int_equal(bucket_of(4), 2);
    assert_int_equal(bucket_of(5), 3);
    for (size_t bucket = 1; bucket < LATENCY_BUCKETS; bucket++) {
        assert_int_equal(bucket_of(latency_bucket_limit(bucket)), bucket);
        assert_int_equal(bucket_of(latency_bucket_limit(bucket - 1) + 1), bucket);
    }
}

static void the_last_bucket_takes_all_that_is_longer(void **state) {
    (void)state;
    assert_int_equal(bucket_of(latency_bucket_limit(LATENCY_BUCKETS - 1) + 1), LATENCY_BUCKETS - 1);
    assert_int_equal(bucket_of(UINT64_MAX), LATENCY_BUCKETS - 1);
}

static void commands_are_counted_apart(void **state) {
    latency_histograms_add(*state, 0, 5);
    latency_histograms_add(*state, COMMANDS - 1, 5);
    latency_histograms_add(*state, COMMANDS - 1, 500);
    assert_int_equal(total(*state, 0), 1);
    assert_int_equal(total(*state, 1), 0);
    assert_int_equal(total(*state, COMMANDS - 1), 2);
}

static void sums_go_over_workers(void **state) {
    struct latency_histograms *second = latency_histograms_open(COMMANDS);
    latency_histograms_add(*state, 3, 100);
    latency_histograms_add(second, 3, 100);
    latency_histograms_add(second, 3, 1);
    uint64_t sum[LATENCY_BUCKETS] = {0};
    latency_histograms_sum(*state, 3, sum);
    latency_histograms_sum(second, 3, sum);
    assert_int_equal(sum[7], 2);
    assert_int_equal(sum[0], 1);
    latency_histograms_close(second);
}

static void a_reset_sets_all_counts_to_zero(void **state) {
    latency_histograms_add(*state, 3, 100);
    latency_histograms_add(*state, 4, 100);
    latency_histograms_reset(*state);
    assert_int_equal(total(*state, 3), 0);
    assert_int_equal(total(*state, 4), 0);
    latency_histograms_add(*state, 3, 100);
    assert_int_equal(total(*state, 3), 1);
}

enum { ADDED = 200000 };

static void *add_many(void *argument) {
    for (size_t i = 0; i < ADDED; i++)
        latency_histograms_add(argument, i % COMMANDS, i);
    return NULL;
}

static void counts_only_grow_while_they_are_read(void **state) {
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, add_many, *state), 0);
    uint64_t before = 0;
    while (before < ADDED / COMMANDS) {
        uint64_t now = total(*state, COMMANDS - 1);
        assert_true(now >= before);
        before = now;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    for (size_t i = 0; i < COMMANDS; i++)
        assert_int_equal(total(*state, i), ADDED / COMMANDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_histograms, close_histograms)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_command_that_never_ran_has_no_counts),
        TEST(a_time_falls_into_the_first_bucket_that_is_not_below_it),
        TEST(the_last_bucket_takes_all_that_is_longer),
        TEST(commands_are_counted_apart),
        TEST(sums_go_over_workers),
        TEST(a_reset_sets_all_counts_to_zero),
        TEST(counts_only_grow_while_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
