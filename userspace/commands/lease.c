// SPDX-License-Identifier: Apache-2.0
//
// CLUSTERX HEARTBEAT, by which the controller renews the lease, and INFO's section on it. Uses: base, lease,
// commands/{arguments,info}, server/{client,kernel_fence,lease_gate,server,
// worker}.
#include "base/mutant.h"
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/info.h"
#include "server/client.h"
#include "server/kernel_fence.h"
#include "server/lease_channel.h"
#include "server/lease_gate.h"
#include "server/server.h"
#include "server/worker.h"

// --- CLUSTERX HEARTBEAT ---

// The numbers of arguments by which the forms are told apart, the command's two words included.
enum { SHORT_FORM = 4, NODE_FORM = 5, NODE_FORM_WITH_SINCE = 7 };

static bool read_number(struct command_context *context, size_t index, const char *name, uint64_t *out) {
    if (number_read_unsigned(context->arguments[index], out))
        return true;
    reply_error_format(context->reply, "ERR %s is not an integer or out of range", name);
    return false;
}

static bool read_short_form(struct command_context *context, struct lease_heartbeat *heartbeat) {
    heartbeat->form = LEASE_FORM_SHORT;
    return read_number(context, 2, "election_version", &heartbeat->version) &&
           read_number(context, 3, "ttl_ms", &heartbeat->lease_ms);
}

static bool is_for_this_node(void *argument) {
    const struct command_context *context = argument;
    const struct node_view *node = &context->server->node;
    return node->is_this_master(node->context, context->arguments[2]);
}

static bool read_node_form(struct command_context *context, struct lease_heartbeat *heartbeat) {
    const struct node_view *node = &context->server->node;
    heartbeat->form = LEASE_FORM_NODE;
    heartbeat->cluster_enabled = node->in_cluster(node->context);
    heartbeat->is_for_this_node = is_for_this_node;
    heartbeat->context = context;
    heartbeat->has_since = context->count == NODE_FORM_WITH_SINCE;
    return read_number(context, 3, "lease_ms", &heartbeat->lease_ms) &&
           read_number(context, 4, "election_version", &heartbeat->version) &&
           (!heartbeat->has_since || read_number(context, 6, "since", &heartbeat->since_ms));
}

static bool read_heartbeat(struct command_context *context, struct lease_heartbeat *heartbeat) {
    switch (context->count) {
    case SHORT_FORM:
        return read_short_form(context, heartbeat);
    case NODE_FORM_WITH_SINCE:
        if (!argument_is(context, 5, "since")) {
            reply_syntax_error(context);
            return false;
        }
        return read_node_form(context, heartbeat);
    case NODE_FORM:
        return read_node_form(context, heartbeat);
    default:
        reply_arity_error(context);
        return false;
    }
}

// What kvrocks-controller reads of INFO (role, sequence, replication), and then the lease's fields.
static void reply_state(struct command_context *context) {
    static const char *const sections[] = {"replication", "keyspace", "lease"};
    struct buffer text = {0};
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (i != 0)
            buffer_append_text(&text, "\r\n");
        (void)info_append_section(context->server, bytes_from_text(sections[i]), &text);
    }
    reply_verbatim(context->reply, "txt", buffer_bytes(&text));
    buffer_release(&text);
}

void command_clusterx_heartbeat(struct command_context *context) {
    struct lease_gate *gate = context->server->lease_gate;
    struct lease_heartbeat heartbeat = {0};
    struct lease_answer answer;
    worker_watch_arrivals(context->worker, context->client);
    if (!read_heartbeat(context, &heartbeat))
        return;
    struct wall_reading now = lease_gate_clocks(gate);
    heartbeat.arrived = MUTANT(heartbeat_age) ? now.boot : client_command_arrived(context->client, &now);
    lease_heartbeat(lease_gate_lease(gate), &heartbeat, &answer);
    lease_channel_look(context->server, context->worker);
    if (answer.error[0] != '\0')
        reply_error(context->reply, answer.error);
    else
        reply_state(context);
}

// --- INFO ---

// The kernel's counters are of packets, and 0 as long as it is not attached.
static void write_kernel_fence(struct fence *fence, struct buffer *out) {
    struct fence_view view = fence_view(fence);
    const struct fence_stats *counters = &view.counters;
    info_text(out, "lease_kernel_fence", view.is_attached ? "attached" : "detached");
    info_text(out, "lease_kernel_fence_reason", view.reason);
    info_text(out, "lease_kernel_policy", fence_policy_name(view.policy));
    info_number(out, "lease_kernel_inspected", counters->inspected);
    info_number(out, "lease_kernel_unparsed", counters->unparsed);
    info_number(out, "lease_kernel_dropped", counters->dropped);
    info_number(out, "lease_kernel_would_drop", counters->would_drop);
    info_number(out, "lease_kernel_undecided", counters->undecided);
    info_number(out, "lease_kernel_events", counters->events);
    info_number(out, "lease_kernel_events_suppressed", counters->events_suppressed);
}

void info_write_lease(struct server *server, struct buffer *out) {
    struct lease_view view = lease_view(lease_gate_lease(server->lease_gate));
    info_text(out, "lease_mode", lease_mode_name(view.mode));
    info_text(out, "lease_state", lease_status_name(view.status));
    info_number(out, "lease_election_version", view.election_version);
    info_number(out, "lease_highest_version", view.highest_version);
    info_signed(out, "lease_deadline_ms", view.deadline_ms);
    info_number(out, "lease_clock_ms", view.clock_ms);
    info_number(out, "lease_renewals", view.counters.renewals);
    info_number(out, "lease_stale_heartbeats", view.counters.stale);
    info_number(out, "lease_late_heartbeats", view.counters.late);
    info_number(out, "lease_expirations", view.counters.expirations);
    info_number(out, "lease_writes_refused", view.writes_refused);
    info_number(out, "lease_writes_logged", view.writes_logged);
    info_number(out, "lease_late_commits", view.late_commits);
    write_kernel_fence(kernel_fence_mirror(server->kernel_fence), out);
}
