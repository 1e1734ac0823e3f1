// SPDX-License-Identifier: Apache-2.0
//
// Background jobs: in order, one at a time, and what becomes of them when the server stops. The tests wait
// for what jobs do, never for a time.
#include "server/background.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// What the jobs of a test do and leave behind.
struct record {
    struct background *background;
    sem_t begun, may_end; // of a job that waits
    _Atomic unsigned run, cancelled, running, overlapped;
    _Atomic bool saw_stopping, out_of_order;
    pthread_t thread;
};

static int open_record(void **state) {
    static struct record record;
    record = (struct record){.background = background_open()};
    if (record.background == NULL || sem_init(&record.begun, 0, 0) != 0 ||
        sem_init(&record.may_end, 0, 0) != 0)
        return -1;
    *state = &record;
    return 0;
}

static int close_record(void **state) {
    struct record *record = *state;
    background_close(record->background);
    sem_destroy(&record->begun);
    sem_destroy(&record->may_end);
    return 0;
}

static void count(void *argument, bool cancelled) {
    struct record *record = argument;
    if (cancelled) {
        atomic_fetch_add(&record->cancelled, 1);
        return;
    }
    if (atomic_fetch_add(&record->running, 1) != 0)
        atomic_fetch_add(&record->overlapped, 1);
    atomic_fetch_add(&record->run, 1);
    atomic_fetch_sub(&record->running, 1);
}

static void say_done(void *argument, bool cancelled) {
    struct record *record = argument;
    count(record, cancelled);
    sem_post(&record->begun);
}

static void wait_until_allowed(void *argument, bool cancelled) {
    struct record *record = argument;
    if (cancelled) {
        atomic_fetch_add(&record->cancelled, 1);
        return;
    }
    sem_post(&record->begun);
    sem_wait(&record->may_end);
    atomic_fetch_add(&record->run, 1);
}

static void wait_until_stopping(void *argument, bool cancelled) {
    struct record *record = argument;
    (void)cancelled;
    sem_post(&record->begun);
    while (!background_stopping(record->background))
        sched_yield();
    atomic_store(&record->saw_stopping, true);
}

static void remember_thread(void *argument, bool cancelled) {
    struct record *record = argument;
    (void)cancelled;
    record->thread = pthread_self();
    sem_post(&record->begun);
}

static void a_job_is_run_once_on_another_thread(void **state) {
    struct record *record = *state;
    background_run(record->background, remember_thread, record);
    sem_wait(&record->begun);
    assert_false(pthread_equal(record->thread, pthread_self()));
    background_run(record->background, say_done, record);
    sem_wait(&record->begun);
    assert_int_equal(atomic_load(&record->run), 1);
}

struct numbered {
    struct record *record;
    unsigned number;
};

static void check_order(void *argument, bool cancelled) {
    struct numbered *numbered = argument;
    if (cancelled || atomic_fetch_add(&numbered->record->run, 1) != numbered->number)
        atomic_store(&numbered->record->out_of_order, true);
}

static void jobs_are_run_in_the_order_they_came(void **state) {
    struct record *record = *state;
    struct numbered jobs[100];
    for (unsigned i = 0; i < 100; i++) {
        jobs[i] = (struct numbered){.record = record, .number = i};
        background_run(record->background, check_order, &jobs[i]);
    }
    background_run(record->background, say_done, record);
    sem_wait(&record->begun);
    assert_false(atomic_load(&record->out_of_order));
    assert_int_equal(atomic_load(&record->run), 101);
}

static void closing_without_jobs_ends(void **state) {
    (void)state;
    background_close(background_open());
    background_close(NULL);
}

static void *close_background(void *argument) {
    struct record *record = argument;
    background_close(record->background);
    return NULL;
}

static void closing_lets_the_running_job_end_and_cancels_the_others(void **state) {
    struct record *record = *state;
    background_run(record->background, wait_until_allowed, record);
    sem_wait(&record->begun);
    for (size_t i = 0; i < 3; i++)
        background_run(record->background, wait_until_allowed, record);
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_background, record), 0);
    while (!background_stopping(record->background))
        sched_yield();
    assert_int_equal(atomic_load(&record->run), 0);
    sem_post(&record->may_end);
    assert_int_equal(pthread_join(closer, NULL), 0);
    assert_int_equal(atomic_load(&record->run), 1);
    assert_int_equal(atomic_load(&record->cancelled), 3);
    record->background = NULL;
}

static void a_long_job_sees_that_the_server_stops(void **state) {
    struct record *record = *state;
    background_run(record->background, wait_until_stopping, record);
    sem_wait(&record->begun);
    assert_false(background_stopping(record->background));
    background_close(record->background);
    assert_true(atomic_load(&record->saw_stopping));
    record->background = NULL;
}

static void a_job_that_comes_while_stopping_is_cancelled(void **state) {
    struct record *record = *state;
    background_run(record->background, wait_until_allowed, record);
    sem_wait(&record->begun);
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_background, record), 0);
    while (!background_stopping(record->background))
        sched_yield();
    background_run(record->background, count, record);
    assert_int_equal(atomic_load(&record->cancelled), 1);
    sem_post(&record->may_end);
    assert_int_equal(pthread_join(closer, NULL), 0);
    record->background = NULL;
}

static void run_one_more(void *argument, bool cancelled) {
    struct record *record = argument;
    count(record, cancelled);
    background_run(record->background, say_done, record);
}

static void a_job_may_ask_for_another(void **state) {
    struct record *record = *state;
    background_run(record->background, run_one_more, record);
    sem_wait(&record->begun);
    assert_int_equal(atomic_load(&record->run), 2);
}

static void look_at_signals(void *argument, bool cancelled) {
    struct record *record = argument;
    (void)cancelled;
    sigset_t blocked;
    sigemptyset(&blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_store(&record->run, (unsigned)(sigismember(&blocked, SIGTERM) + sigismember(&blocked, SIGHUP)));
    sem_post(&record->begun);
}

static void signals_are_left_to_the_main_thread(void **state) {
    struct record *record = *state;
    background_run(record->background, look_at_signals, record);
    sem_wait(&record->begun);
    assert_int_equal(atomic_load(&record->run), 2);
    sigset_t blocked;
    sigemptyset(&blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM));
}

enum { THREADS = 4, JOBS = 2000 };

static void *add_jobs(void *argument) {
    struct record *record = argument;
    for (size_t i = 0; i < JOBS; i++)
        background_run(record->background, count, record);
    return NULL;
}

static void every_job_of_every_thread_is_called_exactly_once(void **state) {
    struct record *record = *state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_jobs, record), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    background_close(record->background);
    record->background = NULL;
    assert_int_equal(atomic_load(&record->run) + atomic_load(&record->cancelled), THREADS * JOBS);
    assert_int_equal(atomic_load(&record->overlapped), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_record, close_record)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_job_is_run_once_on_another_thread),
        TEST(jobs_are_run_in_the_order_they_came),
        TEST(closing_without_jobs_ends),
        TEST(closing_lets_the_running_job_end_and_cancels_the_others),
        TEST(a_long_job_sees_that_the_server_stops),
        TEST(a_job_that_comes_while_stopping_is_cancelled),
        TEST(a_job_may_ask_for_another),
        TEST(signals_are_left_to_the_main_thread),
        TEST(every_job_of_every_thread_is_called_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
