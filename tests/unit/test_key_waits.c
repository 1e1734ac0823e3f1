// SPDX-License-Identifier: Apache-2.0
//
// The queues of those who wait for keys: who is woken, and when.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/key_waits.h"

#include <string.h>

enum { WAKES_MAX = 16 };
// Whom the table has woken, in order. The table's callback has no context of its own.
static struct {
    uint64_t clients[WAKES_MAX];
    char keys[WAKES_MAX][8];
    size_t count;
} wakes;

static void note_wake(struct worker *worker, uint64_t client_id, struct bytes key) {
    (void)worker;
    assert_true(wakes.count < WAKES_MAX && key.length < sizeof(wakes.keys[0]));
    wakes.clients[wakes.count] = client_id;
    memcpy(wakes.keys[wakes.count], key.data, key.length);
    wakes.keys[wakes.count++][key.length] = '\0';
}

static int open_waits(void **state) {
    memset(&wakes, 0, sizeof(wakes));
    *state = key_waits_open(note_wake);
    return 0;
}

static int close_waits(void **state) {
    key_waits_close(*state);
    return 0;
}

static struct key_wait *wait_for(struct key_waits *waits, uint64_t id, enum value_type type, const char *one,
                                 const char *two) {
    const struct bytes keys[] = {bytes_from_text(one), bytes_from_text(two)};
    return key_wait_begin(waits, NULL, id, type, keys, 2);
}

static void expect_wakes(size_t count, uint64_t last_client, const char *last_key) {
    assert_int_equal(wakes.count, count);
    assert_int_equal(wakes.clients[count - 1], last_client);
    assert_string_equal(wakes.keys[count - 1], last_key);
}

static void a_write_wakes_who_came_first_and_once(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *first = wait_for(waits, 1, VALUE_LIST, "a", "b");
    struct key_wait *second = wait_for(waits, 2, VALUE_LIST, "b", "a");
    key_waits_touch(waits, BYTES_LITERAL("other"));
    assert_int_equal(wakes.count, 0);
    key_waits_touch(waits, BYTES_LITERAL("b"));
    key_waits_touch(waits, BYTES_LITERAL("b"));
    expect_wakes(1, 1, "b");
    key_wait_end(waits, first);
    expect_wakes(2, 2, "b");
    key_wait_end(waits, second);
    assert_false(key_waits_in_use(waits));
}

static void who_leaves_an_untouched_key_wakes_nobody(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *first = wait_for(waits, 1, VALUE_LIST, "a", "b");
    struct key_wait *second = wait_for(waits, 2, VALUE_LIST, "a", "b");
    key_wait_end(waits, first);
    assert_int_equal(wakes.count, 0);
    key_wait_end(waits, second);
}

static void what_the_first_has_found_empty_is_not_ready_for_the_next(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *first = wait_for(waits, 1, VALUE_LIST, "a", "b");
    struct key_wait *second = wait_for(waits, 2, VALUE_LIST, "a", "b");
    key_waits_touch(waits, BYTES_LITERAL("a"));
    key_wait_go_on(waits, first);
    key_wait_end(waits, first);
    expect_wakes(1, 1, "a");
    key_waits_touch(waits, BYTES_LITERAL("a"));
    expect_wakes(2, 2, "a");
    key_wait_end(waits, second);
}

static void who_goes_on_waiting_can_be_woken_again(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *wait = wait_for(waits, 1, VALUE_LIST, "a", "b");
    key_waits_touch(waits, BYTES_LITERAL("a"));
    key_wait_go_on(waits, wait);
    key_waits_touch(waits, BYTES_LITERAL("b"));
    expect_wakes(2, 1, "b");
    key_wait_end(waits, wait);
}

static void types_have_queues_of_their_own(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *list = wait_for(waits, 1, VALUE_LIST, "a", "a");
    struct key_wait *zset = wait_for(waits, 2, VALUE_ZSET, "a", "a");
    assert_true(key_wait_is_first(waits, zset, BYTES_LITERAL("a"), VALUE_ZSET));
    assert_false(key_wait_is_first(waits, zset, BYTES_LITERAL("a"), VALUE_LIST));
    key_waits_touch(waits, BYTES_LITERAL("a"));
    assert_int_equal(wakes.count, 2);
    key_wait_end(waits, list);
    key_wait_end(waits, zset);
}

static void a_newcomer_is_not_first_while_somebody_waits(void **state) {
    struct key_waits *waits = *state;
    assert_true(key_wait_is_first(waits, NULL, BYTES_LITERAL("a"), VALUE_LIST));
    struct key_wait *wait = wait_for(waits, 1, VALUE_LIST, "a", "b");
    assert_false(key_wait_is_first(waits, NULL, BYTES_LITERAL("a"), VALUE_LIST));
    assert_true(key_wait_is_first(waits, NULL, BYTES_LITERAL("c"), VALUE_LIST));
    assert_true(key_wait_is_first(waits, wait, BYTES_LITERAL("b"), VALUE_LIST));
    key_wait_end(waits, wait);
}

static void a_key_named_twice_is_one_place(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *wait = wait_for(waits, 1, VALUE_LIST, "a", "a");
    key_wait_end(waits, wait);
    assert_int_equal(key_waits_count(waits), 0);
}

static void the_empty_key_can_be_waited_for(void **state) {
    struct key_waits *waits = *state;
    const struct bytes empty = {0};
    struct key_wait *wait = key_wait_begin(waits, NULL, 7, VALUE_LIST, &empty, 1);
    key_waits_touch(waits, empty);
    expect_wakes(1, 7, "");
    key_wait_end(waits, wait);
}

static void a_change_of_the_node_wakes_everybody_even_on_the_way(void **state) {
    struct key_waits *waits = *state;
    struct key_wait *first = wait_for(waits, 1, VALUE_LIST, "a", "a");
    struct key_wait *second = wait_for(waits, 2, VALUE_LIST, "a", "a");
    key_waits_touch(waits, BYTES_LITERAL("a"));
    key_waits_wake_all(waits);
    expect_wakes(2, 2, "a");
    key_wait_go_on(waits, first); // it may have looked before the change
    expect_wakes(3, 1, "a");
    key_wait_go_on(waits, first);
    assert_int_equal(wakes.count, 3);
    key_wait_end(waits, second);
    key_wait_end(waits, first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_wakes_who_came_first_and_once, open_waits, close_waits),
        cmocka_unit_test_setup_teardown(who_leaves_an_untouched_key_wakes_nobody, open_waits, close_waits),
        cmocka_unit_test_setup_teardown(what_the_first_has_found_empty_is_not_ready_for_the_next, open_waits,
                                        close_waits),
        cmocka_unit_test_setup_teardown(who_goes_on_waiting_can_be_woken_again, open_waits, close_waits),
        cmocka_unit_test_setup_teardown(types_have_queues_of_their_own, open_waits, close_waits),
        cmocka_unit_test_setup_teardown(a_newcomer_is_not_first_while_somebody_waits, open_waits,
                                        close_waits),
        cmocka_unit_test_setup_teardown(a_key_named_twice_is_one_place, open_waits, close_waits),
        cmocka_unit_test_setup_teardown(the_empty_key_can_be_waited_for, open_waits, close_waits),
        cmocka_unit_test_setup_teardown(a_change_of_the_node_wakes_everybody_even_on_the_way, open_waits,
                                        close_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
