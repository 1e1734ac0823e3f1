// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a mutex without sleeping. Uses: nothing.
#include "base/patient_lock.h"

#include <sched.h>

bool patient_lock_take_soon(pthread_mutex_t *mutex) {
    enum { ATTEMPTS = 100 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (pthread_mutex_trylock(mutex) == 0)
            return true;
        (void)sched_yield();
    }
    return false;
}

bool patient_lock_take(pthread_mutex_t *mutex) {
    return patient_lock_take_soon(mutex) || pthread_mutex_lock(mutex) == 0;
}
