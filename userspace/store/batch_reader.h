// SPDX-License-Identifier: Apache-2.0
//
// Walking the changes in a write batch as RocksDB represents it in memory, in its log, and on the way to a
// replica. May use: base, store/encoding.
//
//   sequence(8) count(4), then records: tag(1) [column family, varint] [key] [value], each behind its length
#ifndef KVFENCE_STORE_BATCH_READER_H
#define KVFENCE_STORE_BATCH_READER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum batch_change { BATCH_PUT, BATCH_DELETE, BATCH_DELETE_RANGE };

struct batch_record {
    enum batch_change change;
    uint32_t family;    // enum column_family, or one that is not known here
    struct bytes key;   // of a range: where it begins
    struct bytes value; // of a range: where it ends; of a deletion: empty
};

struct batch_reader {
    struct bytes rest;
    bool is_damaged;
};

// The batch must outlive the reader.
void batch_reader_begin(struct batch_reader *reader, struct bytes batch);
// The next change; log data and the like are left out. False at the end, or when the batch cannot be
// understood, which is_damaged tells.
bool batch_reader_next(struct batch_reader *reader, struct batch_record *record);

#endif
