// SPDX-License-Identifier: Apache-2.0
//
// The role guard with threads: holders among themselves, and against those who take it exclusively.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/role_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { HOLDERS = 3, EXCLUSIVE_ROUNDS = 2000 };

struct shared {
    struct role_guard *guard;
    atomic_bool stop;
    // Deliberately not atomic: the guard must keep writer and readers apart.
    uint64_t first, second;
    atomic_int torn;
};

struct holder {
    struct shared *shared;
    size_t index;
    pthread_t thread;
};

static void *look_until_stopped(void *argument) {
    struct holder *holder = argument;
    struct shared *shared = holder->shared;
    while (!atomic_load(&shared->stop)) {
        role_guard_enter(shared->guard, holder->index);
        if (shared->first != shared->second)
            atomic_fetch_add(&shared->torn, 1);
        role_guard_leave(shared->guard, holder->index);
    }
    return NULL;
}

static void start_holders(struct holder holders[HOLDERS], struct shared *shared) {
    for (size_t i = 0; i < HOLDERS; i++) {
        holders[i] = (struct holder){.shared = shared, .index = i};
        assert_int_equal(pthread_create(&holders[i].thread, NULL, look_until_stopped, &holders[i]), 0);
    }
}

static void stop_holders(struct holder holders[HOLDERS], struct shared *shared) {
    atomic_store(&shared->stop, true);
    for (size_t i = 0; i < HOLDERS; i++)
        assert_int_equal(pthread_join(holders[i].thread, NULL), 0);
}

static void take_and_change(struct shared *shared) {
    role_guard_take(shared->guard);
    shared->first++;
    shared->second++;
    role_guard_release(shared->guard);
}

// Also that a taker gets its turn against holders who enter again at once: 2000 turns would not end
// otherwise.
static void an_exclusive_taker_is_alone(void **state) {
    (void)state;
    struct shared shared = {.guard = role_guard_open(HOLDERS)};
    struct holder holders[HOLDERS];
    start_holders(holders, &shared);
    for (int round = 0; round < EXCLUSIVE_ROUNDS; round++)
        take_and_change(&shared);
    stop_holders(holders, &shared);
    assert_int_equal(shared.torn, 0);
    assert_int_equal(shared.first, EXCLUSIVE_ROUNDS);
    role_guard_close(shared.guard);
}

static void *take_many_times(void *argument) {
    for (int round = 0; round < EXCLUSIVE_ROUNDS; round++)
        take_and_change(argument);
    return NULL;
}

static void two_exclusive_takers_take_turns(void **state) {
    (void)state;
    struct shared shared = {.guard = role_guard_open(HOLDERS)};
    pthread_t takers[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&takers[i], NULL, take_many_times, &shared), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(takers[i], NULL), 0);
    assert_int_equal(shared.first, 2 * EXCLUSIVE_ROUNDS);
    role_guard_close(shared.guard);
}

static void *enter_and_leave(void *argument) {
    struct holder *holder = argument;
    role_guard_enter(holder->shared->guard, holder->index);
    role_guard_leave(holder->shared->guard, holder->index);
    return NULL;
}

static void holders_do_not_keep_each_other_out(void **state) {
    (void)state;
    struct shared shared = {.guard = role_guard_open(2)};
    role_guard_enter(shared.guard, 0);
    // Would hang if it needed what holder 0 has.
    struct holder other = {.shared = &shared, .index = 1};
    assert_int_equal(pthread_create(&other.thread, NULL, enter_and_leave, &other), 0);
    assert_int_equal(pthread_join(other.thread, NULL), 0);
    role_guard_leave(shared.guard, 0);
    role_guard_close(shared.guard);
}

static void a_guard_without_holders_can_be_taken(void **state) {
    (void)state;
    struct role_guard *guard = role_guard_open(0);
    role_guard_take(guard);
    role_guard_release(guard);
    role_guard_close(guard);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exclusive_taker_is_alone),
        cmocka_unit_test(two_exclusive_takers_take_turns),
        cmocka_unit_test(holders_do_not_keep_each_other_out),
        cmocka_unit_test(a_guard_without_holders_can_be_taken),
    };
    return cmocka_run_group_tests_name("role_guard", tests, NULL, NULL);
}
