// SPDX-License-Identifier: Apache-2.0
//
// The role guard: every write command is inside it, shared; a role change, FLUSHALL and the like hold it
// exclusively, so that no write is in flight across them. A mutex a worker, each on its own cache line:
// shared entry touches nothing that another worker writes. May use: base.
#ifndef KVFENCE_STORE_ROLE_GUARD_H
#define KVFENCE_STORE_ROLE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct role_guard;

struct role_guard *role_guard_open(size_t holders);
void role_guard_close(struct role_guard *guard);

// `holder` is 0 to holders - 1, used by one thread at a time. Both block. Not recursive.
void role_guard_enter(struct role_guard *guard, size_t holder);
void role_guard_leave(struct role_guard *guard, size_t holder);

// True if nobody had taken the guard exclusively for a moment of this call. Not from inside.
bool role_guard_is_free(struct role_guard *guard, size_t holder);

// True if somebody waits for all holders to leave: give up what takes long.
bool role_guard_is_wanted(const struct role_guard *guard);

// Waits for all holders to leave and keeps them out. May be called by any thread that is not inside.
void role_guard_take(struct role_guard *guard);
void role_guard_release(struct role_guard *guard);

#endif
