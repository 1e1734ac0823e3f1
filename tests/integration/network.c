// SPDX-License-Identifier: Apache-2.0
//
// Places, their links, and losing what is on them. Nobody asks for the others' link addresses: they are told
// beforehand, and a wrong one loses the packet. No queueing discipline is needed for this, which not every
// kernel has. Uses: cmocka, hiredis, ip(8).
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

enum { RIGHT = 0, WRONG = 9 }; // a byte of the link addresses that packets are sent to

static int namespaces[NETWORK_PLACES]; // descriptors, from network_make_places() to the process's end
static char paths[NETWORK_PLACES][64];

// --- Places ---

bool network_make_places(void) {
    for (int place = 0; place < NETWORK_PLACES; place++) { // the last one is home
        if (unshare(CLONE_NEWNET) != 0 ||
            (namespaces[place] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) {
            perror("cannot make network namespaces (the test needs root)");
            return false;
        }
        (void)snprintf(paths[place], sizeof(paths[place]), "/proc/%d/fd/%d", (int)getpid(),
                       namespaces[place]);
    }
    return true;
}

const char *network_namespace(int place) {
    return paths[place];
}

void network_go(int place) {
    if (setns(namespaces[place], CLONE_NEWNET) != 0)
        fail_msg("cannot go to place %d: %s", place, strerror(errno));
}

void network_run(int place, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    network_go(place);
    int status = system(line); // NOLINT(cert-env33-c): a test's own words
    network_go(NETWORK_HOME);
    if (status != 0)
        fail_msg("'%s' failed", line);
}

redisContext *network_connect(int from, const char *address, int port) {
    const struct timeval patience = {.tv_sec = IS_SANITIZED ? 120 : 30};
    network_go(from);
    redisContext *connection = redisConnectWithTimeout(address, port, patience);
    network_go(NETWORK_HOME);
    assert_non_null(connection);
    if (connection->err != 0)
        fail_msg("cannot connect to %s: %s", address, connection->errstr);
    assert_int_equal(redisSetTimeout(connection, patience), REDIS_OK);
    return connection;
}

// --- Links ---

const char *network_address(int place) {
    static const char *const addresses[NETWORK_PLACES] = {"10.97.0.1", "10.97.0.2", "10.97.0.3", "10.97.0.4"};
    return addresses[place];
}

const char *network_interface(int to) {
    static const char *const names[NETWORK_PLACES] = {"to0", "to1", "to2", "to3"};
    return names[to];
}

static void address_link(int from, int to, int byte) {
    network_run(from, "ip neigh replace %s lladdr 02:00:00:00:0%d:%d%d dev %s nud permanent",
                network_address(to), byte, to, from, network_interface(to));
}

static void join(int one, int other) {
    network_run(one,
                "ip link add %s address 02:00:00:00:00:%d%d type veth peer name %s address "
                "02:00:00:00:00:%d%d netns %s",
                network_interface(other), one, other, network_interface(one), other, one,
                network_namespace(other));
}

// An interface that goes down forgets its route and whom it leads to.
static void lead(int place, int to) {
    const char *interface = network_interface(to);
    network_run(place, "ip link set %s up && ip route replace %s/32 dev %s src %s", interface,
                network_address(to), interface, network_address(place));
    address_link(place, to, RIGHT);
}

int network_make(void **state) {
    (void)state;
    if (!network_make_places())
        return -1;
    for (int place = 0; place < NETWORK_PLACES; place++)
        network_run(place, "ip link set lo up && ip address add %s/32 dev lo", network_address(place));
    for (int one = 0; one < NETWORK_PLACES; one++) {
        for (int other = one + 1; other < NETWORK_PLACES; other++) {
            join(one, other);
            network_mend(one, other);
        }
    }
    return 0;
}

// --- Breaking ---

void network_cut(int first, int second, enum network_cut how) {
    if (how == NETWORK_LINK_DOWN) {
        network_run(first, "ip link set %s down", network_interface(second));
        return;
    }
    address_link(first, second, WRONG);
    if (how == NETWORK_SILENCE)
        address_link(second, first, WRONG);
}

void network_mend(int first, int second) {
    lead(first, second);
    lead(second, first);
}
