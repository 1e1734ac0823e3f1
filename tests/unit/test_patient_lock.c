// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a mutex with and without sleeping.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/patient_lock.h"

#include <stdatomic.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct attempt {
    bool (*take)(pthread_mutex_t *mutex);
    bool taken;
};

static void *attempt_once(void *argument) {
    struct attempt *attempt = argument;
    attempt->taken = attempt->take(&mutex);
    if (attempt->taken)
        (void)pthread_mutex_unlock(&mutex);
    return NULL;
}

// On another thread: a mutex may be taken by its own holder only by mistake.
static bool is_taken_by(bool (*take)(pthread_mutex_t *mutex)) {
    pthread_t thread;
    struct attempt attempt = {.take = take};
    assert_int_equal(pthread_create(&thread, NULL, attempt_once, &attempt), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return attempt.taken;
}

static bool is_taken_soon(void) {
    return is_taken_by(patient_lock_take_soon);
}

static void a_free_mutex_is_taken_and_a_held_one_is_given_up(void **state) {
    (void)state;
    bool (*const takers[])(pthread_mutex_t *) = {patient_lock_take_soon, patient_lock_take_unless_long};
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        assert_true(is_taken_by(takers[i]));
        assert_int_equal(pthread_mutex_lock(&mutex), 0);
        assert_false(is_taken_by(takers[i]));
        assert_int_equal(pthread_mutex_unlock(&mutex), 0);
        assert_true(is_taken_by(takers[i]));
    }
}

enum { THREADS = 4, ROUNDS = 20000 };

// Deliberately not atomic: only the lock keeps threads from losing each other's additions.
static uint64_t sum;

static void *add(void *argument) {
    for (int round = 0; round < ROUNDS; round++) {
        if (!patient_lock_take(&mutex))
            *(bool *)argument = false;
        sum++;
        (void)pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void whoever_waits_gets_it_and_nobody_else_has_it(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    bool took[THREADS];
    sum = 0;
    for (int i = 0; i < THREADS; i++) {
        took[i] = true;
        assert_int_equal(pthread_create(&threads[i], NULL, add, &took[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(took[i]);
    }
    assert_int_equal(sum, THREADS * ROUNDS);
}

static _Atomic bool has_begun;

static void *take_while_held(void *argument) {
    bool *taken = argument;
    atomic_store(&has_begun, true);
    *taken = patient_lock_take(&mutex);
    (void)pthread_mutex_unlock(&mutex);
    return NULL;
}

static void a_mutex_that_is_held_for_long_is_waited_for(void **state) {
    (void)state;
    pthread_t thread;
    bool taken = false;
    assert_int_equal(pthread_mutex_lock(&mutex), 0);
    assert_int_equal(pthread_create(&thread, NULL, take_while_held, &taken), 0);
    while (!atomic_load(&has_begun) || is_taken_soon())
        ;
    assert_int_equal(pthread_mutex_unlock(&mutex), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(taken);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_mutex_is_taken_and_a_held_one_is_given_up),
        cmocka_unit_test(whoever_waits_gets_it_and_nobody_else_has_it),
        cmocka_unit_test(a_mutex_that_is_held_for_long_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
