// SPDX-License-Identifier: Apache-2.0
//
// Rates from a ring of samples. Uses: the C library.
#include "server/rate_sampler.h"

void rate_sampler_add(struct rate_sampler *sampler, uint64_t now_us, uint64_t value) {
    if (sampler->started && now_us <= sampler->last_us)
        return;
    if (sampler->started) {
        uint64_t grown = value >= sampler->last_value ? value - sampler->last_value : value;
        uint64_t elapsed_us = now_us - sampler->last_us;
        // Wide enough for any counter: the product can exceed 64 bits.
        sampler->per_second[sampler->next] = (uint64_t)((unsigned __int128)grown * 1000000 / elapsed_us);
        sampler->next = (sampler->next + 1) % RATE_SAMPLE_COUNT;
        if (sampler->count < RATE_SAMPLE_COUNT)
            sampler->count++;
    }
    sampler->started = true;
    sampler->last_us = now_us;
    sampler->last_value = value;
}

uint64_t rate_sampler_rate(const struct rate_sampler *sampler) {
    if (sampler->count == 0)
        return 0;
    unsigned __int128 sum = 0;
    for (size_t i = 0; i < sampler->count; i++)
        sum += sampler->per_second[i];
    return (uint64_t)(sum / sampler->count);
}
