// SPDX-License-Identifier: Apache-2.0
//
// What the server writes is not for other users, and what others have put in its way is left alone.
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run(const struct sandbox *sandbox, const char *text) {
    redisContext *client = redisConnect("127.0.0.1", sandbox->port);
    assert_non_null(client);
    redisReply *reply = redisCommand(client, text);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    redisFree(client);
}

static int is_open_to_others(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)type;
    (void)walk;
    if ((status->st_mode & 0007) == 0)
        return 0;
    print_message("%s has mode %o\n", path, (unsigned)status->st_mode);
    return 1;
}

static void nothing_below_the_data_directory_is_open_to_others(void **state) {
    struct sandbox *sandbox = *state;
    mode_t before = umask(0022);
    pid_t program = program_serve(sandbox, NULL);
    (void)umask(before);
    run(sandbox, "SET key value");
    run(sandbox, "SAVE");
    assert_int_equal(access(sandbox_path(sandbox, "data/backup"), F_OK), 0);
    assert_int_equal(nftw(sandbox_path(sandbox, "data"), is_open_to_others, 16, FTW_PHYS), 0);
    program_stop(program);
}

static void refused(struct sandbox *sandbox, const char *const *arguments, const char *reason) {
    assert_int_equal(program_wait(program_start(sandbox, arguments)), 1);
    const char *errors = sandbox_read(sandbox, "errors");
    if (strstr(errors, reason) == NULL)
        fail_msg("'%s' lacks '%s'", errors, reason);
}

static void the_directory_of_another_user_is_refused(void **state) {
    struct sandbox *sandbox = *state;
    if (geteuid() != 0)
        skip(); // only root can give a directory away
    const char *data = sandbox_path(sandbox, "data");
    assert_int_equal(mkdir(data, 0755), 0);
    assert_int_equal(chown(data, 12345, 12345), 0);
    refused(sandbox, ARGUMENTS("--dir", data, "--port", "0"), "belongs to user 12345");
}

static void a_log_file_that_is_a_link_is_not_followed(void **state) {
    struct sandbox *sandbox = *state;
    char name[64];
    time_t now = time(NULL);
    struct tm today;
    assert_non_null(localtime_r(&now, &today));
    assert_int_not_equal(strftime(name, sizeof(name), "data/kvrocks_%Y-%m-%d.log", &today), 0);
    const char *data = sandbox_path(sandbox, "data");
    assert_int_equal(mkdir(data, 0755), 0);
    sandbox_write(sandbox, "precious", "mine\n");
    assert_int_equal(symlink(sandbox_path(sandbox, "precious"), sandbox_path(sandbox, name)), 0);
    refused(sandbox, ARGUMENTS("--dir", data, "--port", "0"), "cannot write a log file");
    assert_string_equal(sandbox_read(sandbox, "precious"), "mine\n");
}

static void a_file_where_the_unix_socket_should_be_is_kept(void **state) {
    struct sandbox *sandbox = *state;
    const char *path = sandbox_path(sandbox, "precious");
    sandbox_write(sandbox, "precious", "mine\n");
    refused(sandbox, ARGUMENTS("--dir", sandbox_path(sandbox, "data"), "--port", "0", "--unixsocket", path),
            "cannot listen on the unix socket");
    assert_string_equal(sandbox_read(sandbox, "precious"), "mine\n");
}

#define safety_test(function) cmocka_unit_test_setup_teardown(function, open_sandbox, close_sandbox)

int main(void) {
    const struct CMUnitTest tests[] = {
        safety_test(nothing_below_the_data_directory_is_open_to_others),
        safety_test(the_directory_of_another_user_is_refused),
        safety_test(a_log_file_that_is_a_link_is_not_followed),
        safety_test(a_file_where_the_unix_socket_should_be_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
