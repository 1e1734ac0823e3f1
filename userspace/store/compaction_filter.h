// SPDX-License-Identifier: Apache-2.0
//
// Reclaims what readers can no longer see, while RocksDB compacts: dead keys from the metadata family,
// sub-keys whose key is gone, dead for five minutes, or of another version, and everything from the pubsub
// family. Never deletes by writing, so that sequence numbers stay the same on master and replicas. May use:
// base, store/encoding.
#ifndef KVFENCE_STORE_COMPACTION_FILTER_H
#define KVFENCE_STORE_COMPACTION_FILTER_H

#include "store/encoding.h"

#include <rocksdb/c.h>

struct compaction_filters;
struct write_ahead_log; // store/write_ahead_log.h

struct compaction_filters *compaction_filters_open(bool with_slot);
// After the database is closed.
void compaction_filters_close(struct compaction_filters *filters);

// The sub-key filter looks metadata up, so it needs the database: call once after opening it, and with NULLs
// before closing it (blocks until running look-ups have ended). Between, sub-keys are kept. Thread-safe.
void compaction_filters_attach(struct compaction_filters *filters, rocksdb_t *database,
                               rocksdb_column_family_handle_t *metadata_family, struct write_ahead_log *log);

// Keys that have expired are left for so long to somebody who deletes them; INT64_MAX: until they are
// deleted. Thread-safe. 0 to begin with.
void compaction_filters_keep_expired(struct compaction_filters *filters, int64_t for_ms);
// Collections are reclaimed five minutes after their time is over by the clock, or by this moment, if that is
// earlier. A replica's clock must not decide alone: the master may have given a key more time, and the news
// not have come yet. CLOCK_TRUSTED, as in the beginning: no such moment. Thread-safe.
#define CLOCK_TRUSTED INT64_MAX
void compaction_filters_trust_clock(struct compaction_filters *filters, wall_ms_t until);
// The same for a master that may not write since this moment, or an earlier one that was said before: another
// may have taken its place and give keys more time, and this one follow it later. CLOCK_TRUSTED: it may
// write.
void compaction_filters_fence(struct compaction_filters *filters, wall_ms_t since);

// A factory for the family's options, which take ownership of it; NULL where the family needs none.
rocksdb_compactionfilterfactory_t *compaction_filters_factory(struct compaction_filters *filters,
                                                              enum column_family family);

// How many entries were reclaimed since the start. Thread-safe.
uint64_t compaction_filters_dropped(const struct compaction_filters *filters);

#endif
