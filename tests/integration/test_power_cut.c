// SPDX-License-Identifier: Apache-2.0
//
// A power cut keeps of each file what was synced, and any part of the rest. This program stands in for
// fsync() and fdatasync(), so that it knows what was; it runs the server in a child, kills it, cuts the
// files, and starts again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/table.h"
#include "harness.h"
#include "server/server.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, CUTS = 6, BURST = 400 };

// What has been synced, shared between the child that syncs and the parent that cuts.
struct synced_files {
    _Atomic uint64_t syncs;
    struct {
        _Atomic uint64_t inode;
        _Atomic int64_t size;
    } files[FILES_MAX];
};
static struct synced_files *synced;

static _Atomic int64_t *size_entry(uint64_t inode) {
    for (size_t i = inode % FILES_MAX, tried = 0; tried < FILES_MAX; i = (i + 1) % FILES_MAX, tried++) {
        uint64_t expected = 0;
        if (atomic_load(&synced->files[i].inode) == inode ||
            atomic_compare_exchange_strong(&synced->files[i].inode, &expected, inode) || expected == inode)
            return &synced->files[i].size;
    }
    return NULL;
}

// The size is taken before the sync: what is written meanwhile is not counted on.
static int sync_and_note(int fd, long call) {
    struct stat before = {0};
    bool known = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    int result = (int)syscall(call, fd);
    if (synced == NULL || !known || result != 0)
        return result;
    _Atomic int64_t *size = size_entry(before.st_ino);
    if (size == NULL)
        abort();
    *size = before.st_size;
    atomic_fetch_add(&synced->syncs, 1);
    return result;
}

int fsync(int fd) {
    return sync_and_note(fd, SYS_fsync);
}

int fdatasync(int fildes) {
    return sync_and_note(fildes, SYS_fdatasync);
}

// --- Cutting ---

static unsigned cut_seed;

// Cuts one file somewhere between what was synced and what was written.
static int cut_file(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)walk;
    if (type != FTW_F)
        return 0;
    const _Atomic int64_t *kept = size_entry(status->st_ino);
    int64_t sure = kept == NULL ? 0 : *kept;
    if (sure >= status->st_size)
        return 0;
    int64_t unsure = status->st_size - sure;
    return truncate(path, sure + (cut_seed % 3 == 0 ? 0 : (int64_t)rand_r(&cut_seed) % unsure));
}

// --- The server in a child ---

static _Noreturn void serve(const char *directory, int port, const char *sync) {
    char text[256];
    char error[SERVER_ERROR_SIZE];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(text, sizeof(text), "--port %d --dir %s --workers 2 --rocksdb.write_options.sync %s", port,
                   directory, sync);
    char *arguments[8];
    char *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    struct config *config = config_open();
    struct server_setup setup = {.config = config};
    setup.commands = commands_copy(&setup.command_count);
    if (!config_load_arguments(config, count, arguments, error) || server_open(&setup, error) == NULL) {
        (void)fprintf(stderr, "the server did not start: %s\n", error);
        _exit(1);
    }
    for (;;)
        (void)pause();
}

static pid_t start_child(const char *directory, const struct test_server *address, const char *sync) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        serve(directory, address->port, sync);
    for (;;) {
        redisContext *connection = redisConnect("127.0.0.1", address->port);
        bool connected = connection != NULL && connection->err == 0;
        if (connection != NULL)
            redisFree(connection);
        if (connected)
            return child;
        assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
        struct timespec step = {.tv_nsec = 5000000};
        (void)nanosleep(&step, NULL);
    }
}

static void kill_child(pid_t child) {
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static long long count_missing(redisContext *connection, long long last) {
    long long missing = 0;
    for (long long i = 1; i <= last; i++) {
        redisReply *reply = command(connection, "GET key:%lld", i);
        missing += reply->type != REDIS_REPLY_STRING;
        freeReplyObject(reply);
    }
    return missing;
}

// Writes, cuts the power, starts again, several times over. Returns how many acknowledged writes are missing.
static long long write_and_cut(const char *sync) {
    char directory[] = "/tmp/kvfence-power-XXXXXX";
    struct test_server address = {.port = free_port()};
    long long last = 0;
    long long missing = 0;
    assert_non_null(mkdtemp(directory));
    pid_t child = start_child(directory, &address, sync);
    for (int cut = 0; cut < CUTS; cut++) {
        redisContext *connection = server_connect(&address);
        for (int i = 0; i < BURST; i++)
            expect_text(connection, "OK", "SET key:%lld value", ++last);
        redisFree(connection);
        kill_child(child);
        assert_int_equal(nftw(directory, cut_file, 16, FTW_PHYS), 0);
        child = start_child(directory, &address, sync);
        connection = server_connect(&address);
        missing += count_missing(connection, last);
        redisFree(connection);
    }
    kill_child(child);
    char remove[64];
    (void)snprintf(remove, sizeof(remove), "rm -rf %s", directory);
    assert_int_equal(system(remove), 0);
    return missing;
}

static void with_sync_no_acknowledged_write_is_lost(void **state) {
    (void)state;
    assert_int_equal(write_and_cut("yes"), 0);
    assert_true(atomic_load(&synced->syncs) >= CUTS * BURST);
}

// Shows that the cut does cut: without sync a power cut may take the newest writes, and here it does.
static void without_sync_the_newest_writes_are_lost(void **state) {
    (void)state;
    assert_true(write_and_cut("no") > 0);
}

int main(void) {
    const char *given = getenv("KVFENCE_SEED");
    cut_seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed: KVFENCE_SEED=%u\n", cut_seed);
    synced = mmap(NULL, sizeof(*synced), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (synced == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_sync_no_acknowledged_write_is_lost),
        cmocka_unit_test(without_sync_the_newest_writes_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
