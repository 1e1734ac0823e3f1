// SPDX-License-Identifier: Apache-2.0
//
// The integration tests' server and client helpers. Uses: cmocka, hiredis.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = IS_SANITIZED ? 120 : 30, STEP_NS = 5000000, LOG_SHOWN = 4000 };

static double now_seconds(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_a_little(void) {
    struct timespec step = {.tv_nsec = STEP_NS};
    (void)nanosleep(&step, NULL);
}

void wait_until(bool (*holds)(void *context), void *context, int seconds, const char *what) {
    double end = now_seconds() + seconds;
    while (!holds(context)) {
        if (now_seconds() > end)
            fail_msg("waited %d s in vain: %s", seconds, what);
        pause_a_little();
    }
}

// --- Files ---

static void path_in(const struct test_server *server, const char *name, char out[256]) {
    (void)snprintf(out, 256, "%s/%s", server->directory, name);
}

// The server's whole output, malloc'ed.
static char *read_log(const struct test_server *server) {
    char path[256];
    path_in(server, "output.log", path);
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    if (file != NULL)
        (void)fclose(file);
    assert_non_null(text);
    return text;
}

void server_show_log(const struct test_server *server, size_t most) {
    char *log = read_log(server);
    size_t length = strlen(log);
    const char *shown = log + (length > most ? length - most : 0);
    (void)fprintf(stderr, "--- the server's output ---\n%s\n---\n", shown);
    free(log);
}

static void fail_with_log(const struct test_server *server, const char *what) {
    server_show_log(server, LOG_SHOWN);
    fail_msg("%s", what);
}

static size_t count_text(const char *whole, const char *text) {
    size_t count = 0;
    for (const char *at = whole; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

size_t server_log_count(const struct test_server *server, const char *text) {
    char *log = read_log(server);
    size_t count = count_text(log, text);
    free(log);
    return count;
}

bool server_log_contains(const struct test_server *server, const char *text) {
    char *log = read_log(server);
    bool contains = strstr(log, text) != NULL;
    free(log);
    return contains;
}

void server_wait_log(const struct test_server *server, const char *text) {
    double end = now_seconds() + PATIENCE_SECONDS;
    while (!server_log_contains(server, text)) {
        if (now_seconds() > end)
            fail_with_log(server, text);
        pause_a_little();
    }
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

// --- The process ---

static bool is_free(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    bool free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    assert_int_equal(close(fd), 0);
    return free;
}

// Not one of those which the system gives to clients, usually from 32768: a client could have it by the time
// that a server starts, or starts again.
int free_port(void) {
    enum { LOWEST = 10000, COUNT = 20000, TRIES = 1000 };
    for (int i = 0; i < TRIES; i++) {
        uint32_t number = 0;
        assert_int_equal(getrandom(&number, sizeof(number), 0), sizeof(number));
        int port = LOWEST + (int)(number % COUNT);
        if (is_free(port))
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

static void write_config(const struct test_server *server, const char *config) {
    char path[256];
    path_in(server, "kvfence.conf", path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "bind 127.0.0.1\nport %d\ndir %s\nlog-dir stdout\nworkers 2\n"
                        "fence-bpf-path \"\"\n%s\n",
                        server->port, server->directory, config == NULL ? "" : config) > 0);
    assert_int_equal(fclose(file), 0);
}

static _Noreturn void become_server(const struct test_server *server) {
    const char *given = getenv("KVFENCED");
    const char *program = given == NULL ? "build/kvfenced" : given;
    char config[256];
    char log[256];
    path_in(server, "kvfence.conf", config);
    path_in(server, "output.log", log);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that crashes leaves no server behind
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(126);
    (void)execl(program, "kvfenced", "-c", config, (char *)NULL);
    (void)fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

void server_spawn(struct test_server *server) {
    assert_int_equal(server->pid, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become_server(server);
    server->pid = pid;
}

static bool answers(const struct test_server *server) {
    redisContext *connection = redisConnect("127.0.0.1", server->port);
    bool answered = false;
    if (connection == NULL)
        return false;
    if (connection->err == 0) {
        redisReply *reply = redisCommand(connection, "PING");
        answered = reply != NULL;
        freeReplyObject(reply);
    }
    redisFree(connection);
    return answered;
}

static void wait_until_it_answers(struct test_server *server) {
    double end = now_seconds() + PATIENCE_SECONDS;
    while (!answers(server)) {
        int status = 0;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            server->pid = 0;
            fail_with_log(server, "the server ended while starting");
        }
        if (now_seconds() > end)
            fail_with_log(server, "the server does not answer");
        pause_a_little();
    }
}

void server_start(struct test_server *server, const char *config) {
    *server = (struct test_server){0};
    (void)snprintf(server->directory, sizeof(server->directory), "/tmp/kvfence-test-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    server->port = free_port();
    write_config(server, config);
    server_restart(server);
}

void server_restart(struct test_server *server) {
    server_spawn(server);
    wait_until_it_answers(server);
}

int server_wait_exit(struct test_server *server) {
    double end = now_seconds() + PATIENCE_SECONDS;
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(server->pid, &status, WNOHANG)) == 0) {
        if (now_seconds() > end)
            fail_with_log(server, "the server does not end");
        pause_a_little();
    }
    assert_int_equal(ended, server->pid);
    server->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void server_stop(struct test_server *server) {
    if (server->pid == 0)
        return;
    assert_int_equal(kill(server->pid, SIGTERM), 0);
    if (server_wait_exit(server) != 0)
        fail_with_log(server, "the server did not end cleanly");
}

void server_kill(struct test_server *server) {
    assert_true(server->pid > 0);
    assert_int_equal(kill(server->pid, SIGKILL), 0);
    assert_int_equal(server_wait_exit(server), 128 + SIGKILL);
}

void server_pause(const struct test_server *server) {
    int status = 0;
    assert_int_equal(kill(server->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
    assert_true(WIFSTOPPED(status));
}

void server_continue(const struct test_server *server) {
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void server_discard(struct test_server *server) {
    server_stop(server);
    assert_int_equal(nftw(server->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

// --- Clients ---

redisContext *server_connect(const struct test_server *server) {
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    redisContext *connection = redisConnectWithTimeout("127.0.0.1", server->port, patience);
    assert_non_null(connection);
    if (connection->err != 0)
        fail_with_log(server, connection->errstr);
    assert_int_equal(redisSetTimeout(connection, patience), REDIS_OK);
    return connection;
}

int server_connect_raw(const struct test_server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)server->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static const char *text_of(const redisReply *reply) {
    return reply->str == NULL ? "" : reply->str;
}

static redisReply *command_list(redisContext *connection, const char *format, va_list arguments) {
    redisReply *reply = redisvCommand(connection, format, arguments);
    if (reply == NULL)
        fail_msg("no reply to '%s': %s", format, connection->errstr);
    return reply;
}

#define RUN_COMMAND(reply)                                                                                   \
    va_list arguments;                                                                                       \
    va_start(arguments, format);                                                                             \
    redisReply *reply = command_list(connection, format, arguments);                                         \
    va_end(arguments)

redisReply *command(redisContext *connection, const char *format, ...) {
    RUN_COMMAND(reply);
    return reply;
}

void expect_text(redisContext *connection, const char *wanted, const char *format, ...) {
    RUN_COMMAND(reply);
    if (reply->type == REDIS_REPLY_ERROR || reply->str == NULL)
        fail_msg("'%s': wanted '%s', got type %d '%s'", format, wanted, reply->type, text_of(reply));
    assert_string_equal(reply->str, wanted);
    freeReplyObject(reply);
}

void expect_integer(redisContext *connection, long long wanted, const char *format, ...) {
    RUN_COMMAND(reply);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != wanted)
        fail_msg("'%s': wanted %lld, got type %d %lld '%s'", format, wanted, reply->type, reply->integer,
                 text_of(reply));
    freeReplyObject(reply);
}

void expect_error(redisContext *connection, const char *prefix, const char *format, ...) {
    RUN_COMMAND(reply);
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, prefix, strlen(prefix)) != 0)
        fail_msg("'%s': wanted error '%s', got type %d '%s'", format, prefix, reply->type, text_of(reply));
    freeReplyObject(reply);
}

void expect_null(redisContext *connection, const char *format, ...) {
    RUN_COMMAND(reply);
    if (reply->type != REDIS_REPLY_NIL)
        fail_msg("'%s': wanted null, got type %d '%s'", format, reply->type, text_of(reply));
    freeReplyObject(reply);
}

void send_command(redisContext *connection, const char *format, ...) {
    va_list arguments;
    int done = 0;
    va_start(arguments, format);
    assert_int_equal(redisvAppendCommand(connection, format, arguments), REDIS_OK);
    va_end(arguments);
    while (done == 0)
        assert_int_equal(redisBufferWrite(connection, &done), REDIS_OK);
}

void expect_next_text(redisContext *connection, const char *wanted) {
    redisReply *reply = NULL;
    if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
        fail_msg("wanted '%s', got no reply: %s", wanted, connection->errstr);
    assert_string_equal(text_of(reply), wanted);
    freeReplyObject(reply);
}

void expect_silence(redisContext *connection, int milliseconds) {
    struct pollfd sound = {.fd = connection->fd, .events = POLLIN};
    assert_int_equal(poll(&sound, 1, milliseconds), 0);
}

size_t client_list_count(redisContext *connection, const char *text) {
    redisReply *reply = command(connection, "CLIENT LIST");
    size_t count = count_text(text_of(reply), text);
    freeReplyObject(reply);
    return count;
}

long long server_info_number(redisContext *connection, const char *section, const char *field) {
    redisReply *reply = command(connection, "INFO %s", section);
    char wanted[128];
    (void)snprintf(wanted, sizeof(wanted), "\n%s:", field);
    const char *at = strstr(text_of(reply), wanted);
    if (at == NULL)
        fail_msg("INFO %s has no field '%s'", section, field);
    long long number = at == NULL ? 0 : strtoll(at + strlen(wanted), NULL, 10);
    freeReplyObject(reply);
    return number;
}
