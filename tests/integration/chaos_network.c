// SPDX-License-Identifier: Apache-2.0
//
// Uses: cmocka, ip(8).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chaos_network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int namespaces[CHAOS_PLACES]; // descriptors, from chaos_network_make() to the process's end

bool chaos_network_go(int place) {
    return setns(namespaces[place], CLONE_NEWNET) == 0;
}

// Runs a line of the shell at a place; it must succeed.
__attribute__((format(printf, 2, 3))) static void at(int place, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert_true(chaos_network_go(place));
    int status = system(line); // NOLINT(cert-env33-c): a test's own words
    assert_true(chaos_network_go(CHAOS_CLIENTS));
    if (status != 0)
        fail_msg("'%s' failed", line);
}

void chaos_network_address(int target, int observer, char out[CHAOS_ADDRESS_SIZE]) {
    int low = target < observer ? target : observer;
    int high = target < observer ? observer : target;
    (void)snprintf(out, CHAOS_ADDRESS_SIZE, "10.98.%d%d.%d", low + 1, high + 1, target + 1);
}

static void join(int one, int other) {
    char here[CHAOS_ADDRESS_SIZE];
    char there[CHAOS_ADDRESS_SIZE];
    chaos_network_address(one, other, here);
    chaos_network_address(other, one, there);
    at(one, "ip link add to%d type veth peer name to%d netns /proc/%d/fd/%d", other, one, (int)getpid(),
       namespaces[other]);
    at(one, "ip address add %s/24 dev to%d && ip link set to%d up", here, other, other);
    at(other, "ip address add %s/24 dev to%d && ip link set to%d up", there, one, one);
}

static bool make_namespaces(void) {
    for (int place = 0; place < CHAOS_PLACES; place++) {
        if (unshare(CLONE_NEWNET) != 0 ||
            (namespaces[place] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
            return false;
    }
    return true;
}

int chaos_network_make(void **state) {
    (void)state;
    if (!make_namespaces()) {
        perror("cannot make network namespaces (the test needs root)");
        return -1;
    }
    for (int one = 0; one < CHAOS_PLACES; one++) {
        at(one, "ip link set lo up");
        for (int other = one + 1; other < CHAOS_PLACES; other++)
            join(one, other);
    }
    return 0;
}

// --- Cutting ---

// From now on what goes there is addressed to a card that nobody has. No queueing discipline is needed for
// this, which not every kernel has.
static void lose_packets(int from, int to) {
    char address[CHAOS_ADDRESS_SIZE];
    chaos_network_address(to, from, address);
    at(from, "ip neighbour replace %s lladdr 02:00:00:00:00:77 dev to%d nud permanent", address, to);
}

void chaos_network_cut(int first, int second, enum chaos_cut how) {
    if (how == CHAOS_LINK_DOWN) {
        at(first, "ip link set to%d down", second);
        return;
    }
    lose_packets(first, second);
    if (how == CHAOS_SILENCE)
        lose_packets(second, first);
}

static void mend_end(int here, int there) {
    char address[CHAOS_ADDRESS_SIZE];
    chaos_network_address(there, here, address);
    at(here, "ip link set to%d up; ip neighbour del %s dev to%d 2>/dev/null; :", there, address, there);
}

void chaos_network_mend(int first, int second) {
    mend_end(first, second);
    mend_end(second, first);
}
