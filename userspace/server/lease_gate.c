// SPDX-License-Identifier: Apache-2.0
//
// Between the lease and what surrounds it. Uses: base, lease, server/{config,wall_steps}.
#include "server/lease_gate.h"

#include "base/assert.h"
#include "base/boot_number.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/time_namespace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct lease_gate {
    struct config *config;
    struct lease *lease;
    struct wall_steps *steps;
    int timer;
};

// The configuration's words stand in the order of the lease's.
static enum lease_mode mode_of(const struct config *config) {
    return (enum lease_mode)config_choice(config, CONFIG_MASTER_LEASE_MODE);
}

static enum lease_cold_start cold_start_of(const struct config *config) {
    return (enum lease_cold_start)config_choice(config, CONFIG_MASTER_LEASE_COLD_START);
}

static const char *change_mode(void *context, enum config_id id) {
    (void)id;
    const struct lease_gate *gate = context;
    lease_set_mode(gate->lease, mode_of(gate->config));
    return NULL;
}

static const char *change_cold_start(void *context, enum config_id id) {
    (void)id;
    const struct lease_gate *gate = context;
    lease_set_cold_start(gate->lease, cold_start_of(gate->config));
    return NULL;
}

static void arm(void *context, boot_ns_t when) {
    const struct lease_gate *gate = context;
    const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(when.value / 1000000000),
                                               .tv_nsec = (long)(when.value % 1000000000)}};
    always_assert(timerfd_settime(gate->timer, TFD_TIMER_ABSTIME, &at, NULL) == 0,
                  "the lease's timer can be set");
}

static void log_shifted_clock(void) {
    int64_t offset_ns = 0;
    char error[256];
    if (!time_namespace_boot_offset(&offset_ns, error, sizeof(error)))
        log_warning("whether boot time is shifted against the host's is not known: %s", error);
    else if (offset_ns != 0)
        log_warning(
            "this process is in a time namespace: its boot time is %+" PRId64
            " ms against the host's. The lease is not affected; lease_clock_ms goes by the shifted clock",
            offset_ns / 1000000);
}

// Without it the clock is shown as it is, which is right until the host is started anew.
static uint64_t clock_base_ms(void) {
    uint64_t number = 0;
    char error[256];
    if (!boot_number(&number, error, sizeof(error)))
        log_warning("a heartbeat's SINCE from before the host was started cannot be told from a new one: %s",
                    error);
    return number;
}

static bool open_lease(struct lease_gate *gate, const struct node_view *node, char error[LEASE_ERROR_SIZE]) {
    char *directory = config_text_copy(gate->config, CONFIG_DIR);
    struct lease_config config = {
        .directory = directory,
        .mode = mode_of(gate->config),
        .cold_start = cold_start_of(gate->config),
        .is_replica = node->is_replica(node->context),
        .clock_base_ms = clock_base_ms(),
        .deadline_changed = arm,
        .deadline_changed_context = gate,
    };
    bool opened = lease_open(&config, &gate->lease, error);
    free(directory);
    return opened;
}

struct lease_gate *lease_gate_open(struct config *config, const struct node_view *node,
                                   char error[LEASE_ERROR_SIZE]) {
    struct lease_gate *gate = memory_allocate_zeroed(1, sizeof(*gate));
    gate->config = config;
    gate->steps = wall_steps_open();
    gate->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (gate->timer < 0)
        (void)snprintf(error, LEASE_ERROR_SIZE, "no timer for the lease: %s", strerror(errno));
    if (gate->timer < 0 || !open_lease(gate, node, error)) {
        lease_gate_close(gate);
        return NULL;
    }
    log_shifted_clock();
    config_on_change(config, CONFIG_MASTER_LEASE_MODE, change_mode, gate);
    config_on_change(config, CONFIG_MASTER_LEASE_COLD_START, change_cold_start, gate);
    return gate;
}

void lease_gate_close(struct lease_gate *gate) {
    if (gate == NULL)
        return;
    if (gate->lease != NULL)
        lease_close(gate->lease);
    if (gate->timer >= 0)
        (void)close(gate->timer);
    wall_steps_close(gate->steps);
    free(gate);
}

struct lease *lease_gate_lease(struct lease_gate *gate) {
    return gate->lease;
}

const char *lease_gate_check(void *context, enum store_gate which, uint64_t writes) {
    const struct lease_gate *gate = context;
    if (which == STORE_GATE_COMMIT)
        return lease_check_commit(gate->lease, writes);
    return which == STORE_GATE_SETTLE ? lease_check_settle(gate->lease)
                                      : lease_check_settle_later(gate->lease);
}

uint64_t lease_gate_era(void *context) {
    const struct lease_gate *gate = context;
    return lease_era(gate->lease);
}

const char *lease_gate_refusal(struct lease_gate *gate) {
    return mode_of(gate->config) == LEASE_BLOCK_WRITE ? lease_check_commit(gate->lease, 1) : NULL;
}

bool lease_gate_refuses(struct lease_gate *gate) {
    return mode_of(gate->config) == LEASE_BLOCK_WRITE && lease_view(gate->lease).status == LEASE_EXPIRED;
}

int lease_gate_timer(const struct lease_gate *gate) {
    return gate->timer;
}

void lease_gate_on_timer(struct lease_gate *gate) {
    uint64_t expirations = 0;
    (void)!read(gate->timer, &expirations, sizeof(expirations)); // how often it has expired does not matter
    lease_on_timer(gate->lease);
}

struct wall_reading lease_gate_clocks(struct lease_gate *gate) {
    return wall_steps_read(gate->steps);
}
