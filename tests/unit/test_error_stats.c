// SPDX-License-Identifier: Apache-2.0
//
// Counts of errors by code word, and that no count is lost between threads.
#include "server/error_stats.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int open_stats(void **state) {
    *state = error_stats_open();
    return 0;
}

static int close_stats(void **state) {
    error_stats_close(*state);
    return 0;
}

enum { LIST_SIZE = 8192 };
struct listed {
    size_t codes;
    uint64_t sum;
    char text[LIST_SIZE];
    size_t length;
};

static void list(void *context, const char *code, uint64_t count) {
    struct listed *listed = context;
    listed->codes++;
    listed->sum += count;
    int written = snprintf(listed->text + listed->length, LIST_SIZE - listed->length, "%s=%llu ", code,
                           (unsigned long long)count);
    listed->length += (size_t)written;
}

static struct listed list_of(void **state) {
    struct listed listed = {0};
    error_stats_each(*state, list, &listed);
    return listed;
}

static void errors_are_counted_by_code(void **state) {
    error_stats_count(*state, "WRONGTYPE");
    error_stats_count(*state, "ERR");
    error_stats_count(*state, "ERR");
    assert_string_equal(list_of(state).text, "ERR=2 WRONGTYPE=1 ");
}

static void codes_are_told_in_order(void **state) {
    static const char *const codes[] = {"MOVED", "ASK", "NOAUTH", "ERR", "EXECABORT", "ERRO"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        error_stats_count(*state, codes[i]);
    assert_string_equal(list_of(state).text, "ASK=1 ERR=1 ERRO=1 EXECABORT=1 MOVED=1 NOAUTH=1 ");
}

static void after_a_reset_nothing_is_told_until_it_is_counted_again(void **state) {
    error_stats_count(*state, "ERR");
    error_stats_count(*state, "NOAUTH");
    error_stats_reset(*state);
    assert_int_equal(list_of(state).codes, 0);
    error_stats_count(*state, "NOAUTH");
    assert_string_equal(list_of(state).text, "NOAUTH=1 ");
}

static void long_codes_are_cut(void **state) {
    error_stats_count(*state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    error_stats_count(*state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234XXXXX");
    error_stats_count(*state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234");
    assert_string_equal(list_of(state).text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234=3 ");
}

static void at_most_128_codes_are_kept(void **state) {
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 200; i++) {
            char code[16];
            (void)snprintf(code, sizeof(code), "CODE%03zu", i);
            error_stats_count(*state, code);
        }
    }
    struct listed listed = list_of(state);
    assert_int_equal(listed.codes, 128);
    assert_int_equal(listed.sum, 256);
    assert_non_null(strstr(listed.text, "CODE127=2 "));
    assert_null(strstr(listed.text, "CODE128"));
}

enum { THREADS = 4, ROUNDS = 5, CODES = 120 };

struct hammer {
    struct error_stats *stats;
    pthread_barrier_t start;
};

// All threads meet each new code at the same time.
static void *hammer(void *argument) {
    struct hammer *shared = argument;
    for (size_t code = 0; code < CODES; code++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "HOT%03zu", code);
        pthread_barrier_wait(&shared->start);
        for (size_t round = 0; round < ROUNDS; round++)
            error_stats_count(shared->stats, name);
    }
    return NULL;
}

static void hammer_new_stats(void) {
    struct hammer shared = {.stats = error_stats_open()};
    void *state = shared.stats;
    pthread_t threads[THREADS];
    assert_int_equal(pthread_barrier_init(&shared.start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &shared), 0);
    assert_true(list_of(&state).codes <= CODES);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&shared.start);
    struct listed listed = list_of(&state);
    assert_int_equal(listed.codes, CODES);
    assert_int_equal(listed.sum, THREADS * ROUNDS * CODES);
    assert_non_null(strstr(listed.text, "HOT000=20 "));
    assert_non_null(strstr(listed.text, "HOT119=20 "));
    error_stats_close(shared.stats);
}

static void threads_lose_no_count_and_share_codes(void **state) {
    (void)state;
    for (size_t pass = 0; pass < 20; pass++)
        hammer_new_stats();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stats, close_stats)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(errors_are_counted_by_code),
        TEST(codes_are_told_in_order),
        TEST(after_a_reset_nothing_is_told_until_it_is_counted_again),
        TEST(long_codes_are_cut),
        TEST(at_most_128_codes_are_kept),
        TEST(threads_lose_no_count_and_share_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
