// SPDX-License-Identifier: Apache-2.0
//
// A queue of jobs and the thread that runs them. Uses: log, memory.
#include "server/background.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct job {
    background_function *function;
    void *argument;
    struct job *prev, *next; // names that utlist expects
};

struct background {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; // a job was added, or stopping began
    struct job *jobs;       // the oldest first; guarded by lock
    _Atomic bool stopping;  // written under lock
};

static void lock(struct background *background) {
    always_assert(pthread_mutex_lock(&background->lock) == 0, "the queue of background jobs can be locked");
}

static void unlock(struct background *background) {
    always_assert(pthread_mutex_unlock(&background->lock) == 0,
                  "the queue of background jobs can be unlocked");
}

// Waits for a job; NULL when stopping and there is none left.
static struct job *next_job(struct background *background) {
    lock(background);
    while (background->jobs == NULL && !background_stopping(background))
        pthread_cond_wait(&background->changed, &background->lock);
    struct job *job = background->jobs;
    if (job != NULL)
        DL_DELETE(background->jobs, job);
    unlock(background);
    return job;
}

static void *run(void *argument) {
    struct background *background = argument;
    struct job *job = NULL;
    while ((job = next_job(background)) != NULL) {
        job->function(job->argument, background_stopping(background));
        free(job);
    }
    return NULL;
}

// The thread takes no signals: they are the main thread's.
static int start_thread(struct background *background) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&background->thread, NULL, run, background);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure == 0)
        pthread_setname_np(background->thread, "background");
    return failure;
}

struct background *background_open(void) {
    struct background *background = memory_allocate_zeroed(1, sizeof(*background));
    always_assert(pthread_mutex_init(&background->lock, NULL) == 0 &&
                      pthread_cond_init(&background->changed, NULL) == 0,
                  "the lock of the background jobs can be made");
    int failure = start_thread(background);
    if (failure != 0) {
        log_error("the thread for background jobs cannot be started: %s", strerror(failure));
        pthread_cond_destroy(&background->changed);
        pthread_mutex_destroy(&background->lock);
        free(background);
        return NULL;
    }
    return background;
}

void background_close(struct background *background) {
    if (background == NULL)
        return;
    lock(background);
    atomic_store(&background->stopping, true);
    pthread_cond_signal(&background->changed);
    unlock(background);
    always_assert(pthread_join(background->thread, NULL) == 0, "the background thread can be joined");
    pthread_cond_destroy(&background->changed);
    pthread_mutex_destroy(&background->lock);
    free(background);
}

void background_run(struct background *background, background_function *function, void *argument) {
    struct job *job = memory_allocate_zeroed(1, sizeof(*job));
    job->function = function;
    job->argument = argument;
    lock(background);
    bool accepted = !background_stopping(background);
    if (accepted) {
        DL_APPEND(background->jobs, job);
        pthread_cond_signal(&background->changed);
    }
    unlock(background);
    if (!accepted) {
        free(job);
        function(argument, true);
    }
}

bool background_stopping(const struct background *background) {
    return atomic_load(&background->stopping);
}
