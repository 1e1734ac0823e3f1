// SPDX-License-Identifier: Apache-2.0
//
// The words of the lease. Uses: base/log.
#include "lease/words.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

enum { NS_PER_MS = 1000000 };

#define WAY_OUT                                                                                              \
    "until a heartbeat of its controller renews the lease. If none comes, see whether the controller runs "  \
    "and reaches this node, and whether another node has become master"

static uint64_t ms_between(boot_ns_t earlier, boot_ns_t later) {
    return later.value < earlier.value ? 0 : (later.value - earlier.value) / NS_PER_MS;
}

void lease_words_error(enum lease_outcome outcome, const struct lease_heartbeat *heartbeat,
                       const struct lease_state *state, boot_ns_t now, char *text, size_t size) {
    const char *words = lease_outcome_words(outcome);
    text[0] = '\0';
    if (!lease_outcome_is_error(outcome))
        return;
    if (outcome == LEASE_INVALID_LENGTH && heartbeat->lease_ms == 0)
        (void)snprintf(text, size, "%s: must be greater than 0", words);
    else if (outcome == LEASE_INVALID_LENGTH)
        (void)snprintf(text, size, "%s: %" PRIu64 " is more than %" PRIu64 ", one day", words,
                       heartbeat->lease_ms, LEASE_MS_MAX);
    else if (outcome == LEASE_STALE_VERSION)
        (void)snprintf(text, size, "%s: local=%" PRIu64 ", received=%" PRIu64, words, state->highest_version,
                       heartbeat->version);
    else if (outcome == LEASE_INVALID_SINCE)
        (void)snprintf(text, size, "%s: %" PRIu64 " is in the future of this node's lease_clock_ms, %" PRIu64,
                       words, heartbeat->since_ms, heartbeat->clock_base_ms + now.value / NS_PER_MS);
    else
        (void)snprintf(text, size, "%s", words);
}

static void say_expired(const struct lease_step *step, boot_ns_t deadline) {
    uint64_t version = step->after.election_version;
    uint64_t ago = ms_between(deadline, step->now);
    if (step->mode == LEASE_BLOCK_WRITE)
        log_error("master lease expired %" PRIu64 " ms ago (election version %" PRIu64
                  "): this node refuses writes " WAY_OUT,
                  ago, version);
    else if (step->mode == LEASE_LOG_ONLY)
        log_warning("master lease expired %" PRIu64 " ms ago (election version %" PRIu64
                    "): writes go through, because master-lease-mode is log-only; block-write would refuse "
                    "them " WAY_OUT,
                    ago, version);
    else
        log_info("master lease expired %" PRIu64 " ms ago (election version %" PRIu64
                 "): without effect, because master-lease-mode is disabled",
                 ago, version);
}

static void say_held(const struct lease_step *step) {
    log_info("master lease held under election version %" PRIu64 ", for another %" PRIu64 " ms: writes pass. "
             "%" PRIu64 " were refused since there was a lease last",
             step->after.election_version, ms_between(step->now, step->after.deadline), step->refused);
}

static bool holds(const struct lease_state *state) {
    return state->deadline.value != 0 && !state->is_expired;
}

void lease_words_step(const struct lease_step *step) {
    const struct lease_state *before = &step->before;
    const struct lease_state *after = &step->after;
    bool expired = after->counters.expirations != before->counters.expirations;
    if (expired) // of the deadline of before, unless a late heartbeat has set another that is over
        say_expired(step, lease_allows(before->deadline, step->now) ? after->deadline : before->deadline);
    if (holds(after) && (expired || !holds(before)))
        say_held(step);
    else if (holds(after) && after->election_version != before->election_version)
        log_info("master lease held under election version %" PRIu64 " instead of %" PRIu64
                 ": another election has confirmed this node",
                 after->election_version, before->election_version);
}

void lease_words_start(const struct lease_state *state, enum lease_mode mode, const char *event) {
    const char *why = state->ever_held ? "this data directory has had a lease before"
                                       : "master-lease-cold-start is fence, and there has been no lease yet";
    if (mode == LEASE_DISABLED || state->deadline.value == 0)
        return;
    if (mode == LEASE_BLOCK_WRITE)
        log_warning("%s without a lease (%s; highest election version %" PRIu64
                    "): this node refuses writes " WAY_OUT,
                    event, why, state->highest_version);
    else
        log_warning("%s without a lease (%s; highest election version %" PRIu64
                    "): writes go through, because master-lease-mode is log-only",
                    event, why, state->highest_version);
}

void lease_words_replica(const struct lease_step *step) {
    if (step->before.deadline.value != 0)
        log_info("this node is a replica now: its master lease under election version %" PRIu64
                 " is dropped, heartbeats no longer renew it",
                 step->before.election_version);
}

static const char *effect_of(const struct lease_step *step) {
    if (step->mode == LEASE_DISABLED)
        return "the lease is not enforced";
    if (step->after.deadline.value == 0)
        return "there is no lease to enforce yet";
    if (!step->after.is_expired)
        return "the lease is held, writes pass";
    return step->mode == LEASE_BLOCK_WRITE
               ? "the master lease expired before: writes are refused " WAY_OUT
               : "the master lease expired before: writes go through and are counted";
}

void lease_words_mode(const struct lease_step *step, enum lease_mode before) {
    enum log_level level = step->mode == LEASE_BLOCK_WRITE && step->after.is_expired ? LOG_WARNING : LOG_INFO;
    log_write(level, __FILE__, __LINE__, "master-lease-mode is %s now (before: %s): %s",
              lease_mode_name(step->mode), lease_mode_name(before), effect_of(step));
}
