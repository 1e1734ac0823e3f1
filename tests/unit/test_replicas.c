// SPDX-License-Identifier: Apache-2.0
//
// A master and its replicas, which the test plays at the other ends of sockets: what they are sent, and which
// of their acknowledgements count.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"
#include "replication/replicas.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct master {
    struct store_fixture fixture;
    struct replicas *replicas;
};

static int open_master(void **state) {
    static struct master master;
    store_fixture_open(&master.fixture, NULL);
    master.replicas = replicas_open();
    replicas_start(master.replicas, master.fixture.store, PATIENCE_MS);
    *state = &master;
    return 0;
}

static int close_master(void **state) {
    struct master *master = *state;
    replicas_stop(master->replicas);
    replicas_close(master->replicas);
    store_fixture_close(&master->fixture);
    return 0;
}

static void write_settled(struct master *master, const char *key) {
    assert_int_equal(store_fixture_set(master->fixture.sessions[0], key, "value"), STORE_OK);
    assert_int_equal(store_settle(master->fixture.sessions[0]), SETTLED);
}

// Returns the replica's end.
static int add_replica(struct master *master, uint64_t next, uint16_t port) {
    int ends[2];
    const struct replica_announcement announcement = {.host = "replica", .port = port};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(replicas_add(master->replicas, ends[0], next, &announcement));
    return ends[1];
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// Waits until the number of replicas that have acknowledged the sequence number is this.
static void await_acknowledged(struct master *master, uint64_t sequence, size_t count) {
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int i = 0; i < 10000 && replicas_acknowledged(master->replicas, sequence) != count; i++)
        (void)nanosleep(&moment, NULL);
    assert_int_equal(replicas_acknowledged(master->replicas, sequence), count);
}

// Receives until these bytes have come.
static void await_bytes(int fd, const char *bytes) {
    static char received[1 << 20];
    size_t length = 0;
    while (memmem(received, length, bytes, strlen(bytes)) == NULL) {
        ssize_t count = recv(fd, received + length, sizeof(received) - length, 0);
        if (count <= 0)
            fail_msg("the connection ended before '%s' came", bytes);
        length += (size_t)count;
    }
}

static void acknowledge(int fd, uint64_t sequence) {
    char number[24];
    char text[128];
    int length = snprintf(number, sizeof(number), "%llu", (unsigned long long)sequence);
    (void)snprintf(text, sizeof(text), "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$%d\r\n%s\r\n", length, number);
    say(fd, text);
}

// --- Acknowledgements ---

static void an_acknowledgement_of_what_was_never_sent_does_not_count(void **state) {
    struct master *master = *state;
    write_settled(master, "a"); // 1 to 3, as the new id is written first
    int replica = add_replica(master, 4, 1);
    acknowledge(replica, 4);          // it has been promoted and has written that number itself
    await_acknowledged(master, 3, 1); // where it wants to go on from
    assert_int_equal(replicas_acknowledged(master->replicas, 4), 0);
    write_settled(master, "b");
    await_bytes(replica, "value");
    acknowledge(replica, 4);
    await_acknowledged(master, 4, 1);
    (void)close(replica);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_MASTER(test) cmocka_unit_test_setup_teardown(test, open_master, close_master)
        WITH_MASTER(an_acknowledgement_of_what_was_never_sent_does_not_count),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
