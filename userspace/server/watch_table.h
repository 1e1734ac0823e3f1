// SPDX-License-Identifier: Apache-2.0
//
// Which keys are watched by which transactions. A commit marks the watchers of its keys while it still holds
// their locks, and EXEC holds the locks of what it watches, so no change slips between. May use: base,
// server/transaction.
#ifndef KVFENCE_SERVER_WATCH_TABLE_H
#define KVFENCE_SERVER_WATCH_TABLE_H

#include "server/transaction.h"

struct watch_table;

struct watch_table *watch_table_open(void);
void watch_table_close(struct watch_table *table); // nobody watches any more

// Watches a key; twice is once. `existed` says whether the key lived then: one that has expired since makes
// EXEC fail, as in Redis. Call it with the key locked (or with the role guard held exclusively), and look
// whether the key lives under the same lock: then every commit either was seen or finds the watch. Without
// memory for it the transaction is dirty at once. Thread-safe.
void watch_add(struct watch_table *table, struct transaction *transaction, struct bytes key, bool existed);
// Ends all watches of the transaction and forgets that it is dirty. Thread-safe.
void watch_remove_all(struct watch_table *table, struct transaction *transaction);

// True if anybody watches anything: the fast path. Thread-safe.
bool watch_table_in_use(const struct watch_table *table);
// Marks the watchers of these keys dirty. Thread-safe.
void watch_touch(struct watch_table *table, const struct bytes *keys, size_t count);
// FLUSHALL: marks the watchers of all keys that lived when they were watched. To the others it changes
// nothing. Thread-safe.
void watch_touch_all(struct watch_table *table);

// Calls `each` for the transaction's watched keys.
void watch_each(const struct transaction *transaction,
                void (*each)(void *context, struct bytes key, bool existed), void *context);

#endif
