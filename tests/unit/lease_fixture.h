// SPDX-License-Identifier: Apache-2.0
//
// A live lease in a directory of its own, with a clock that the test moves and a mirror that records what
// both halves of the fence would do at the moment it is told. Include after cmocka.h.
#ifndef KVFENCE_TESTS_UNIT_LEASE_FIXTURE_H
#define KVFENCE_TESTS_UNIT_LEASE_FIXTURE_H

#include "lease/lease.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { LEASE_FIXTURE_STEPS = 16, LEASE_FIXTURE_TEXT = 1 << 16 };

// What the mirror was told, and what the server answered at that moment.
struct lease_mirror_step {
    boot_ns_t deadline;
    enum lease_mode mode;
    bool kernel_drops_before, kernel_drops_after; // before and after it was told
    bool server_refuses;
};

struct lease_fixture {
    char directory[128];
    struct lease_config config;
    struct lease *lease; // NULL while it is shut
    _Atomic uint64_t clock_ns;
    boot_ns_t armed; // what the lease asked its timer for last
    int armed_times;
    struct lease_mirror_step steps[LEASE_FIXTURE_STEPS];
    size_t step_count;
    boot_ns_t kernel_deadline;
    enum lease_mode kernel_mode;
    char log[LEASE_FIXTURE_TEXT]; // what lease_fixture_log() read
};

// For cmocka_unit_test_setup_teardown(): *state is a prepared fixture.
int lease_fixture_set_up(void **state);
int lease_fixture_tear_down(void **state);

// A master in mode block-write and cold start allow, at 1000 seconds after boot, whose log goes into its
// directory. Nothing is open yet, so that the test may change `config`.
void lease_fixture_prepare(struct lease_fixture *fixture);
void lease_fixture_open(struct lease_fixture *fixture); // must succeed
void lease_fixture_shut(struct lease_fixture *fixture); // keeps the directory; does nothing if it is shut
void lease_fixture_restart(struct lease_fixture *fixture);
void lease_fixture_close(struct lease_fixture *fixture); // shuts and removes everything

// Opens with a lease of a second under version 5, just granted; or one that ended a second ago, which nobody
// has noticed. Returns the fixture.
struct lease_fixture *lease_fixture_open_held(struct lease_fixture *fixture, enum lease_mode mode);
struct lease_fixture *lease_fixture_open_expired(struct lease_fixture *fixture, enum lease_mode mode);

void lease_fixture_advance_ms(struct lease_fixture *fixture, uint64_t milliseconds);

// A short-form heartbeat that arrives at this moment.
enum lease_outcome lease_fixture_heartbeat(struct lease_fixture *fixture, uint64_t version,
                                           uint64_t lease_ms);

// Attaches the recording mirror and forgets what it recorded about that.
void lease_fixture_attach(struct lease_fixture *fixture);
// The number of steps at which the kernel would have dropped what the server accepted.
size_t lease_fixture_wrong_drops(const struct lease_fixture *fixture);

// Whether a write passes the gate at commit now.
bool lease_fixture_passes(struct lease_fixture *fixture);

// All of today's log; and how often a text occurs in it.
const char *lease_fixture_log(struct lease_fixture *fixture);
size_t lease_fixture_logged(struct lease_fixture *fixture, const char *text);

// What the state file in the directory holds. Fails the test if it cannot be read.
struct lease_record lease_fixture_record(const struct lease_fixture *fixture);

#endif
