// SPDX-License-Identifier: Apache-2.0
//
// The lock here is taken with the lease's lock held (publish), so the lease is never called with it. Uses:
// base, lease, maps.
#include "fence/fence.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/time_namespace.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_INTERVAL_US = 1000000 };

struct fence {
    pthread_mutex_t lock;
    bool is_attached; // guarded by lock, as all to the blank line
    struct fence_maps maps;
    uint64_t deadline_ns; // as the kernel counts; what the lease has said last
    enum fence_mode mode;
    enum fence_policy policy;
    char reason[FENCE_TEXT_SIZE]; // why it is not attached, or what is wrong though it is

    uint64_t looked_us;    // the ticking thread's, as the next
    bool clock_is_unknown; // the entry could not be given a deadline that the kernel understands

    char *path; // constant, as all below
    uint16_t port;
    int64_t clock_ahead_ns; // this process's boot time against the kernel's
    struct lease *lease;
    struct fence_entry *entries;
    size_t entry_count;
};

static void lock(struct fence *fence) {
    always_assert(pthread_mutex_lock(&fence->lock) == 0, "the fence can be locked");
}

static void unlock(struct fence *fence) {
    always_assert(pthread_mutex_unlock(&fence->lock) == 0, "the fence can be unlocked");
}

const char *fence_policy_name(enum fence_policy policy) {
    return policy == FENCE_POLICY_STRICT ? "strict" : "writes";
}

// --- The entry ---

// The second word of the entry.
static uint64_t terms_of(enum fence_mode mode, enum fence_policy policy) {
    struct fence_lease entry = {
        .owner = (__u32)getpid(), .abi = FENCE_ABI, .mode = (__u8)mode, .policy = (__u8)policy};
    uint64_t terms = 0;
    memcpy(&terms, (const char *)&entry + offsetof(struct fence_lease, owner), sizeof(terms));
    return terms;
}

static void store(_Atomic uint64_t *word, uint64_t value) {
    atomic_store_explicit(word, value, memory_order_release);
}

// With the lock held. Where one word changes, the programs see the entry as before or as after. Where both
// do, an old deadline must not stand beside new terms, not even while this thread waits for a processor: an
// expired lease of mode log-only beside block-write would drop writes that the server accepts. So the port is
// not fenced for that moment.
static void write_entry(struct fence *fence, uint64_t deadline_ns, uint64_t terms) {
    struct fence_words *entry = fence->maps.entry;
    uint64_t deadline_before = atomic_load_explicit(&entry->deadline_ns, memory_order_relaxed);
    uint64_t terms_before = atomic_load_explicit(&entry->terms, memory_order_relaxed);
    if (deadline_ns != deadline_before && terms != terms_before)
        store(&entry->deadline_ns, 0);
    store(&entry->terms, terms);
    store(&entry->deadline_ns, deadline_ns);
}

static void update_entry(struct fence *fence) {
    if (fence->is_attached)
        write_entry(fence, fence->deadline_ns, terms_of(fence->mode, fence->policy));
}

// What the process calls a moment, as the kernel calls it. A moment before the kernel's first nanosecond is
// over, but it must not become 0, which fences nothing.
static uint64_t kernel_time(const struct fence *fence, boot_ns_t moment) {
    always_assert(moment.value <= INT64_MAX / 2, "a moment leaves room for the shift of a time namespace");
    int64_t shifted = (int64_t)moment.value - fence->clock_ahead_ns;
    return shifted < 1 ? 1 : (uint64_t)shifted;
}

static void publish(void *context, boot_ns_t deadline, enum lease_mode mode) {
    static const enum fence_mode modes[] = {[LEASE_DISABLED] = FENCE_MODE_DISABLED,
                                            [LEASE_LOG_ONLY] = FENCE_MODE_LOG_ONLY,
                                            [LEASE_BLOCK_WRITE] = FENCE_MODE_BLOCK_WRITE};
    struct fence *fence = context;
    lock(fence);
    fence->deadline_ns = deadline.value == 0 ? 0 : kernel_time(fence, deadline);
    fence->mode = modes[mode];
    update_entry(fence);
    unlock(fence);
}

