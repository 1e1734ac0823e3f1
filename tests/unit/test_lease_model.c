// SPDX-License-Identifier: Apache-2.0
//
// A million random histories of a node, two controllers that both believe in their election, and a network
// that delays, doubles and loses heartbeats. After each event the rules must agree with the model, and the
// two promises must hold that the lease is for:
//
//   versions      the highest version never goes back, over restarts and crashes at any moment
//   no overstay   a write passes only while there has been no lease ever, or before the end of a grant that
//   was
//                 made under the highest version, to this process in this role; the end as its *sender* knows
//                 it
//
// From the second follows what failover needs: once a newer controller's heartbeat was accepted, no write
// passes after every grant that this controller knows of has ended. KVFENCE_SEED repeats a run,
// KVFENCE_HISTORY=n its history n alone.
#include "../model/lease_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HISTORIES = 1000000, EVENTS_MOST = 60, ON_THE_WAY = 3, CONTROLLERS = 2 };
#define MS UINT64_C(1000000)

// A heartbeat between its sending and its processing. It stays here after that, and may come again.
struct message {
    bool sent;
    struct lease_heartbeat heartbeat;
    uint64_t
        known_end;    // of its grant, as its sender can tell; 0: the sender cannot, it depends on the arrival
    uint64_t reached; // when its bytes reached the host; 0: not yet
};

struct controller {
    uint64_t version;
    uint64_t reading_ms;  // of the node's clock, in its newest reply
    uint64_t received_ns; // when that reply came; 0: none
};

struct world {
    uint64_t random;
    uint64_t now; // true time, and the node's clock
    bool cold_start_fences;
    struct lease_state state; // the node's
    struct lease_record disk; // what its data directory holds
    struct lease_model model;
    struct controller controllers[CONTROLLERS];
    struct message messages[ON_THE_WAY];
    uint64_t granted_until;   // the latest end, known to its sender, of a grant that still counts
    uint64_t highest_renewed; // version
};

static uint64_t run_seed;
static uint64_t passes, refusals, outcomes_seen[LEASE_OUTCOMES]; // that the histories are not all the same

static uint64_t random_below(struct world *world, uint64_t bound) {
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (world->random >> 11) % bound;
}

static bool chance(struct world *world, uint64_t one_in) {
    return random_below(world, one_in) == 0;
}

static enum lease_cold_start cold_start_of(const struct world *world) {
    return world->cold_start_fences ? LEASE_COLD_START_FENCE : LEASE_COLD_START_ALLOW;
}

// --- What happens ---

static void restart(struct world *world) {
    bool is_replica = chance(world, 12);
    world->state = lease_start(world->disk, is_replica, cold_start_of(world), (boot_ns_t){world->now});
    lease_model_start(&world->model, is_replica, world->cold_start_fences);
    world->granted_until = 0;
}

// Connections end with the host: what was on its way, or was read from an older clock, is gone.
static void reboot(struct world *world) {
    for (size_t i = 0; i < ON_THE_WAY; i++)
        world->messages[i].sent = false;
    for (size_t i = 0; i < CONTROLLERS; i++)
        world->controllers[i].received_ns = 0;
    world->now = 2 + random_below(world, 3 * MS);
    restart(world);
}

static void change_role(struct world *world) {
    (void)lease_note_expiry(&world->state, (boot_ns_t){world->now});
    lease_model_look_at_clock(&world->model, (int64_t)world->now);
    if (!world->state.is_replica || chance(world, 8)) {
        world->granted_until = 0;
        lease_turn_replica(&world->state);
        lease_model_become_replica(&world->model);
    } else {
        lease_turn_master(&world->state, cold_start_of(world), (boot_ns_t){world->now});
        lease_model_become_master(&world->model, world->cold_start_fences);
    }
}

static void change_cold_start(struct world *world) {
    world->cold_start_fences = !world->cold_start_fences;
    lease_apply_cold_start(&world->state, cold_start_of(world), (boot_ns_t){world->now});
    lease_model_cold_start_changes(&world->model, world->cold_start_fences);
}

static void win_election(struct world *world) {
    uint64_t highest = world->controllers[0].version > world->controllers[1].version
                           ? world->controllers[0].version
                           : world->controllers[1].version;
    world->controllers[random_below(world, CONTROLLERS)].version = highest + 1 + random_below(world, 2);
}

