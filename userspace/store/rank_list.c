// SPDX-License-Identifier: Apache-2.0
//
// Buckets in a skip list: every bucket has a link to the next one, one in four a link to the next of these,
// and so on. Each link knows how many sub-keys it passes over. Uses: base.
#include "store/rank_list.h"

#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>

enum { LEVELS = 12, ONE_IN = 4 };

struct node;

struct link {
    struct node *next; // NULL: none, and the link reaches to the end of the list
    uint64_t span;     // sub-keys from the beginning of this bucket to that of the next one
};

// The links are followed by the sub-key that the bucket begins with.
struct node {
    uint32_t length; // of the sub-key
    uint32_t levels;
    struct link links[];
};

struct rank_list {
    struct node *head; // has all levels, and an empty sub-key
    size_t memory;
    struct random_sequence random;
};

// The last bucket on each level that does not begin behind a sub-key, and how many sub-keys are before it.
struct path {
    struct node *nodes[LEVELS];
    uint64_t before[LEVELS];
};

static struct bytes first_of(const struct node *node) {
    return (struct bytes){(const char *)&node->links[node->levels], node->length};
}

static size_t size_of(uint32_t levels, size_t length) {
    return sizeof(struct node) + levels * sizeof(struct link) + length;
}

static struct node *new_node(struct rank_list *list, uint32_t levels, struct bytes first) {
    size_t size = size_of(levels, first.length);
    struct node *node = memory_allocate_zeroed(1, size);
    node->levels = levels;
    node->length = (uint32_t)first.length;
    if (first.length != 0)
        memcpy(&node->links[levels], first.data, first.length);
    list->memory += size;
    return node;
}

struct rank_list *rank_list_open(void) {
    struct rank_list *list = memory_allocate_zeroed(1, sizeof(*list));
    list->random = random_sequence_begin();
    list->memory = sizeof(*list);
    list->head = new_node(list, LEVELS, (struct bytes){0});
    return list;
}

void rank_list_close(struct rank_list *list) {
    if (list == NULL)
        return;
    struct node *node = list->head;
    while (node != NULL) {
        struct node *next = node->links[0].next;
        free(node);
        node = next;
    }
    free(list);
}

size_t rank_list_memory(const struct rank_list *list) {
    return list->memory;
}

uint64_t rank_list_total(const struct rank_list *list) {
    uint64_t total = 0;
    for (const struct node *node = list->head; node != NULL; node = node->links[LEVELS - 1].next)
        total += node->links[LEVELS - 1].span;
    return total;
}

// --- Finding ---

// To the bucket of the sub-key; or, not `inclusive`, to the one before it if it begins right there.
static struct path path_to(const struct rank_list *list, struct bytes sub_key, bool inclusive) {
    struct path path;
    struct node *node = list->head;
    uint64_t before = 0;
    for (size_t level = LEVELS; level-- != 0;) {
        for (struct node *next = NULL; (next = node->links[level].next) != NULL; node = next) {
            if (bytes_compare(first_of(next), sub_key) >= (inclusive ? 1 : 0))
                break;
            before += node->links[level].span;
        }
        path.nodes[level] = node;
        path.before[level] = before;
    }
    return path;
}

static struct rank_bucket bucket_at(const struct node *node, uint64_t before) {
    const struct node *next = node->links[0].next;
    struct rank_bucket bucket = {.first = first_of(node), .before = before, .count = node->links[0].span};
    bucket.has_end = next != NULL;
    if (bucket.has_end)
        bucket.end = first_of(next);
    return bucket;
}

struct rank_bucket rank_list_bucket_of(const struct rank_list *list, struct bytes sub_key) {
    const struct path path = path_to(list, sub_key, true);
    return bucket_at(path.nodes[0], path.before[0]);
}

struct rank_bucket rank_list_bucket_at(const struct rank_list *list, uint64_t rank) {
    const struct node *node = list->head;
    uint64_t before = 0;
    for (size_t level = LEVELS; level-- != 0;) {
        while (node->links[level].next != NULL && before + node->links[level].span <= rank) {
            before += node->links[level].span;
            node = node->links[level].next;
        }
    }
    return bucket_at(node, before);
}

// --- Changing ---

uint64_t rank_list_add(struct rank_list *list, struct bytes sub_key, uint64_t count) {
    const struct path path = path_to(list, sub_key, true);
    for (size_t level = 0; level < LEVELS; level++)
        path.nodes[level]->links[level].span += count;
    return path.nodes[0]->links[0].span;
}

bool rank_list_take(struct rank_list *list, struct bytes sub_key, uint64_t *left) {
    const struct path path = path_to(list, sub_key, true);
    if (path.nodes[0]->links[0].span == 0)
        return false;
    for (size_t level = 0; level < LEVELS; level++)
        path.nodes[level]->links[level].span--;
    *left = path.nodes[0]->links[0].span;
    return true;
}

static uint32_t draw_levels(struct rank_list *list) {
    uint32_t levels = 1;
    while (levels < LEVELS && random_sequence_below(&list->random, ONE_IN) == 0)
        levels++;
    return levels;
}

void rank_list_cut(struct rank_list *list, struct bytes sub_key, uint64_t behind) {
    const struct path path = path_to(list, sub_key, true);
    if (bytes_equal(first_of(path.nodes[0]), sub_key) || behind > path.nodes[0]->links[0].span)
        return;
    uint64_t rank = path.before[0] + path.nodes[0]->links[0].span - behind; // of the new bucket's first one
    struct node *node = new_node(list, draw_levels(list), sub_key);
    for (size_t level = 0; level < node->levels; level++) {
        struct link *link = &path.nodes[level]->links[level];
        uint64_t passed = rank - path.before[level];
        node->links[level] = (struct link){.next = link->next, .span = link->span - passed};
        *link = (struct link){.next = node, .span = passed};
    }
}

// Its sub-keys belong to the bucket before it from now on.
static void remove_boundary(struct rank_list *list, struct node *node) {
    const struct path path = path_to(list, first_of(node), false);
    for (size_t level = 0; level < node->levels; level++) {
        struct link *link = &path.nodes[level]->links[level];
        link->span += node->links[level].span;
        link->next = node->links[level].next;
    }
    list->memory -= size_of(node->levels, node->length);
    free(node);
}

static bool should_join(uint64_t one, uint64_t other, uint64_t most) {
    return one == 0 || other == 0 || one + other <= most;
}

void rank_list_join(struct rank_list *list, struct bytes sub_key, uint64_t most) {
    struct node *node = path_to(list, sub_key, true).nodes[0];
    struct node *next = node->links[0].next;
    if (next != NULL && should_join(node->links[0].span, next->links[0].span, most))
        remove_boundary(list, next);
    if (node == list->head)
        return;
    const struct node *previous = path_to(list, first_of(node), false).nodes[0];
    if (should_join(previous->links[0].span, node->links[0].span, most))
        remove_boundary(list, node);
}
