// SPDX-License-Identifier: Apache-2.0
//
// The live lease. Two locks: `lock` guards the state and is never held over a system call that may block;
// `file_lock` is held over the writing of the state file and may be waited for by heartbeats of a new version
// only. Whoever needs both takes file_lock first. The checks take neither: they look at one atomic word, the
// gate. Uses: rules, state_file, words, base.
#include "lease/lease.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "lease/state_file.h"
#include "lease/words.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { NS_PER_MS = 1000000, LOG_INTERVAL_NS = 1000000000, MODE_BITS = 2, GATE_BITS = MODE_BITS + 1 };

struct lease {
    // The server's half: the deadline in nanoseconds, whether the node is a replica, and the mode. One word,
    // so that a check sees all of it as it was at one moment. 0 in mode disabled.
    _Atomic uint64_t gate;
    _Atomic uint64_t era; // raised before the gate moves
    _Atomic uint64_t writes_refused, writes_logged, late_commits;

    pthread_mutex_t lock;
    struct lease_state state; // guarded by lock, as all to the blank line
    enum lease_mode mode;
    enum lease_cold_start cold_start;
    struct lease_mirror mirror; // publish NULL: not attached
    boot_ns_t armed;            // what deadline_changed() was last told
    uint64_t refused_before;    // of writes_refused: those before the lease was last held
    uint64_t logged_before;     // of writes_logged: those that a line stands for
    boot_ns_t logged_at;        // when that line was written

    pthread_mutex_t file_lock;
    struct lease_record durable;   // guarded by file_lock, as the next two
    struct lease_record attempted; // what the file may hold; not less than what is durable
    bool file_fails;

    struct lease_config config; // constant
    char *directory;            // constant
};

static boot_ns_t now_of(const struct lease *lease) {
    return lease->config.now == NULL ? clock_boot() : lease->config.now(lease->config.now_context);
}

static void lock(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_lock(mutex) == 0, "the lease can be locked");
}

static void unlock(pthread_mutex_t *mutex) {
    always_assert(pthread_mutex_unlock(mutex) == 0, "the lease can be unlocked");
}

const char *lease_mode_name(enum lease_mode mode) {
    static const char *const names[] = {
        [LEASE_DISABLED] = "disabled", [LEASE_LOG_ONLY] = "log-only", [LEASE_BLOCK_WRITE] = "block-write"};
    always_assert((unsigned)mode < sizeof(names) / sizeof(*names), "a lease has one of the known modes");
    return names[mode];
}

const char *lease_status_name(enum lease_status status) {
    static const char *const names[] = {
        [LEASE_NONE] = "none", [LEASE_HELD] = "held", [LEASE_EXPIRED] = "expired"};
    always_assert((unsigned)status < sizeof(names) / sizeof(*names), "a lease has one of the known states");
    return names[status];
}

// --- The gate and the kernel's half ---

static uint64_t gate_word(const struct lease_state *state, enum lease_mode mode) {
    always_assert(state->deadline.value <= UINT64_MAX >> GATE_BITS, "a deadline leaves room for the rest");
    if (mode == LEASE_DISABLED)
        return 0;
    return state->deadline.value << GATE_BITS | (uint64_t)state->is_replica << MODE_BITS | (uint64_t)mode;
}

static boot_ns_t gate_deadline(uint64_t word) {
    return (boot_ns_t){word >> GATE_BITS};
}

static bool gate_is_replica(uint64_t word) {
    return (word >> MODE_BITS & 1) != 0;
}

static enum lease_mode gate_mode(uint64_t word) {
    return (enum lease_mode)(word & ((1U << MODE_BITS) - 1));
}

// The last moment at which a write would pass.
static uint64_t passes_until(uint64_t word) {
    bool refuses = gate_mode(word) == LEASE_BLOCK_WRITE && gate_deadline(word).value != 0;
    return refuses ? gate_deadline(word).value : UINT64_MAX;
}

static void publish(const struct lease *lease, uint64_t word) {
    if (lease->mirror.publish != NULL)
        lease->mirror.publish(lease->mirror.context, gate_deadline(word), gate_mode(word));
}

