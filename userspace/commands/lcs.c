// SPDX-License-Identifier: Apache-2.0
//
// Longest common subsequence. Uses: memory.
#include "commands/lcs.h"

#include "base/memory.h"

#include <stdlib.h>

struct lcs {
    struct bytes a, b;
    uint32_t *table;     // row i, column j: length for the first i bytes of a and the first j of b
    uint32_t a_at, b_at; // where the walk is
};

uint64_t lcs_table_size(size_t a_length, size_t b_length) {
    uint64_t size = 0;
    if (a_length >= UINT32_MAX || b_length >= UINT32_MAX)
        return UINT64_MAX;
    if (__builtin_mul_overflow((uint64_t)a_length + 1, (uint64_t)b_length + 1, &size) ||
        __builtin_mul_overflow(size, sizeof(uint32_t), &size))
        return UINT64_MAX;
    return size;
}

static uint32_t *row(const struct lcs *lcs, size_t i) {
    return lcs->table + i * (lcs->b.length + 1);
}

static void fill_row(struct lcs *lcs, size_t i) {
    const uint32_t *above = row(lcs, i - 1);
    uint32_t *current = row(lcs, i);
    char byte = lcs->a.data[i - 1];
    current[0] = 0;
    for (size_t j = 1; j <= lcs->b.length; j++) {
        if (byte == lcs->b.data[j - 1])
            current[j] = above[j - 1] + 1;
        else
            current[j] = above[j] > current[j - 1] ? above[j] : current[j - 1];
    }
}

struct lcs *lcs_open(struct bytes a, struct bytes b) {
    uint64_t size = lcs_table_size(a.length, b.length);
    uint32_t *table = size == UINT64_MAX ? NULL : memory_try_allocate(size);
    if (table == NULL)
        return NULL;
    struct lcs *lcs = memory_allocate(sizeof(*lcs));
    *lcs = (struct lcs){.a = a, .b = b, .table = table};
    memset(table, 0, (b.length + 1) * sizeof(*table));
    for (size_t i = 1; i <= a.length; i++)
        fill_row(lcs, i);
    lcs_rewind(lcs);
    return lcs;
}

void lcs_close(struct lcs *lcs) {
    if (lcs == NULL)
        return;
    free(lcs->table);
    free(lcs);
}

uint32_t lcs_length(const struct lcs *lcs) {
    return row(lcs, lcs->a.length)[lcs->b.length];
}

void lcs_rewind(struct lcs *lcs) {
    lcs->a_at = (uint32_t)lcs->a.length;
    lcs->b_at = (uint32_t)lcs->b.length;
}

static bool at_match(const struct lcs *lcs) {
    return lcs->a_at > 0 && lcs->b_at > 0 && lcs->a.data[lcs->a_at - 1] == lcs->b.data[lcs->b_at - 1];
}

bool lcs_next_match(struct lcs *lcs, struct lcs_match *match) {
    while (lcs->a_at > 0 && lcs->b_at > 0 && !at_match(lcs)) {
        uint32_t without_a = row(lcs, lcs->a_at - 1)[lcs->b_at];
        uint32_t without_b = row(lcs, lcs->a_at)[lcs->b_at - 1];
        if (without_a > without_b)
            lcs->a_at--;
        else
            lcs->b_at--;
    }
    if (lcs->a_at == 0 || lcs->b_at == 0)
        return false;
    match->a_last = lcs->a_at - 1;
    match->b_last = lcs->b_at - 1;
    while (at_match(lcs)) {
        lcs->a_at--;
        lcs->b_at--;
    }
    match->a_first = lcs->a_at;
    match->b_first = lcs->b_at;
    return true;
}

void lcs_text(struct lcs *lcs, char *out) {
    struct lcs_match match;
    char *end = out + lcs_length(lcs);
    lcs_rewind(lcs);
    while (lcs_next_match(lcs, &match)) {
        size_t length = match.a_last - match.a_first + 1;
        end -= length;
        memcpy(end, lcs->a.data + match.a_first, length);
    }
}
