// SPDX-License-Identifier: Apache-2.0
//
// Drawing entries from the tree of their keys. Uses: base/{buffer,memory,random}, store/encoding.
#include "store/entry_draws.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "store/encoding.h"

#include <stdlib.h>
#include <string.h>

enum {
    // So few entries are expected where a walk over them is tried, and so many end it.
    LEAF_EXPECTED = 128,
    LEAF_MOST = 512,
    // What is remembered about the entries; beyond it all is found out again.
    NODES_MOST = 16384,
    // Ways are gone before the first draw, in rounds, until a round's ways have weights that are alike: their
    // mean
    // is not less than half of what all entries weigh, and none weighs more than so many times as much.
    ROUND = 16,
    ALIKE = 4,
    ROUNDS_MOST = 64,
    ROUNDS_MOST_FOR_ANY = 4,
    // The ways that are gone for one draw.
    TRIES_MOST = 1 << 14,
    BRANCHES_MOST = 257
};

struct node {
    struct node *made_before;
    struct node *parent;
    struct buffer prefix; // of all its entries
    bool is_known;
    uint64_t count;         // of a leaf
    struct node **branches; // of any other, each made when it is first gone into
    // The byte by which each branch goes on; NO_BYTE: the entry whose key is the prefix itself.
    short *bytes;
    size_t branch_count;
    size_t told_branches;    // those that ways have gone through
    double told_by_branches; // how many entries they seem to have
    double expected;         // how many it was expected to have before
    double size;             // how many it seems to have
    bool is_told;            // the parent has been told
    double told_size;
};

enum { NO_BYTE = -1 };

struct entry_draws {
    rocksdb_iterator_t *entries;
    struct bytes prefix;
    uint64_t size;
    entry_counts_function *counts;
    void *context;
    uint64_t not_counted; // entries that were looked at in vain
    uint64_t not_counted_most;
    struct node *root;
    struct node *made_last;
    size_t nodes;
    struct random_sequence random;
    bool is_surveyed;
    double greatest; // the weight with which a leaf is always taken
    struct buffer target;
};

// --- Nodes ---

static struct node *make_node(struct entry_draws *draws, struct node *parent, struct bytes prefix) {
    struct node *node = memory_allocate_zeroed(1, sizeof(*node));
    node->parent = parent;
    buffer_append(&node->prefix, prefix);
    node->made_before = draws->made_last;
    draws->made_last = node;
    draws->nodes++;
    return node;
}

static void forget_nodes(struct entry_draws *draws) {
    for (struct node *node = draws->made_last; node != NULL;) {
        struct node *before = node->made_before;
        buffer_release(&node->prefix);
        free(node->branches);
        free(node->bytes);
        free(node);
        node = before;
    }
    draws->root = draws->made_last = NULL;
    draws->nodes = 0;
}

// --- Looking at entries ---

static bool begins_with(struct bytes key, struct bytes prefix) {
    return key.length >= prefix.length &&
           (prefix.length == 0 || memcmp(key.data, prefix.data, prefix.length) == 0);
}

// False if the entry under the iterator does not begin with the prefix.
static bool key_within(const struct entry_draws *draws, struct bytes prefix, struct bytes *key) {
    if (!rocksdb_iter_valid(draws->entries))
        return false;
    key->data = rocksdb_iter_key(draws->entries, &key->length);
    return begins_with(*key, prefix);
}

static bool is_counted(struct entry_draws *draws, struct bytes key) {
    if (draws->counts == NULL)
        return true;
    struct bytes value;
    value.data = rocksdb_iter_value(draws->entries, &value.length);
    bool counts = draws->counts(draws->context, key, value);
    draws->not_counted += !counts;
    return counts;
}

static bool may_look_on(const struct entry_draws *draws) {
    return draws->not_counted <= draws->not_counted_most;
}

static void seek(struct entry_draws *draws, struct bytes key) {
    rocksdb_iter_seek(draws->entries, key.data, key.length);
}

// To the last entry with the prefix, if there is any: the last one before what follows all of them.
static void seek_last(struct entry_draws *draws, struct bytes prefix) {
    struct buffer *behind = &draws->target;
    buffer_clear(behind);
    encode_prefix_end(behind, prefix);
    if (behind->length == 0) {
        rocksdb_iter_seek_to_last(draws->entries);
        return;
    }
    rocksdb_iter_seek_for_prev(draws->entries, behind->data, behind->length);
    struct bytes key;
    if (key_within(draws, buffer_bytes(behind), &key) && key.length == behind->length)
        rocksdb_iter_prev(draws->entries);
}