// With the lock held: moves both halves to what state and mode say. Whatever lets more writes pass moves the
// kernel's half first, whatever lets fewer pass the server's, so that at any instant the kernel drops only
// what the server refuses.
static void move_halves(struct lease *lease) {
    uint64_t before = atomic_load_explicit(&lease->gate, memory_order_relaxed);
    uint64_t after = gate_word(&lease->state, lease->mode);
    bool mirror_first = (passes_until(after) > passes_until(before)) != MUTANT(mirror_order);
    if (after == before)
        return;
    if (mirror_first)
        publish(lease, after);
    atomic_store_explicit(&lease->gate, after, memory_order_release);
    if (!mirror_first)
        publish(lease, after);
}

static void arm_timer(struct lease *lease) {
    bool waits = lease->state.deadline.value != 0 && !lease->state.is_expired;
    boot_ns_t when = {waits ? lease->state.deadline.value + 1 : 0};
    if (when.value == lease->armed.value)
        return;
    lease->armed = when;
    if (lease->config.deadline_changed != NULL)
        lease->config.deadline_changed(lease->config.deadline_changed_context, when);
}

// --- The checks ---

static uint64_t look_at_gate(const struct lease *lease) {
    return atomic_load_explicit(&lease->gate, memory_order_acquire);
}

// The mode if the deadline has passed; LEASE_DISABLED if there is nothing to say against a write.
static enum lease_mode mode_if_expired(const struct lease *lease, uint64_t word) {
    if (gate_deadline(word).value == 0 || lease_allows(gate_deadline(word), now_of(lease)))
        return LEASE_DISABLED;
    return gate_mode(word);
}

