// SPDX-License-Identifier: Apache-2.0
//
// Uses: base, lease, server/{lease_gate,pubsub,server}.
#include "server/lease_channel.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "server/lease_gate.h"
#include "server/pubsub.h"
#include "server/server.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

enum { REFUSALS_APART_US = 1000000 };

struct lease_channel {
    pthread_mutex_t lock;
    struct lease_view before; // guarded by lock, as what follows
    uint64_t refused_before;  // of the refused writes: those that have been told
    uint64_t refused_us;      // when some were last told
};

struct lease_channel *lease_channel_open(struct server *server) {
    struct lease_channel *channel = memory_allocate_zeroed(1, sizeof(*channel));
    always_assert(pthread_mutex_init(&channel->lock, NULL) == 0, "a lock can be made");
    channel->before = lease_view(lease_gate_lease(server->lease_gate));
    channel->refused_before = channel->before.writes_refused;
    return channel;
}

void lease_channel_close(struct lease_channel *channel) {
    if (channel == NULL)
        return;
    (void)pthread_mutex_destroy(&channel->lock);
    free(channel);
}

struct look {
    struct server *server;
    struct worker *worker;
    struct lease_channel *channel;
    struct lease_view now;
};

static void publish(const struct look *look, struct buffer *text) {
    const struct publication publication = {.channel = BYTES_LITERAL("__lease__"),
                                            .payload = buffer_bytes(text)};
    (void)pubsub_publish(look->server, look->worker, &publication);
    buffer_release(text);
}

static void tell_expired(const struct look *look) {
    struct buffer text = {0};
    buffer_append_format(&text, "expired election_version=%" PRIu64, look->channel->before.election_version);
    publish(look, &text);
}

static void tell_reset(const struct look *look) {
    struct buffer text = {0};
    buffer_append_format(&text, "reset highest_version=%" PRIu64, look->now.highest_version);
    publish(look, &text);
}

static void tell_granted(const struct look *look) {
    struct buffer text = {0};
    buffer_append_format(&text, "granted election_version=%" PRIu64 " deadline_ms=%" PRId64,
                         look->now.election_version, look->now.deadline_ms);
    publish(look, &text);
}

static void tell_refused(const struct look *look) {
    struct lease_channel *channel = look->channel;
    uint64_t now_us = clock_duration_us();
    uint64_t writes = look->now.writes_refused - channel->refused_before;
    struct buffer text = {0};
    if (writes == 0 || (channel->refused_us != 0 && now_us - channel->refused_us < REFUSALS_APART_US))
        return;
    channel->refused_before = look->now.writes_refused;
    channel->refused_us = now_us;
    buffer_append_format(&text, "refused writes=%" PRIu64, writes);
    publish(look, &text);
}

static void tell_changes(const struct look *look) {
    const struct lease_view *before = &look->channel->before;
    const struct lease_view *now = &look->now;
    bool has_expired = now->counters.expirations != before->counters.expirations;
    bool was_reset = before->election_version != 0 && now->election_version == 0;
    bool is_granted = now->status == LEASE_HELD && (before->status != LEASE_HELD || has_expired ||
                                                    now->election_version != before->election_version);
    if (has_expired)
        tell_expired(look);
    if (was_reset)
        tell_reset(look);
    if (is_granted)
        tell_granted(look);
    tell_refused(look);
}

void lease_channel_look(struct server *server, struct worker *worker) {
    struct lease_channel *channel = server->lease_channel;
    always_assert(pthread_mutex_lock(&channel->lock) == 0, "the lease's channel can be locked");
    struct look look = {.server = server,
                        .worker = worker,
                        .channel = channel,
                        .now = lease_view(lease_gate_lease(server->lease_gate))};
    tell_changes(&look);
    channel->before = look.now;
    always_assert(pthread_mutex_unlock(&channel->lock) == 0, "the lease's channel can be unlocked");
}
