// SPDX-License-Identifier: Apache-2.0
//
// SCAN's numeric cursors (redis-cursor-compatible yes): each stands for the key after which to go on. The
// newest 16384 live; an older or unknown one is told apart from all others. Thread-safe. May use: base.
#ifndef KVFENCE_SERVER_SCAN_CURSORS_H
#define KVFENCE_SERVER_SCAN_CURSORS_H

#include "base/buffer.h"

#include <stdint.h>

struct scan_cursors;
struct scan_cursors *scan_cursors_open(void);
void scan_cursors_close(struct scan_cursors *cursors);

// Keeps a copy of the key; returns a cursor that is never 0, below 2^53 and not guessable by counting. All
// keys together are kept below 64 MiB by forgetting the oldest cursors; the newest one lives in any case.
uint64_t scan_cursors_put(struct scan_cursors *cursors, struct bytes last_key);
// Appends the key to `out`. False if the cursor is not (or no longer) known.
bool scan_cursors_find(struct scan_cursors *cursors, uint64_t cursor, struct buffer *out);

#endif
