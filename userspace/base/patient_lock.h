// SPDX-License-Identifier: Apache-2.0
//
// Mutexes that are held for microseconds at a time and wanted by several threads again and again. May use:
// base.
#ifndef KVFENCE_BASE_PATIENT_LOCK_H
#define KVFENCE_BASE_PATIENT_LOCK_H

#include <pthread.h>
#include <stdbool.h>

// Takes the mutex if that is possible soon: until then the processor goes to whoever can use it, maybe the
// one who holds the mutex. Nobody sleeps on it meanwhile, so that letting go of it needs no system call
// either.
bool patient_lock_take_soon(pthread_mutex_t *mutex);
// The same, and sleeps if it takes longer. False if the mutex is broken.
bool patient_lock_take(pthread_mutex_t *mutex);

#endif
