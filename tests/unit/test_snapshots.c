// SPDX-License-Identifier: Apache-2.0
//
// Copies of a database for replicas, which the test plays at the other ends of sockets: who is served by
// which copy, and who waits while one is made.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

#include "base/log.h"
#include "replication/snapshots.h"
#include "server/config.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, TEXT_SIZE = 1 << 20 };

struct master {
    struct store_fixture fixture;
    struct config *config;
    struct snapshots *snapshots;
    char *text; // what was received last, NUL-terminated
};

// Log that is not needed for the database itself is not kept: a copy is of no use to new askers soon.
static void open_store(struct master *master) {
    char error[STORE_ERROR_SIZE];
    struct store_config config = {.directory = master->fixture.directory,
                                  .layout = {.name_space = DEFAULT_NAMESPACE},
                                  .tuning = store_tuning_default(),
                                  .sessions = 2};
    config.tuning.wal_ttl_seconds = 0;
    config.tuning.wal_size_limit_mb = 0;
    store_fixture_open(&master->fixture, NULL);
    store_fixture_shut(&master->fixture);
    if (!store_open(&config, &master->fixture.store, error))
        fail_msg("%s", error);
    for (size_t i = 0; i < 2; i++)
        master->fixture.sessions[i] = session_open(master->fixture.store, i);
}

static int open_master(void **state) {
    struct master *master = calloc(1, sizeof(*master));
    char error[CONFIG_ERROR_SIZE];
    assert_non_null(master);
    open_store(master);
    master->text = malloc(TEXT_SIZE);
    assert_non_null(master->text);
    master->config = config_open();
    char *arguments[] = {(char[]){"--dir"}, master->fixture.directory};
    if (!config_load_arguments(master->config, 2, arguments, error))
        fail_msg("%s", error);
    master->snapshots = snapshots_open(master->config);
    snapshots_start(master->snapshots, master->fixture.store, PATIENCE_MS);
    *state = master;
    return 0;
}

static int close_master(void **state) {
    struct master *master = *state;
    snapshots_stop(master->snapshots);
    snapshots_close(master->snapshots);
    config_close(master->config);
    store_fixture_close(&master->fixture);
    free(master->text);
    free(master);
    return 0;
}

// --- A replica ---

// Returns the replica's end.
static int ask_for_list(struct master *master, bool verified) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    snapshots_send_list(master->snapshots, ends[0], verified);
    return ends[1];
}

static int ask_for_files(struct master *master, const struct snapshot_request *request) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    snapshots_send_files(master->snapshots, ends[0], request);
    return ends[1];
}

// Everything, until the master has closed its end.
static const char *receive(struct master *master, int fd) {
    size_t length = 0;
    ssize_t count = 0;
    while (length < TEXT_SIZE - 1 && (count = recv(fd, master->text + length, TEXT_SIZE - 1 - length, 0)) > 0)
        length += (size_t)count;
    master->text[length] = '\0';
    (void)close(fd);
    return master->text;
}

// The list in the verified form: identity:number name:size,...
struct list {
    uint64_t number;
    char manifest[64]; // the names of what another copy has as well, and differently
    uint64_t manifest_size;
};

static struct list read_list(const char *text) {
    struct list list = {0};
    const char *manifest = strstr(text, "MANIFEST-");
    const char *colon = strchr(text, ':');
    const char *blank = strchr(text, ' ');
    if (manifest == NULL || colon == NULL || blank == NULL || colon > blank)
        fail_msg("this is no list: %s", text);
    list.number = strtoull(colon + 1, NULL, 10);
    size_t length = strcspn(manifest, ":");
    assert_true(length < sizeof(list.manifest));
    memcpy(list.manifest, manifest, length);
    list.manifest_size = strtoull(manifest + length + 1, NULL, 10);
    return list;
}

static struct list receive_list(struct master *master) {
    return read_list(receive(master, ask_for_list(master, true)));
}

static uint64_t size_of_manifest(struct master *master, const struct list *list, uint64_t number,
                                 bool verified) {
    const struct snapshot_request request = {
        .names = bytes_from_text(list->manifest), .verified = verified, .number = number};
    const char *text = receive(master, ask_for_files(master, &request));
    if (text[0] == '-')
        fail_msg("no manifest: %s", text);
    return strtoull(text, NULL, 10);
}

static void write_and_flush(struct master *master, const char *key) {
    assert_int_equal(store_fixture_set(master->fixture.sessions[0], key, "value"), STORE_OK);
    assert_int_equal(store_settle(master->fixture.sessions[0]), SETTLED);
    char *error = store_flush_memtables(master->fixture.store);
    if (error != NULL)
        fail_msg("%s", error);
}

// --- Which copy ---

static void one_copy_serves_all_while_it_is_useful(void **state) {
    struct master *master = *state;
    write_and_flush(master, "a");
    struct list first = receive_list(master);
    struct list second = receive_list(master);
    assert_int_equal(first.number, second.number);
    assert_int_equal(size_of_manifest(master, &first, first.number, true), first.manifest_size);
}

