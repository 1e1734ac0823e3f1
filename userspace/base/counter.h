// SPDX-License-Identifier: Apache-2.0
//
// Counters that one thread raises and any thread reads: relaxed loads and stores, no locked instruction. May
// use: nothing.
#ifndef KVFENCE_BASE_COUNTER_H
#define KVFENCE_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

static inline void counter_add(_Atomic uint64_t *counter, uint64_t amount) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void counter_reset(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, 0, memory_order_relaxed);
}

#endif
