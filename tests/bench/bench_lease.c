// SPDX-License-Identifier: Apache-2.0
//
// How long the lease's checks take, in nanoseconds: the best of several runs, without a lease to enforce and
// with one that is held. A SET takes some thousand nanoseconds of a processor. Uses: base, lease.
#include "base/log.h"
#include "lease/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 1000 * 1000, RUNS = 15 };

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static size_t refusals; // keeps the compiler from leaving work out

static const char *check_one_write(struct lease *lease) {
    return lease_check_commit(lease, 1);
}

static void measure(struct lease *lease, enum lease_mode mode, const char *(*check)(struct lease *lease),
                    const char *name) {
    double best = 0;
    lease_set_mode(lease, mode);
    for (int run = 0; run < RUNS; run++) {
        double begin = now_ns();
        for (int round = 0; round < ROUNDS; round++)
            refusals += check(lease) != NULL;
        double each = (now_ns() - begin) / ROUNDS;
        if (run == 0 || each < best)
            best = each;
    }
    printf("%-10s %-12s %6.1f ns\n", name, lease_mode_name(mode), best);
}

int main(void) {
    char directory[] = "/tmp/kvfence-bench-XXXXXX";
    char path[64];
    char error[LEASE_ERROR_SIZE];
    struct lease *lease = NULL;
    struct lease_answer answer;
    log_set_level(LOG_ERROR);
    if (mkdtemp(directory) == NULL ||
        !lease_open(&(struct lease_config){.directory = directory}, &lease, error))
        return EXIT_FAILURE;
    struct lease_heartbeat heartbeat = {
        .form = LEASE_FORM_SHORT, .lease_ms = LEASE_MS_MAX, .version = 1, .arrived = clock_boot()};
    lease_heartbeat(lease, &heartbeat, &answer);
    measure(lease, LEASE_DISABLED, check_one_write, "at commit");
    measure(lease, LEASE_BLOCK_WRITE, check_one_write, "at commit");
    measure(lease, LEASE_DISABLED, lease_check_settle, "at settle");
    measure(lease, LEASE_BLOCK_WRITE, lease_check_settle, "at settle");
    lease_close(lease);
    (void)snprintf(path, sizeof(path), "%s/lease.state", directory);
    (void)remove(path);
    (void)remove(directory);
    return refusals == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
