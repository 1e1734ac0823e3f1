// SPDX-License-Identifier: Apache-2.0
//
// Which keys of some slots have been changed, while they are being copied: every batch that a client's write
// puts into the store is looked through. It keeps names, not values: what a key holds is read when it is
// sent. Thread-safe. May use: base, store, server/hash_map.
#ifndef KVFENCE_CLUSTER_SLOT_JOURNAL_H
#define KVFENCE_CLUSTER_SLOT_JOURNAL_H

#include "cluster/topology.h"
#include "server/hash_map.h"
#include "store/store.h"

struct changed_element {
    UT_hash_handle handle;
    size_t length;
    char name[]; // the sub-key
};

struct changed_key {
    UT_hash_handle handle;
    struct changed_element *elements; // a map; NULL: its metadata alone
    size_t length;
    char name[]; // the user's key
};

struct slot_changes {
    struct changed_key *keys; // a map
    size_t count;             // keys and elements
    size_t memory;            // that they take, about
    bool is_unknown; // keys were deleted all at once, a batch was not understood, or there were too many
};

struct slot_journal;
// `most`: of memory, for what has not been taken out; beyond it, it notes nothing any more.
struct slot_journal *slot_journal_open(struct slot_range slots, size_t most);
void slot_journal_close(struct slot_journal *journal);

store_observer_function slot_journal_observe; // its context is the journal

// Takes out what it has, so that it begins anew. To be released.
void slot_journal_take(struct slot_journal *journal, struct slot_changes *changes);
void slot_changes_release(struct slot_changes *changes);
size_t slot_journal_count(struct slot_journal *journal);
bool slot_journal_is_overfull(struct slot_journal *journal); // once so, always so

#endif
