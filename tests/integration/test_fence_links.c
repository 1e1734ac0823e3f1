// SPDX-License-Identifier: Apache-2.0
//
// The kernel's fence on real links, in front of a real server: both modes of XDP and TC, on veth and lo, with
// tags, IPv6, jumbo frames and fragments, on several interfaces at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "links.h"
#include "raw_client.h"
#include "server_fixture.h"

#include <dirent.h>
#include <linux/if_ether.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHORT_LEASE_MS = 150, LONG_LEASE_MS = 600000, UNANSWERED_MS = 250, NO_TAG = 0 };

#define NODE        "10.99.0.1"
#define SECOND_NODE "10.99.1.1"
#define NODE_IPV6   "fd99::1"
#define DIRECTIVES                                                                                           \
    "bind 0.0.0.0 ::\nmaster-lease-mode block-write\nfence-bpf-path " FENCE_PINS "\nproto-max-bulk-len 64mb"

static void let_lease_end(const struct own_server *own) {
    long long expired = lease_number(own->client, "lease_expirations");
    lease_grant(own->client, 1, SHORT_LEASE_MS);
    await_expirations(own->client, expired + 1);
}

static unsigned long long dropped(const struct own_server *own) {
    return fence_counters(own->server.port).dropped;
}

static unsigned long long inspected(const struct own_server *own) {
    return fence_counters(own->server.port).inspected;
}

// --- What every link must do ---

static redisContext *write_over(const struct own_server *own, int place, const char *address,
                                const char *value) {
    redisContext *connection = network_connect(place, address, own->server.port);
    send_command(connection, "SET key %s", value);
    return connection;
}

// The lease has ended: a read passes, and a write is dropped, before the server.
static redisContext *expect_dropped(const struct own_server *own, int place, const char *address,
                                    const char *value) {
    unsigned long long before = dropped(own), seen = inspected(own);
    redisContext *reader = network_connect(place, address, own->server.port);
    expect_text(reader, "PONG", "PING");
    redisFree(reader);
    assert_true(inspected(own) > seen);
    assert_true(dropped(own) == before);
    redisContext *writer = write_over(own, place, address, value);
    assert_false(is_answered(writer, UNANSWERED_MS));
    assert_true(dropped(own) > before);
    assert_int_equal(lease_number(own->client, "lease_writes_refused"), 0);
    return writer;
}

static void expect_fenced(const struct own_server *own, int place, const char *address, const char *value) {
    lease_grant(own->client, 1, LONG_LEASE_MS);
    unsigned long long seen = inspected(own);
    expect_answer(write_over(own, place, address, "before"), "OK");
    assert_true(inspected(own) == seen); // nothing is looked into while the lease holds
    let_lease_end(own);
    redisContext *writer = expect_dropped(own, place, address, value);
    expect_text(own->client, "before", "GET key");
    // TCP sends it again, and the new lease lets it through.
    lease_grant(own->client, 1, LONG_LEASE_MS);
    expect_answer(writer, "OK");
    expect_text(own->client, value, "GET key");
}

// --- One link, one hook ---

static void native_xdp_fences_a_link(void **state) {
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    expect_fenced(*state, AT_CLIENTS, NODE, "after");
}

static void generic_xdp_fences_a_link(void **state) {
    fence_attach("node0", FENCE_BY_GENERIC_XDP);
    expect_fenced(*state, AT_CLIENTS, NODE, "after");
}

static void tc_fences_a_link(void **state) {
    fence_attach("node0", FENCE_BY_TC);
    expect_fenced(*state, AT_CLIENTS, NODE, "after");
}

static void tc_fences_lo(void **state) {
    fence_attach("lo", FENCE_BY_TC);
    expect_fenced(*state, AT_NODE, "127.0.0.1", "after");
}

// Kernels before 5.7 passed what TCP keeps a copy of, that is all data on lo. Those that the fence loads on
// do not, so it stands there too.
static void generic_xdp_fences_lo_on_every_kernel_that_loads_it(void **state) {
    fence_attach("lo", FENCE_BY_GENERIC_XDP);
    expect_fenced(*state, AT_NODE, "127.0.0.1", "after");
}

