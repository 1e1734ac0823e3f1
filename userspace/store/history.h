// SPDX-License-Identifier: Apache-2.0
//
// Whose writes the database holds. Sequence numbers alone do not tell two databases apart: a master that was
// fenced too late and the one that took its place may both have written number 4711. So every node that
// begins to write as a master gives its writes a name, and the database remembers all names with the sequence
// numbers at which they began: its history, which replicas receive like any other data. A name and a sequence
// number then stand for exactly one state of the data, and two nodes find the last one that they share.
//
// The newest name is also stored as Kvrocks stores its replication id. May use: base, store/store.
#ifndef KVFENCE_STORE_HISTORY_H
#define KVFENCE_STORE_HISTORY_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { HISTORY_ID_LENGTH = 16, HISTORY_MAX = 64 };

struct history_entry {
    char id[HISTORY_ID_LENGTH + 1];
    uint64_t first; // the sequence number of its first write
};

// Oldest first. The oldest are forgotten when there are too many.
struct history {
    struct history_entry entries[HISTORY_MAX];
    size_t count;
};

// Reads the database's history; an empty one if it has none. False with the reason in `error`, which the
// caller frees, if it cannot be read. Thread-safe.
bool history_read(const struct store *store, struct history *out, char **error);

// The newest id, or NULL.
const char *history_id(const struct history *history);

// The last sequence number that a database with this history and this latest sequence number has in common
// with one whose newest id and latest sequence number these are. False: nothing is known to be in common.
bool history_common(const struct history *history, uint64_t latest, struct bytes id, uint64_t sequence,
                    uint64_t *common);

// The last sequence number up to which two databases are the same; 0: none.
uint64_t history_last_shared(const struct history *one, uint64_t latest_of_one, const struct history *other,
                             uint64_t latest_of_other);

// As stored, for tests. False if it is nothing of the kind.
void history_print(const struct history *history, char *out, size_t size);
bool history_parse(struct bytes text, struct history *out);

// The store's next commit of a client begins a new id.
void history_begin_with_next_commit(struct store *store);
// Within the log's turn: writes the new id if one is due. NULL, or RocksDB's reason, which the caller frees.
char *history_begin_if_due(struct store *store);

#endif
