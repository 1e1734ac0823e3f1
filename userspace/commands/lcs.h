// SPDX-License-Identifier: Apache-2.0
//
// The longest common subsequence of two strings, by dynamic programming over the table of their prefixes.
// Not thread-safe. May use: base.
#ifndef KVFENCE_COMMANDS_LCS_H
#define KVFENCE_COMMANDS_LCS_H

#include "base/bytes.h"

#include <stdint.h>

// Bytes that the table takes; UINT64_MAX if that cannot be counted or a string is too long.
uint64_t lcs_table_size(size_t a_length, size_t b_length);

struct lcs;
// Borrows both strings. Takes time in proportion to the table. NULL: no memory.
struct lcs *lcs_open(struct bytes a, struct bytes b);
void lcs_close(struct lcs *lcs);

uint32_t lcs_length(const struct lcs *lcs);
void lcs_text(struct lcs *lcs, char *out); // lcs_length() bytes

// A run of bytes that both strings have and that is part of the subsequence: inclusive positions.
struct lcs_match {
    uint32_t a_first, a_last;
    uint32_t b_first, b_last;
};
// Goes through the matches from the strings' ends to their beginnings: false when there are no more.
void lcs_rewind(struct lcs *lcs);
bool lcs_next_match(struct lcs *lcs, struct lcs_match *match);

#endif
