// SPDX-License-Identifier: Apache-2.0
//
// The table of packets with what must become of them, for every way to run the fence. Uses: the contract,
// frames.
#ifndef KVFENCE_FENCE_PACKET_FIXTURES_H
#define KVFENCE_FENCE_PACKET_FIXTURES_H

#include "bpf/fence_contract.h"
#include "tests/fence/frame.h"

enum fixture_lease { LEASE_EXPIRED, LEASE_VALID, LEASE_NONE };

// What the packet does to the port's counters, and so its verdict.
enum fixture_outcome {
    PASSED,         // nothing is counted
    PASSED_READ,    // inspected
    PASSED_UNKNOWN, // inspected, unparsed
    DROPPED,        // inspected, dropped (and undecided, if the reason is not FENCE_REASON_WRITE)
    WOULD_DROP,     // inspected, would_drop (and undecided, as above)
};

struct packet_fixture {
    const char *description;
    const char *payload;
    size_t length;
    enum fixture_outcome outcome;
    enum fence_reason reason; // for PASSED_UNKNOWN, DROPPED and WOULD_DROP
    enum fixture_lease lease;
    enum fence_policy policy;
    enum fence_mode mode; // DISABLED stands for BLOCK_WRITE unless `disabled`
    bool disabled;
    bool foreign_abi;
    struct frame_shape shape;
};

const struct packet_fixture *packet_fixtures(size_t *count);

enum fence_mode packet_fixture_mode(const struct packet_fixture *fixture);
// The counters after one packet, all zero but those of the outcome.
struct fence_stats packet_fixture_stats(const struct packet_fixture *fixture);

#endif