static void ipv6_is_fenced_by_both_hooks(void **state) {
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    expect_fenced(*state, AT_CLIENTS, NODE_IPV6, "after");
    fence_detach("node0");
    fence_attach("node0", FENCE_BY_TC);
    expect_fenced(*state, AT_CLIENTS, NODE_IPV6, "again");
    fence_attach("lo", FENCE_BY_TC);
    expect_fenced(*state, AT_NODE, "::1", "on lo");
}

static void without_the_fence_on_its_link_a_write_is_refused_by_the_server(void **state) {
    struct own_server *own = *state;
    fence_attach("node0", FENCE_BY_TC);
    let_lease_end(own);
    expect_answer(write_over(own, AT_CLIENTS, SECOND_NODE, "value"), LEASE_REFUSAL);
    assert_true(inspected(own) == 0);
}

// --- Tags ---

static void expect_fenced_with_tags(void **state, enum fence_attachment attachment, bool beside,
                                    uint16_t outer, uint16_t inner) {
    fence_attach("node0", attachment);
    link_switch(AT_CLIENTS, "client0", LINK_TAGS_BESIDE_PACKETS, beside);
    links_tag(outer, inner);
    expect_fenced(*state, AT_CLIENTS, NODE, "after");
}

static void native_xdp_sees_behind_a_tag_in_the_packet(void **state) {
    expect_fenced_with_tags(state, FENCE_BY_NATIVE_XDP, false, ETH_P_8021Q, NO_TAG);
}

static void native_xdp_sees_behind_two_tags_in_the_packet(void **state) {
    expect_fenced_with_tags(state, FENCE_BY_NATIVE_XDP, false, ETH_P_8021Q, ETH_P_8021Q);
}

static void native_xdp_sees_behind_a_provider_tag_and_another(void **state) {
    expect_fenced_with_tags(state, FENCE_BY_NATIVE_XDP, true, ETH_P_8021AD, ETH_P_8021Q);
}

static void generic_xdp_sees_behind_two_tags(void **state) {
    expect_fenced_with_tags(state, FENCE_BY_GENERIC_XDP, false, ETH_P_8021Q, ETH_P_8021Q);
}

static void tc_sees_behind_a_tag_that_the_card_has_taken_off(void **state) {
    expect_fenced_with_tags(state, FENCE_BY_TC, true, ETH_P_8021Q, NO_TAG);
}

static void tc_sees_behind_a_provider_tag_and_another(void **state) {
    expect_fenced_with_tags(state, FENCE_BY_TC, true, ETH_P_8021AD, ETH_P_8021Q);
}

// --- Sizes ---

static void make_jumbo(void) {
    network_run(AT_NODE, "ip link set node0 mtu 9000");
    network_run(AT_CLIENTS, "ip link set client0 mtu 9000");
    link_switch(AT_CLIENTS, "client0", LINK_SEGMENTATION_IN_CARD, false);
}

static void native_xdp_fences_jumbo_frames(void **state) {
    static char value[8001];
    memset(value, 'v', sizeof(value) - 1);
    make_jumbo();
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    expect_fenced(*state, AT_CLIENTS, NODE, value);
}

static void native_xdp_finds_a_write_at_the_end_of_a_jumbo_frame(void **state) {
    enum { READS = 330 }; // 22 bytes each
    struct own_server *own = *state;
    make_jumbo();
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    let_lease_end(own);
    redisContext *writer = network_connect(AT_CLIENTS, NODE, own->server.port);
    for (int i = 0; i < READS; i++)
        assert_int_equal(redisAppendCommand(writer, "GET key"), REDIS_OK);
    send_command(writer, "SET key value");
    assert_false(is_answered(writer, UNANSWERED_MS));
    assert_true(dropped(own) > 0);
    redisFree(writer);
}

