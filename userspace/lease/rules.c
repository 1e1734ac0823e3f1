// SPDX-License-Identifier: Apache-2.0
//
// The rules of the lease. Uses: base/assert, base/mutant.
#include "lease/rules.h"

#include "base/assert.h"
#include "base/mutant.h"

#include <stddef.h>

enum { NS_PER_MS = 1000000 };
// The clock may show half of it, 36 years of uptime. No sum of a moment and a lease can overflow then, here
// or where two bits are taken for the mode.
#define MOMENT_MAX (UINT64_C(1) << 61)

static const struct {
    const char *words;
    bool is_error;
} outcomes[LEASE_OUTCOMES] = {
    [LEASE_RENEWED] = {"renewed", false},
    [LEASE_LATE] = {"late: the lease was over before the heartbeat was read", false},
    [LEASE_OVERTAKEN] = {"late: SINCE was overtaken by a newer one, or by a start of the host", false},
    [LEASE_NOT_THIS_NODE] = {"meant for another node", false},
    [LEASE_NOT_MASTER] = {"this node is a replica", false},
    [LEASE_NOT_ENABLED] = {"ERR Cluster mode is not enabled", true},
    [LEASE_INVALID_LENGTH] = {"ERR invalid lease_ms", true},
    [LEASE_STALE_VERSION] = {"ERR election version mismatch", true},
    [LEASE_INVALID_SINCE] = {"ERR invalid since", true},
    [LEASE_NOT_DURABLE] = {"ERR the election version could not be made durable", true},
};

const char *lease_outcome_words(enum lease_outcome outcome) {
    always_assert((unsigned)outcome < LEASE_OUTCOMES, "a heartbeat has one of the known outcomes");
    return outcomes[outcome].words;
}

bool lease_outcome_is_error(enum lease_outcome outcome) {
    always_assert((unsigned)outcome < LEASE_OUTCOMES, "a heartbeat has one of the known outcomes");
    return outcomes[outcome].is_error;
}

static void assert_sound(const struct lease_state *state) {
    always_assert(state->election_version <= state->highest_version,
                  "no lease is granted under a version that is not recorded");
    always_assert(state->deadline.value == 0 || !state->is_replica, "a replica has no lease");
    always_assert(state->deadline.value != 0 || !state->is_expired, "what is not there cannot have expired");
    always_assert(state->deadline.value < MOMENT_MAX, "deadlines are moments of this host's uptime");
}

// Refused until a heartbeat. The deadline is a moment that is over, but not 0, which would allow.
static void fence(struct lease_state *state, boot_ns_t now) {
    always_assert(now.value > 1, "no host runs anything within a nanosecond of its start");
    state->deadline = (boot_ns_t){now.value - 1};
    state->is_expired = true;
}

static void drop_lease(struct lease_state *state) {
    state->deadline = (boot_ns_t){0};
    state->is_expired = false;
}

// What a master without heartbeats may do: see "Life of a node" in the README.
static void begin_as_master(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now) {
    if (state->ever_held || cold_start == LEASE_COLD_START_FENCE)
        fence(state, now);
    else
        drop_lease(state);
}

struct lease_state lease_start(struct lease_record record, bool is_replica, enum lease_cold_start cold_start,
                               boot_ns_t now) {
    struct lease_state state = {.highest_version = record.highest_version,
                                .ever_held = record.ever_held && !MUTANT(restart_fenced),
                                .is_replica = is_replica};
    if (!is_replica)
        begin_as_master(&state, cold_start, now);
    assert_sound(&state);
    return state;
}

void lease_turn_replica(struct lease_state *state) {
    if (state->is_replica || MUTANT(reset_on_role_change))
        return;
    state->is_replica = true;
    state->election_version = 0;
    drop_lease(state);
    assert_sound(state);
}

void lease_turn_master(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now) {
    if (!state->is_replica)
        return;
    state->is_replica = false;
    begin_as_master(state, cold_start, now);
    assert_sound(state);
}

void lease_drop(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now) {
    if (state->is_replica)
        return;
    state->election_version = 0;
    begin_as_master(state, cold_start, now);
    assert_sound(state);
}

void lease_apply_cold_start(struct lease_state *state, enum lease_cold_start cold_start, boot_ns_t now) {
    if (!state->is_replica && !state->ever_held)
        begin_as_master(state, cold_start, now);
    assert_sound(state);
}

bool lease_note_expiry(struct lease_state *state, boot_ns_t now) {
    if (state->is_expired || lease_allows(state->deadline, now))
        return false;
    state->is_expired = true;
    state->counters.expirations++;
    return true;
}

void lease_recorded(struct lease_state *state, struct lease_record record) {
    if (record.highest_version > state->highest_version)
        state->highest_version = record.highest_version;
    state->ever_held = state->ever_held || record.ever_held;
    assert_sound(state);
}

