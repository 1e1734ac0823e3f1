// SPDX-License-Identifier: Apache-2.0
//
// The master's stream: its batches, applied as they come and acknowledged once they are durable. Uses: base,
// store/apply, server, replication.
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "replication/changes.h"
#include "replication/follower_internal.h"
#include "server/server.h"
#include "store/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACKNOWLEDGE_US = 1000000, HEADER_MAX = 24 };
static const uint64_t sleep_ns = 60000000000;
// A batch can be as big as a transaction, or as one value.
static const uint64_t bulk_most = (uint64_t)4 << 30;

struct stream {
    struct follower *follower;
    bool is_owed;             // an acknowledgement, at once
    bool has_applied;         // since the last time that the log was flushed
    uint64_t position;        // where the master's data end here: what comes later is not from it
    bool has_come;            // anything that is understood
    bool has_slept;           // for so long that what comes may be old
    uint64_t acknowledged_us; // when that was done last
    struct buffer waiting;    // an acknowledgement, or the rest of one, that the socket did not take yet
};

static bool end_with(struct stream *stream, const char *why) {
    (void)snprintf(stream->follower->link.error, LINK_ERROR_SIZE, "%s", why);
    return false;
}

// --- Acknowledging ---

// Without waiting: a master of an older kind never reads what it is told.
static bool push(struct stream *stream) {
    if (stream->waiting.length == 0)
        return true;
    size_t sent = link_send_some(&stream->follower->link, buffer_bytes(&stream->waiting));
    if (sent == SIZE_MAX)
        return false;
    stream->waiting.length -= sent;
    memmove(stream->waiting.data, stream->waiting.data + sent, stream->waiting.length);
    return true;
}

static bool acknowledge_if_due(struct stream *stream) {
    uint64_t now = clock_duration_us();
    if (!stream->is_owed && now - stream->acknowledged_us < ACKNOWLEDGE_US)
        return push(stream);
    if (stream->waiting.length == 0) {
        char number[NUMBER_INTEGER_SIZE];
        size_t length = number_write_integer(number, (int64_t)stream->position);
        buffer_append_format(&stream->waiting, "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$%zu\r\n%.*s\r\n",
                             length, (int)length, number);
        stream->is_owed = false;
        stream->acknowledged_us = now;
    }
    return push(stream);
}

// --- Applying ---

// Inside the role guard the role cannot change: nothing is applied any more once it has.
static bool apply(struct stream *stream, struct bytes batch) {
    struct follower *follower = stream->follower;
    char error[STORE_ERROR_SIZE] = "another master is to be followed";
    session_write_begin(follower->session, NULL, 0);
    bool outdated = follower_is_outdated(follower);
    bool applied = !outdated && store_apply(follower->session, batch, error) == APPLIED;
    if (applied) {
        stream->has_come = true;
        stream->position = store_latest_sequence(follower->server->store);
        changes_tell(follower->server, batch);
    }
    session_write_end(follower->session);
    stream->has_applied |= applied;
    if (!applied && !outdated)
        log_error("%s", error);
    return applied || end_with(stream, error);
}

// The master has nothing that is not here. That of one that follows another itself tells nothing, nor that
// of one that has spoken while nobody listened here.
static void note_level(struct stream *stream) {
    struct follower *follower = stream->follower;
    if (follower->master.is_replica || stream->has_slept)
        return;
    session_write_begin(follower->session, NULL, 0);
    if (!follower_is_outdated(follower))
        store_follow(follower->server->store, clock_wall_ms());
    session_write_end(follower->session);
}

// One bulk string.
static bool take(struct stream *stream, struct bytes bulk) {
    bool is_ping = bytes_equal(bulk, BYTES_LITERAL("ping"));
    if (!is_ping && !bytes_equal(bulk, BYTES_LITERAL("_getack")))
        return apply(stream, bulk);
    stream->has_come = true;
    if (is_ping)
        note_level(stream);
    stream->is_owed = true;
    return true;
}

// --- Reading ---

// The header of the bulk string that comes next: *skip bytes, then *length. False: not whole yet, or wrong.
static bool read_header(struct stream *stream, struct bytes have, size_t *skip, uint64_t *length,
                        bool *wrong) {
    const char *end = have.length == 0 ? NULL : memchr(have.data, '\n', have.length);
    *wrong = end == NULL ? have.length > HEADER_MAX
                         : end - have.data < 2 || have.data[0] != '$' || end[-1] != '\r';
    if (end == NULL || *wrong)
        return false;
    *skip = (size_t)(end - have.data) + 1;
    *wrong = !number_read_unsigned((struct bytes){have.data + 1, *skip - 3}, length) || *length > bulk_most;
    (void)stream;
    return !*wrong;
}

// All that has come whole.
static bool take_all(struct stream *stream) {
    struct link *link = &stream->follower->link;
    for (;;) {
        struct bytes have = link_received(link);
        size_t skip = 0;
        uint64_t length = 0;
        bool wrong = false;
        if (!read_header(stream, have, &skip, &length, &wrong))
            return !wrong || end_with(stream, "it sends what is no batch");
        if (have.length < skip + length + 2)
            return true;
        if (!take(stream, (struct bytes){have.data + skip, length}))
            return false;
        link_take(link, skip + length + 2);
    }
}

// The replica's promise is the master's: what it acknowledges survives a crash.
static bool make_durable(struct stream *stream) {
    struct store_session *session = stream->follower->session;
    if (!stream->has_applied)
        return true;
    stream->has_applied = false;
    return store_settle(session) == SETTLED || end_with(stream, session_settle_error(session));
}

bool follower_stream(struct follower *follower, uint64_t position) {
    struct stream stream = {.follower = follower, .is_owed = true, .position = position};
    follower_set_state(follower, FOLLOWER_CONNECTED);
    log_info("following master %s:%u from sequence number %" PRIu64 " on", follower->following.master.host,
             follower->following.master.port, position + 1);
    follower->link.timeout_ms *= 2; // a master that has nothing to say pings every one or two seconds
    uint64_t heard_ns = clock_boot().value;
    while (take_all(&stream) && make_durable(&stream) && acknowledge_if_due(&stream)) {
        if (follower_is_outdated(follower) || !link_receive(&follower->link))
            break;
        follower_heard(follower);
        stream.has_slept |= clock_boot().value - heard_ns > sleep_ns;
        heard_ns = clock_boot().value;
    }
    (void)make_durable(&stream);
    buffer_release(&stream.waiting);
    return stream.has_come;
}