static void count(_Atomic uint64_t *counter, uint64_t number) {
    (void)atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

const char *lease_check_commit(struct lease *lease, uint64_t writes) {
    enum lease_mode mode = mode_if_expired(lease, look_at_gate(lease));
    if (mode == LEASE_LOG_ONLY)
        count(&lease->writes_logged, writes);
    if (mode != LEASE_BLOCK_WRITE || MUTANT(check_at_commit))
        return NULL;
    count(&lease->writes_refused, writes);
    return "READONLY master lease expired: this node accepts no writes until its controller renews the lease";
}

const char *lease_check_settle(struct lease *lease) {
    uint64_t word = look_at_gate(lease);
    bool has_lost_it = gate_is_replica(word) && gate_mode(word) == LEASE_BLOCK_WRITE;
    if (MUTANT(check_at_settle) || (!has_lost_it && mode_if_expired(lease, word) != LEASE_BLOCK_WRITE))
        return NULL;
    count(&lease->late_commits, 1);
    if (has_lost_it)
        return "READONLY this node became a replica before the write was acknowledged: its outcome is "
               "unknown";
    return "READONLY master lease expired before the write was acknowledged: its outcome is unknown";
}

uint64_t lease_era(const struct lease *lease) {
    return atomic_load_explicit(&lease->era, memory_order_acquire);
}

const char *lease_check_settle_later(struct lease *lease) {
    if (MUTANT(check_at_settle) || gate_mode(look_at_gate(lease)) != LEASE_BLOCK_WRITE)
        return NULL;
    count(&lease->late_commits, 1);
    return "READONLY this node's role changed before the write was acknowledged: its outcome is unknown";
}

// --- Steps ---

// A step begins with the lock taken and ends with it given back; what it changed is logged afterwards.
static struct lease_step step_begin(struct lease *lease) {
    lock(&lease->lock);
    return (struct lease_step){.before = lease->state, .now = now_of(lease)};
}

// With the lock held.
static void begin_era(struct lease *lease) {
    (void)atomic_fetch_add_explicit(&lease->era, 1, memory_order_acq_rel);
}

static void step_end(struct lease *lease, struct lease_step *step) {
    move_halves(lease);
    arm_timer(lease);
    step->after = lease->state;
    step->mode = lease->mode;
    uint64_t refused = atomic_load_explicit(&lease->writes_refused, memory_order_relaxed);
    step->refused = refused - lease->refused_before;
    if (lease->state.deadline.value != 0 && !lease->state.is_expired)
        lease->refused_before = refused;
    unlock(&lease->lock);
}

// --- Heartbeats ---

// With file_lock held.
static bool write_record(struct lease *lease, struct lease_record record, char error[LEASE_ERROR_SIZE]) {
    char reason[STATE_FILE_ERROR_SIZE];
    if (record.highest_version <= lease->durable.highest_version && lease->durable.ever_held)
        return true; // another heartbeat was here first
    // A file that may hold a higher version already, after an attempt that failed late, must not be lowered.
    if (record.highest_version > lease->attempted.highest_version)
        lease->attempted.highest_version = record.highest_version;
    lease->attempted.ever_held = true;
    if (!MUTANT(persisted_version) && !state_file_write(lease->directory, lease->attempted, reason)) {
        (void)snprintf(error, LEASE_ERROR_SIZE, "%s: %s", lease_outcome_words(LEASE_NOT_DURABLE), reason);
        if (!lease->file_fails)
            log_error(
                "heartbeats with election version %" PRIu64
                " do not renew the lease, which ends when its time is up: %s. Make room on the disk of the "
                "data directory, or repair it; the next heartbeat tries again",
                record.highest_version, reason);
        lease->file_fails = true;
        return false;
    }
    if (lease->file_fails)
        log_info("election versions can be made durable again");
    lease->file_fails = false;
    lease->durable = lease->attempted;
    return true;
}

static bool make_durable(struct lease *lease, struct lease_record record, char error[LEASE_ERROR_SIZE]) {
    lock(&lease->file_lock);
    bool done = write_record(lease, record, error);
    struct lease_record durable = lease->durable;
    unlock(&lease->file_lock);
    if (!done)
        return false;
    lock(&lease->lock);
    lease_recorded(&lease->state, durable);
    unlock(&lease->lock);
    return true;
}

// False: nothing was decided before decision->record is durable.
static bool try_heartbeat(struct lease *lease, const struct lease_heartbeat *heartbeat,
                          struct lease_answer *out, struct lease_record *record) {
    struct lease_step step = step_begin(lease);
    struct lease_heartbeat asked = *heartbeat;
    asked.clock_base_ms = lease->config.clock_base_ms;
    if (asked.is_for_this_node != NULL)
        asked.for_this_node = asked.is_for_this_node(asked.context);
    struct lease_decision decision = lease_decide(&lease->state, &asked, step.now);
    if (!decision.must_record)
        lease->state = decision.next;
    step_end(lease, &step);
    lease_words_step(&step);
    *record = decision.record;
    if (decision.must_record)
        return false;
    out->outcome = decision.outcome;
    lease_words_error(decision.outcome, &asked, &step.after, step.now, out->error, sizeof(out->error));
    return true;
}

void lease_heartbeat(struct lease *lease, const struct lease_heartbeat *heartbeat, struct lease_answer *out) {
    struct lease_record record;
    *out = (struct lease_answer){0};
    // Meanwhile the role, the version or the time may be others: what is durable is decided anew.
    while (!try_heartbeat(lease, heartbeat, out, &record)) {
        if (!make_durable(lease, record, out->error)) {
            out->outcome = LEASE_NOT_DURABLE;
            return;
        }
    }
}

// --- What else changes a lease ---

void lease_set_mode(struct lease *lease, enum lease_mode mode) {
    struct lease_step step = step_begin(lease);
    enum lease_mode before = lease->mode;
    lease->mode = mode;
    (void)lease_note_expiry(&lease->state, step.now);
    step_end(lease, &step);
    lease_words_step(&step);
    if (mode != before)
        lease_words_mode(&step, before);
}

void lease_set_cold_start(struct lease *lease, enum lease_cold_start cold_start) {
    struct lease_step step = step_begin(lease);
    lease->cold_start = cold_start;
    lease_apply_cold_start(&lease->state, cold_start, step.now);
    step_end(lease, &step);
    if (step.before.deadline.value == 0)
        lease_words_start(&step.after, step.mode, "this master goes on");
}

void lease_become_replica(struct lease *lease) {
    struct lease_step step = step_begin(lease);
    (void)lease_note_expiry(&lease->state, step.now);
    lease_turn_replica(&lease->state);
    begin_era(lease);
    step_end(lease, &step);
    lease_words_step(&step);
    lease_words_replica(&step);
}

void lease_become_master(struct lease *lease) {
    struct lease_step step = step_begin(lease);
    lease_turn_master(&lease->state, lease->cold_start, step.now);
    begin_era(lease);
    step_end(lease, &step);
    if (step.before.is_replica)
        lease_words_start(&step.after, step.mode, "this node has become a master");
}

void lease_give_up(struct lease *lease) {
    struct lease_step step = step_begin(lease);
    (void)lease_note_expiry(&lease->state, step.now);
    lease_drop(&lease->state, lease->cold_start, step.now);
    begin_era(lease);
    step_end(lease, &step);
    if (!step.after.is_replica)
        lease_words_start(&step.after, step.mode, "this node goes on under another id");
}

void lease_set_mirror(struct lease *lease, const struct lease_mirror *mirror) {
    static const struct lease_mirror none;
    lock(&lease->lock);
    lease->mirror = mirror == NULL ? none : *mirror;
    publish(lease, atomic_load_explicit(&lease->gate, memory_order_relaxed));
    unlock(&lease->lock);
}

// How many writes a log line must stand for now; 0: none.
static uint64_t take_unlogged(struct lease *lease, boot_ns_t now) {
    uint64_t logged = atomic_load_explicit(&lease->writes_logged, memory_order_relaxed);
    uint64_t count = logged - lease->logged_before;
    if (count == 0 || (lease->logged_at.value != 0 && now.value - lease->logged_at.value < LOG_INTERVAL_NS))
        return 0;
    lease->logged_before = logged;
    lease->logged_at = now;
    return count;
}

static void log_unfenced_writes(uint64_t count) {
    if (count > 0)
        log_warning("master lease expired, and %" PRIu64
                    " writes went through without it, because master-lease-mode is log-only",
                    count);
}

void lease_on_timer(struct lease *lease) {
    struct lease_step step = step_begin(lease);
    (void)lease_note_expiry(&lease->state, step.now);
    uint64_t unlogged = take_unlogged(lease, step.now);
    step_end(lease, &step);
    lease_words_step(&step);
    log_unfenced_writes(unlogged);
}

static enum lease_status status_at(const struct lease_state *state, boot_ns_t now) {
    if (state->deadline.value == 0)
        return LEASE_NONE;
    return lease_allows(state->deadline, now) ? LEASE_HELD : LEASE_EXPIRED;
}

static int64_t ms_until(boot_ns_t deadline, boot_ns_t now) {
    if (deadline.value == 0)
        return 0;
    if (deadline.value >= now.value)
        return (int64_t)((deadline.value - now.value) / NS_PER_MS);
    return -(int64_t)((now.value - deadline.value + NS_PER_MS - 1) / NS_PER_MS);
}

struct lease_view lease_view(struct lease *lease) {
    lock(&lease->lock);
    boot_ns_t now = now_of(lease);
    const struct lease_state *state = &lease->state;
    struct lease_view view = {
        .mode = lease->mode,
        .cold_start = lease->cold_start,
        .status = status_at(state, now),
        .is_replica = state->is_replica,
        .ever_held = state->ever_held,
        .is_mirrored = lease->mirror.publish != NULL,
        .election_version = state->election_version,
        .highest_version = state->highest_version,
        .deadline = state->deadline,
        .now = now,
        .deadline_ms = ms_until(state->deadline, now),
        .clock_ms = lease->config.clock_base_ms + now.value / NS_PER_MS,
        .counters = state->counters,
        .writes_refused = atomic_load_explicit(&lease->writes_refused, memory_order_relaxed),
        .writes_logged = atomic_load_explicit(&lease->writes_logged, memory_order_relaxed),
        .late_commits = atomic_load_explicit(&lease->late_commits, memory_order_relaxed),
    };
    unlock(&lease->lock);
    return view;
}

// --- Opening and closing ---

bool lease_open(const struct lease_config *config, struct lease **out, char error[LEASE_ERROR_SIZE]) {
    struct lease_record record;
    if (!state_file_read(config->directory, &record, error))
        return false;
    struct lease *lease = memory_allocate_zeroed(1, sizeof(*lease));
    always_assert(pthread_mutex_init(&lease->lock, NULL) == 0, "a lock can be made");
    always_assert(pthread_mutex_init(&lease->file_lock, NULL) == 0, "a lock can be made");
    lease->directory = memory_copy_text(config->directory);
    lease->config = *config;
    lease->config.directory = lease->directory;
    lease->mode = config->mode;
    lease->cold_start = config->cold_start;
    lease->durable = record;
    lease->attempted = record;
    lease->state = lease_start(record, config->is_replica, config->cold_start, now_of(lease));
    move_halves(lease);
    if (KVFENCE_MUTANT != MUTANT_none)
        log_error(
            "this is a test build in which one gate of the fence is switched off: do not keep data in it");
    lease_words_start(&lease->state, lease->mode, "this node starts");
    *out = lease;
    return true;
}

void lease_close(struct lease *lease) {
    log_unfenced_writes(lease->writes_logged - lease->logged_before);
    always_assert(pthread_mutex_destroy(&lease->lock) == 0, "nobody uses a lease that is closed");
    always_assert(pthread_mutex_destroy(&lease->file_lock) == 0, "nobody uses a lease that is closed");
    free(lease->directory);
    free(lease);
}