static long fragments_joined(void) {
    char line[512];
    long joined = -1;
    FILE *file = fopen("/proc/thread-self/net/snmp", "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL && joined < 0) {
        if (strncmp(line, "Ip: ", 4) != 0 || fgets(line, sizeof(line), file) == NULL)
            continue;
        // ReasmOKs is the fifteenth number.
        char *rest = line + 3;
        for (int i = 0; i < 15; i++)
            joined = strtol(rest, &rest, 10);
    }
    assert_int_equal(fclose(file), 0);
    return joined;
}

static void expect_fragments_fenced(void **state, enum fence_attachment attachment) {
    static char value[1201];
    memset(value, 'v', sizeof(value) - 1);
    links_build_narrow_way();
    fence_attach("node0", attachment);
    long before = fragments_joined();
    expect_fenced(*state, AT_CLIENTS, NODE, value);
    assert_true(fragments_joined() > before); // or there were none
}

static void native_xdp_judges_fragments_by_the_first(void **state) {
    expect_fragments_fenced(state, FENCE_BY_NATIVE_XDP);
}

static void tc_judges_fragments_by_the_first(void **state) {
    expect_fragments_fenced(state, FENCE_BY_TC);
}

// --- Several at once ---

static void both_hooks_fence_several_interfaces_at_once(void **state) {
    struct own_server *own = *state;
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    fence_attach("node1", FENCE_BY_TC);
    fence_attach("lo", FENCE_BY_TC);
    let_lease_end(own);
    redisFree(expect_dropped(own, AT_CLIENTS, NODE, "one"));
    redisFree(expect_dropped(own, AT_CLIENTS, SECOND_NODE, "two"));
    redisContext *writer = expect_dropped(own, AT_NODE, "127.0.0.1", "three");
    lease_grant(own->client, 1, LONG_LEASE_MS);
    expect_answer(writer, "OK");
    expect_answer(write_over(own, AT_CLIENTS, NODE, "value"), "OK");
    expect_answer(write_over(own, AT_CLIENTS, SECOND_NODE, "value"), "OK");
}

static void both_hooks_on_one_interface_drop_once(void **state) {
    struct own_server *own = *state;
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    fence_attach("node0", FENCE_BY_TC);
    let_lease_end(own);
    redisContext *reader = network_connect(AT_CLIENTS, NODE, own->server.port);
    expect_text(reader, "PONG", "PING");
    redisFree(reader);
    assert_int_equal(inspected(own), 2); // by each of them
    redisContext *writer = write_over(own, AT_CLIENTS, NODE, "value");
    assert_false(is_answered(writer, UNANSWERED_MS));
    struct fence_stats stats = fence_counters(own->server.port);
    assert_int_equal(stats.inspected, 2 + stats.dropped);
    redisFree(writer);
}

// --- What is not fenced, and what more is ---

static void a_replicas_port_is_not_fenced_on_any_link(void **state) {
    struct own_server *own = *state;
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    fence_attach("lo", FENCE_BY_TC);
    let_lease_end(own);
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    unsigned long long seen = inspected(own);
    expect_answer(write_over(own, AT_CLIENTS, NODE, "value"), "READONLY");
    expect_answer(write_over(own, AT_NODE, "127.0.0.1", "value"), "READONLY");
    assert_true(inspected(own) == seen);
}

static unsigned long long undecided(const struct own_server *own) {
    return fence_counters(own->server.port).undecided;
}

static bool has_stopped_undecided(void *context) {
    return undecided(context) > 0;
}

static void strict_drops_continuations(void **state) {
    struct own_server *own = *state;
    static const char command_begin[] = "*2\r\n$4\r\nECHO\r\n$5\r\nhe", command_end[] = "llo\r\n";
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    let_lease_end(own);
    redisContext *client = network_connect(AT_CLIENTS, NODE, own->server.port);
    unsigned long long seen = inspected(own);
    raw_send_text(client->fd, command_begin);
    while (inspected(own) == seen) // the policy may only change behind it
        let_boot_time_pass(1);
    assert_true(undecided(own) == 0);
    expect_text(own->client, "OK", "CONFIG SET fence-policy strict");
    raw_send_text(client->fd, command_end);
    wait_until(has_stopped_undecided, own, 30, "the kernel drops the continuation");
    assert_false(is_answered(client, UNANSWERED_MS));
    expect_text(own->client, "OK", "CONFIG SET fence-policy writes");
    raw_expect(client->fd, "$5\r\nhello\r\n"); // TCP has sent it again
    redisFree(client);
}

