// SPDX-License-Identifier: Apache-2.0
//
// Holds the kernel's scanner against the server: on any bytes it must find the same first write, at the same
// place, as the server's own parser and table do, and call whole only what is whole to the server. Uses:
// tests/fence.
#include "fuzz.h"

#include "tests/fence/native_scan.h"
#include "tests/fence/oracle.h"

#include <stdlib.h>

static void require(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct native_scan scan = native_scan(data, size);
    struct oracle oracle = oracle_look(data, size);
    require((scan.reason == FENCE_REASON_WRITE) == oracle.is_write);
    require(!oracle.is_write || scan.decided_at == oracle.write_at);
    require((scan.reason == FENCE_REASON_NONE) == oracle.is_whole);
    return 0;
}