struct lease_mirror fence_mirror(struct fence *fence) {
    return (struct lease_mirror){.publish = publish, .context = fence};
}

void fence_set_policy(struct fence *fence, enum fence_policy policy) {
    lock(fence);
    fence->policy = policy;
    update_entry(fence);
    unlock(fence);
}

// --- Attaching and letting go ---

static void set_reason(struct fence *fence, const char *reason) {
    lock(fence);
    (void)snprintf(fence->reason, sizeof(fence->reason), "%s", reason);
    unlock(fence);
}

static bool is_said(struct fence *fence, const char *reason) {
    lock(fence);
    bool said = strcmp(fence->reason, reason) == 0;
    unlock(fence);
    return said;
}

// Said once for each reason. That nobody has loaded the fence is no reason to worry.
static void note_failure(struct fence *fence, const char *reason, bool missing) {
    if (is_said(fence, reason))
        return;
    set_reason(fence, reason);
    log_write(missing ? LOG_INFO : LOG_WARNING, __FILE__, __LINE__,
              "the kernel's fence is not attached, the server's own stands alone: %s", reason);
}

static bool attach(struct fence *fence, char reason[FENCE_TEXT_SIZE], bool *missing) {
    struct fence_maps maps;
    if (!fence_maps_open(fence->path, fence->port, &maps, missing, reason))
        return false;
    if (!fence_maps_claim(&maps, terms_of(FENCE_MODE_DISABLED, FENCE_POLICY_WRITES), fence->entries,
                          fence->entry_count, reason)) {
        fence_maps_close(&maps);
        return false;
    }
    // What the lease says now comes first: an earlier mirror's deadline must not get into the new maps.
    const struct lease_mirror mirror = fence_mirror(fence);
    lease_set_mirror(fence->lease, &mirror);
    lock(fence);
    fence->maps = maps;
    fence->is_attached = true;
    fence->reason[0] = '\0';
    update_entry(fence);
    unlock(fence);
    log_info("the kernel's fence is attached: port %u, maps in %s", fence->port, fence->path);
    return true;
}

static void try_to_attach(struct fence *fence) {
    char reason[FENCE_TEXT_SIZE] = "";
    bool missing = false;
    if (!attach(fence, reason, &missing))
        note_failure(fence, reason, missing);
}

// With the lock held. `leaves_entry`: the entry goes on holding back writers.
static void let_go(struct fence *fence, bool leaves_entry) {
    if (!leaves_entry) {
        store(&fence->maps.entry->deadline_ns, 0);
        store(&fence->maps.entry->terms, 0);
    }
    fence_maps_close(&fence->maps);
    fence->is_attached = false;
}

// The maps are not those that the pins lead to. A program may still work on them, but nobody would renew
// their deadline, so that they would drop what the server accepts.
static void detach(struct fence *fence, enum fence_pins pins) {
    lease_set_mirror(fence->lease, NULL);
    lock(fence);
    let_go(fence, false);
    unlock(fence);
    log_warning("the kernel's fence is let go of: the maps in %s %s", fence->path,
                pins == FENCE_PINS_GONE ? "are gone" : "have been replaced");
}

static bool is_wanted(const struct fence *fence) {
    return fence->path[0] != '\0' && fence->port != 0 && !fence->clock_is_unknown;
}

