// SPDX-License-Identifier: Apache-2.0
//
// The promise itself, under load: no write passes the check at commit, and none is acknowledged, after the
// deadline. 50 clients write in all ways at once, while a controller lets lease after lease run out: EXPIRIES
// of them (400 unless the environment says otherwise), of 10 to 30 ms.
//
// A server inside this process, so that the moments that the checks themselves read from CLOCK_BOOTTIME can
// be written down: this program stands before the C library's clock_gettime(). Each moment at which a check
// said yes must lie within a lease that was granted. The clients judge by their own clock besides: a write
// that they sent after one lease ended, and that was acknowledged before the next began, is a violation
// whatever the server's own stamps say. And while no lease is in force, nothing is written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"
#include "lease_client.h"
#include "server/lease_gate.h"
#include "server/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    CLIENTS = 50,
    WORKERS = 3,
    KEYS = 500,
    PIPELINE = 16,
    DEFAULT_EXPIRIES = 400,
    SHORTEST_MS = 10,
    LONGEST_MS = 1000
};

// --- The checks' own stamps ---

static _Thread_local uint64_t last_boot_ns; // what this thread read from CLOCK_BOOTTIME last; 0: nothing yet

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
    if (syscall(SYS_clock_gettime, clock_id, tp) != 0)
        return -1;
    if (clock_id == CLOCK_BOOTTIME)
        last_boot_ns = (uint64_t)tp->tv_sec * 1000000000 + (uint64_t)tp->tv_nsec;
    return 0;
}

