// SPDX-License-Identifier: Apache-2.0
//
// Mutexes that are held for microseconds at a time and wanted by several threads again and again. Nobody
// sleeps on them, if it can be helped, so that letting go of them needs no system call. May use: base.
#ifndef KVFENCE_BASE_PATIENT_LOCK_H
#define KVFENCE_BASE_PATIENT_LOCK_H

#include <pthread.h>
#include <stdbool.h>

// Takes the mutex if that is possible soon: until then the processor goes to whoever can use it, maybe the
// one who holds the mutex.
bool patient_lock_take_soon(pthread_mutex_t *mutex);

// Takes the mutex, unless it is held for some ten milliseconds or more: for who has something better to do
// then than to wait, as those who hold it do when RocksDB holds writes back.
bool patient_lock_take_unless_long(pthread_mutex_t *mutex);

// For a mutex that its holder wants back as soon as it has let go of it, as a worker does whose commands all
// write to one key: taking turns at each of them would have all that they touch go from one processor's cache
// to the other's. Who finds it taken naps for some tens of microseconds at a time, so that the holder gets on
// meanwhile; and sleeps on it after some milliseconds. False if the mutex is broken.
bool patient_lock_take(pthread_mutex_t *mutex);

#endif