static void who_fetches_an_old_copy_gets_no_file_of_a_new_one(void **state) {
    struct master *master = *state;
    write_and_flush(master, "a");
    struct list first = receive_list(master);
    write_and_flush(master, "b");
    struct list second = receive_list(master);
    assert_int_not_equal(first.number, second.number);
    assert_string_equal(first.manifest, second.manifest);
    assert_int_not_equal(first.manifest_size, second.manifest_size);
    assert_int_equal(size_of_manifest(master, &first, first.number, true), first.manifest_size);
    assert_int_equal(size_of_manifest(master, &second, second.number, true), second.manifest_size);
}

// Its requests for files do not tell which list they are from.
static void a_kvrocks_gets_the_files_of_the_copy_that_was_listed_for_it(void **state) {
    struct master *master = *state;
    write_and_flush(master, "a");
    struct list first = receive_list(master);
    const char *plain = receive(master, ask_for_list(master, false));
    assert_null(strchr(plain, ':'));
    assert_non_null(strstr(plain, first.manifest));
    write_and_flush(master, "b");
    (void)receive_list(master);
    assert_int_equal(size_of_manifest(master, &first, 0, false), first.manifest_size);
}

static void a_copy_that_is_gone_is_not_replaced_by_another(void **state) {
    struct master *master = *state;
    write_and_flush(master, "a");
    struct list list = receive_list(master);
    const struct snapshot_request request = {
        .names = bytes_from_text(list.manifest), .verified = true, .number = list.number + 1};
    assert_string_equal(receive(master, ask_for_files(master, &request)), "-ERR no such copy\r\n");
}

static void stopping_leaves_no_copy_behind(void **state) {
    struct master *master = *state;
    char path[128];
    write_and_flush(master, "a");
    (void)receive_list(master);
    (void)snprintf(path, sizeof(path), "%s/checkpoint", master->fixture.directory);
    assert_int_equal(access(path, F_OK), 0);
    snapshots_stop(master->snapshots);
    assert_int_not_equal(access(path, F_OK), 0);
}

// --- Who waits ---

// The copies' directory is made right before the first of them.
static void await_directory(const struct master *master) {
    const struct timespec moment = {.tv_nsec = 2000000};
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/checkpoint", master->fixture.directory);
    for (int i = 0; i < 10000 && access(path, F_OK) != 0; i++)
        (void)nanosleep(&moment, NULL);
    assert_int_equal(access(path, F_OK), 0);
}

// The workers hand connections over, which must not take long.
static void while_a_copy_is_made_nobody_else_waits(void **state) {
    struct master *master = *state;
    const struct snapshot_request request = {
        .names = BYTES_LITERAL("CURRENT"), .verified = true, .number = 1};
    write_and_flush(master, "a");
    assert_int_equal(pthread_rwlock_wrlock(&master->fixture.store->use), 0); // so that none can be made
    int list = ask_for_list(master, true);
    await_directory(master);
    int files = ask_for_files(master, &request);
    assert_string_equal(receive(master, files), "-ERR no such copy\r\n");
    snapshots_tick(master->snapshots);
    assert_int_equal(pthread_rwlock_unlock(&master->fixture.store->use), 0);
    (void)read_list(receive(master, list));
}

static void no_more_copies_are_sent_at_once_than_there_are_threads_for(void **state) {
    enum { MOST = 128 };
    struct master *master = *state;
    int lists[MOST];
    write_and_flush(master, "a");
    assert_int_equal(pthread_rwlock_wrlock(&master->fixture.store->use), 0); // so that none can be made
    for (size_t i = 0; i < MOST; i++)
        lists[i] = ask_for_list(master, true);
    assert_string_equal(receive(master, ask_for_list(master, true)),
                        "-ERR too many copies are being sent\r\n");
    assert_int_equal(pthread_rwlock_unlock(&master->fixture.store->use), 0);
    for (size_t i = 0; i < MOST; i++)
        (void)read_list(receive(master, lists[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define WITH_MASTER(test) cmocka_unit_test_setup_teardown(test, open_master, close_master)
        WITH_MASTER(one_copy_serves_all_while_it_is_useful),
        WITH_MASTER(who_fetches_an_old_copy_gets_no_file_of_a_new_one),
        WITH_MASTER(a_kvrocks_gets_the_files_of_the_copy_that_was_listed_for_it),
        WITH_MASTER(a_copy_that_is_gone_is_not_replaced_by_another),
        WITH_MASTER(stopping_leaves_no_copy_behind),
        WITH_MASTER(while_a_copy_is_made_nobody_else_waits),
        WITH_MASTER(no_more_copies_are_sent_at_once_than_there_are_threads_for),
    };
    alarm(120); // a test that waits for what never comes shall fail
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