// --- Being killed ---

// True if any process is in the network namespace of this inode.
static bool is_inhabited(ino_t network) {
    bool found = false;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    for (struct dirent *entry = readdir(processes); entry != NULL && !found; entry = readdir(processes)) {
        char path[300];
        struct stat status;
        (void)snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
        found = stat(path, &status) == 0 && status.st_ino == network;
    }
    assert_int_equal(closedir(processes), 0);
    return found;
}

static bool is_deserted(void *context) {
    const ino_t *network = context;
    return !is_inhabited(*network);
}

// What a test program does: namespaces, links, the fence, a server. Then it waits to be killed.
static _Noreturn void be_a_test(int ready) {
    struct test_server server;
    void *none = NULL;
    struct stat status;
    fence_forget();
    if (links_enter(&none) != 0)
        _exit(1);
    links_build();
    fence_attach("node0", FENCE_BY_NATIVE_XDP);
    server_start(&server, DIRECTIVES);
    if (stat("/proc/self/ns/net", &status) != 0 ||
        write(ready, &status.st_ino, sizeof(status.st_ino)) != sizeof(status.st_ino))
        _exit(1);
    for (;;)
        (void)pause();
}

static void a_test_that_is_killed_leaves_no_server_and_no_link(void **state) {
    int ready[2];
    ino_t network = 0;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t test = fork();
    assert_true(test >= 0);
    if (test == 0)
        be_a_test(ready[1]);
    assert_int_equal(close(ready[1]), 0);
    assert_int_equal(read(ready[0], &network, sizeof(network)), sizeof(network));
    assert_int_equal(close(ready[0]), 0);
    assert_true(is_inhabited(network));
    assert_int_equal(kill(test, SIGKILL), 0);
    assert_int_equal(waitpid(test, NULL, 0), test);
    // Without a process and without a name of its own a namespace is gone, and what was in it.
    wait_until(is_deserted, &network, 30, "the killed test's namespace is empty");
}

// --- ---

static int build_and_start(void **state) {
    links_build();
    return own_server_start(state);
}

#define link_test(test)                                                                                      \
    cmocka_unit_test_prestate_setup_teardown((test), build_and_start, own_server_discard,                    \
                                             (char[]){DIRECTIVES})

int main(void) {
    const struct CMUnitTest tests[] = {
        link_test(native_xdp_fences_a_link),
        link_test(generic_xdp_fences_a_link),
        link_test(tc_fences_a_link),
        link_test(tc_fences_lo),
        link_test(generic_xdp_fences_lo_on_every_kernel_that_loads_it),
        link_test(ipv6_is_fenced_by_both_hooks),
        link_test(without_the_fence_on_its_link_a_write_is_refused_by_the_server),
        link_test(native_xdp_sees_behind_a_tag_in_the_packet),
        link_test(native_xdp_sees_behind_two_tags_in_the_packet),
        link_test(native_xdp_sees_behind_a_provider_tag_and_another),
        link_test(generic_xdp_sees_behind_two_tags),
        link_test(tc_sees_behind_a_tag_that_the_card_has_taken_off),
        link_test(tc_sees_behind_a_provider_tag_and_another),
        link_test(native_xdp_fences_jumbo_frames),
        link_test(native_xdp_finds_a_write_at_the_end_of_a_jumbo_frame),
        link_test(native_xdp_judges_fragments_by_the_first),
        link_test(tc_judges_fragments_by_the_first),
        link_test(both_hooks_fence_several_interfaces_at_once),
        link_test(both_hooks_on_one_interface_drop_once),
        link_test(a_replicas_port_is_not_fenced_on_any_link),
        link_test(strict_drops_continuations),
        cmocka_unit_test(a_test_that_is_killed_leaves_no_server_and_no_link),
    };
    return cmocka_run_group_tests(tests, links_enter, NULL);
}
