// SPDX-License-Identifier: Apache-2.0
//
// Drives the scanner as the BPF programs do. Uses: the scanner, tests/fence/command_entries.
#include "tests/fence/native_scan.h"

#include "bpf/fence_scanner.h"
#include "tests/fence/command_entries.h"

#include <stdlib.h>
#include <string.h>

struct payload {
    const unsigned char *bytes;
    size_t length;
};

static inline bool fence_scan_load(const struct fence_scan *scan, void *packet, int source, __u32 offset,
                                   void *to, __u32 size) {
    const struct payload *payload = packet;
    (void)scan, (void)source;
    if (size == 0 || size > FENCE_WINDOW || offset > payload->length || size > payload->length - offset)
        abort();
    memcpy(to, payload->bytes + offset, size);
    return true;
}

static inline struct fence_command fence_scan_look_up(const struct fence_scan *scan) {
    const struct fence_command *found = command_entry_find(&scan->name.key);
    return found != NULL ? *found : (struct fence_command){.kind = FENCE_COMMAND_UNKNOWN};
}

// `loaded` bytes of the payload come by themselves, as fence_scan_begin() says.
static struct native_scan scan_from(struct payload payload, __u32 loaded) {
    struct fence_scan *scan = malloc(sizeof(*scan));
    if (scan == NULL || payload.length == 0)
        abort();
    memset(scan, 0x2a, sizeof(*scan)); // the window holds what another packet left
    scan->payload_offset = 0;
    memcpy(scan->window.bytes + FENCE_LINE_END, payload.bytes, loaded);
    fence_scan_begin(scan, (__u32)payload.length, loaded);
    for (int i = 0; i < FENCE_STEPS_MAX && scan->finished == 0; i++)
        (void)fence_scan_step(scan, &payload, 0);
    fence_scan_end(scan);
    struct native_scan outcome = {.reason = (enum fence_reason)scan->reason,
                                  .decided_at = fence_scan_decided_at(scan)};
    outcome.command = scan->reason == FENCE_REASON_WRITE ? scan->name.key : scan->doubted;
    free(scan);
    return outcome;
}

// Where a walk is given up depends on how often the window was moved.
static bool same(const struct native_scan *left, const struct native_scan *right) {
    if (left->reason == FENCE_REASON_TOO_LONG && right->reason == FENCE_REASON_TOO_LONG)
        return true;
    return left->reason == right->reason && left->decided_at == right->decided_at &&
           memcmp(&left->command, &right->command, sizeof(left->command)) == 0;
}

struct native_scan native_scan(const void *payload, size_t length) {
    struct payload bytes = {.bytes = payload, .length = length};
    struct native_scan outcome = scan_from(bytes, 0);
    if (length >= FENCE_NEAR) {
        struct native_scan other = scan_from(bytes, FENCE_NEAR);
        if (!same(&outcome, &other))
            abort();
    }
    return outcome;
}
