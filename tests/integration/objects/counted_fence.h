// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// What counted_fence.bpf.c counts in its map fence_calls.
#ifndef KVFENCE_TESTS_INTEGRATION_COUNTED_FENCE_H
#define KVFENCE_TESTS_INTEGRATION_COUNTED_FENCE_H

enum counted_call {
    COUNTED_TC_PULLS,              // headers lay in page fragments
    COUNTED_TC_READS_BEHIND_HEAD,  // of payload in page fragments
    COUNTED_XDP_READS_BEHIND_HEAD, // the same
    COUNTED_CALLS
};

#endif
