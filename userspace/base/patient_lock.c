// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a mutex without sleeping on it. Uses: nothing.
#include "base/patient_lock.h"

#include <sched.h>
#include <time.h>

static bool try_and_yield(pthread_mutex_t *mutex, int attempts) {
    for (int attempt = 0; attempt < attempts; attempt++) {
        if (pthread_mutex_trylock(mutex) == 0)
            return true;
        (void)sched_yield();
    }
    return false;
}

bool patient_lock_take_soon(pthread_mutex_t *mutex) {
    enum { ATTEMPTS = 100 };
    return try_and_yield(mutex, ATTEMPTS);
}

bool patient_lock_take(pthread_mutex_t *mutex) {
    enum { ATTEMPTS = 5, NAPS = 50, NAP_NS = 20000 };
    const struct timespec nap = {.tv_nsec = NAP_NS};
    bool taken = try_and_yield(mutex, ATTEMPTS);
    for (int naps = 0; !taken && naps < NAPS; naps++) {
        (void)nanosleep(&nap, NULL);
        taken = pthread_mutex_trylock(mutex) == 0;
    }
    return taken || pthread_mutex_lock(mutex) == 0;
}
