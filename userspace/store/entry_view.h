// SPDX-License-Identifier: Apache-2.0
//
// Single entries as of one moment, for a reply that goes on after its command. By iterators that stay open:
// compaction reclaims also from under a snapshot what has been deleted, and a snapshot is the session's, who
// has other commands to run. A read takes about twice as long as store_read(). Not thread-safe: the session's
// thread. May use: base, store/session.
#ifndef KVFENCE_STORE_ENTRY_VIEW_H
#define KVFENCE_STORE_ENTRY_VIEW_H

#include "store/session.h"

struct entry_view;

// The moment is that of the session's snapshot, if it has one. Not in a transaction. Opening is a read: once
// the round it falls into is settled, all that the view will ever show is.
struct entry_view *entry_view_open(struct store_session *session);
void entry_view_close(struct entry_view *view);

// As store_read() and store_read_sub_key() in FAMILY_DEFAULT. There is nothing to release: what was read is
// valid until the next read by the same function. Errors are session_error()'s.
enum store_status entry_view_read(struct entry_view *view, struct bytes key, wall_ms_t now,
                                  struct store_value *out);
enum store_status entry_view_read_sub_key(struct entry_view *view, struct bytes key, uint64_t version,
                                          struct bytes sub_key, struct store_value *out);

// Where entries are looked up that a reply shows: in the command as the session reads, then in a view.
struct entry_source {
    struct store_session *session;
    struct entry_view *view; // NULL: as the session reads
};
// What is found is to be released, which for a view's does nothing.
enum store_status entry_source_read(struct entry_source source, struct bytes key, wall_ms_t now,
                                    struct store_value *out);
enum store_status entry_source_read_sub_key(struct entry_source source, struct bytes key, uint64_t version,
                                            struct bytes sub_key, struct store_value *out);

#endif
