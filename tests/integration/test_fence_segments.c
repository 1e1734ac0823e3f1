// SPDX-License-Identifier: Apache-2.0
//
// The kernel's fence and packets that are not in one piece: segments that the node's kernel has merged (GRO)
// or that the client's has not cut (TSO), of up to 64 KiB, by TC and by XDP in native mode. The fence is the
// real one with counters in it (objects/counted_fence.bpf.c), which show that the packets were such ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "links.h"
#include "objects/counted_fence.h"
#include "raw_client.h"
#include "server_fixture.h"

#include "tests/fence/frame.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SHORT_LEASE_MS = 150,
    UNANSWERED_MS = 250,
    STREAM = 200 * 1000,
    SEGMENT = 1448, // of payload, on links with 1500 bytes
    MERGED = 5 * SEGMENT
};

#define NODE "10.99.0.1"
#define GET  "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
#define SET  "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"
#define NIL  "$-1\r\n"

// --- What the programs say ---

static unsigned long long calls(enum counted_call call) {
    const uint32_t key = call;
    uint64_t count = 0;
    assert_int_equal(bpf_map_lookup_elem(fence_map("fence_calls"), &key, &count), 0);
    return count;
}

// Events of writes that were dropped.
struct heard {
    struct perf_buffer *events;
    int port;
    size_t writes;
    struct fence_event first;
};

static void hear(void *context, int cpu, void *data, __u32 size) {
    struct heard *heard = context;
    struct fence_event event;
    (void)cpu;
    assert_true(size >= sizeof(event));
    memcpy(&event, data, sizeof(event));
    if (event.destination_port != heard->port || event.reason != FENCE_REASON_WRITE)
        return;
    if (heard->writes++ == 0)
        heard->first = event;
}

// Waits until a write was dropped, or the server has answered to the end of the stream: then it did not come
// in one packet.
struct outcome {
    struct heard *heard;
    redisContext *client;
    size_t answered; // bytes
    size_t expected; // of answers to the reads
};

static bool is_decided(void *context) {
    struct outcome *outcome = context;
    char answers[4096];
    ssize_t count = recv(outcome->client->fd, answers, sizeof(answers), MSG_DONTWAIT);
    outcome->answered += count > 0 ? (size_t)count : 0;
    assert_true(perf_buffer__consume(outcome->heard->events) >= 0);
    return outcome->heard->writes > 0 || outcome->answered > outcome->expected;
}

// --- Streams ---

struct stream {
    size_t length;
    char bytes[STREAM + sizeof(SET)];
};

static struct stream stream;

static void add(const char *text) {
    assert_true(stream.length + strlen(text) <= sizeof(stream.bytes));
    memcpy(stream.bytes + stream.length, text, strlen(text));
    stream.length += strlen(text);
}

// How many reads it took.
static size_t add_reads(size_t length) {
    size_t reads = 0;
    for (; (reads + 1) * strlen(GET) <= length; reads++)
        add(GET);
    return reads;
}

static void let_lease_end(const struct own_server *own) {
    long long expired = lease_number(own->client, "lease_expirations");
    lease_grant(own->client, 1, SHORT_LEASE_MS);
    await_expirations(own->client, expired + 1);
}

// A stream without a write goes through to its end, in few packets.
static void expect_reads_pass(const struct own_server *own) {
    stream.length = 0;
    size_t reads = add_reads(STREAM);
    redisContext *client = network_connect(AT_CLIENTS, NODE, own->server.port);
    raw_send(client->fd, stream.bytes, stream.length);
    for (size_t i = 0; i < reads; i++)
        raw_expect(client->fd, NIL);
    struct fence_stats stats = fence_counters(own->server.port);
    assert_true(stats.dropped == 0);
    assert_in_range(stats.inspected, 1, STREAM / (2 * SEGMENT));
    redisFree(client);
}

