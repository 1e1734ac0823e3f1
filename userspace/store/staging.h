// SPDX-License-Identifier: Apache-2.0
//
// What a session stages until it is committed, in the form that its commands need. Not thread-safe. May use:
// base, store/{encoding,gathered}, RocksDB.
#ifndef KVFENCE_STORE_STAGING_H
#define KVFENCE_STORE_STAGING_H

#include "store/encoding.h"
#include "store/gathered.h"

#include <rocksdb/c.h>

enum staging_form {
    STAGING_BATCH,  // RocksDB's batch: for commands that never read what they have staged
    STAGING_LIST,   // a list (store/gathered): single entries can be read, and what was staged last dropped
    STAGING_INDEXED // RocksDB's indexed batch: the same, slower, and it can be iterated through
};

struct staging {
    enum staging_form form;
    rocksdb_writebatch_t *batch; // also what the list becomes
    struct gathered *list;
    rocksdb_writebatch_wi_t *indexed;                // made when it is first needed
    rocksdb_column_family_handle_t *const *families; // borrowed
    size_t list_at_savepoint;
};

void staging_open(struct staging *staging, rocksdb_column_family_handle_t *const *families);
void staging_close(struct staging *staging);

// With nothing staged. To staging_clear(), which goes back to STAGING_BATCH.
void staging_begin(struct staging *staging, enum staging_form form);

// `key` is as RocksDB will have it; the value is the concatenation of at most STAGING_PARTS_MAX parts. All is
// copied.
enum { STAGING_PARTS_MAX = 8 };
void staging_put(struct staging *staging, enum column_family family, struct bytes key,
                 const struct bytes *parts, size_t count);
void staging_delete(struct staging *staging, enum column_family family, struct bytes key);
void staging_delete_range(struct staging *staging, enum column_family family, struct bytes begin,
                          struct bytes end); // in a STAGING_BATCH only
void staging_log_data(struct staging *staging, struct bytes text);

// Not in a STAGING_BATCH: marks what is staged, and drops what was staged since.
void staging_savepoint(struct staging *staging);
void staging_rollback(struct staging *staging);

// Once, when all is staged.
void staging_finish(struct staging *staging);
// After that: the batch as it is written, valid until staging_clear(); and writing it: NULL, or RocksDB's
// error, to be freed.
struct bytes staging_batch(const struct staging *staging);
char *staging_write(struct staging *staging, rocksdb_t *database, const rocksdb_writeoptions_t *options);

// Drops everything, and the memory that big or many changes have taken.
void staging_clear(struct staging *staging);

#endif
