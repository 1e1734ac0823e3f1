// SPDX-License-Identifier: Apache-2.0
//
// Where an iterator over a sorted set's order begins when it comes from one of the set's ends: at what is
// known of them (store/zset_ends.h), and what it meets there is learned. Not thread-safe: a session's thread.
// May use: base, store/{session_internal,zset_ends}.
#ifndef KVFENCE_STORE_END_SEEKS_H
#define KVFENCE_STORE_END_SEEKS_H

#include "store/session_internal.h"

// A moment, taken before the iterator is opened.
struct end_seeks_moment {
    uint64_t generation; // of the known ends
    uint64_t sequence;
};
struct end_seeks_moment end_seeks_moment(const struct store *store);

struct end_seeks;

// All keys of the set lie from `begin` to before `end`, which the iterator keeps. `is_locked`: the key's lock
// is held.
struct end_seeks *end_seeks_open(struct store_session *session, struct bytes key, const struct buffer *begin,
                                 const struct buffer *end, struct end_seeks_moment moment, bool is_locked);
void end_seeks_close(struct end_seeks *ends); // NULL is fine

// Where to seek for a sub-key, forwards (empty is the first one) and backwards; and for the last one, false:
// from behind all. Valid until the next call.
struct bytes end_seeks_from(struct end_seeks *ends, struct bytes sub_key);
struct bytes end_seeks_back_from(struct end_seeks *ends, struct bytes sub_key);
bool end_seeks_from_last(struct end_seeks *ends, struct bytes *sub_key);
// What was met first after that.
void end_seeks_met(struct end_seeks *ends, struct bytes sub_key);

#endif