// Two servers with the same port, on different addresses or in different network namespaces, would overwrite
// each other's deadline. The first to be overwritten says so, once.
static void look_for_rival(struct fence *fence) {
    lock(fence);
    uint64_t terms = atomic_load_explicit(&fence->maps.entry->terms, memory_order_relaxed);
    bool is_new = terms != terms_of(fence->mode, fence->policy) && fence->reason[0] == '\0';
    struct fence_lease entry = {0};
    memcpy((char *)&entry + offsetof(struct fence_lease, owner), &terms, sizeof(terms));
    if (is_new)
        (void)snprintf(fence->reason, sizeof(fence->reason),
                       "process %u has written into the entry of port %u: servers of the same port need a "
                       "fence-bpf-path each",
                       entry.owner, fence->port);
    unlock(fence);
    if (is_new)
        log_warning("the kernel's fence: %s", fence->reason);
}

// By the only thread that attaches and lets go, which may look at what the lock guards without it.
static void look(struct fence *fence) {
    enum fence_pins pins = fence->is_attached ? fence_maps_look(&fence->maps, fence->path) : FENCE_PINS_GONE;
    if (pins == FENCE_PINS_SAME) {
        look_for_rival(fence);
        return;
    }
    if (fence->is_attached)
        detach(fence, pins);
    try_to_attach(fence);
}

void fence_tick(struct fence *fence) {
    uint64_t now = clock_duration_us();
    if (!is_wanted(fence) || now - fence->looked_us < LOOK_INTERVAL_US)
        return;
    fence->looked_us = now;
    look(fence);
}

// --- Opening and closing ---

static void read_clock_shift(struct fence *fence) {
    char reason[FENCE_TEXT_SIZE], error[256];
    if (time_namespace_boot_offset(&fence->clock_ahead_ns, error, sizeof(error)))
        return;
    fence->clock_is_unknown = true;
    (void)snprintf(reason, sizeof(reason),
                   "whether boot time is shifted against the kernel's is not known: %s", error);
    note_failure(fence, reason, false);
}

struct fence *fence_open(const struct fence_config *config) {
    struct fence *fence = memory_allocate_zeroed(1, sizeof(*fence));
    always_assert(pthread_mutex_init(&fence->lock, NULL) == 0, "a lock can be made");
    fence->path = memory_copy_text(config->path);
    fence->port = config->port;
    fence->policy = config->policy;
    fence->lease = config->lease;
    fence->entries = memory_allocate_zeroed(config->word_count, sizeof(*fence->entries));
    fence->entry_count = fence_entries_make(config->words, config->word_count, fence->entries);
    fence->looked_us = clock_duration_us();
    if (config->path[0] == '\0')
        set_reason(fence, "fence-bpf-path is empty");
    else if (config->port == 0)
        set_reason(fence, "there is no TCP port to fence");
    else
        read_clock_shift(fence);
    if (is_wanted(fence))
        try_to_attach(fence);
    return fence;
}

// With the lock held: whether writers are kept out at this moment.
static bool holds_back(const struct fence *fence) {
    uint64_t now = kernel_time(fence, clock_boot());
    return fence->mode == FENCE_MODE_BLOCK_WRITE && fence->deadline_ns != 0 && now > fence->deadline_ns;
}

void fence_close(struct fence *fence) {
    if (fence == NULL)
        return;
    lease_set_mirror(fence->lease, NULL);
    lock(fence);
    bool stays = fence->is_attached && holds_back(fence);
    if (fence->is_attached)
        let_go(fence, stays);
    unlock(fence);
    if (stays)
        log_warning("the lease has expired, so the kernel's fence goes on keeping writers from port %u",
                    fence->port);
    always_assert(pthread_mutex_destroy(&fence->lock) == 0, "nobody holds the fence's lock");
    free(fence->entries);
    free(fence->path);
    free(fence);
}

struct fence_view fence_view(struct fence *fence) {
    lock(fence);
    struct fence_view view = {.is_attached = fence->is_attached, .policy = fence->policy};
    memcpy(view.reason, fence->reason, sizeof(view.reason));
    if (fence->is_attached && !fence_maps_count(&fence->maps, &view.counters))
        (void)snprintf(view.reason, sizeof(view.reason), "the counters cannot be read");
    unlock(fence);
    return view;
}
