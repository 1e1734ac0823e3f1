// SPDX-License-Identifier: Apache-2.0
//
// Whether a database's keys are laid out as the server wants to read them. Keys of cluster mode have their
// slot in front, so in the other mode none of them would be found. May use: store/encoding.
#ifndef KVFENCE_STORE_LAYOUT_CHECK_H
#define KVFENCE_STORE_LAYOUT_CHECK_H

#include "store/encoding.h"

#include <rocksdb/c.h>

enum layout_verdict {
    LAYOUT_FITS,         // or the database is empty
    LAYOUT_WITH_SLOT,    // it was written in cluster mode, and the layout says otherwise
    LAYOUT_WITHOUT_SLOT, // the reverse
    LAYOUT_UNREADABLE
};

// Looks at the first keys of the layout's namespace. The database itself remembers its mode in this way, and
// so do its backups, and databases of Kvrocks.
enum layout_verdict layout_check(rocksdb_t *database, rocksdb_column_family_handle_t *metadata,
                                 const struct key_layout *layout);

#endif