static uint64_t boot_ns(void) {
    struct timespec now;
    assert_int_equal(syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// From when to when something was going on that only a lease allows, and what.
struct interval {
    uint64_t from_ns, to_ns;
    const char *what;
};

struct grant {
    uint64_t from_ns; // before the heartbeat was sent
    uint64_t deadline_ns;
};

struct harness {
    struct inner_server inner;
    _Atomic uint64_t deadline_ns; // the newest that the controller knows of
    _Atomic bool finished;
    pthread_mutex_t lock;
    // What was going on after that deadline, as far as its thread knew: to be judged when all grants are
    // known.
    struct interval *doubts;
    size_t doubt_count, doubt_room;
    struct grant *grants;
    size_t grant_count;
    unsigned shortest_ms;                   // of the leases to come
    _Atomic uint64_t passed[3], stopped[3]; // by gate
    _Atomic uint64_t acknowledged, refused, disconnected;
    unsigned seed;
};

static void note(struct harness *harness, uint64_t from_ns, uint64_t to_ns, const char *what) {
    if (from_ns <= atomic_load(&harness->deadline_ns))
        return;
    (void)pthread_mutex_lock(&harness->lock);
    if (harness->doubt_count == harness->doubt_room) {
        harness->doubt_room = harness->doubt_room * 2 + 1024;
        harness->doubts = realloc(harness->doubts, harness->doubt_room * sizeof(*harness->doubts));
    }
    harness->doubts[harness->doubt_count++] = (struct interval){from_ns, to_ns, what};
    (void)pthread_mutex_unlock(&harness->lock);
}

static const char *check(void *context, enum store_gate gate, uint64_t writes) {
    static const char *const names[] = {[STORE_GATE_COMMIT] = "a write passed the check at commit",
                                        [STORE_GATE_SETTLE] = "a round passed the check at settle",
                                        [STORE_GATE_SETTLE_LATER] = "a round passed the check of an era"};
    struct harness *harness = context;
    last_boot_ns = 0;
    const char *why = lease_gate_check(harness->inner.server->lease_gate, gate, writes);
    atomic_fetch_add(why == NULL ? &harness->passed[gate] : &harness->stopped[gate], 1);
    // Without a reading of the clock there was no lease to look at, which cannot be right either.
    uint64_t stamp = last_boot_ns != 0 ? last_boot_ns : boot_ns();
    if (why == NULL)
        note(harness, stamp, stamp, names[gate]);
    return why;
}

// --- Load ---

// Each changes something whatever is there, so that its success is a write. # stands for a key's number.
static const char *const sure_writes[] = {
    "SET s# value",    "SET s# value EX 1000", "SETEX s# 1000 value", "PSETEX s# 1000000 value",
    "GETSET s# value", "SETRANGE s# 2 xyz",    "MSET s# 1 t# 2 u# 3", "INCR i#",
    "DECR i#",         "INCRBY i# 7",          "DECRBY i# 7",         "INCRBYFLOAT f# 0.5",
    "APPEND a# x",
};

// These may find nothing to do.
static const char *const other_writes[] = {
    "DEL a#",
    "UNLINK a# t#",
    "SETNX n# value",
    "MSETNX n# 1 m# 2",
    "GETDEL n#",
    "GETEX s# EX 2000",
    "EXPIRE s# 1000",
    "PEXPIRE s# 100000",
    "EXPIREAT s# 99999999999",
    "PERSIST s#",
    "RENAME i# i#",
    "RENAMENX t# n#",
    "COPY s# c# REPLACE",
    "CAS t# 2 2",
    "CAD u# 3",
    "SETBIT b# 7 1",
    "BITFIELD b# INCRBY u8 0 1",
    "BITOP NOT d# b#",
    "FLUSHDB",
};

struct load_client {
    struct harness *harness;
    size_t number;
    unsigned seed;
    redisContext *connection;
};

static int random_below(struct load_client *client, int limit) {
    return (int)((unsigned)rand_r(&client->seed) % (unsigned)limit);
}

static bool append_words(struct load_client *client, const char *format) {
    char words[96];
    size_t length = 0;
    for (; *format != '\0'; format++) {
        if (*format == '#')
            length +=
                (size_t)snprintf(words + length, sizeof(words) - length, "%d", random_below(client, KEYS));
        else
            words[length++] = *format;
    }
    words[length] = '\0';
    return redisAppendCommand(client->connection, words) == REDIS_OK;
}

static bool append_write(struct load_client *client, bool *sure) {
    *sure = random_below(client, 4) != 0;
    int choice = random_below(client, *sure ? (int)(sizeof(sure_writes) / sizeof(sure_writes[0]))
                                            : (int)(sizeof(other_writes) / sizeof(other_writes[0])));
    const char *format = *sure ? sure_writes[choice] : other_writes[choice];
    if (strcmp(format, "FLUSHDB") == 0 && random_below(client, 20) != 0)
        format = "DEL a#";
    return append_words(client, format);
}

// False: the connection is gone.
static bool take_reply(struct load_client *client, bool sure, uint64_t sent_ns) {
    redisReply *reply = NULL;
    struct harness *harness = client->harness;
    if (redisGetReply(client->connection, (void **)&reply) != REDIS_OK)
        return false;
    bool is_error = reply->type == REDIS_REPLY_ERROR;
    if (is_error && strncmp(reply->str, LEASE_REFUSAL, strlen(LEASE_REFUSAL)) == 0) {
        atomic_fetch_add(&harness->refused, 1);
    } else if (sure && !is_error && reply->type != REDIS_REPLY_NIL) {
        atomic_fetch_add(&harness->acknowledged, 1);
        note(harness, sent_ns, boot_ns(), "a client was told of success");
    }
    freeReplyObject(reply);
    return true;
}

static bool write_some(struct load_client *client, int count) {
    bool sure[PIPELINE];
    uint64_t sent_ns = boot_ns();
    for (int i = 0; i < count; i++) {
        if (!append_write(client, &sure[i]))
            return false;
    }
    for (int i = 0; i < count; i++) {
        if (!take_reply(client, sure[i], sent_ns))
            return false;
    }
    return true;
}

// MULTI, three writes, EXEC: EXEC's reply is an array, or the refusal.
static bool write_transaction(struct load_client *client) {
    enum { WRITES = 3 };
    bool sure = false;
    uint64_t sent_ns = boot_ns();
    if (redisAppendCommand(client->connection, "MULTI") != REDIS_OK)
        return false;
    for (int i = 0; i < WRITES; i++) {
        if (!append_write(client, &sure))
            return false;
    }
    // The last word, so that there is something to commit in any case.
    if (redisAppendCommand(client->connection, "INCR e%d", (int)client->number) != REDIS_OK ||
        redisAppendCommand(client->connection, "EXEC") != REDIS_OK)
        return false;
    for (int i = 0; i < WRITES + 2; i++) {
        if (!take_reply(client, false, sent_ns))
            return false;
    }
    return take_reply(client, true, sent_ns);
}

static void *run_client(void *argument) {
    struct load_client *client = argument;
    struct harness *harness = client->harness;
    client->connection = server_connect(&harness->inner.address);
    while (!atomic_load(&harness->finished)) {
        bool connected = client->number % 3 == 0   ? write_transaction(client)
                         : client->number % 3 == 1 ? write_some(client, 1)
                                                   : write_some(client, PIPELINE);
        if (connected)
            continue;
        atomic_fetch_add(&harness->disconnected, 1); // a late round
        redisFree(client->connection);
        client->connection = server_connect(&harness->inner.address);
    }
    redisFree(client->connection);
    return NULL;
}

// --- The controller ---

static void grant(struct harness *harness, redisContext *controller, unsigned lease_ms) {
    uint64_t from_ns = boot_ns();
    lease_grant(controller, 1, lease_ms);
    struct lease_view view = lease_view(lease_gate_lease(harness->inner.server->lease_gate));
    harness->grants[harness->grant_count++] = (struct grant){from_ns, view.deadline.value};
    atomic_store(&harness->deadline_ns, view.deadline.value);
}

static void sleep_until(uint64_t moment_ns) {
    struct timespec until = {.tv_sec = (time_t)(moment_ns / 1000000000),
                             .tv_nsec = (long)(moment_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static void answer(struct worker *worker, void *argument) {
    (void)worker;
    (void)sem_post(argument);
}

// What passed the check just before the deadline may be stored just after it, and that is all: once each
// worker has come to the end of what it was doing, nothing is written until the next lease.
static void expect_no_writes(struct harness *harness) {
    sem_t answered;
    struct server *server = harness->inner.server;
    assert_int_equal(sem_init(&answered, 0, 0), 0);
    server_post_all(server, answer, &answered);
    for (int i = 0; i < WORKERS; i++)
        (void)sem_wait(&answered);
    uint64_t sequence = store_latest_sequence(server->store);
    uint64_t refused = atomic_load(&harness->stopped[STORE_GATE_COMMIT]);
    uint64_t end_ns = boot_ns() + 20000000;
    while (atomic_load(&harness->stopped[STORE_GATE_COMMIT]) < refused + CLIENTS && boot_ns() < end_ns)
        (void)poll(NULL, 0, 1);
    assert_int_equal(store_latest_sequence(server->store), sequence);
    (void)sem_destroy(&answered);
}

static uint64_t expirations(const struct harness *harness) {
    return lease_view(lease_gate_lease(harness->inner.server->lease_gate)).counters.expirations;
}

static void let_one_run_out(struct harness *harness, redisContext *controller) {
    grant(harness, controller, harness->shortest_ms + (unsigned)rand_r(&harness->seed) % 21);
    // A heartbeat that is read later than its lease is long grants nothing: the machine is too slow for such.
    if (boot_ns() > atomic_load(&harness->deadline_ns) && harness->shortest_ms < LONGEST_MS)
        harness->shortest_ms += SHORTEST_MS;
    sleep_until(atomic_load(&harness->deadline_ns) + 1);
    server_on_lease_timer(harness->inner.server);
    expect_no_writes(harness);
}

// --- Judgement ---

// True if some lease was in force at some moment of the interval.
static bool was_allowed(const struct harness *harness, const struct interval *interval) {
    size_t low = 0;
    size_t high = harness->grant_count; // the first grant whose deadline is not before the interval
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (harness->grants[middle].deadline_ns < interval->from_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low < harness->grant_count && harness->grants[low].from_ns <= interval->to_ns;
}

static size_t count_violations(const struct harness *harness) {
    size_t violations = 0;
    for (size_t i = 0; i < harness->doubt_count; i++) {
        const struct interval *doubt = &harness->doubts[i];
        if (was_allowed(harness, doubt))
            continue;
        if (violations++ < 10)
            print_error("%s at %" PRIu64 " to %" PRIu64 " ns, when there was no lease\n", doubt->what,
                        doubt->from_ns, doubt->to_ns);
    }
    return violations;
}

static void report(const struct harness *harness) {
    print_message("%" PRIu64 " leases ran out; at commit %" PRIu64 " passed and %" PRIu64
                  " did not, at settle %" PRIu64 " rounds passed and %" PRIu64 " were late; clients: %" PRIu64
                  " acknowledged, %" PRIu64 " refused, %" PRIu64 " disconnected; %zu moments looked at\n",
                  expirations(harness), atomic_load(&harness->passed[STORE_GATE_COMMIT]),
                  atomic_load(&harness->stopped[STORE_GATE_COMMIT]),
                  atomic_load(&harness->passed[STORE_GATE_SETTLE]),
                  atomic_load(&harness->stopped[STORE_GATE_SETTLE]), atomic_load(&harness->acknowledged),
                  atomic_load(&harness->refused), atomic_load(&harness->disconnected), harness->doubt_count);
}

static unsigned wanted_expiries(void) {
    const char *given = getenv("EXPIRIES");
    return given == NULL ? DEFAULT_EXPIRIES : (unsigned)strtoul(given, NULL, 10);
}

static void no_write_passes_and_none_is_acknowledged_after_the_deadline(void **state) {
    (void)state;
    unsigned wanted = wanted_expiries();
    static struct harness harness = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct load_client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    const char *given = getenv("KVFENCE_SEED");
    harness.seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed: KVFENCE_SEED=%u, EXPIRIES=%u\n", harness.seed, wanted);
    harness.shortest_ms = SHORTEST_MS;
    harness.grants = calloc((size_t)wanted * 3 + LONGEST_MS + 1, sizeof(*harness.grants));
    assert_non_null(harness.grants);
    inner_server_open(&harness.inner, WORKERS, check, &harness);
    redisContext *controller = server_connect(&harness.inner.address);
    expect_text(controller, "OK", "CONFIG SET master-lease-mode block-write");
    // Otherwise what passes before the first lease, which takes a while to be made durable, would be judged
    // too.
    expect_text(controller, "OK", "CONFIG SET master-lease-cold-start fence");
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] =
            (struct load_client){.harness = &harness, .number = i, .seed = harness.seed + (unsigned)i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    while (expirations(&harness) < wanted && harness.grant_count < (size_t)wanted * 3 + LONGEST_MS)
        let_one_run_out(&harness, controller);
    grant(&harness, controller, 60000); // whoever is in the middle of something can end it
    atomic_store(&harness.finished, true);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    report(&harness);
    assert_int_equal(count_violations(&harness), 0);
    assert_true(expirations(&harness) >= wanted);
    assert_true(atomic_load(&harness.acknowledged) > wanted && atomic_load(&harness.refused) > wanted);
    redisFree(controller);
    inner_server_discard(&harness.inner);
    free(harness.grants);
    free(harness.doubts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_write_passes_and_none_is_acknowledged_after_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
