// SPDX-License-Identifier: Apache-2.0
//
// How many errors of each code word were sent (INFO errorstats). Thread-safe. May use: base.
#ifndef KVFENCE_SERVER_ERROR_STATS_H
#define KVFENCE_SERVER_ERROR_STATS_H

#include <stdint.h>

struct error_stats;
struct error_stats *error_stats_open(void);
void error_stats_close(struct error_stats *stats);
// At most 128 different codes are kept, each up to 31 bytes.
void error_stats_count(struct error_stats *stats, const char *code);
// Those that were counted since the last reset, in the order of their codes.
void error_stats_each(struct error_stats *stats,
                      void (*each)(void *context, const char *code, uint64_t count), void *context);
void error_stats_reset(struct error_stats *stats);

#endif
