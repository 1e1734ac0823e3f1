// SPDX-License-Identifier: Apache-2.0
//
// Waiting on a socket and on an event at once. Uses: base.
#include "replication/link.h"

#include "base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_LENGTH = 64 << 20, RECEIVE_SIZE = 256 << 10, KEPT_MAX = 4 << 20 };

static bool failed(struct link *link, const char *what) {
    (void)snprintf(link->error, sizeof(link->error), "%s", what);
    return false;
}

static bool failed_with(struct link *link, const char *what, int problem) {
    (void)snprintf(link->error, sizeof(link->error), "%s: %s", what, strerror(problem));
    return false;
}

// --- Opening and closing ---

// A socket that refuses an option is only slower, or its dead peer is noticed later.
void link_adopt(struct link *link, int fd) {
    int on = 1;
    link->fd = fd;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

void link_close(struct link *link) {
    if (link->fd >= 0)
        (void)close(link->fd);
    link->fd = -1;
    link->at = 0;
    buffer_release(&link->in);
}

// Waits until the socket is ready for `events`.
static bool wait_for(struct link *link, short events) {
    struct pollfd sources[2] = {{.fd = link->fd, .events = events}, {.fd = link->wake, .events = POLLIN}};
    for (;;) {
        int ready = poll(sources, link->wake >= 0 ? 2 : 1, link->timeout_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return failed_with(link, "waiting failed", errno);
        if (ready == 0)
            return failed(link, "nothing has moved for too long");
        if (link->wake >= 0 && sources[1].revents != 0)
            return failed(link, "interrupted");
        return true;
    }
}

static bool finish_connecting(struct link *link) {
    int problem = 0;
    socklen_t size = sizeof(problem);
    if (!wait_for(link, POLLOUT))
        return false;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
        problem = errno;
    return problem == 0 || failed_with(link, "cannot connect", problem);
}

static bool try_address(struct link *link, const struct addrinfo *address) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed_with(link, "no socket", errno);
    link_adopt(link, fd);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        failed_with(link, "cannot connect", errno);
    else if (finish_connecting(link))
        return true;
    link_close(link);
    return false;
}

bool link_connect(struct link *link, const char *host, uint16_t port) {
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    int problem = getaddrinfo(host, service, &wanted, &found);
    if (problem != 0) {
        (void)snprintf(link->error, sizeof(link->error), "cannot resolve '%.100s': %s", host,
                       gai_strerror(problem));
        return false;
    }
    bool connected = false;
    for (const struct addrinfo *one = found; one != NULL && !connected; one = one->ai_next)
        connected = try_address(link, one);
    freeaddrinfo(found);
    return connected;
}

void link_peer(const struct link *link, char *host, size_t host_size, uint16_t *port) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char service[8] = "0";
    (void)snprintf(host, host_size, "?");
    *port = 0;
    if (getpeername(link->fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, (socklen_t)host_size, service, sizeof(service),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    uint64_t number = 0;
    if (number_read_unsigned(bytes_from_text(service), &number))
        *port = (uint16_t)number;
}

// --- Sending ---

size_t link_send_some(struct link *link, struct bytes bytes) {
    for (;;) {
        ssize_t count = send(link->fd, bytes.data, bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0)
            return (size_t)count;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return 0;
        failed_with(link, "the connection has ended", errno);
        return SIZE_MAX;
    }
}

bool link_send(struct link *link, struct bytes bytes) {
    while (bytes.length > 0) {
        size_t sent = link_send_some(link, bytes);
        if (sent == SIZE_MAX || (sent == 0 && !wait_for(link, POLLOUT)))
            return false;
        bytes.data += sent;
        bytes.length -= sent;
    }
    return true;
}

bool link_send_command(struct link *link, const struct bytes *words, size_t count) {
    struct buffer text = {0};
    buffer_append_format(&text, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(&text, "$%zu\r\n", words[i].length);
        buffer_append(&text, words[i]);
        buffer_append_text(&text, "\r\n");
    }
    bool sent = link_send(link, buffer_bytes(&text));
    buffer_release(&text);
    return sent;
}

// --- Receiving ---

struct bytes link_received(const struct link *link) {
    if (link->in.length == link->at)
        return (struct bytes){.data = "", .length = 0};
    return (struct bytes){.data = link->in.data + link->at, .length = link->in.length - link->at};
}

void link_take(struct link *link, size_t count) {
    link->at += count;
    if (link->at != link->in.length)
        return;
    link->at = 0;
    buffer_clear(&link->in);
    if (link->in.capacity > KEPT_MAX)
        buffer_release(&link->in);
}

// What has been taken makes room, once it is more than what is left.
static void close_ranks(struct link *link) {
    size_t left = link->in.length - link->at;
    if (link->at == 0 || link->at < left)
        return;
    memmove(link->in.data, link->in.data + link->at, left);
    link->in.length = left;
    link->at = 0;
}

// Negative: the end or an error. 0: nothing is there.
static ssize_t receive_some(struct link *link) {
    close_ranks(link);
    char *to = buffer_reserve(&link->in, RECEIVE_SIZE);
    ssize_t count = recv(link->fd, to, RECEIVE_SIZE, MSG_DONTWAIT);
    if (count > 0)
        link->in.length += (size_t)count;
    if (count == 0)
        failed(link, "the other side has closed the connection");
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count < 0)
        failed_with(link, "the connection has ended", errno);
    return count == 0 ? -1 : count;
}

bool link_receive(struct link *link) {
    for (;;) {
        if (!wait_for(link, POLLIN))
            return false;
        ssize_t count = receive_some(link);
        if (count != 0)
            return count > 0;
    }
}

bool link_receive_now(struct link *link) {
    return receive_some(link) >= 0;
}

bool link_read_line(struct link *link, struct bytes *line) {
    size_t looked_at = 0;
    for (;;) {
        struct bytes have = link_received(link);
        const char *end =
            looked_at < have.length ? memchr(have.data + looked_at, '\n', have.length - looked_at) : NULL;
        if (end != NULL) {
            size_t length = (size_t)(end - have.data);
            *line = (struct bytes){have.data, length > 0 && end[-1] == '\r' ? length - 1 : length};
            // The line stays where it is until more is received.
            link->at += length + 1;
            return true;
        }
        looked_at = have.length;
        if (have.length > LINE_MAX_LENGTH)
            return failed(link, "the line does not end");
        if (!link_receive(link))
            return false;
    }
}

bool link_fill(struct link *link, size_t count) {
    while (link_received(link).length < count) {
        if (!link_receive(link))
            return false;
    }
    return true;
}
