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
#include "store/log_tail.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct master {
    struct store_fixture fixture;
    struct replicas *replicas;
    const char *verdict; // about whoever asks to be fed
    void (*while_judging)(struct master *master);
};

static const char *judge(void *context, const struct replica_request *request) {
    struct master *master = context;
    assert_true(request->announcement.port != 0);
    if (master->while_judging != NULL)
        master->while_judging(master);
    return master->verdict;
}

static int open_master(void **state) {
    static struct master master;
    store_fixture_open(&master.fixture, NULL);
    master.verdict = NULL;
    master.replicas = replicas_open(judge, &master);
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
    const struct replica_request request = {.next = next, .announcement = {.host = "replica", .port = port}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(replicas_add(master->replicas, ends[0], &request));
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

static size_t print_acknowledgement(char *text, size_t size, uint64_t sequence) {
    char number[24];
    int length = snprintf(number, sizeof(number), "%llu", (unsigned long long)sequence);
    return (size_t)snprintf(text, size, "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$%d\r\n%s\r\n", length, number);
}

static void acknowledge(int fd, uint64_t sequence) {
    char text[128];
    (void)print_acknowledgement(text, sizeof(text), sequence);
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

// --- While there is log to send ---

// A replica that takes all at once, without being read from: by what lies in its socket it can be told how
// far the feeder has come when something else happens.
struct patient {
    struct master *master;
    int fd;
    pthread_t stopper;
    size_t sent_then; // bytes, when its acknowledgement was heard
    sem_t heard;
};

static size_t total_log(struct master *master) {
    struct log_tail *tail = log_tail_open(master->fixture.store, 1);
    struct bytes batch;
    size_t total = 0;
    while (log_tail_next(tail, &batch) == LOG_TAIL_BATCH)
        total += batch.length;
    log_tail_close(tail);
    return total;
}

// Returns its bytes.
static size_t write_long_log(struct master *master, int values) {
    static char value[10000];
    memset(value, 'v', sizeof(value) - 1);
    for (int i = 0; i < values; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key:%d", i);
        assert_int_equal(store_fixture_set(master->fixture.sessions[0], key, value), STORE_OK);
    }
    assert_int_equal(store_settle(master->fixture.sessions[0]), SETTLED);
    return total_log(master);
}

// What the replica has to say lies in the socket before anything is sent to it.
static void feed_patient(struct patient *patient) {
    int ends[2];
    int room = 1 << 20; // the system may give less: as much as the tests need is the default
    const struct replica_request request = {.next = 1, .announcement = {.host = "replica", .port = 1}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    patient->fd = ends[1];
    acknowledge(patient->fd, 0);
    assert_true(replicas_add(patient->master->replicas, ends[0], &request));
}

static void note_sent(void *context) {
    struct patient *patient = context;
    int bytes = 0;
    assert_int_equal(ioctl(patient->fd, FIONREAD, &bytes), 0);
    patient->sent_then = (size_t)bytes;
    (void)sem_post(&patient->heard);
}

static void a_replica_is_heard_before_all_of_the_log_is_sent(void **state) {
    struct patient patient = {.master = *state};
    size_t total = write_long_log(*state, 18);
    assert_true(replicas_wait(patient.master->replicas, 0, 1, note_sent, &patient) != 0);
    assert_int_equal(sem_init(&patient.heard, 0, 0), 0);
    feed_patient(&patient);
    (void)sem_wait(&patient.heard); // nothing is taken out of the socket until then
    await_bytes(patient.fd, "key:17");
    assert_true(patient.sent_then > 0);
    assert_true(patient.sent_then < total);
    (void)close(patient.fd);
}

static void *stop(void *argument) {
    replicas_stop(argument);
    return NULL;
}

static void ignore(void *context) {
    (void)context;
}

// Nobody can wait for replicas that are being stopped.
static void await_stopping(struct replicas *replicas) {
    for (uint64_t wait = 1; wait != 0;) {
        wait = replicas_wait(replicas, 1000000, 9, ignore, NULL);
        if (wait != 0)
            (void)replicas_cancel_wait(replicas, wait);
    }
}

// On the feeder's thread, which is wanted back from here on.
static void begin_to_stop(void *context) {
    struct patient *patient = context;
    struct replicas *replicas = patient->master->replicas;
    note_sent(patient);
    assert_int_equal(pthread_create(&patient->stopper, NULL, stop, replicas), 0);
    await_stopping(replicas);
}

// Takes what is there, and the feeder can go on.
static void *drain(void *argument) {
    struct patient *patient = argument;
    static char bytes[64 << 10];
    size_t *drained = malloc(sizeof(*drained));
    ssize_t count = 0;
    *drained = 0;
    while ((count = recv(patient->fd, bytes, sizeof(bytes), 0)) > 0)
        *drained += (size_t)count;
    return drained;
}

static void a_feeder_can_be_ended_before_all_of_the_log_is_sent(void **state) {
    struct patient patient = {.master = *state};
    pthread_t reader;
    void *drained = NULL;
    size_t total = write_long_log(*state, 100);
    assert_true(replicas_wait(patient.master->replicas, 0, 1, begin_to_stop, &patient) != 0);
    feed_patient(&patient);
    assert_int_equal(pthread_create(&reader, NULL, drain, &patient), 0);
    assert_int_equal(pthread_join(reader, &drained), 0);
    assert_int_equal(pthread_join(patient.stopper, NULL), 0);
    assert_true(*(size_t *)drained < total);
    free(drained);
    (void)close(patient.fd);
}

// More than is read at once, so that a part of one is left over, and then more than there is room for behind
// that part; after the last one the socket has nothing more to say.
static void many_acknowledgements_at_once_are_all_heard(void **state) {
    enum { BYTES = 300000 };
    struct master *master = *state;
    const struct replica_request request = {.next = 1, .announcement = {.host = "replica", .port = 1}};
    char *text = malloc(BYTES + 128);
    size_t length = 0;
    int ends[2];
    int room = 1 << 20;
    assert_non_null(text);
    while (length < BYTES)
        length += print_acknowledgement(text + length, 64, 1);
    length += print_acknowledgement(text + length, 64, 3);
    write_settled(master, "a");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    assert_int_equal(send(ends[1], text, length, MSG_NOSIGNAL | MSG_DONTWAIT), length);
    assert_true(replicas_add(master->replicas, ends[0], &request));
    await_acknowledged(master, 3, 1);
    (void)close(ends[1]);
    free(text);
}

// --- Who is not fed ---

static void who_is_refused_is_told_why_and_not_shown(void **state) {
    struct master *master = *state;
    struct replica_view view;
    char text[64] = "";
    master->verdict = "ERR no";
    int replica = add_replica(master, 1, 1);
    assert_int_equal(recv(replica, text, sizeof(text) - 1, MSG_WAITALL), strlen("-ERR no\r\n"));
    assert_string_equal(text, "-ERR no\r\n");
    assert_int_equal(replicas_view(master->replicas, &view, 1), 0);
    (void)close(replica);
}

static void no_more_replicas_are_fed_than_there_are_threads_for(void **state) {
    enum { MOST = 128 };
    struct master *master = *state;
    const struct replica_request request = {.next = 1, .announcement = {.host = "replica", .port = 1}};
    int replicas[MOST];
    int ends[2];
    for (size_t i = 0; i < MOST; i++)
        replicas[i] = add_replica(master, 1, (uint16_t)(i + 1));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_false(replicas_add(master->replicas, ends[0], &request));
    char byte = 0;
    assert_int_equal(recv(ends[1], &byte, 1, 0), 0); // an error would make it copy everything
    (void)close(ends[1]);
    (void)close(replicas[0]);
    const struct timespec moment = {.tv_nsec = 2000000};
    bool added = false;
    for (int i = 0; i < 10000 && !added; i++) { // until the thread has noticed
        (void)nanosleep(&moment, NULL);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        added = replicas_add(master->replicas, ends[0], &request);
        (void)close(ends[1]);
    }
    assert_true(added);
    for (size_t i = 1; i < MOST; i++)
        (void)close(replicas[i]);
}

static atomic_bool has_stopped;

static void *stop_and_tell(void *argument) {
    replicas_stop(argument);
    atomic_store(&has_stopped, true);
    return NULL;
}

static pthread_t judged_stopper;

// The database may be replaced once replicas_stop() has returned.
static void have_it_stopped(struct master *master) {
    assert_int_equal(pthread_create(&judged_stopper, NULL, stop_and_tell, master->replicas), 0);
    await_stopping(master->replicas);
    assert_false(atomic_load(&has_stopped));
}

static void the_database_is_not_replaced_between_the_verdict_and_the_feeding(void **state) {
    struct master *master = *state;
    atomic_store(&has_stopped, false);
    master->while_judging = have_it_stopped;
    write_settled(master, "a");
    int replica = add_replica(master, 1, 1);
    char text[16] = "";
    while (recv(replica, text, sizeof(text), 0) > 0) // until it is let go
        continue;
    assert_int_equal(pthread_join(judged_stopper, NULL), 0);
    master->while_judging = NULL;
    (void)close(replica);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_MASTER(test) cmocka_unit_test_setup_teardown(test, open_master, close_master)
        WITH_MASTER(an_acknowledgement_of_what_was_never_sent_does_not_count),
        WITH_MASTER(a_replica_is_heard_before_all_of_the_log_is_sent),
        WITH_MASTER(a_feeder_can_be_ended_before_all_of_the_log_is_sent),
        WITH_MASTER(many_acknowledgements_at_once_are_all_heard),
        WITH_MASTER(who_is_refused_is_told_why_and_not_shown),
        WITH_MASTER(no_more_replicas_are_fed_than_there_are_threads_for),
        WITH_MASTER(the_database_is_not_replaced_between_the_verdict_and_the_feeding),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
