// SPDX-License-Identifier: Apache-2.0
//
// SCAN's cursors: what they look like, how long they live, how much memory they take, and many threads.
#include "server/scan_cursors.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEPT = 16384, MEBIBYTE = 1024 * 1024 };

static int open_cursors(void **state) {
    *state = scan_cursors_open();
    return 0;
}

static int close_cursors(void **state) {
    scan_cursors_close(*state);
    return 0;
}

static bool is_known(void **state, uint64_t cursor) {
    struct buffer key = {0};
    bool known = scan_cursors_find(*state, cursor, &key);
    buffer_release(&key);
    return known;
}

static bool stands_for(struct scan_cursors *cursors, uint64_t cursor, struct bytes key) {
    struct buffer found = {0};
    bool right = scan_cursors_find(cursors, cursor, &found) && bytes_equal(buffer_bytes(&found), key);
    buffer_release(&found);
    return right;
}

static void a_cursor_stands_for_its_key(void **state) {
    uint64_t first = scan_cursors_put(*state, BYTES_LITERAL("first"));
    uint64_t second = scan_cursors_put(*state, BYTES_LITERAL("se\0cond"));
    uint64_t empty = scan_cursors_put(*state, BYTES_LITERAL(""));
    assert_true(stands_for(*state, first, BYTES_LITERAL("first")));
    assert_true(stands_for(*state, second, BYTES_LITERAL("se\0cond")));
    assert_true(stands_for(*state, empty, BYTES_LITERAL("")));
    assert_true(stands_for(*state, first, BYTES_LITERAL("first")));
}

static void the_key_is_appended_to_what_is_there(void **state) {
    uint64_t cursor = scan_cursors_put(*state, BYTES_LITERAL("key"));
    struct buffer out = {0};
    buffer_append_text(&out, "prefix:");
    assert_true(scan_cursors_find(*state, cursor, &out));
    assert_true(bytes_equal(buffer_bytes(&out), BYTES_LITERAL("prefix:key")));
    assert_false(scan_cursors_find(*state, cursor + 1, &out));
    assert_true(bytes_equal(buffer_bytes(&out), BYTES_LITERAL("prefix:key")));
    buffer_release(&out);
}

static void a_cursor_keeps_a_copy_of_the_key(void **state) {
    char key[] = "key";
    uint64_t cursor = scan_cursors_put(*state, bytes_from_text(key));
    key[0] = 'x';
    assert_true(stands_for(*state, cursor, BYTES_LITERAL("key")));
}

static void cursors_are_never_zero_and_fit_a_double(void **state) {
    for (size_t i = 0; i < 3 * KEPT; i++) {
        uint64_t cursor = scan_cursors_put(*state, BYTES_LITERAL("key"));
        assert_true(cursor != 0);
        assert_true(cursor < (uint64_t)1 << 53);
    }
    assert_false(is_known(state, 0));
}

static void cursors_cannot_be_guessed_from_others(void **state) {
    uint64_t cursor = scan_cursors_put(*state, BYTES_LITERAL("key"));
    for (uint64_t distance = 1; distance < 100000; distance++) {
        assert_false(is_known(state, cursor + distance));
        assert_false(is_known(state, cursor - distance));
    }
    for (unsigned bit = 0; bit < 64; bit++)
        assert_false(is_known(state, cursor ^ (uint64_t)1 << bit));
}

static void the_newest_16384_live(void **state) {
    uint64_t *cursors = calloc(2 * KEPT, sizeof(*cursors));
    assert_non_null(cursors);
    for (size_t i = 0; i < 2 * KEPT; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key:%zu", i);
        cursors[i] = scan_cursors_put(*state, bytes_from_text(key));
    }
    for (size_t i = 0; i < KEPT; i++)
        assert_false(is_known(state, cursors[i]));
    for (size_t i = KEPT; i < 2 * KEPT; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key:%zu", i);
        assert_true(stands_for(*state, cursors[i], bytes_from_text(key)));
    }
    free(cursors);
}

static void big_keys_push_out_the_oldest(void **state) {
    char *text = calloc(1, MEBIBYTE);
    assert_non_null(text);
    struct bytes key = {.data = text, .length = MEBIBYTE};
    uint64_t cursors[65];
    for (size_t i = 0; i < 64; i++)
        cursors[i] = scan_cursors_put(*state, key);
    assert_true(stands_for(*state, cursors[0], key));
    cursors[64] = scan_cursors_put(*state, key);
    assert_false(is_known(state, cursors[0]));
    for (size_t i = 1; i < 65; i++)
        assert_true(stands_for(*state, cursors[i], key));
    uint64_t small = scan_cursors_put(*state, BYTES_LITERAL("small"));
    assert_false(is_known(state, cursors[1]));
    assert_true(is_known(state, cursors[2]));
    assert_true(stands_for(*state, small, BYTES_LITERAL("small")));
    free(text);
}

static void a_key_bigger_than_all_room_lives_alone(void **state) {
    enum { HUGE_KEY = 65 * MEBIBYTE };
    char *text = calloc(1, HUGE_KEY);
    assert_non_null(text);
    struct bytes key = {.data = text, .length = HUGE_KEY};
    uint64_t small = scan_cursors_put(*state, BYTES_LITERAL("small"));
    uint64_t huge = scan_cursors_put(*state, key);
    assert_false(is_known(state, small));
    assert_true(stands_for(*state, huge, key));
    small = scan_cursors_put(*state, BYTES_LITERAL("small"));
    assert_false(is_known(state, huge));
    assert_true(is_known(state, small));
    free(text);
}

enum { THREADS = 4, ROUNDS = 20000 };

struct hammer {
    struct scan_cursors *cursors;
    size_t number;
    size_t wrong;
};

// A cursor that another thread has pushed out is not found; one that is found stands for the right key.
static void *hammer(void *argument) {
    struct hammer *mine = argument;
    size_t lost = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        char key[48];
        (void)snprintf(key, sizeof(key), "thread %zu, round %zu", mine->number, round);
        uint64_t cursor = scan_cursors_put(mine->cursors, bytes_from_text(key));
        struct buffer found = {0};
        if (!scan_cursors_find(mine->cursors, cursor, &found))
            lost++;
        else if (!bytes_equal(buffer_bytes(&found), bytes_from_text(key)))
            mine->wrong++;
        buffer_release(&found);
    }
    if (lost == ROUNDS)
        mine->wrong++;
    return NULL;
}

static void threads_find_their_own_keys(void **state) {
    pthread_t threads[THREADS];
    struct hammer hammers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        hammers[i] = (struct hammer){.cursors = *state, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(hammers[i].wrong, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_cursors, close_cursors)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_cursor_stands_for_its_key),           TEST(the_key_is_appended_to_what_is_there),
        TEST(a_cursor_keeps_a_copy_of_the_key),      TEST(cursors_are_never_zero_and_fit_a_double),
        TEST(cursors_cannot_be_guessed_from_others), TEST(the_newest_16384_live),
        TEST(big_keys_push_out_the_oldest),          TEST(a_key_bigger_than_all_room_lives_alone),
        TEST(threads_find_their_own_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
