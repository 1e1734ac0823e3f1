// SPDX-License-Identifier: Apache-2.0
//
// Listening and accepting. Uses: base, server/{config,server,worker}.
#include "server/listener.h"

#include "base/log.h"
#include "base/memory.h"
#include "server/connection.h"
#include "server/server.h"
#include "server/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKETS_MAX = 32, ACCEPTS_AT_ONCE = 256, RETRY_MS = 100, LOOK_MS = 50 };

struct listening_socket {
    struct listener *listener;
    int fd;
    bool is_unix_socket;
    struct event *event;
    boot_ns_t known_empty; // nobody whom we have not accepted was connected then
};

struct listener {
    struct server *server;
    struct event_base *base;
    struct listening_socket sockets[SOCKETS_MAX];
    size_t count;
    char *unix_path; // to be removed at the end; NULL: none
    int stop_fd;
    struct event *stop_event;
    struct event *retry_event;
    struct event *look_event;
    pthread_t thread;
    bool thread_started;
    bool out_of_descriptors;
};

// --- Accepting ---

static struct worker *least_busy(const struct server *server) {
    struct worker *chosen = server->workers[0];
    for (size_t i = 1; i < server->worker_count; i++) {
        if (worker_client_count(server->workers[i]) < worker_client_count(chosen))
            chosen = server->workers[i];
    }
    return chosen;
}

static void turn_away(struct server *server, int fd) {
    static const char text[] = "-ERR max number of clients reached\r\n";
    (void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
    atomic_fetch_add(&server->connections_rejected, 1);
}

static void welcome(struct server *server, const struct accepted_socket *accepted) {
    uint64_t limit = (uint64_t)config_integer(server->config, CONFIG_MAXCLIENTS);
    atomic_fetch_add(&server->connections_received, 1);
    if (atomic_load(&server->connected_clients) >= limit) {
        turn_away(server, accepted->fd);
        return;
    }
    atomic_fetch_add(&server->connected_clients, 1);
    worker_adopt(least_busy(server), accepted);
}

// Without descriptors accept() fails at once again and again: stop asking for a moment.
static void rest(struct listener *listener, int reason) {
    struct timeval pause = {.tv_usec = RETRY_MS * 1000};
    if (!listener->out_of_descriptors)
        log_error("connections cannot be accepted: %s; raise the limit of open files or lower maxclients",
                  strerror(reason));
    listener->out_of_descriptors = true;
    for (size_t i = 0; i < listener->count; i++)
        (void)event_del(listener->sockets[i].event);
    if (event_add(listener->retry_event, &pause) != 0)
        log_error("accepting connections cannot be resumed by itself");
}

static void on_retry(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct listener *listener = argument;
    for (size_t i = 0; i < listener->count; i++)
        (void)event_add(listener->sockets[i].event, NULL);
}

static void accept_waiting(struct listening_socket *socket) {
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        boot_ns_t before = clock_boot();
        // cppcheck-suppress nullPointer ; the address may be left out
        int fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            socket->listener->out_of_descriptors = false;
            welcome(socket->listener->server,
                    &(struct accepted_socket){fd, socket->is_unix_socket, socket->known_empty});
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(socket->listener, errno);
            return;
        } else if (errno == EAGAIN) {
            socket->known_empty = before;
            return;
        }
    }
}

static void on_connection(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    accept_waiting(argument);
}

// Else the known-empty moment would be as old as the newest connection.
static void on_look(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct listener *listener = argument;
    for (size_t i = 0; i < listener->count && !listener->out_of_descriptors; i++)
        accept_waiting(&listener->sockets[i]);
}

static void on_stop(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct listener *listener = argument;
    (void)event_base_loopbreak(listener->base);
}

static void *run(void *argument) {
    struct listener *listener = argument;
    (void)pthread_setname_np(pthread_self(), "listener");
    (void)event_base_dispatch(listener->base);
    return NULL;
}

// --- Binding ---

static bool add_socket(struct listener *listener, int fd, bool is_unix_socket, boot_ns_t known_empty) {
    struct listening_socket *socket = &listener->sockets[listener->count++];
    *socket = (struct listening_socket){
        .listener = listener, .fd = fd, .is_unix_socket = is_unix_socket, .known_empty = known_empty};
    if (!is_unix_socket && !arrival_enable(fd))
        log_warning("the kernel gives no receive timestamps: heartbeats may count as older than they are: %s",
                    strerror(errno));
    socket->event = event_new(listener->base, fd, EV_READ | EV_PERSIST, on_connection, socket);
    return socket->event != NULL && event_add(socket->event, NULL) == 0;
}

static int bind_address(const struct addrinfo *address, int backlog) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    int one = 1;
    if (fd < 0)
        return -1;
    bool bound = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                 (address->ai_family != AF_INET6 ||
                  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
                 bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, backlog) == 0;
    if (bound)
        return fd;
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

