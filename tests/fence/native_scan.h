// SPDX-License-Identifier: Apache-2.0
//
// The kernel's scanner, compiled natively, over bytes in memory, with the entries of command_entries.h. Uses:
// the scanner.
#ifndef KVFENCE_FENCE_NATIVE_SCAN_H
#define KVFENCE_FENCE_NATIVE_SCAN_H

#include "bpf/fence_contract.h"

#include <stddef.h>

struct native_scan {
    enum fence_reason reason;
    size_t decided_at; // where in the payload the command begins that made the reason
    struct fence_command_name command;
};

// Both ways in which the programs begin, with the first bytes by themselves and with a whole window; aborts
// if they differ. `length` is more than 0.
struct native_scan native_scan(const void *payload, size_t length);

#endif