// As much as is taken at once: nothing is read at the other end.
static size_t send_some(int fd, const char *bytes, size_t length) {
    ssize_t sent = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    assert_true(sent > 0);
    return (size_t)sent;
}

static void expect_first_write_is_dropped(const struct own_server *own) {
    stream.length = 0;
    add(SET);
    (void)add_reads(STREAM - sizeof(SET));
    redisContext *client = network_connect(AT_CLIENTS, NODE, own->server.port);
    assert_true(send_some(client->fd, stream.bytes, stream.length) > MERGED);
    assert_false(is_answered(client, UNANSWERED_MS));
    assert_true(fence_counters(own->server.port).dropped > 0);
    redisFree(client);
}

// Sends so many bytes of whole reads with a write behind them; true if they came in one packet, which must
// have been dropped. What TCP sends again of it is cut anew, so parts of it may come through then.
static bool is_merged_and_dropped(const struct own_server *own, size_t bytes) {
    struct heard heard = {.port = own->server.port};
    heard.events = perf_buffer__new(fence_map("fence_events"), 16, hear, NULL, &heard, NULL);
    assert_non_null(heard.events);
    stream.length = 0;
    size_t reads = add_reads(bytes);
    add(SET);
    struct outcome outcome = {.heard = &heard,
                              .client = network_connect(AT_CLIENTS, NODE, own->server.port),
                              .expected = reads * strlen(NIL)};
    raw_send(outcome.client->fd, stream.bytes, stream.length);
    wait_until(is_decided, &outcome, 30, "the write is dropped or refused");
    bool whole = heard.writes > 0 && heard.first.payload_length == stream.length;
    if (whole) {
        assert_int_equal(heard.first.command_offset, reads * strlen(GET));
        assert_string_equal(heard.first.command.text, "SET");
    }
    perf_buffer__free(heard.events);
    redisFree(outcome.client);
    return whole;
}

// How segments are merged is a matter of moments.
static void expect_write_behind_reads_is_dropped(const struct own_server *own, size_t bytes) {
    enum { TRIES = 50 };
    int tries = 0;
    while (!is_merged_and_dropped(own, bytes)) {
        if (++tries == TRIES)
            fail_msg("of %d streams none was dropped as one packet", TRIES);
    }
}

// --- Links ---

// Segments cross the link one by one, several at a time, and the node's kernel merges them.
static void merge_at_node(void) {
    link_switch(AT_CLIENTS, "client0", LINK_SEGMENTATION_IN_CARD, false);
    link_switch(AT_NODE, "node0", LINK_RECEIVE_MERGING, true);
}

// The first packets of a connection may hold tens of thousands of bytes.
static void begin_with_big_windows(void) {
    network_run(AT_CLIENTS, "ip route change 10.99.0.0/24 dev client0 initcwnd 60");
    network_run(AT_NODE, "ip route change 10.99.0.0/24 dev node0 initrwnd 100");
}

static void tc_judges_merged_segments_as_a_whole(void **state) {
    merge_at_node();
    fence_attach("node0", FENCE_BY_TC);
    let_lease_end(*state);
    unsigned long long before = calls(COUNTED_TC_READS_BEHIND_HEAD);
    expect_reads_pass(*state);
    assert_true(calls(COUNTED_TC_READS_BEHIND_HEAD) > before);
    expect_write_behind_reads_is_dropped(*state, MERGED - 100);
    expect_first_write_is_dropped(*state);
    assert_true(calls(COUNTED_TC_PULLS) == 0);
}

static void tc_judges_segments_that_were_never_cut(void **state) {
    begin_with_big_windows();
    fence_attach("node0", FENCE_BY_TC);
    let_lease_end(*state);
    unsigned long long before = calls(COUNTED_TC_READS_BEHIND_HEAD);
    expect_reads_pass(*state);
    assert_true(calls(COUNTED_TC_READS_BEHIND_HEAD) > before);
    expect_write_behind_reads_is_dropped(*state, 20 * 1000);
    expect_first_write_is_dropped(*state);
}

