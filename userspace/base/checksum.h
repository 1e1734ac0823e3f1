// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli), by the processor's own instruction where it has one. Thread-safe. May use: the C
// library.
#ifndef KVFENCE_BASE_CHECKSUM_H
#define KVFENCE_BASE_CHECKSUM_H

#include "base/bytes.h"

#include <stdint.h>

// The checksum of what `sum` is the checksum of, followed by `bytes`; 0 is that of nothing.
uint32_t checksum_extend(uint32_t sum, struct bytes bytes);
// Without the instruction: for tests, and where there is none.
uint32_t checksum_extend_slowly(uint32_t sum, struct bytes bytes);

#endif
