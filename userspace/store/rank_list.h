// SPDX-License-Identifier: Apache-2.0
//
// How many sub-keys lie where: an ordered list of buckets, each known by where it begins and how many
// sub-keys are in it. Finding the bucket of a sub-key or of a rank, counting up or down, cutting a bucket in
// two and putting two together take time that grows with the logarithm of the number of buckets. The sub-keys
// themselves are not in it: whoever wants to know more walks over the one bucket.
//
// There is always a first bucket, which begins before all sub-keys. Not thread-safe. May use: base.
#ifndef KVFENCE_STORE_RANK_LIST_H
#define KVFENCE_STORE_RANK_LIST_H

#include "base/bytes.h"

#include <stdint.h>

struct rank_list;

struct rank_list *rank_list_open(void);
void rank_list_close(struct rank_list *list); // NULL is fine
size_t rank_list_memory(const struct rank_list *list);
uint64_t rank_list_total(const struct rank_list *list);

// Valid until the list is changed.
struct rank_bucket {
    struct bytes first; // the first sub-key that belongs to it, whether it is there or not
    struct bytes end;   // the first one behind it
    bool has_end;       // false: it is the last bucket
    uint64_t before;    // sub-keys in the buckets before it
    uint64_t count;
};
// The one that the sub-key belongs to.
struct rank_bucket rank_list_bucket_of(const struct rank_list *list, struct bytes sub_key);
// The one with the sub-key of this rank, which is less than the total.
struct rank_bucket rank_list_bucket_at(const struct rank_list *list, uint64_t rank);

// So many sub-keys have come to the bucket of this one. Returns how many it has now.
uint64_t rank_list_add(struct rank_list *list, struct bytes sub_key, uint64_t count);
// One has gone, and so many are left in its bucket. False: there was none, so the count was wrong.
bool rank_list_take(struct rank_list *list, struct bytes sub_key, uint64_t *left);
// The bucket of this sub-key ends before it. It and all behind it, so many, are a new bucket. Does nothing if
// a bucket begins there already.
void rank_list_cut(struct rank_list *list, struct bytes sub_key, uint64_t behind);
// Puts the bucket of this sub-key together with a neighbour if it is empty, or if both together have no more
// than so many.
void rank_list_join(struct rank_list *list, struct bytes sub_key, uint64_t most);

#endif
