// SPDX-License-Identifier: Apache-2.0
//
// One thread for work that takes long and must not stop a worker: compaction, BGSAVE, counting keys. Jobs run
// one after the other. May use: base.
#ifndef KVFENCE_SERVER_BACKGROUND_H
#define KVFENCE_SERVER_BACKGROUND_H

#include <stdbool.h>

struct background;
struct background *background_open(void); // NULL: no thread (logged)
// Lets the running job end, drops the others by calling them with cancelled = true, joins the thread.
void background_close(struct background *background);

// `cancelled`: the server stops; release what `argument` holds and do nothing else. Thread-safe.
typedef void background_function(void *argument, bool cancelled);
void background_run(struct background *background, background_function *function, void *argument);
// True when background_close() has begun: long jobs look at it and give up. Thread-safe.
bool background_stopping(const struct background *background);

#endif
