// SPDX-License-Identifier: Apache-2.0
//
// The lease of this node: whether writes may pass now. The live object around the rules (lease/rules.h), with
// their persistence (lease/state_file.h), the server's half of the fence (the two checks) and the order in
// which the kernel's half follows. Thread-safe throughout. May use: base, the other files of lease/.
//
// Words for two things that must not be mixed: the lease has *expired* when its deadline has passed, in every
// mode; the node is *fenced* when that keeps writes out, in mode block-write.
#ifndef KVFENCE_LEASE_LEASE_H
#define KVFENCE_LEASE_LEASE_H

#include "lease/rules.h"

struct lease;

enum lease_mode { LEASE_DISABLED, LEASE_LOG_ONLY, LEASE_BLOCK_WRITE };

// As in the configuration: "disabled", "log-only", "block-write".
const char *lease_mode_name(enum lease_mode mode);

// The kernel's half of the fence. publish() is told every change, under the lease's lock, so it must be quick
// and must not call back into the lease except for the checks. `deadline` 0: nothing to enforce, because
// there is no lease or the mode is LEASE_DISABLED. It must make the change visible by a release store: the
// order of the two halves rests on it.
struct lease_mirror {
    void (*publish)(void *context, boot_ns_t deadline, enum lease_mode mode);
    void *context;
};

struct lease_config {
    const char *directory; // where lease.state is kept; copied. Only read by lease_open(), and may be missing
    enum lease_mode mode;
    enum lease_cold_start cold_start;
    bool is_replica;
    uint64_t clock_base_ms;          // lease_clock_ms is that much ahead of boot time: see lease/rules.h
    boot_ns_t (*now)(void *context); // NULL: clock_boot(). Called by any thread
    void *now_context;
    // Asks for lease_on_timer() to be called at `when` or soon after; 0: not at all. Replaces what was asked
    // before. Called by any thread under the lease's lock: must not call back. NULL: nobody arms a timer, and
    // lease_on_timer() notices expiries when it is called.
    void (*deadline_changed)(void *context, boot_ns_t when);
    void *deadline_changed_context;
};

enum { LEASE_ERROR_SIZE = 1024 };

// Reads the state file. Nothing is written before the first heartbeat. deadline_changed() is not called yet:
// a node starts without a lease or fenced. False with a text for the operator in `error` if the file is
// damaged, unreadable or of a newer format.
bool lease_open(const struct lease_config *config, struct lease **out, char error[LEASE_ERROR_SIZE]);
// Logs what is not logged yet. A mirror must have been taken away before; nobody may use the lease any more.
void lease_close(struct lease *lease);

// The checks. NULL: the write may pass. Otherwise the error reply without its leading '-', static, with the
// words "master lease expired". One atomic load while there is nothing to enforce, and one reading of the
// clock while there is a lease; nothing is locked, allocated or logged. lease_check_commit() counts the
// writes, as many as would be committed together, as refused or, in log-only mode, as logged;
// lease_check_settle() counts a late commit: ask it once a round, and only if the round wrote. A round that
// was counted as logged at commit is not counted again.
//
// A replica has no lease that could end, and nothing to enforce at commit: the role guard keeps it from
// committing. But in block-write mode it must not acknowledge what it wrote while it was a master, however
// long ago that master's lease ended.
const char *lease_check_commit(struct lease *lease, uint64_t writes);
const char *lease_check_settle(struct lease *lease);

// Raised with each change of the node's role and when its lease is given up, so only while the role guard is
// held exclusively. A round that committed in an earlier era is asked about by the third check as well: in
// block-write mode it is not acknowledged, whatever lease there is now, for the node has been another one
// meanwhile, and the write may be gone.
uint64_t lease_era(const struct lease *lease);
const char *lease_check_settle_later(struct lease *lease);

struct lease_answer {
    enum lease_outcome outcome;
    char error[LEASE_ERROR_SIZE]; // the error reply without its leading '-'; empty: reply with the node's
                                  // state
};

// Blocks on an fsync if the version is new or this is the first lease of the data directory. The state that
// the reply shows must be read (lease_view()) after it has returned.
void lease_heartbeat(struct lease *lease, const struct lease_heartbeat *heartbeat, struct lease_answer *out);

// At once and in both halves; the lease itself stays as it is.
void lease_set_mode(struct lease *lease, enum lease_mode mode);
// Decides anew for a master that never had a lease.
void lease_set_cold_start(struct lease *lease, enum lease_cold_start cold_start);

// Call with the store's role guard held exclusively, so that no write is between its check and its entry into
// RocksDB. Becoming what the node is already changes nothing.
void lease_become_replica(struct lease *lease);
void lease_become_master(struct lease *lease);

// The node is no longer taken for whom the lease was granted to: a master is left as one that has only just
// become it, in one step, so that neither check sees it without a lease in between. With the guard held too.
void lease_give_up(struct lease *lease);

// Attaches the kernel's half and publishes the present state to it, or takes it away (NULL): then nothing is
// published to it any more. `mirror` is copied.
void lease_set_mirror(struct lease *lease, const struct lease_mirror *mirror);

// Notices an expiry, counts and logs it once, and logs the writes that went through in log-only mode, at most
// once a second. Call when deadline_changed() has asked for it, and besides about ten times a second.
void lease_on_timer(struct lease *lease);

enum lease_status { LEASE_NONE, LEASE_HELD, LEASE_EXPIRED };
// "none", "held", "expired".
const char *lease_status_name(enum lease_status status);

// What operators and the controller see, consistent in itself. Does not wait for a heartbeat's fsync.
struct lease_view {
    enum lease_mode mode;
    enum lease_cold_start cold_start;
    enum lease_status status; // of the lease as it is `now`, whether the timer has noticed or not
    bool is_replica;
    bool ever_held;
    bool is_mirrored; // the kernel's half is attached
    uint64_t election_version, highest_version;
    boot_ns_t deadline; // 0: no lease
    boot_ns_t now;
    int64_t deadline_ms; // from now, rounded down; negative: that long ago; 0 without a lease
    uint64_t clock_ms;   // lease_clock_ms: what a heartbeat may give back as SINCE
    struct lease_counters counters;
    uint64_t writes_refused, writes_logged, late_commits;
};
struct lease_view lease_view(struct lease *lease);

#endif