// Goes over the entries of a node until so many that count have been passed. False: there are no more, or too
// many.
static bool pass(struct entry_draws *draws, struct bytes prefix, uint64_t most, uint64_t *passed) {
    struct bytes key;
    *passed = 0;
    seek(draws, prefix);
    for (size_t steps = 0; steps < LEAF_MOST && key_within(draws, prefix, &key); steps++) {
        if (is_counted(draws, key) && (*passed)++ == most)
            return true;
        rocksdb_iter_next(draws->entries);
    }
    return false;
}

// --- Getting to know nodes ---

// True if it is a leaf, whose entries are counted then.
static bool is_leaf(struct entry_draws *draws, struct node *node) {
    struct bytes key;
    bool ended = !pass(draws, buffer_bytes(&node->prefix), UINT64_MAX, &node->count) &&
                 !key_within(draws, buffer_bytes(&node->prefix), &key);
    return ended;
}

// Makes the prefix as long as all entries allow. False if there is at most one of them.
static bool lengthen_prefix(struct entry_draws *draws, struct node *node) {
    struct bytes key;
    struct buffer last = {0};
    size_t common = node->prefix.length;
    seek_last(draws, buffer_bytes(&node->prefix));
    if (key_within(draws, buffer_bytes(&node->prefix), &key))
        buffer_append(&last, key);
    seek(draws, buffer_bytes(&node->prefix));
    bool found = last.length != 0 && key_within(draws, buffer_bytes(&node->prefix), &key);
    while (found && common < key.length && common < last.length && key.data[common] == last.data[common])
        common++;
    bool several = found && !bytes_equal(key, buffer_bytes(&last));
    if (several)
        buffer_append(&node->prefix,
                      (struct bytes){key.data + node->prefix.length, common - node->prefix.length});
    else
        node->count = found && is_counted(draws, key);
    buffer_release(&last);
    return several;
}

// From an entry of a branch to the first one behind the branch.
static void seek_behind(struct entry_draws *draws, const struct node *node, unsigned char byte) {
    char next = (char)(byte + 1);
    buffer_clear(&draws->target);
    buffer_append(&draws->target, buffer_bytes(&node->prefix));
    buffer_append(&draws->target, (struct bytes){&next, 1});
    seek(draws, buffer_bytes(&draws->target));
}

// The iterator is on the first entry with the node's prefix.
static void find_branches(struct entry_draws *draws, struct node *node) {
    short bytes[BRANCHES_MOST];
    struct bytes prefix = buffer_bytes(&node->prefix);
    struct bytes key;
    size_t count = 0;
    if (key_within(draws, prefix, &key) && key.length == prefix.length) {
        bytes[count++] = NO_BYTE;
        rocksdb_iter_next(draws->entries);
    }
    while (key_within(draws, prefix, &key)) {
        unsigned char byte = (unsigned char)key.data[prefix.length];
        bytes[count++] = byte;
        if (byte == 0xff)
            break;
        seek_behind(draws, node, byte);
    }
    node->branch_count = count;
    node->bytes = memory_copy(bytes, count * sizeof(bytes[0]));
    node->branches = memory_allocate_zeroed(count, sizeof(struct node *));
}

// `expected`: about how many entries it has.
static void get_to_know(struct entry_draws *draws, struct node *node, double expected) {
    node->is_known = true;
    node->expected = expected;
    node->size = expected;
    if (expected <= LEAF_EXPECTED && is_leaf(draws, node))
        return;
    node->count = 0;
    if (lengthen_prefix(draws, node))
        find_branches(draws, node);
}

static struct node *make_branch(struct entry_draws *draws, struct node *node, short byte) {
    struct node *branch = make_node(draws, node, buffer_bytes(&node->prefix));
    char next = (char)byte;
    struct bytes key;
    if (byte != NO_BYTE) {
        buffer_append(&branch->prefix, (struct bytes){&next, 1});
        return branch;
    }
    branch->is_known = true;
    seek(draws, buffer_bytes(&branch->prefix));
    branch->count = key_within(draws, buffer_bytes(&branch->prefix), &key) && is_counted(draws, key);
    return branch;
}

// --- Going down ---

// How great a branch seems to be that no way has gone through yet: as great as was expected, or as the
// others.
static double untold_size(const struct node *node) {
    double expected = node->expected / (double)node->branch_count;
    double others = node->told_branches == 0 ? 0 : node->told_by_branches / (double)node->told_branches;
    return expected > others ? expected : others;
}

// The greater a branch seems to be, the likelier it is chosen. But any may be greater than it seems.
static double probability_of(const struct node *node, size_t index) {
    const double trust = 7.0 / 8;
    const struct node *branch = node->branches[index];
    double even = 1 / (double)node->branch_count;
    double size = branch != NULL && branch->is_told ? branch->told_size : untold_size(node);
    return trust * (node->size > 0 ? size / node->size : even) + (1 - trust) * even;
}

