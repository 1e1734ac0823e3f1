// SPDX-License-Identifier: Apache-2.0
//
// Starts the real server (the program that $KVFENCED names) on a free port in a directory of its own, talks
// to it with hiredis, and stops it. Every failure fails the running cmocka test and shows the server's log.
// Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_HARNESS_H
#define KVFENCE_TESTS_INTEGRATION_HARNESS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// A sanitizer's own memory hides what the server takes, and it makes everything slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

struct test_server {
    char directory[128]; // holds kvfence.conf, the database below it, and output.log
    int port;
    pid_t pid; // 0: not running
};

// Makes a directory, writes kvfence.conf (port, bind 127.0.0.1, dir, log-dir stdout, workers 2, no
// fence-bpf-path, as the machine's own fence is not the tests'; then `config`, lines of directives or NULL),
// starts the server and waits until it answers.
void server_start(struct test_server *server, const char *config);
// Starts it again on the same directory and port.
void server_restart(struct test_server *server);
// Starts it without waiting for an answer; for tests of failing starts.
void server_spawn(struct test_server *server);
// SIGTERM, and waits; the exit status must be 0. Does nothing if it is not running.
void server_stop(struct test_server *server);
// kill -9, and waits.
void server_kill(struct test_server *server);
// SIGSTOP, and waits until it has stopped; and SIGCONT.
void server_pause(const struct test_server *server);
void server_continue(const struct test_server *server);
// Waits for the process to end by itself and returns its exit status (128 + signal if killed).
int server_wait_exit(struct test_server *server);
// Stops it and removes the directory.
void server_discard(struct test_server *server);

// A connection with a time-out; released with redisFree().
redisContext *server_connect(const struct test_server *server);
// A raw TCP connection to it, blocking, with a receive time-out.
int server_connect_raw(const struct test_server *server);

// How often the text is in the server's output.
size_t server_log_count(const struct test_server *server, const char *text);
// True if it is there at all.
bool server_log_contains(const struct test_server *server, const char *text);
// Waits until it is.
void server_wait_log(const struct test_server *server, const char *text);

// Prints the last so many bytes of the output.
void server_show_log(const struct test_server *server, size_t most);

// A port on 127.0.0.1 that was free a moment ago.
int free_port(void);

// Runs a command and returns its reply, which is never NULL; freeReplyObject() it.
__attribute__((format(printf, 2, 3))) redisReply *command(redisContext *connection, const char *format, ...);
// Run a command and check the reply: status or bulk text; integer; an error that starts with `prefix`; null.
__attribute__((format(printf, 3, 4))) void expect_text(redisContext *connection, const char *wanted,
                                                       const char *format, ...);
__attribute__((format(printf, 3, 4))) void expect_integer(redisContext *connection, long long wanted,
                                                          const char *format, ...);
__attribute__((format(printf, 3, 4))) void expect_error(redisContext *connection, const char *prefix,
                                                        const char *format, ...);
__attribute__((format(printf, 2, 3))) void expect_null(redisContext *connection, const char *format, ...);

// Sends a command, and before it what redisAppendCommand() has left, without waiting for a reply.
__attribute__((format(printf, 2, 3))) void send_command(redisContext *connection, const char *format, ...);
// Waits for the next reply, which must be this text, status or error.
void expect_next_text(redisContext *connection, const char *wanted);
// Looks for a while whether something comes, a reply or the connection's end, that must not come.
void expect_silence(redisContext *connection, int milliseconds);

// Waits for a fact: calls `holds` every few milliseconds until it is true; fails the test after `seconds`.
void wait_until(bool (*holds)(void *context), void *context, int seconds, const char *what);

// How often CLIENT LIST has the text.
size_t client_list_count(redisContext *connection, const char *text);
// A field of INFO as a number; fails if it is not there.
long long server_info_number(redisContext *connection, const char *section, const char *field);

#endif