static enum lease_outcome find_obstacle_of_since(const struct lease_state *state,
                                                 const struct lease_heartbeat *heartbeat, boot_ns_t now) {
    uint64_t base_ms = heartbeat->clock_base_ms;
    always_assert(base_ms < MOMENT_MAX, "a clock that is shown does not overflow");
    if (heartbeat->since_ms > base_ms + now.value / NS_PER_MS)
        return LEASE_INVALID_SINCE;
    if (heartbeat->since_ms < base_ms || heartbeat->since_ms < state->last_since_ms)
        return LEASE_OVERTAKEN;
    return LEASE_RENEWED;
}

// The heartbeats that change nothing, in the order in which they are looked for. LEASE_RENEWED: none of them.
static enum lease_outcome find_obstacle(const struct lease_state *state,
                                        const struct lease_heartbeat *heartbeat, boot_ns_t now) {
    if (heartbeat->lease_ms == 0 || heartbeat->lease_ms > LEASE_MS_MAX)
        return LEASE_INVALID_LENGTH;
    if (heartbeat->form == LEASE_FORM_NODE && !heartbeat->cluster_enabled)
        return LEASE_NOT_ENABLED;
    if (heartbeat->form == LEASE_FORM_NODE && !heartbeat->for_this_node)
        return LEASE_NOT_THIS_NODE;
    if (state->is_replica)
        return LEASE_NOT_MASTER;
    if (heartbeat->version < state->highest_version)
        return LEASE_STALE_VERSION;
    return heartbeat->has_since ? find_obstacle_of_since(state, heartbeat, now) : LEASE_RENEWED;
}

static void count_obstacle(struct lease_counters *counters, enum lease_outcome outcome) {
    counters->stale += outcome == LEASE_STALE_VERSION;
    counters->late += outcome == LEASE_OVERTAKEN;
}

// The moment that the lease counts from. Whoever measured the arrival may err towards the past; a moment yet
// to come would be an error towards the future, and is cut off.
static boot_ns_t start_of(const struct lease_heartbeat *heartbeat, boot_ns_t now) {
    if (MUTANT(heartbeat_age))
        return now;
    if (heartbeat->has_since)
        return (boot_ns_t){(heartbeat->since_ms - heartbeat->clock_base_ms) * NS_PER_MS};
    return heartbeat->arrived.value < now.value ? heartbeat->arrived : now;
}

static boot_ns_t deadline_of(const struct lease_heartbeat *heartbeat, boot_ns_t now) {
    boot_ns_t start = start_of(heartbeat, now);
    always_assert(start.value <= now.value, "a lease counts from a moment that has been");
    always_assert(heartbeat->lease_ms > 0 && heartbeat->lease_ms <= LEASE_MS_MAX, "a lease has its limits");
    boot_ns_t deadline = {start.value + heartbeat->lease_ms * NS_PER_MS};
    always_assert(deadline.value > start.value && deadline.value < MOMENT_MAX, "deadlines do not overflow");
    return deadline;
}

// `state` becomes what the heartbeat makes of it.
static enum lease_outcome grant(struct lease_state *state, const struct lease_heartbeat *heartbeat,
                                boot_ns_t now) {
    state->deadline = deadline_of(heartbeat, now);
    state->election_version = heartbeat->version;
    if (heartbeat->has_since)
        state->last_since_ms = heartbeat->since_ms;
    if (lease_allows(state->deadline, now)) {
        state->is_expired = false;
        state->counters.renewals++;
        return LEASE_RENEWED;
    }
    (void)lease_note_expiry(state, now);
    state->counters.late++;
    return LEASE_LATE;
}

struct lease_decision lease_decide(const struct lease_state *state, const struct lease_heartbeat *heartbeat,
                                   boot_ns_t now) {
    always_assert(now.value > 0 && now.value < MOMENT_MAX / 2, "the host has been up for a sensible time");
    assert_sound(state);
    struct lease_decision decision = {.next = *state};
    decision.outcome = find_obstacle(state, heartbeat, now);
    if (decision.outcome != LEASE_RENEWED) {
        (void)lease_note_expiry(&decision.next, now);
        count_obstacle(&decision.next.counters, decision.outcome);
        return decision;
    }
    if (heartbeat->version > state->highest_version || !state->ever_held) {
        decision.must_record = true;
        decision.record = (struct lease_record){.highest_version = heartbeat->version, .ever_held = true};
        return decision;
    }
    (void)lease_note_expiry(&decision.next, now);
    decision.outcome = grant(&decision.next, heartbeat, now);
    always_assert(decision.next.highest_version >= state->highest_version, "versions never go back");
    assert_sound(&decision.next);
    return decision;
}
