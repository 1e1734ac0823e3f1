// SPDX-License-Identifier: Apache-2.0
//
// The model of a node with a lease.
#include "lease_model.h"

enum { LONG_AGO = -1 };
#define MS INT64_C(1000000)

static void without_a_heartbeat(struct lease_model *model, bool cold_start_fences) {
    model->is_open = !model->had_a_lease && !cold_start_fences;
    model->ends = LONG_AGO;
    model->is_over = true;
}

void lease_model_start(struct lease_model *model, bool is_replica, bool cold_start_fences) {
    *model = (struct lease_model){.highest_version = model->highest_version,
                                  .had_a_lease = model->had_a_lease,
                                  .is_replica = is_replica};
    without_a_heartbeat(model, cold_start_fences);
    if (is_replica)
        model->is_open = true;
}

void lease_model_become_replica(struct lease_model *model) {
    model->is_replica = true;
    model->is_open = true;
}

void lease_model_become_master(struct lease_model *model, bool cold_start_fences) {
    if (model->is_replica)
        without_a_heartbeat(model, cold_start_fences);
    model->is_replica = false;
}

void lease_model_cold_start_changes(struct lease_model *model, bool cold_start_fences) {
    if (!model->is_replica && !model->had_a_lease)
        without_a_heartbeat(model, cold_start_fences);
}

bool lease_model_allows(const struct lease_model *model, int64_t now) {
    return model->is_open || now <= model->ends;
}

void lease_model_look_at_clock(struct lease_model *model, int64_t now) {
    if (model->is_over || lease_model_allows(model, now))
        return;
    model->is_over = true;
    model->expirations++;
}

static bool is_error_of_form(const struct lease_heartbeat *heartbeat) {
    return heartbeat->form == LEASE_FORM_NODE && !heartbeat->cluster_enabled;
}

static bool is_for_another(const struct lease_heartbeat *heartbeat) {
    return heartbeat->form == LEASE_FORM_NODE && !heartbeat->for_this_node;
}

static enum lease_outcome grant(struct lease_model *model, const struct lease_heartbeat *heartbeat,
                                int64_t now) {
    int64_t arrived = heartbeat->arrived.value > (uint64_t)now ? now : (int64_t)heartbeat->arrived.value;
    int64_t begins = heartbeat->has_since ? (int64_t)heartbeat->since_ms * MS : arrived;
    if (heartbeat->has_since)
        model->newest_since = (int64_t)heartbeat->since_ms;
    bool was_over = model->is_over && !model->is_open;
    model->is_open = false;
    model->ends = begins + (int64_t)heartbeat->lease_ms * MS;
    model->is_over = now > model->ends;
    if (!model->is_over) {
        model->renewals++;
        return LEASE_RENEWED;
    }
    model->late++;
    model->expirations += !was_over;
    return LEASE_LATE;
}

enum lease_outcome lease_model_heartbeat(struct lease_model *model, const struct lease_heartbeat *heartbeat,
                                         int64_t now, bool disk_works) {
    bool is_sound = heartbeat->lease_ms >= 1 && heartbeat->lease_ms <= 24 * 60 * 60 * 1000;
    bool is_taken =
        is_sound && !is_error_of_form(heartbeat) && !is_for_another(heartbeat) && !model->is_replica;
    bool is_stale = is_taken && heartbeat->version < model->highest_version;
    bool is_future =
        is_taken && !is_stale && heartbeat->has_since && heartbeat->since_ms > (uint64_t)(now / MS);
    bool is_old = is_taken && !is_stale && !is_future && heartbeat->has_since &&
                  (int64_t)heartbeat->since_ms < model->newest_since;
    bool counts = is_taken && !is_stale && !is_future && !is_old;
    if (counts && !disk_works && (heartbeat->version > model->highest_version || !model->had_a_lease))
        return LEASE_NOT_DURABLE;
    lease_model_look_at_clock(model, now);
    if (counts) {
        model->highest_version = heartbeat->version;
        model->had_a_lease = true;
        return grant(model, heartbeat, now);
    }
    model->stale += is_stale;
    model->late += is_old;
    if (!is_sound)
        return LEASE_INVALID_LENGTH;
    if (is_error_of_form(heartbeat))
        return LEASE_NOT_ENABLED;
    if (is_for_another(heartbeat))
        return LEASE_NOT_THIS_NODE;
    if (model->is_replica)
        return LEASE_NOT_MASTER;
    return is_stale ? LEASE_STALE_VERSION : is_future ? LEASE_INVALID_SINCE : LEASE_OVERTAKEN;
}
