// SPDX-License-Identifier: Apache-2.0
//
// Does what the programs do before and after they look at lease and policy. Uses: the packet walk.
#include "tests/fence/native_frame.h"

#include "bpf/fence_packet.h"

#include <stdlib.h>
#include <string.h>

// A copy of exactly its size, so that AddressSanitizer sees a read past the end.
static void *exact_copy(const void *bytes, size_t length) {
    void *copy = malloc(length);
    if (copy == NULL)
        abort();
    return memcpy(copy, bytes, length);
}

bool native_frame(const void *frame, size_t length, uint16_t *port, struct native_scan *scan) {
    struct fence_packet packet = {0};
    unsigned char *copy = exact_copy(frame, length);
    bool found = fence_walk_frame(copy, copy + length, &packet) == FENCE_WALK_SEGMENT;
    size_t end = packet.end == 0 ? length : packet.end;
    found = found && end <= length && end > packet.payload;
    if (found) {
        *port = packet.destination_port;
        *scan = native_scan(copy + packet.payload, end - packet.payload);
    }
    free(copy);
    return found;
}
