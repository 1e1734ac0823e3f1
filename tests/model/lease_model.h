// SPDX-License-Identifier: Apache-2.0
//
// A tiny model of a node with a lease, to hold the rules against: written from the tables in the README as
// plainly as can be, with signed time and no regard to speed or to what is stored where. It shares with the
// rules only what a heartbeat is and what its outcomes are called.
#ifndef KVFENCE_TESTS_MODEL_LEASE_MODEL_H
#define KVFENCE_TESTS_MODEL_LEASE_MODEL_H

#include "lease/rules.h"

#include <stdbool.h>
#include <stdint.h>

struct lease_model {
    // What a restart keeps.
    uint64_t highest_version;
    bool had_a_lease;
    // What it does not.
    bool is_replica;
    bool is_open;         // no lease is needed
    bool is_over;         // the present lease's end has been counted
    int64_t ends;         // ns; the last one that is allowed
    int64_t newest_since; // ms
    uint64_t renewals, stale, late, expirations;
};

void lease_model_start(struct lease_model *model, bool is_replica, bool cold_start_fences);
void lease_model_become_replica(struct lease_model *model);
void lease_model_become_master(struct lease_model *model, bool cold_start_fences);
void lease_model_cold_start_changes(struct lease_model *model, bool cold_start_fences);
void lease_model_look_at_clock(struct lease_model *model, int64_t now);
enum lease_outcome lease_model_heartbeat(struct lease_model *model, const struct lease_heartbeat *heartbeat,
                                         int64_t now, bool disk_works);
bool lease_model_allows(const struct lease_model *model, int64_t now);

#endif
