// SPDX-License-Identifier: Apache-2.0
//
// Reads what LZF has compressed, as long strings are in Redis' dumps. Thread-safe. May use: base/bytes.
#ifndef KVFENCE_BASE_LZF_H
#define KVFENCE_BASE_LZF_H

#include "base/bytes.h"

// A run of input bytes makes at most so many bytes of output for each.
enum { LZF_EXPANSION_MAX = 132 };

// Writes exactly `length` bytes to `out`. False if the input is damaged or makes more or fewer.
bool lzf_decompress(struct bytes input, char *out, size_t length);

#endif