static void hear_from_node(struct world *world) {
    struct controller *controller = &world->controllers[random_below(world, CONTROLLERS)];
    controller->reading_ms = world->now / MS;
    controller->received_ns = world->now + random_below(world, 5 * MS);
}

static uint64_t random_lease(struct world *world) {
    static const uint64_t leases[] = {
        1, 10, 40, 80, 160, 320, 0, 24 * 3600 * 1000, 24 * 3600 * 1000 + 1, UINT64_MAX};
    return leases[random_below(world, chance(world, 8) ? 10 : 6)];
}

static void send_heartbeat(struct world *world) {
    const struct controller *controller = &world->controllers[random_below(world, CONTROLLERS)];
    struct message *message = &world->messages[random_below(world, ON_THE_WAY)];
    struct lease_heartbeat *heartbeat = &message->heartbeat;
    *message = (struct message){.sent = true};
    heartbeat->form = chance(world, 3) ? LEASE_FORM_SHORT : LEASE_FORM_NODE;
    heartbeat->cluster_enabled = !chance(world, 30);
    heartbeat->for_this_node = !chance(world, 12);
    heartbeat->lease_ms = random_lease(world);
    heartbeat->version = controller->version;
    bool has_reading = controller->received_ns != 0 && controller->received_ns <= world->now;
    if (has_reading && chance(world, 2)) {
        heartbeat->has_since = true;
        heartbeat->since_ms = controller->reading_ms;
        message->known_end = controller->received_ns + heartbeat->lease_ms * MS;
    } else if (chance(world, 12)) { // mistaken: no history lasts until then
        heartbeat->has_since = true;
        heartbeat->since_ms = world->now / MS + 60000 + random_below(world, 1000);
    }
}

static void reach_host(struct world *world) {
    struct message *message = &world->messages[random_below(world, ON_THE_WAY)];
    if (message->sent)
        message->reached = world->now;
}

static struct lease_decision decide(const struct world *world, const struct lease_heartbeat *heartbeat) {
    return lease_decide(&world->state, heartbeat, (boot_ns_t){world->now});
}

// As the live object does it. False: the process died between recording and granting.
static bool process_by_rules(struct world *world, const struct lease_heartbeat *heartbeat, bool disk_works,
                             bool dies, enum lease_outcome *outcome) {
    struct lease_decision decision = decide(world, heartbeat);
    if (decision.must_record) {
        if (!disk_works) {
            *outcome = LEASE_NOT_DURABLE;
            return true;
        }
        world->disk = decision.record;
        if (dies)
            return false;
        lease_recorded(&world->state, decision.record);
        decision = decide(world, heartbeat);
        assert_false(decision.must_record);
    }
    world->state = decision.next;
    *outcome = decision.outcome;
    return true;
}

static void note_grant(struct world *world, const struct message *message) {
    uint64_t end = message->heartbeat.has_since ? message->known_end
                                                : message->reached + message->heartbeat.lease_ms * MS;
    if (message->heartbeat.version > world->highest_renewed)
        world->granted_until = 0; // grants of older versions count no more
    world->highest_renewed = message->heartbeat.version;
    if (end > world->granted_until)
        world->granted_until = end;
}

static void process_heartbeat(struct world *world) {
    struct message *message = &world->messages[random_below(world, ON_THE_WAY)];
    if (!message->sent || message->reached == 0)
        return;
    struct lease_heartbeat heartbeat = message->heartbeat;
    uint64_t doubt = chance(world, 2) ? 0 : random_below(world, 5 * MS);
    heartbeat.arrived.value = message->reached > doubt ? message->reached - doubt : 0;
    bool disk_works = !chance(world, 10);
    enum lease_outcome by_rules = LEASE_OUTCOMES;
    enum lease_outcome by_model =
        lease_model_heartbeat(&world->model, &heartbeat, (int64_t)world->now, disk_works);
    if (!process_by_rules(world, &heartbeat, disk_works, chance(world, 10), &by_rules)) {
        restart(world);
        return;
    }
    assert_int_equal(by_rules, by_model);
    outcomes_seen[by_rules]++;
    if (by_rules != LEASE_RENEWED && by_rules != LEASE_LATE)
        return;
    assert_true(heartbeat.version >= world->highest_renewed);
    note_grant(world, message);
}

