// SPDX-License-Identifier: Apache-2.0
//
// Places, their links, and losing what is on them. Nobody asks for the others' link addresses: they are told
// beforehand, and a wrong one loses the packet. Uses: the fence's rig.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static int namespaces[NETWORK_PLACES]; // descriptors, from network_enter() to the process's end

void network_go(int place) {
    if (setns(namespaces[place], CLONE_NEWNET) != 0)
        fail_msg("cannot enter place %d: %s", place, strerror(errno));
}

const char *network_address(int place) {
    static const char *const addresses[NETWORK_PLACES] = {"10.97.0.1", "10.97.0.2", "10.97.0.3", "10.97.0.4"};
    return addresses[place];
}

const char *network_interface(int place, int to) {
    static const char *const names[NETWORK_PLACES] = {"to0", "to1", "to2", "to3"};
    (void)place; // they are called the same everywhere
    return names[to];
}

// --- Making ---

__attribute__((format(printf, 2, 3))) static void run_at(int place, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    network_go(place);
    int status = system(line); // NOLINT(cert-env33-c): a test's own words
    network_go(0);
    if (status != 0)
        fail_msg("'%s' failed", line);
}

// What leaves for the other place is sent to the link address 02::<nibble>:<place><to>. The right one begins
// with 0.
static void address_link(int from, int to, int nibble) {
    run_at(from, "ip neigh replace %s lladdr 02:00:00:00:0%d:%d%d dev %s nud permanent", network_address(to),
           nibble, to, from, network_interface(from, to));
}

static void join(int one, int other) {
    run_at(one,
           "ip link add %s address 02:00:00:00:00:%d%d type veth peer name %s address 02:00:00:00:00:%d%d "
           "netns /proc/%d/fd/%d",
           network_interface(one, other), one, other, network_interface(other, one), other, one,
           (int)getpid(), namespaces[other]);
}

static void lead(int place, int to) {
    const char *interface = network_interface(place, to);
    run_at(place, "ip link set %s up && ip route add %s/32 dev %s src %s", interface, network_address(to),
           interface, network_address(place));
    address_link(place, to, 0);
}

static void build(void) {
    for (int place = 0; place < NETWORK_PLACES; place++)
        run_at(place, "ip link set lo up && ip address add %s/32 dev lo", network_address(place));
    for (int one = 0; one < NETWORK_PLACES; one++) {
        for (int other = one + 1; other < NETWORK_PLACES; other++) {
            join(one, other);
            lead(one, other);
            lead(other, one);
        }
    }
}

static int own_namespace(void) {
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

int network_enter(void **state) {
    if (fence_rig_enter(state) != 0 || (namespaces[0] = own_namespace()) < 0)
        return -1;
    for (int place = 1; place < NETWORK_PLACES; place++) {
        if (unshare(CLONE_NEWNET) != 0 || (namespaces[place] = own_namespace()) < 0) {
            perror("cannot make a network namespace");
            return -1;
        }
    }
    network_go(0);
    build();
    fence_load_unattached();
    return 0;
}

// --- Breaking ---

void network_lose(int from, int to) {
    address_link(from, to, 9);
}

void network_deliver(int from, int to) {
    address_link(from, to, 0);
}

void network_cut(int place, int other) {
    network_lose(place, other);
    network_lose(other, place);
}

void network_mend(int place, int other) {
    network_deliver(place, other);
    network_deliver(other, place);
}

// --- Using ---

redisContext *network_connect(int from, int to, int port) {
    const struct timeval patience = {.tv_sec = IS_SANITIZED ? 120 : 30};
    network_go(from);
    redisContext *connection = redisConnectWithTimeout(network_address(to), port, patience);
    network_go(0);
    assert_non_null(connection);
    if (connection->err != 0)
        fail_msg("cannot connect to place %d: %s", to, connection->errstr);
    assert_int_equal(redisSetTimeout(connection, patience), REDIS_OK);
    return connection;
}
