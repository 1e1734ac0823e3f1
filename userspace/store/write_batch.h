// SPDX-License-Identifier: Apache-2.0
//
// RocksDB's write batches as bytes, as they stand in its write-ahead log and travel from master to replica:
//
//   sequence number (8, little-endian)  count of changes (4)  then for each record
//   tag (1)  [column family (varint)]  key length (varint)  key  [value length (varint)  value]
//
// May use: base, store/encoding.
#ifndef KVFENCE_STORE_WRITE_BATCH_H
#define KVFENCE_STORE_WRITE_BATCH_H

#include "base/bytes.h"

#include <stdint.h>

enum { WRITE_BATCH_HEADER_SIZE = 12 };

struct write_batch_header {
    uint64_t sequence; // of its first change
    uint32_t count;    // changes, each of which takes one sequence number
};
// False if the bytes are too few for a batch.
bool write_batch_header(struct bytes batch, struct write_batch_header *out);

enum write_batch_kind { WRITE_BATCH_PUT, WRITE_BATCH_DELETE, WRITE_BATCH_DELETE_RANGE, WRITE_BATCH_LOG_DATA };

struct write_batch_record {
    enum write_batch_kind kind;
    uint32_t family;    // its id
    struct bytes key;   // of a range the first key; of log data the data
    struct bytes value; // of a range the end
};

// Walks the records. Start with `*at` = WRITE_BATCH_HEADER_SIZE. False at the end, where *at is the batch's
// length, or at the first record that cannot be read, where it is not.
bool write_batch_next(struct bytes batch, size_t *at, struct write_batch_record *out);

// True if all records can be read, there are as many changes as the header says, and they are all in one of
// the first `families` column families.
bool write_batch_is_sound(struct bytes batch, uint32_t families);

#endif