static struct node *choose_branch(struct entry_draws *draws, struct node *node, double *probability) {
    double left = random_sequence_fraction(&draws->random);
    size_t chosen = 0;
    *probability = probability_of(node, 0);
    while (left >= *probability && chosen + 1 < node->branch_count) {
        left -= *probability;
        *probability = probability_of(node, ++chosen);
    }
    if (node->branches[chosen] == NULL)
        node->branches[chosen] = make_branch(draws, node, node->bytes[chosen]);
    return node->branches[chosen];
}

// What a way has found at its end changes how great all nodes on it seem to be.
static void tell_parents(struct node *leaf) {
    leaf->size = (double)leaf->count;
    for (struct node *node = leaf; node->parent != NULL; node = node->parent) {
        struct node *parent = node->parent;
        parent->told_branches += !node->is_told;
        parent->told_by_branches += node->size - node->told_size;
        node->is_told = true;
        node->told_size = node->size;
        double untold = (double)(parent->branch_count - parent->told_branches);
        parent->size = parent->told_by_branches + untold * untold_size(parent);
    }
}

// From the root to some leaf, whose weight is its number of entries over the probability of the way.
static struct node *go_down(struct entry_draws *draws, double *weight) {
    double probability_of_way = 1;
    if (draws->root == NULL)
        draws->root = make_node(draws, NULL, draws->prefix);
    struct node *node = draws->root;
    for (;;) {
        double probability = 1;
        if (!node->is_known)
            get_to_know(draws, node, (double)draws->size * probability_of_way);
        if (node->branch_count == 0)
            break;
        node = choose_branch(draws, node, &probability);
        probability_of_way *= probability;
    }
    tell_parents(node);
    *weight = (double)node->count / probability_of_way;
    return node;
}

// --- Drawing ---

// To an entry of a leaf.
static bool take_from(struct entry_draws *draws, const struct node *leaf) {
    uint64_t passed = 0;
    return pass(draws, buffer_bytes(&leaf->prefix), random_sequence_below(&draws->random, leaf->count),
                &passed);
}

// Goes ways until weights are known. False if after so many rounds they still tell that much is not known.
static bool survey(struct entry_draws *draws, int rounds) {
    const double margin = 1.5; // greater ones than those that were met are to be expected
    double all = (double)draws->size;
    for (; rounds > 0; rounds--) {
        double greatest = 0;
        double sum = 0;
        for (int ways = 0; ways < ROUND && may_look_on(draws); ways++) {
            double weight = 0;
            (void)go_down(draws, &weight);
            greatest = weight > greatest ? weight : greatest;
            sum += weight;
        }
        draws->greatest = greatest * margin;
        if (sum >= all * ROUND / 2 && greatest <= all * ALIKE)
            return true;
    }
    return false;
}

static bool draw(struct entry_draws *draws) {
    if (draws->nodes > NODES_MOST)
        forget_nodes(draws);
    for (int ways = 0; ways < TRIES_MOST && may_look_on(draws); ways++) {
        double weight = 0;
        const struct node *leaf = go_down(draws, &weight);
        if (weight > draws->greatest)
            draws->greatest = weight * 2; // and nothing is taken by the wrong measure
        else if (weight > 0 && random_sequence_fraction(&draws->random) < weight / draws->greatest)
            return take_from(draws, leaf);
    }
    return false;
}

bool entry_draws_next(struct entry_draws *draws) {
    if (!draws->is_surveyed && !survey(draws, ROUNDS_MOST))
        return false;
    draws->is_surveyed = true;
    return draw(draws);
}

bool entry_draws_any(struct entry_draws *draws, uint64_t not_counted_most) {
    draws->not_counted_most = not_counted_most;
    if (!draws->is_surveyed)
        (void)survey(draws, ROUNDS_MOST_FOR_ANY);
    draws->is_surveyed = true;
    return draw(draws);
}

// --- Opening and closing ---

struct entry_draws *entry_draws_open(rocksdb_iterator_t *entries, struct bytes prefix, uint64_t size,
                                     entry_counts_function *counts, void *context) {
    struct entry_draws *draws = memory_allocate_zeroed(1, sizeof(*draws));
    draws->entries = entries;
    draws->prefix = prefix;
    draws->size = size;
    draws->random = random_sequence_begin();
    draws->counts = counts;
    draws->not_counted_most = UINT64_MAX;
    draws->context = context;
    return draws;
}

void entry_draws_close(struct entry_draws *draws) {
    if (draws == NULL)
        return;
    forget_nodes(draws);
    buffer_release(&draws->target);
    free(draws);
}
