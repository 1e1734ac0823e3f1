// SPDX-License-Identifier: Apache-2.0
//
// Feeding one replica: batch by batch as Kvrocks sends them, each a bulk string, with a "ping" each second
// when there is nothing else, and a "_getack" when somebody waits for this replica. Uses: base,
// store/log_tail, server/request_parser, replication/{link,replicas_internal}.
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "replication/replicas_internal.h"
#include "server/request_parser.h"
#include "store/log_tail.h"
#include "store/write_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GATHERED_MAX = 128 << 10, // sent at once; a bigger batch is sent from where it lies
    PING_US = 1000000,
    BUSY_MS = 1, // how long to wait for more while it comes, and when it has not come for a while
    IDLE_MS = 5,
    BUSY_US = 200000
};

struct feed {
    struct replica *replica;
    struct log_tail *tail;
    struct request_parser *acknowledgements;
    struct buffer gathered;
    uint64_t asked;      // for an acknowledgement of this sequence number
    uint64_t pinged_us;  // when it was told last that it has everything
    uint64_t written_us; // when there was something to send but pings
    uint64_t heard_us;   // when an acknowledgement came last
    uint64_t moved_us;   // when the socket took something last
};

static bool end_with(struct feed *feed, const char *why) {
    (void)snprintf(feed->replica->link.error, LINK_ERROR_SIZE, "%s", why);
    return false;
}

// --- What the replica says ---

// Of what it has not been sent, a replica can only have something else under the same number.
static void note_acknowledgement(struct feed *feed, uint64_t sequence) {
    struct replica *replica = feed->replica;
    feed->heard_us = clock_duration_us();
    bool first = !atomic_exchange(&replica->acknowledges, true);
    if (sequence >= log_tail_position(feed->tail) ||
        (!first && sequence <= atomic_load(&replica->acknowledged)))
        return;
    atomic_store(&replica->acknowledged, sequence);
    replicas_note_acknowledgement(replica->all);
}

// REPLCONF ACK <sequence>. Whatever else it may say has no meaning here.
static void hear_command(struct feed *feed, const struct bytes *words, size_t count) {
    uint64_t sequence = 0;
    if (count >= 3 && bytes_equal_text_nocase(words[0], "replconf") &&
        bytes_equal_text_nocase(words[1], "ack") && number_read_unsigned(words[2], &sequence))
        note_acknowledgement(feed, sequence);
}

static bool hear_commands(struct feed *feed) {
    static const struct request_limits limits = {
        .bulk_length = 1024, .arguments = 16, .inline_length = 1024, .total_length = 64 << 10};
    for (;;) {
        const struct bytes *words = NULL;
        const char *error = NULL;
        size_t count = 0;
        enum request_result result =
            request_parser_next(feed->acknowledgements, &limits, &words, &count, &error);
        if (result == REQUEST_INVALID)
            return end_with(feed, "it sends what is no acknowledgement");
        if (result == REQUEST_INCOMPLETE)
            return true;
        hear_command(feed, words, count);
        request_parser_consume(feed->acknowledgements);
    }
}

// Hands over as much as the parser has room for.
static bool hear_some(struct feed *feed, struct bytes heard) {
    struct link *link = &feed->replica->link;
    char *to = NULL;
    size_t room = 0;
    if (request_parser_room(feed->acknowledgements, &to, &room)) {
        size_t taken = heard.length < room ? heard.length : room;
        if (taken == 0)
            return end_with(feed, "there is no memory for what it says");
        memcpy(to, heard.data, taken);
        request_parser_filled(feed->acknowledgements, taken);
        link_take(link, taken);
        return hear_commands(feed);
    }
    request_parser_attach(feed->acknowledgements, heard.data, heard.length);
    bool understood = hear_commands(feed) && request_parser_detach(feed->acknowledgements);
    link_take(link, heard.length);
    return understood;
}

// All that has come: nothing is left lying until the socket has more.
static bool hear(struct feed *feed) {
    struct link *link = &feed->replica->link;
    if (!link_receive_now(link))
        return false;
    while (link_received(link).length != 0) {
        if (!hear_some(feed, link_received(link)))
            return false;
    }
    return true;
}

// --- Waiting ---

static void calm(int wake) {
    uint64_t count = 0;
    (void)!read(wake, &count, sizeof(count));
}

