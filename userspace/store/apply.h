// SPDX-License-Identifier: Apache-2.0
//
// The replica's way of writing: the master's batches, as they are and under the master's sequence numbers.
// Beside store_commit() the only way for data into RocksDB, and not subject to the lease: a replica has none.
// May use: base, store/session.
#ifndef KVFENCE_STORE_APPLY_H
#define KVFENCE_STORE_APPLY_H

#include "store/session.h"

enum apply_result {
    APPLIED,           // visible to all; durable when store_settle() says so
    APPLY_DAMAGED,     // the bytes are no batch
    APPLY_OUT_OF_STEP, // the batch does not begin where this database ends
    APPLY_FAILED       // RocksDB or the disk said no
};

// Between session_write_begin() and session_write_end(), so that the role cannot change meanwhile; the caller
// has made sure that this node is a replica. Except for APPLIED the reason is in `error`, and nothing was
// written, unless RocksDB numbered the changes in another way, which is APPLY_OUT_OF_STEP too: then this
// database must not be used to follow the master any more.
enum apply_result store_apply(struct store_session *session, struct bytes batch,
                              char error[STORE_ERROR_SIZE]);

#endif
