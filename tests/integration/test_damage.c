// SPDX-License-Identifier: Apache-2.0
//
// Damaged files: what is damaged is not served, the rest is; a database that cannot be trusted is not opened,
// and the reason is said in one line; what a crash leaves behind is no damage.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYS = 2000, VALUE_SIZE = 1000 };

// --- Files ---

static void path_of(const struct test_server *server, const char *name, char out[512]) {
    (void)snprintf(out, 512, "%s/db/%s", server->directory, name);
}

static int64_t size_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

// The path of the biggest file of the database whose name has `part` in it.
static void find_file(const struct test_server *server, const char *part, char out[512]) {
    char path[512];
    int64_t biggest = -1;
    path_of(server, "", path);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (strstr(entry->d_name, part) == NULL)
            continue;
        path_of(server, entry->d_name, path);
        if (size_of(path) <= biggest)
            continue;
        biggest = size_of(path);
        memcpy(out, path, sizeof(path));
    }
    assert_int_equal(closedir(directory), 0);
    assert_true(biggest > 0);
}

// Turns every bit of `length` bytes in the middle of the file.
static void damage_middle(const char *path, size_t length) {
    char bytes[4096];
    int64_t size = size_of(path);
    assert_true(length <= sizeof(bytes) && (int64_t)length <= size);
    off_t at = (size - (off_t)length) / 2;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, length, at), (ssize_t)length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)~bytes[i];
    assert_int_equal(pwrite(fd, bytes, length, at), (ssize_t)length);
    assert_int_equal(close(fd), 0);
}

static void overwrite(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void clear_log(const struct test_server *server) {
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/output.log", server->directory);
    overwrite(path, "");
}

// --- Data ---

static void write_keys(redisContext *client) {
    char value[VALUE_SIZE + 1];
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(value, sizeof(value), "%0*d", VALUE_SIZE, i);
        expect_text(client, "OK", "SET key:%d %s", i, value);
    }
}

static bool is_right(const redisReply *reply, int number) {
    return reply->type == REDIS_REPLY_STRING && reply->len == VALUE_SIZE &&
           strtol(reply->str, NULL, 10) == number;
}

// How the database is left before it is damaged: by a server that was stopped, by one that had moved all data
// into data files before, or by one that was killed and has left much in the log of writes.
enum end { STOPPED, COMPACTED, KILLED };

static void write_and_end(struct own_server *own, enum end end) {
    write_keys(own->client);
    if (end == COMPACTED) {
        expect_text(own->client, "OK", "COMPACT");
        server_wait_log(&own->server, "the database is compacted");
    }
    if (end == KILLED)
        server_kill(&own->server);
    else
        server_stop(&own->server);
}

// --- Tests ---

static void a_damaged_data_file_costs_what_is_in_it_and_nothing_else(void **state) {
    struct own_server *own = *state;
    char path[512];
    int right = 0;
    int errors = 0;
    write_and_end(own, COMPACTED);
    find_file(&own->server, ".sst", path);
    damage_middle(path, 100);
    own_server_restart(own);
    for (int i = 0; i < KEYS; i++) {
        redisReply *reply = command(own->client, "GET key:%d", i);
        if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR ", 4) == 0)
            errors++;
        else if (is_right(reply, i))
            right++;
        freeReplyObject(reply);
    }
    assert_true(errors > 0);
    assert_int_equal(right + errors, KEYS); // never a wrong value, nor a value that is said not to be there
    assert_true(right > KEYS / 2);
    expect_error(own->client, "ERR", "KEYS *");
    expect_text(own->client, "OK", "SET new value");
    expect_text(own->client, "value", "GET new");
    server_wait_log(&own->server, "Corruption");
}

static void a_compaction_that_meets_damage_is_not_said_to_have_succeeded(void **state) {
    struct own_server *own = *state;
    char path[512];
    write_and_end(own, COMPACTED);
    find_file(&own->server, ".sst", path);
    damage_middle(path, 100);
    own_server_restart(own);
    for (int round = 0; round < 2; round++) { // the second time RocksDB has already given up
        clear_log(&own->server);
        // Something to merge with the damaged file, or it would be left alone.
        freeReplyObject(command(own->client, "SET key:1 new"));
        expect_text(own->client, "OK", "COMPACT");
        server_wait_log(&own->server, "the database could not be compacted: Corruption");
        assert_false(server_log_contains(&own->server, "the database is compacted"));
    }
}

static void fails_to_start(struct test_server *server, const char *reason) {
    clear_log(server);
    server_spawn(server);
    assert_int_equal(server_wait_exit(server), 1);
    assert_true(server_log_contains(server, "kvfenced: cannot open the database"));
    assert_true(server_log_contains(server, reason));
}

