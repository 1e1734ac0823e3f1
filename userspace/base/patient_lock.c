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

static bool try_and_nap(pthread_mutex_t *mutex, int naps, long nap_ns) {
    const struct timespec nap = {.tv_nsec = nap_ns};
    for (int i = 0; i < naps; i++) {
        (void)nanosleep(&nap, NULL);
        if (pthread_mutex_trylock(mutex) == 0)
            return true;
    }
    return false;
}

bool patient_lock_take_unless_long(pthread_mutex_t *mutex) {
    enum { NAPS = 100, NAP_NS = 100000 };
    return patient_lock_take_soon(mutex) || try_and_nap(mutex, NAPS, NAP_NS);
}

bool patient_lock_take(pthread_mutex_t *mutex) {
    enum { ATTEMPTS = 5, NAPS = 50, NAP_NS = 20000 };
    return try_and_yield(mutex, ATTEMPTS) || try_and_nap(mutex, NAPS, NAP_NS) ||
           pthread_mutex_lock(mutex) == 0;
}
