// SPDX-License-Identifier: Apache-2.0
//
// A storm of writes, and what it costs a server: many clients send SET at a fixed rate, whatever becomes of
// it, for a limited time. One that has waited a second for an answer gives its connection up and opens
// another, as clients with timeouts do.
//
//   write_storm ADDRESS PORT CONNECTIONS WRITES_A_SECOND SECONDS SERVER_PID
//
// Prints "wanted N sent N answered N reconnected N server_us N": the last is the processor time that the
// server's process has used meanwhile. Uses: nothing.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1000 };
#define MILLISECOND_NS 1000000LL
#define SECOND_NS      1000000000LL
#define PATIENCE_NS    SECOND_NS

static const char write_command[] =
    "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$32\r\n0123456789abcdef0123456789abcdef\r\n";

struct connection {
    int descriptor;
    int64_t waits_since; // 0: every write was answered
};

struct storm {
    struct sockaddr_in server;
    size_t connections;
    long long wanted, sent, answered, reconnected;
    struct connection all[CONNECTIONS_MAX];
};

static void must(bool done, const char *what) {
    if (done)
        return;
    perror(what);
    exit(1);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    must(clock_gettime(clock, &now) == 0, "a clock");
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void open_connection(const struct storm *storm, struct connection *connection) {
    const int one = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(descriptor >= 0, "a socket");
    must(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0, "TCP_NODELAY");
    int status = connect(descriptor, (const struct sockaddr *)&storm->server, sizeof(storm->server));
    must(status == 0 || errno == EINPROGRESS, "a connection");
    *connection = (struct connection){.descriptor = descriptor};
}

// Closes it at once, with all that it has not sent.
static void reconnect(struct storm *storm, struct connection *connection) {
    const struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    (void)close(connection->descriptor);
    open_connection(storm, connection);
    storm->reconnected++;
}

static void send_write(struct storm *storm, struct connection *connection, int64_t now) {
    ssize_t sent =
        send(connection->descriptor, write_command, sizeof(write_command) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (connection->waits_since == 0)
        connection->waits_since = now;
    // What a full socket takes of a command in part is not completed: the connection is stuck already.
    storm->sent += sent == (ssize_t)sizeof(write_command) - 1;
    storm->wanted++;
}

static void read_answers(struct storm *storm, struct connection *connection, int64_t now) {
    char answers[8192];
    ssize_t length = recv(connection->descriptor, answers, sizeof(answers), MSG_DONTWAIT);
    for (ssize_t i = 0; i < length; i++)
        storm->answered += answers[i] == '\n';
    if (length > 0)
        connection->waits_since = 0;
    bool broken = length == 0 || (length < 0 && errno != EAGAIN && errno != ENOTCONN);
    if (broken || (connection->waits_since != 0 && now - connection->waits_since > PATIENCE_NS))
        reconnect(storm, connection);
}

static void rage(struct storm *storm, long long writes_a_second, int64_t duration_ns) {
    const struct timespec pause = {.tv_nsec = MILLISECOND_NS};
    int64_t begin = clock_ns(CLOCK_MONOTONIC), now = begin;
    size_t next = 0;
    for (; now - begin < duration_ns; now = clock_ns(CLOCK_MONOTONIC)) {
        long long due = writes_a_second * (now - begin) / SECOND_NS;
        while (storm->wanted < due) {
            send_write(storm, &storm->all[next], now);
            next = next + 1 < storm->connections ? next + 1 : 0;
        }
        (void)nanosleep(&pause, NULL);
        for (size_t i = 0; i < storm->connections; i++)
            read_answers(storm, &storm->all[i], now);
    }
}

static long long number(const char *text, long long most) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 1 || value > most) {
        (void)fprintf(stderr, "write_storm: '%s' is no number from 1 to %lld\n", text, most);
        exit(2);
    }
    return value;
}

int main(int count, char **words) {
    static struct storm storm = {.server = {.sin_family = AF_INET}};
    clockid_t server_clock;
    if (count != 7 || inet_pton(AF_INET, words[1], &storm.server.sin_addr) != 1) {
        (void)fprintf(stderr,
                      "usage: write_storm ADDRESS PORT CONNECTIONS WRITES_A_SECOND SECONDS SERVER_PID\n");
        return 2;
    }
    storm.server.sin_port = htons((uint16_t)number(words[2], UINT16_MAX));
    storm.connections = (size_t)number(words[3], CONNECTIONS_MAX);
    long long writes_a_second = number(words[4], 1000 * 1000);
    int64_t duration_ns = number(words[5], 600) * SECOND_NS;
    must(clock_getcpuclockid((pid_t)number(words[6], INT32_MAX), &server_clock) == 0, "the server's clock");
    for (size_t i = 0; i < storm.connections; i++)
        open_connection(&storm, &storm.all[i]);
    int64_t before = clock_ns(server_clock);
    rage(&storm, writes_a_second, duration_ns);
    int64_t used = clock_ns(server_clock) - before;
    printf("wanted %lld sent %lld answered %lld reconnected %lld server_us %lld\n", storm.wanted, storm.sent,
           storm.answered, storm.reconnected, (long long)used / 1000);
    return 0;
}