// Damage that ends the start.
struct damage {
    enum end end;
    const char *file;   // part of its name
    size_t bytes;       // in the middle of the file that are turned; 0: the file is removed
    const char *reason; // what the log says
};

static void expect_refusal(struct own_server *own, const struct damage *damage) {
    char path[512];
    write_and_end(own, damage->end);
    find_file(&own->server, damage->file, path);
    if (damage->bytes > 0)
        damage_middle(path, damage->bytes);
    else
        assert_int_equal(unlink(path), 0);
    fails_to_start(&own->server, damage->reason);
}

static void a_damaged_list_of_files_ends_the_start_with_a_reason(void **state) {
    expect_refusal(*state, &(struct damage){COMPACTED, "MANIFEST", 8, "the database is damaged"});
}

static void a_missing_data_file_ends_the_start_with_a_reason(void **state) {
    expect_refusal(*state, &(struct damage){COMPACTED, ".sst", 0, "No such file or directory"});
}

// A database whose CURRENT is gone looks like none at all; a new one over it would hide the old data.
static void a_missing_pointer_to_the_list_of_files_is_not_taken_for_a_new_database(void **state) {
    expect_refusal(*state, &(struct damage){STOPPED, "CURRENT", 0, "the database is damaged"});
}

static void damage_amid_the_log_of_writes_ends_the_start_with_a_reason(void **state) {
    expect_refusal(*state, &(struct damage){KILLED, ".log", 100, "the database is damaged"});
}

static void a_damaged_pointer_to_the_list_of_files_ends_the_start_with_a_reason(void **state) {
    static const char *const contents[] = {"", "garbage", "MANIFEST-999999\n", "\n"};
    struct own_server *own = *state;
    char path[512];
    write_and_end(own, STOPPED);
    find_file(&own->server, "CURRENT", path);
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        overwrite(path, contents[i]);
        fails_to_start(&own->server, "");
    }
}

static void a_torn_end_of_the_log_of_writes_is_no_damage(void **state) {
    struct own_server *own = *state;
    char path[512];
    write_and_end(own, KILLED);
    find_file(&own->server, ".log", path);
    assert_int_equal(truncate(path, size_of(path) - VALUE_SIZE / 2), 0);
    own_server_restart(own);
    expect_integer(own->client, 0, "EXISTS key:%d", KEYS - 1);
    for (int i = 0; i < KEYS - 1; i++) {
        redisReply *reply = command(own->client, "GET key:%d", i);
        assert_true(is_right(reply, i));
        freeReplyObject(reply);
    }
}

static void a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(void **state) {
    struct own_server *own = *state;
    struct test_server second = own->server;
    second.pid = 0;
    expect_text(own->client, "OK", "SET a b");
    server_spawn(&second);
    assert_int_equal(server_wait_exit(&second), 1);
    assert_true(server_log_contains(&own->server, "another process is using this data directory"));
    expect_text(own->client, "b", "GET a");
    expect_text(own->client, "OK", "SET a c");
    server_kill(&own->server);
    own_server_restart(own);
    expect_text(own->client, "c", "GET a");
}

static int count_files(const struct test_server *server, const char *part) {
    int count = 0;
    char path[512];
    path_of(server, "", path);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        count += strstr(entry->d_name, part) != NULL;
    assert_int_equal(closedir(directory), 0);
    return count;
}

static void starts_and_changed_options_leave_no_unfinished_files_behind(void **state) {
    struct own_server *own = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count_files(&own->server, ".dbtmp"), 0);
        expect_text(own->client, "OK", "CONFIG SET rocksdb.write_buffer_size %d", 16 + i);
        assert_int_equal(count_files(&own->server, ".dbtmp"), 0);
        own_server_restart(own);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(a_damaged_data_file_costs_what_is_in_it_and_nothing_else, ""),
        own_server_test(a_compaction_that_meets_damage_is_not_said_to_have_succeeded, ""),
        own_server_test(a_damaged_list_of_files_ends_the_start_with_a_reason, ""),
        own_server_test(a_damaged_pointer_to_the_list_of_files_ends_the_start_with_a_reason, ""),
        own_server_test(a_missing_data_file_ends_the_start_with_a_reason, ""),
        own_server_test(a_missing_pointer_to_the_list_of_files_is_not_taken_for_a_new_database, ""),
        own_server_test(a_torn_end_of_the_log_of_writes_is_no_damage, ""),
        own_server_test(damage_amid_the_log_of_writes_ends_the_start_with_a_reason, ""),
        own_server_test(starts_and_changed_options_leave_no_unfinished_files_behind, ""),
        own_server_test(a_second_server_on_the_same_data_is_refused_and_the_first_goes_on, ""),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
