// SPDX-License-Identifier: Apache-2.0
//
// Which start of the host this is. Boot time begins anew with each, so that a reading of it from before looks
// like one from now; with this number added it does not. May use: base/bytes.
#ifndef KVFENCE_BASE_BOOT_NUMBER_H
#define KVFENCE_BASE_BOOT_NUMBER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Numbers have this many bits: as milliseconds, with any uptime added, a double still holds them exactly.
enum { BOOT_NUMBER_BITS = 50 };

// The same for every process until the host is started anew. False with a reason if it cannot be told.
bool boot_number(uint64_t *number, char *error, size_t error_size);

// From the kernel's name of this boot.
uint64_t boot_number_of(struct bytes id);

#endif