// XDP in native mode has segments cut for it, but a link may be as wide as the biggest of them.
static void native_xdp_judges_frames_of_many_pages(void **state) {
    network_run(AT_NODE, "ip link set node0 mtu 60000");
    network_run(AT_CLIENTS, "ip link set client0 mtu 60000");
    begin_with_big_windows();
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    let_lease_end(*state);
    unsigned long long before = calls(COUNTED_XDP_READS_BEHIND_HEAD);
    expect_reads_pass(*state);
    assert_true(calls(COUNTED_XDP_READS_BEHIND_HEAD) > before);
    expect_write_behind_reads_is_dropped(*state, 20 * 1000);
    expect_first_write_is_dropped(*state);
}

// --- Headers in fragments ---

// Linux puts all but the Ethernet header of a big frame from a packet socket into page fragments.
static void tc_fetches_headers_from_fragments(void **state) {
    enum { BIG = 5000, FULL = 9000 };
    static struct frame frame;
    static char payload[BIG];
    struct own_server *own = *state;
    const struct frame_shape shapes[] = {{.port = (uint16_t)own->server.port},
                                         {.port = (uint16_t)own->server.port, .ip = 6},
                                         {.port = (uint16_t)own->server.port, .ip_options = 40}};
    network_run(AT_NODE, "ip link set node0 mtu %d", FULL);
    network_run(AT_CLIENTS, "ip link set client0 mtu %d", FULL);
    fence_attach("node0", FENCE_BY_TC);
    let_lease_end(own);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        unsigned long long pulls = calls(COUNTED_TC_PULLS);
        struct fence_stats before = fence_counters(own->server.port);
        memset(payload, 'v', sizeof(payload));
        memcpy(payload, GET, strlen(GET));
        frame_build(&frame, &shapes[i], payload, sizeof(payload));
        send_frame_from(AT_CLIENTS, "client0", frame.bytes, frame.length);
        memcpy(payload, GET SET, strlen(GET SET));
        frame_build(&frame, &shapes[i], payload, sizeof(payload));
        send_frame_from(AT_CLIENTS, "client0", frame.bytes, frame.length);
        struct fence_stats after = fence_counters(own->server.port);
        assert_true(calls(COUNTED_TC_PULLS) == pulls + 2);
        assert_true(after.inspected == before.inspected + 2);
        assert_true(after.dropped == before.dropped + 1);
    }
}

// --- ---

static int enter(void **state) {
    char path[512];
    const char *program = getenv("KVFENCED");
    const char *end = program == NULL ? NULL : strrchr(program, '/');
    (void)snprintf(path, sizeof(path), "%.*s/tests/integration/objects/counted_fence.bpf.o",
                   end == NULL ? 5 : (int)(end - program), end == NULL ? "build" : program);
    return setenv("KVFENCE_BPF", path, 1) == 0 ? links_enter(state) : -1;
}

static int build_and_start(void **state) {
    links_build();
    // Others let packets leave one by one.
    network_run(AT_CLIENTS, "echo reno >/proc/sys/net/ipv4/tcp_congestion_control");
    return own_server_start(state);
}

#define link_test(test)                                                                                      \
    cmocka_unit_test_prestate_setup_teardown(                                                                \
        (test), build_and_start, own_server_discard,                                                         \
        (char[]){"bind 0.0.0.0\nmaster-lease-mode block-write\nfence-bpf-path " FENCE_PINS})

int main(void) {
    const struct CMUnitTest tests[] = {
        link_test(tc_judges_merged_segments_as_a_whole),
        link_test(tc_judges_segments_that_were_never_cut),
        link_test(native_xdp_judges_frames_of_many_pages),
        link_test(tc_fetches_headers_from_fragments),
    };
    return cmocka_run_group_tests(tests, enter, NULL);
}
