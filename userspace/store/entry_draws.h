// SPDX-License-Identifier: Apache-2.0
//
// Entries drawn at random from all that begin with a prefix, each as likely as any other, without walking
// over them all.
//
// The keys are taken for a tree: the entries that begin alike and differ in the next byte are the branches of
// a node, and few enough of them are a leaf. A way down from the root meets a leaf with a certain
// probability; the number of its entries over that probability is its *weight*, whose mean over all ways is
// the number of all entries (Knuth, "Estimating the efficiency of backtrack programs"). A leaf that a way has
// met is taken with a probability in proportion to its weight, else another way is gone: so all entries are
// equally likely, however unevenly their names are spread, as long as no weight is greater than the greatest
// that was expected. Each way also teaches how many entries there seem to be on it, and where there seem to
// be more the next ones go more often: so the weights become alike. Before the first draw ways are gone until
// they are alike, and as many entries have been found as there are said to be.
//
// That takes as many seeks as there are branches on a few dozen ways, however many entries there are. Names
// of a shape that does not suit (each the beginning of the next one) are noticed: nothing is drawn then. Not
// thread-safe. May use: base, store/encoding, RocksDB.
#ifndef KVFENCE_STORE_ENTRY_DRAWS_H
#define KVFENCE_STORE_ENTRY_DRAWS_H

#include "base/bytes.h"

#include <rocksdb/c.h>
#include <stdint.h>

// True if the entry may be drawn.
typedef bool entry_counts_function(void *context, struct bytes key, struct bytes value);

// `size`: about how many entries there are. `counts` may be NULL: then all do. The iterator is borrowed and
// moved; the prefix and the context are borrowed too.
struct entry_draws *entry_draws_open(rocksdb_iterator_t *entries, struct bytes prefix, uint64_t size,
                                     entry_counts_function *counts, void *context);
// Moves the iterator to an entry. False if there is none, on an error, or if none can be drawn evenly. What
// was learned about the entries makes the next draw cheaper: they must not change meanwhile.
bool entry_draws_next(struct entry_draws *draws);
// The same if `size` may be far from the truth: less even then. False if no entry that counts was met among
// about so many that do not; the iterator is then where it was given up, or nowhere.
bool entry_draws_any(struct entry_draws *draws, uint64_t not_counted_most);
void entry_draws_close(struct entry_draws *draws); // NULL is fine

#endif