// For the socket, for somebody who wants the thread, or for the time to pass; hears what comes meanwhile.
static bool wait_a_while(struct feed *feed, short events, int milliseconds) {
    struct replica *replica = feed->replica;
    struct pollfd sources[2] = {{.fd = replica->link.fd, .events = (short)(POLLIN | events)},
                                {.fd = replica->wake, .events = POLLIN}};
    if (poll(sources, 2, milliseconds) < 0 && errno != EINTR)
        return end_with(feed, strerror(errno));
    if (sources[1].revents != 0)
        calm(replica->wake);
    if (atomic_load(&replica->ending))
        return end_with(feed, "this node lets it go");
    return (sources[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0 || hear(feed);
}

static uint64_t patience_us(const struct feed *feed) {
    return (uint64_t)feed->replica->patience_ms * 1000;
}

// A replica that is stopped takes bytes as long as its kernel has room for them, but acknowledges nothing.
static bool is_alive(struct feed *feed) {
    uint64_t now = clock_duration_us();
    if (atomic_load(&feed->replica->acknowledges) && now - feed->heard_us > patience_us(feed))
        return end_with(feed, "it acknowledges nothing any more");
    return true;
}

// --- Sending ---

static bool send_all(struct feed *feed, struct bytes bytes) {
    struct link *link = &feed->replica->link;
    feed->moved_us = clock_duration_us();
    while (bytes.length > 0) {
        size_t sent = link_send_some(link, bytes);
        if (sent == SIZE_MAX)
            return false;
        uint64_t now = clock_duration_us();
        if (sent != 0)
            feed->moved_us = now;
        else if (now - feed->moved_us > patience_us(feed))
            return end_with(feed, "it takes no data any more");
        bytes.data += sent;
        bytes.length -= sent;
        if (sent == 0 && !wait_a_while(feed, POLLOUT, 100))
            return false;
    }
    return true;
}

static bool send_gathered(struct feed *feed) {
    if (feed->gathered.length == 0)
        return true;
    bool sent = send_all(feed, buffer_bytes(&feed->gathered));
    buffer_clear(&feed->gathered);
    return sent;
}

static bool send_batch(struct feed *feed, struct bytes batch) {
    buffer_append_format(&feed->gathered, "$%zu\r\n", batch.length);
    if (batch.length < GATHERED_MAX) {
        buffer_append(&feed->gathered, batch);
        buffer_append_text(&feed->gathered, "\r\n");
        return feed->gathered.length < GATHERED_MAX || send_gathered(feed);
    }
    if (!send_gathered(feed) || !send_all(feed, batch))
        return false;
    buffer_append_text(&feed->gathered, "\r\n");
    feed->heard_us = clock_duration_us(); // it had no time to acknowledge anything
    return send_gathered(feed);
}

// Only a replica that has acknowledged before knows the question; others would take it for data.
static bool ask_if_wanted(struct feed *feed) {
    struct replica *replica = feed->replica;
    uint64_t sent = atomic_load(&replica->sent);
    uint64_t acknowledged = atomic_load(&replica->acknowledged);
    if (!atomic_load(&replica->acknowledges) || feed->asked >= sent || acknowledged >= sent ||
        !replicas_wait_beyond(replica->all, acknowledged))
        return true;
    feed->asked = sent;
    buffer_append_text(&feed->gathered, "$7\r\n_getack\r\n");
    return send_gathered(feed);
}

// All that was gathered has been sent. There may be log for hours: the replica is heard, and this thread can
// be ended, before it is all sent.
static bool look_around(struct feed *feed) {
    atomic_store(&feed->replica->sent, log_tail_position(feed->tail) - 1);
    return wait_a_while(feed, 0, 0) && is_alive(feed) && ask_if_wanted(feed);
}

// Everything that is in the log. *any tells whether there was something.
static bool send_log(struct feed *feed, bool *any) {
    struct bytes batch;
    enum log_tail_result result;
    *any = false;
    while ((result = log_tail_next(feed->tail, &batch)) == LOG_TAIL_BATCH) {
        *any = true;
        if (!send_batch(feed, batch))
            return false;
        if (feed->gathered.length == 0 && !look_around(feed))
            return false;
    }
    if (!send_gathered(feed))
        return false;
    atomic_store(&feed->replica->sent, log_tail_position(feed->tail) - 1);
    if (result == LOG_TAIL_NOTHING_YET)
        return true;
    log_error("the log does not have sequence number %" PRIu64
              " any more: replica %s:%u must copy everything",
              log_tail_position(feed->tail), feed->replica->address.host, feed->replica->address.port);
    return end_with(feed, "the log does not have what it needs next");
}

// After all that the log has: the replica knows then that it is level with this node.
static bool ping_if_due(struct feed *feed) {
    if (clock_duration_us() - feed->pinged_us < PING_US)
        return true;
    feed->pinged_us = clock_duration_us();
    buffer_append_text(&feed->gathered, "$4\r\nping\r\n");
    return send_gathered(feed);
}

static void feed_replica(struct feed *feed) {
    bool any = false;
    if (!send_all(feed, BYTES_LITERAL("+OK\r\n")))
        return;
    while (send_log(feed, &any) && ask_if_wanted(feed) && ping_if_due(feed)) {
        uint64_t now = clock_duration_us();
        if (any)
            feed->written_us = now;
        // It is judged by what it has said, and heard before.
        if (!wait_a_while(feed, 0, now - feed->written_us < BUSY_US ? BUSY_MS : IDLE_MS) || !is_alive(feed))
            return;
    }
}

void replica_feed(struct replica *replica) {
    uint64_t now = clock_duration_us();
    struct feed feed = {.replica = replica, .pinged_us = now, .heard_us = now};
    feed.tail = log_tail_open(replica->store, atomic_load(&replica->sent) + 1);
    feed.acknowledgements = request_parser_open();
    feed_replica(&feed);
    log_tail_close(feed.tail);
    request_parser_close(feed.acknowledgements);
    buffer_release(&feed.gathered);
}
