// SPDX-License-Identifier: Apache-2.0
//
// Changes that are staged one after the other, before they become one batch: of several commands, or of one
// that may change the same entry twice. Unlike a batch it can be asked for a single entry, and can drop what
// was added last; and a hash into which a client puts sixteen fields gets one metadata entry. Not
// thread-safe. May use: base, store/encoding, store/key_hash, RocksDB.
#ifndef KVFENCE_STORE_GATHERED_H
#define KVFENCE_STORE_GATHERED_H

#include "base/bytes.h"
#include "store/encoding.h"

#include <rocksdb/c.h>

struct gathered;

struct gathered *gathered_open(void);
void gathered_close(struct gathered *gathered);

// Add a change at the end; all is copied. `key` is as RocksDB will have it, a value the concatenation of its
// parts. What was found before is not valid any more.
void gathered_put(struct gathered *gathered, enum column_family family, struct bytes key,
                  const struct bytes *parts, size_t count);
void gathered_delete(struct gathered *gathered, enum column_family family, struct bytes key);
// Log data, which says under which name the changes behind it are made.
void gathered_log_data(struct gathered *gathered, struct bytes text);

enum gathered_answer { GATHERED_UNCHANGED, GATHERED_PUT, GATHERED_DELETED };
// What the changes make of an entry. *value is set for GATHERED_PUT, and valid until the next change.
enum gathered_answer gathered_find(const struct gathered *gathered, enum column_family family,
                                   struct bytes key, struct bytes *value);

// How many changes there are, and with this number drops all that were added since.
size_t gathered_count(const struct gathered *gathered);
void gathered_drop_behind(struct gathered *gathered, size_t count);
// Drops all, and gives back what big values or very many have taken.
void gathered_clear(struct gathered *gathered);

// Puts the changes into the batch in their order. A put of metadata that a later change overtakes is left
// out, if both have the same name: under another one it may mean something to who reads the log. So may a
// deletion always, and other entries are all put: the first change of each tells store/zset_ranks whether it
// was there.
void gathered_write(const struct gathered *gathered, rocksdb_column_family_handle_t *const *families,
                    rocksdb_writebatch_t *batch);

#endif
