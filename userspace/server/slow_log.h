// SPDX-License-Identifier: Apache-2.0
//
// SLOWLOG: the commands that took longest lately. Thread-safe. May use: base.
#ifndef KVFENCE_SERVER_SLOW_LOG_H
#define KVFENCE_SERVER_SLOW_LOG_H

#include "base/bytes.h"
#include "base/clock.h"

#include <stdint.h>

struct slow_log;
struct slow_log *slow_log_open(void);
void slow_log_close(struct slow_log *log);

// Keeps copies: at most 32 arguments of at most 128 bytes each, told as Redis tells it. Drops the oldest
// beyond max_length.
void slow_log_add(struct slow_log *log, const struct bytes *arguments, size_t count, uint64_t microseconds,
                  wall_ms_t when, const char *client_address, const char *client_name, size_t max_length);
size_t slow_log_length(struct slow_log *log);
void slow_log_reset(struct slow_log *log);

struct slow_log_entry {
    uint64_t id;
    int64_t when_seconds;
    uint64_t microseconds;
    struct bytes *arguments;
    size_t count;
    const char *client_address, *client_name;
};
// Calls `each` for up to `most` entries, the newest first, under the lock.
void slow_log_each(struct slow_log *log, size_t most,
                   void (*each)(void *context, const struct slow_log_entry *entry), void *context);

#endif
