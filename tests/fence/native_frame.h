// SPDX-License-Identifier: Apache-2.0
//
// The kernel's walk of a frame and its scanner, both compiled natively. Uses: the packet walk,
// tests/fence/native_scan.
#ifndef KVFENCE_FENCE_NATIVE_FRAME_H
#define KVFENCE_FENCE_NATIVE_FRAME_H

#include "tests/fence/native_scan.h"

#include <stdbool.h>
#include <stdint.h>

// True: it is a whole TCP segment with payload; sets *port and what the scanner says.
bool native_frame(const void *frame, size_t length, uint16_t *port, struct native_scan *scan);

#endif