static void notice_expiry(struct world *world) {
    (void)lease_note_expiry(&world->state, (boot_ns_t){world->now});
    lease_model_look_at_clock(&world->model, (int64_t)world->now);
}

// --- What must hold ---

static void assert_agreement(const struct world *world) {
    const struct lease_counters *counters = &world->state.counters;
    const struct lease_model *model = &world->model;
    assert_true(world->state.highest_version == model->highest_version);
    assert_true(world->disk.highest_version == model->highest_version);
    assert_true(world->state.ever_held == model->had_a_lease && world->disk.ever_held == model->had_a_lease);
    assert_true(world->state.is_replica == model->is_replica);
    assert_true(counters->renewals == model->renewals && counters->late == model->late);
    assert_true(counters->stale == model->stale && counters->expirations == model->expirations);
}

static void assert_no_overstay(const struct world *world) {
    bool passes_now = lease_allows(world->state.deadline, (boot_ns_t){world->now});
    assert_true(passes_now == lease_model_allows(&world->model, (int64_t)world->now));
    passes += passes_now;
    refusals += !passes_now;
    if (passes_now && world->disk.ever_held && !world->state.is_replica)
        assert_true(world->now <= world->granted_until);
}

static void let_something_happen(struct world *world) {
    static const struct {
        void (*happens)(struct world *world);
        unsigned weight;
    } events[] = {
        {send_heartbeat, 20},   {hear_from_node, 15}, {reach_host, 25}, {process_heartbeat, 30},
        {win_election, 3},      {notice_expiry, 3},   {restart, 1},     {change_role, 2},
        {change_cold_start, 1}, {reboot, 1},
    };
    uint64_t rest = random_below(world, 101); // the sum of the weights
    size_t which = 0;
    while (rest >= events[which].weight)
        rest -= events[which++].weight;
    events[which].happens(world);
}

static void run_history(uint64_t history) {
    struct world world = {.random = (run_seed + history) * UINT64_C(0x9e3779b97f4a7c15) | 1,
                          .now = 5000 * MS};
    for (int warm_up = 0; warm_up < 4; warm_up++)
        (void)random_below(&world, 2);
    world.cold_start_fences = chance(&world, 3);
    restart(&world);
    uint64_t highest = 0;
    uint64_t events = 4 + random_below(&world, EVENTS_MOST - 4);
    for (uint64_t event = 0; event < events; event++) {
        let_something_happen(&world);
        assert_agreement(&world);
        assert_no_overstay(&world);
        assert_true(world.state.highest_version >= highest);
        highest = world.state.highest_version;
        world.now += chance(&world, 4) ? 1 : random_below(&world, 6 * MS);
        assert_no_overstay(&world);
    }
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static uint64_t current_history;

static void the_rules_agree_with_the_model_in_every_history(void **state) {
    (void)state;
    current_history = number_from("KVFENCE_HISTORY", 0);
    uint64_t end = getenv("KVFENCE_HISTORY") == NULL ? HISTORIES : current_history + 1;
    for (; current_history < end; current_history++)
        run_history(current_history);
    if (end < HISTORIES)
        return;
    // Histories in which hardly anything happened would prove nothing.
    for (int outcome = 0; outcome < LEASE_OUTCOMES; outcome++)
        print_message("%9" PRIu64 " %s\n", outcomes_seen[outcome],
                      lease_outcome_words((enum lease_outcome)outcome));
    print_message("%9" PRIu64 " writes passed, %" PRIu64 " refused\n", passes, refusals);
    for (int outcome = 0; outcome < LEASE_OUTCOMES; outcome++)
        assert_true(outcomes_seen[outcome] > HISTORIES / 1000);
    assert_true(passes > HISTORIES && refusals > HISTORIES);
}

static int say_which_history(void **state) {
    (void)state;
    if (current_history < HISTORIES && getenv("KVFENCE_HISTORY") == NULL)
        print_message("it was KVFENCE_SEED=%" PRIu64 " KVFENCE_HISTORY=%" PRIu64 "\n", run_seed,
                      current_history);
    return 0;
}

int main(void) {
    run_seed = number_from("KVFENCE_SEED", (uint64_t)time(NULL));
    print_message("seed: KVFENCE_SEED=%" PRIu64 "\n", run_seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_rules_agree_with_the_model_in_every_history, say_which_history),
    };
    return cmocka_run_group_tests_name("lease_model", tests, NULL, NULL);
}
