// SPDX-License-Identifier: Apache-2.0
//
// The lease in its place in the server: opened from the configuration, asked at the store's two gates,
// following CONFIG SET, woken when its deadline passes. May use: base, lease, store/store,
// server/{config,node_view,wall_steps}.
#ifndef KVFENCE_SERVER_LEASE_GATE_H
#define KVFENCE_SERVER_LEASE_GATE_H

#include "lease/lease.h"
#include "server/config.h"
#include "server/node_view.h"
#include "server/wall_steps.h"
#include "store/store.h"

struct lease_gate;

// NULL with a reason in `error`. `config` outlives it; `node` is asked once, for the role to begin with.
struct lease_gate *lease_gate_open(struct config *config, const struct node_view *node,
                                   char error[LEASE_ERROR_SIZE]);
// The configuration must not be changed any more.
void lease_gate_close(struct lease_gate *gate);

struct lease *lease_gate_lease(struct lease_gate *gate);

// The store's check function and its eras; `context` is the lease_gate.
store_check_function lease_gate_check;
store_era_function lease_gate_era;

// NULL: a write might pass now. Otherwise the error that it would end in, which counts as one. For commands
// that write nothing yet and must not wait for it either.
const char *lease_gate_refusal(struct lease_gate *gate);
// True if it would be refused; counts nothing.
bool lease_gate_refuses(struct lease_gate *gate);

// A descriptor that is readable once the deadline has passed: then call lease_gate_on_timer(). Besides, call
// that about ten times a second.
int lease_gate_timer(const struct lease_gate *gate);
void lease_gate_on_timer(struct lease_gate *gate);

// The clocks, for the arrival of heartbeats. Thread-safe.
struct wall_reading lease_gate_clocks(struct lease_gate *gate);

#endif
