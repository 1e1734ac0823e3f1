// SPDX-License-Identifier: Apache-2.0
//
// CRC-64 with Jones' polynomial, as it ends Redis' dumps. Thread-safe. May use: base/bytes.
#ifndef KVFENCE_BASE_CRC64_H
#define KVFENCE_BASE_CRC64_H

#include "base/bytes.h"

#include <stdint.h>

// The checksum of what had the checksum `crc` (0 for nothing) with `bytes` behind it.
uint64_t crc64(uint64_t crc, struct bytes bytes);

#endif