static bool listen_on(struct listener *listener, const char *host, char *error, size_t error_size) {
    const struct config *config = listener->server->config;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", (int)config_integer(config, CONFIG_PORT));
    boot_ns_t before = clock_boot();
    int failure = getaddrinfo(strcmp(host, "*") == 0 ? "0.0.0.0" : host, port, &hints, &found);
    if (failure != 0) {
        (void)snprintf(error, error_size, "cannot listen on '%s': %s", host, gai_strerror(failure));
        return false;
    }
    int fd = listener->count < SOCKETS_MAX
                 ? bind_address(found, (int)config_integer(config, CONFIG_TCP_BACKLOG))
                 : -1;
    if (fd < 0)
        (void)snprintf(
            error, error_size, "cannot listen on '%s' port %s: %s; %s", host, port, strerror(errno),
            errno == EADDRINUSE ? "stop what uses it, or choose another port" : "see bind and port");
    freeaddrinfo(found);
    if (fd < 0)
        return false;
    log_info("listening on %s port %s", host, port);
    return add_socket(listener, fd, false, before);
}

static bool listen_on_all(struct listener *listener, char *error, size_t error_size) {
    char *addresses = config_text_copy(listener->server->config, CONFIG_BIND);
    char *rest_of_them = NULL;
    bool listening = true;
    if (addresses[0] == '\0' && !config_text_is_set(listener->server->config, CONFIG_UNIXSOCKET))
        listening = listen_on(listener, "127.0.0.1", error, error_size);
    for (char *host = strtok_r(addresses, " \t", &rest_of_them); host != NULL && listening;
         host = strtok_r(NULL, " \t", &rest_of_them))
        listening = listen_on(listener, host, error, error_size);
    free(addresses);
    return listening;
}

// A socket file that nobody listens on is left from a process that was killed. Any other file that a mistaken
// path names is kept, though connecting to it fails in the same way.
static bool is_stale(const struct sockaddr_un *address) {
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

static int bind_unix(const struct sockaddr_un *address, mode_t mode, int backlog) {
    if (is_stale(address))
        (void)unlink(address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
        if (chmod(address->sun_path, mode) == 0 && listen(fd, backlog) == 0)
            return fd;
        (void)unlink(address->sun_path);
    }
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

static bool listen_on_unix(struct listener *listener, char *error, size_t error_size) {
    const struct config *config = listener->server->config;
    if (!config_text_is_set(config, CONFIG_UNIXSOCKET))
        return true;
    char *path = config_text_copy(config, CONFIG_UNIXSOCKET);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    boot_ns_t before = clock_boot();
    int fd = -1;
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
    } else {
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = bind_unix(&address, (mode_t)config_integer(config, CONFIG_UNIXSOCKETPERM),
                       (int)config_integer(config, CONFIG_TCP_BACKLOG));
    }
    if (fd < 0) {
        (void)snprintf(error, error_size, "cannot listen on the unix socket '%s': %s", path, strerror(errno));
        free(path);
        return false;
    }
    log_info("listening on the unix socket %s", path);
    listener->unix_path = path;
    return add_socket(listener, fd, true, before);
}

// --- Opening and closing ---

static bool open_loop(struct listener *listener) {
    struct timeval interval = {.tv_usec = LOOK_MS * 1000};
    listener->base = event_base_new();
    listener->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (listener->base == NULL || listener->stop_fd < 0)
        return false;
    listener->stop_event = event_new(listener->base, listener->stop_fd, EV_READ, on_stop, listener);
    listener->retry_event = event_new(listener->base, -1, 0, on_retry, listener);
    listener->look_event = event_new(listener->base, -1, EV_PERSIST, on_look, listener);
    return listener->stop_event != NULL && listener->retry_event != NULL && listener->look_event != NULL &&
           event_add(listener->stop_event, NULL) == 0 && event_add(listener->look_event, &interval) == 0;
}

struct listener *listener_open(struct server *server, char *error, size_t error_size) {
    struct listener *listener = memory_allocate_zeroed(1, sizeof(*listener));
    listener->server = server;
    listener->stop_fd = -1;
    (void)snprintf(error, error_size, "the listening thread could not be started");
    if (open_loop(listener) && listen_on_all(listener, error, error_size) &&
        listen_on_unix(listener, error, error_size))
        return listener;
    listener_close(listener);
    return NULL;
}

bool listener_start(struct listener *listener, char *error, size_t error_size) {
    listener->thread_started = pthread_create(&listener->thread, NULL, run, listener) == 0;
    if (!listener->thread_started)
        (void)snprintf(error, error_size, "the listening thread could not be started");
    return listener->thread_started;
}

void listener_close(struct listener *listener) {
    if (listener == NULL)
        return;
    uint64_t one = 1;
    if (listener->thread_started) {
        if (write(listener->stop_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
            log_error("the listening thread could not be told to stop: %s", strerror(errno));
        (void)pthread_join(listener->thread, NULL);
    }
    for (size_t i = 0; i < listener->count; i++) {
        if (listener->sockets[i].event != NULL)
            event_free(listener->sockets[i].event);
        (void)close(listener->sockets[i].fd);
    }
    if (listener->unix_path != NULL)
        (void)unlink(listener->unix_path);
    free(listener->unix_path);
    if (listener->stop_event != NULL)
        event_free(listener->stop_event);
    if (listener->retry_event != NULL)
        event_free(listener->retry_event);
    if (listener->look_event != NULL)
        event_free(listener->look_event);
    if (listener->base != NULL)
        event_base_free(listener->base);
    if (listener->stop_fd >= 0)
        (void)close(listener->stop_fd);
    free(listener);
}
