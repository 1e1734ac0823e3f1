// SPDX-License-Identifier: Apache-2.0
//
// Does what the programs do before and after they look at lease and policy. Uses: the packet walk.
#include "tests/fence/native_frame.h"

#include "bpf/fence_packet.h"

#include <stdlib.h>
#include <string.h>

// Puts the IP header at a multiple of four bytes, as the kernel's drivers do: Ethernet's header has 14.
enum { ALIGNMENT_GAP = 2 };

// A copy that ends where its memory does, so that AddressSanitizer sees a read past the end.
static unsigned char *exact_copy(const void *bytes, size_t length) {
    unsigned char *copy = malloc(ALIGNMENT_GAP + length);
    if (copy == NULL)
        abort();
    memcpy(copy + ALIGNMENT_GAP, bytes, length);
    return copy;
}

bool native_frame(const void *frame, size_t length, uint16_t *port, struct native_scan *scan) {
    struct fence_packet packet = {0};
    unsigned char *memory = exact_copy(frame, length);
    unsigned char *copy = memory + ALIGNMENT_GAP;
    bool found = fence_walk_frame(copy, copy + length, &packet) == FENCE_WALK_SEGMENT;
    size_t end = packet.end == 0 ? length : packet.end;
    found = found && end <= length && end > packet.payload;
    if (found) {
        *port = packet.destination_port;
        *scan = native_scan(copy + packet.payload, end - packet.payload);
    }
    free(memory);
    return found;
}
