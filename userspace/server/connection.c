// SPDX-License-Identifier: Apache-2.0
//
// Sockets of clients. Uses: base, store/session, server/{client,dispatch,server,worker}.
#include "server/connection.h"

#include "base/log.h"
#include "base/memory.h"
#include "server/blocking.h"
#include "server/dispatch.h"
#include "server/gather.h"
#include "server/monitor.h"
#include "server/reply_stream.h"
#include "server/server.h"
#include "server/subscribers.h"
#include "server/transaction.h"
#include "server/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    // Above the high-water mark of unsent replies a client's further commands wait: a client that does not
    // read
    // costs at most this much. Far above what clients pipeline before they start to read.
    OUTPUT_HIGH_WATER = 64 << 20,
    OUTPUT_LOW_WATER = 16 << 20,
    // A client that has yet to give the password and leaves so much unread has no good in mind.
    STRANGER_OUTPUT_MAX = 64 << 10,
    // Input that is read ahead for a client whose commands wait, so that its disconnection is noticed.
    WAITING_INPUT_MAX = 1 << 20,
    // So much may be added to an output without a look at its limit, until the end of the round.
    LOOK_AT_LIMIT_ABOVE = 256 << 10,
    READ_MAX = 1 << 20, // one reading of a big value
    SEND_MAX = 4 << 20  // one round's sending to one client
};

// --- Opening and closing ---

static void describe_address(const struct sockaddr_storage *address, char out[CLIENT_ADDRESS_SIZE]) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        (void)snprintf(out, CLIENT_ADDRESS_SIZE, "%s:%d", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        (void)snprintf(out, CLIENT_ADDRESS_SIZE, "[%s]:%d", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_un *path = (const struct sockaddr_un *)address;
        (void)snprintf(out, CLIENT_ADDRESS_SIZE, "%.108s:0", path->sun_path);
    }
}

static void describe_addresses(struct client *client) {
    struct sockaddr_storage local = {0};
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof(local);
    if (getsockname(client->fd, (struct sockaddr *)&local, &length) == 0)
        describe_address(&local, client->local_address);
    length = sizeof(peer);
    if (client->is_unix_socket)
        memcpy(client->address, client->local_address, sizeof(client->address));
    else if (getpeername(client->fd, (struct sockaddr *)&peer, &length) == 0)
        describe_address(&peer, client->address);
}

// A socket that refuses an option still works; it is only slower, or its dead peer is noticed later.
static void set_option(int fd, int level, int option, int value) {
    if (setsockopt(fd, level, option, &value, sizeof(value)) != 0)
        log_debug("socket option %d/%d could not be set: %s", level, option, strerror(errno));
}

static void configure_socket(const struct client *client) {
    if (client->is_unix_socket)
        return;
    int keepalive = (int)config_integer(client->server->config, CONFIG_TCP_KEEPALIVE);
    set_option(client->fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive == 0)
        return;
    set_option(client->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(client->fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive);
    set_option(client->fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive < 3 ? 1 : keepalive / 3);
    set_option(client->fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void register_client(struct client *client) {
    struct server *server = client->server;
    pthread_mutex_lock(&server->registry_lock);
    client->registry_next = server->registry;
    if (server->registry != NULL)
        server->registry->registry_previous = client;
    server->registry = client;
    pthread_mutex_unlock(&server->registry_lock);
}

static void unregister_client(struct client *client) {
    struct server *server = client->server;
    pthread_mutex_lock(&server->registry_lock);
    if (client->registry_previous != NULL)
        client->registry_previous->registry_next = client->registry_next;
    else
        server->registry = client->registry_next;
    if (client->registry_next != NULL)
        client->registry_next->registry_previous = client->registry_previous;
    pthread_mutex_unlock(&server->registry_lock);
}

static void on_readable(evutil_socket_t fd, short what, void *argument);
static void on_writable(evutil_socket_t fd, short what, void *argument);

static bool add_events(struct client *client) {
    struct event_base *base = worker_event_base(client->worker);
    client->read_event = event_new(base, client->fd, EV_READ | EV_PERSIST, on_readable, client);
    client->write_event = event_new(base, client->fd, EV_WRITE, on_writable, client);
    return client->read_event != NULL && client->write_event != NULL &&
           event_add(client->read_event, NULL) == 0;
}

struct client *connection_open(struct worker *worker, const struct accepted_socket *accepted) {
    struct client *client = memory_allocate_zeroed(1, sizeof(*client));
    struct server *server = worker_server(worker);
    client->fd = accepted->fd;
    client->worker = worker;
    client->server = server;
    client->is_unix_socket = accepted->is_unix_socket;
    arrival_begin(&client->arrival, accepted->known_empty);
    client->reply.protocol = 2;
    client->parser = request_parser_open();
    client->id = atomic_fetch_add(&server->next_client_id, 1) + 1;
    client->connected_us = clock_duration_us();
    client->last_active_us = client->connected_us;
    client->multi_shown = CLIENT_NOT_IN_MULTI;
    client->protocol_shown = 2;
    client->authenticated = !config_text_is_set(server->config, CONFIG_REQUIREPASS);
    client_show(client, SHOWN_UNIX, client->is_unix_socket);
    describe_addresses(client);
    configure_socket(client);
    register_client(client);
    if (!add_events(client)) {
        log_error("a connection from %s could not be watched and is closed", client->address);
        connection_close(client);
        return NULL;
    }
    return client;
}

// A socket with something left to send would confuse its heir.
static void give_up_socket(struct client *client, bool is_clean) {
    bool goes_on = client->heir != NULL && is_clean &&
                   !atomic_load_explicit(&client->server->shutting_down, memory_order_relaxed);
    if (!goes_on)
        (void)close(client->fd);
    if (client->heir != NULL)
        client->heir(client->heir_context, goes_on ? client->fd : -1);
}

void connection_close(struct client *client) {
    struct server *server = client->server;
    monitor_set(client, false);
    blocking_end(client);
    subscribers_forget(client);
    if (client->on_end != NULL)
        client->on_end(client->on_end_context, client->id);
    unregister_client(client);
    transaction_close(client);
    if (client->read_event != NULL)
        event_free(client->read_event);
    if (client->write_event != NULL)
        event_free(client->write_event);
    request_parser_close(client->parser);
    bool is_clean = reply_stream_pending(client) == 0 && client->stream == NULL;
    reply_stream_end(client);
    output_release(&client->reply.output);
    give_up_socket(client, is_clean);
    free(client->announced_host);
    free(client->name);
    free(client->library_name);
    free(client->library_version);
    free(client);
    atomic_fetch_sub(&server->connected_clients, 1);
}

// --- Reading ---

static void set_reading(struct client *client, bool on) {
    if (on != client->reading_paused)
        return;
    if ((on ? event_add(client->read_event, NULL) : event_del(client->read_event)) != 0) {
        log_error("a connection from %s could not be watched and is closed", client->address);
        client_kill(client);
        return;
    }
    client->reading_paused = !on;
}

static struct request_limits limits_of(const struct client *client) {
    const struct config *config = client->server->config;
    if (client_must_authenticate(client))
        return (struct request_limits){.bulk_length = 16384,
                                       .arguments = 10,
                                       .inline_length = 65536,
                                       .total_length = 1 << 20,
                                       .before_authentication = true};
    return (struct request_limits){
        .bulk_length = (uint64_t)config_integer(config, CONFIG_PROTO_MAX_BULK_LEN),
        .arguments = 1024 * 1024,
        .inline_length = 65536,
        .total_length = (uint64_t)config_integer(config, CONFIG_CLIENT_QUERY_BUFFER_LIMIT),
    };
}

static void protocol_error(struct client *client, const char *error) {
    log_debug("client %s is closed: %s", client->address, error);
    counter_add(&worker_stats(client->worker)->protocol_errors, 1);
    reply_error(&client->reply, error);
    client->close_after_reply = true;
}

static void dismiss_stranger(struct client *client) {
    log_debug("client %s is closed: it has not given the password and has left %zu bytes of replies unread",
              client->address, client->reply.output.pending);
    counter_add(&worker_stats(client->worker)->limit_closed, 1);
    client->close_after_reply = true;
}

static bool may_run(struct client *client) {
    if (client->closing || client->close_after_reply || client->wait != CLIENT_RUNNING)
        return false;
    if (atomic_load_explicit(&client->server->shutting_down, memory_order_relaxed))
        return false;
    size_t pending = client->reply.output.pending;
    if (pending > STRANGER_OUTPUT_MAX && client_must_authenticate(client)) {
        dismiss_stranger(client);
        return false;
    }
    if (pending > OUTPUT_HIGH_WATER || client->stream != NULL) {
        client->wait = CLIENT_THROTTLED;
        return false;
    }
    return true;
}

// The limits are asked for once, and by a stranger before each command: it may give the password any time.
static void run_commands(struct client *client) {
    struct request_limits limits = limits_of(client);
    while (may_run(client)) {
        const struct bytes *arguments = NULL;
        size_t count = 0;
        const char *error = NULL;
        if (limits.before_authentication)
            limits = limits_of(client);
        enum request_result result = request_parser_next(client->parser, &limits, &arguments, &count, &error);
        if (result == REQUEST_INCOMPLETE)
            return;
        if (result == REQUEST_INVALID) {
            gather_end(client->worker);
            protocol_error(client, error);
            return;
        }
        enum dispatch_result outcome = dispatch_command(client, arguments, count);
        if (outcome == DISPATCH_WAIT)
            worker_pause_client(client->worker, client);
        if (outcome != DISPATCH_DONE)
            return;
        request_parser_consume(client->parser);
    }
}

static void show_buffers(struct client *client) {
    size_t pending = request_parser_pending(client->parser);
    atomic_store_explicit(&client->query_buffer, pending, memory_order_relaxed);
    atomic_store_explicit(&client->query_memory, request_parser_memory(client->parser), memory_order_relaxed);
    bool wants_input =
        client->wait == CLIENT_RUNNING || (client->wait != CLIENT_THROTTLED && pending < WAITING_INPUT_MAX);
    set_reading(client, wants_input && !client->close_after_reply && !client->closing);
}

void connection_run_input(struct client *client) {
    worker_mark_pending(client->worker, client);
    run_commands(client);
    gather_end(client->worker);
    if (!request_parser_detach(client->parser)) {
        log_error("client %s is closed: out of memory for its request", client->address);
        client_kill(client);
    }
    show_buffers(client);
}

static void note_input(struct client *client, size_t count) {
    counter_add(&worker_stats(client->worker)->input_bytes, count);
    counter_add(&client->input_bytes, count);
    atomic_store_explicit(&client->last_active_us, worker_round_time_us(client->worker),
                          memory_order_relaxed);
}

// One read from the socket, into the parser's own memory if it holds something, else into the worker's
// scratch area, from where whole commands run without being copied.
static ssize_t read_some(struct client *client) {
    char *to = NULL;
    size_t room = 0;
    if (request_parser_room(client->parser, &to, &room)) {
        if (room == 0) {
            errno = ENOMEM;
            return -1;
        }
        ssize_t count = arrival_receive(&client->arrival, client->fd, to, room < READ_MAX ? room : READ_MAX,
                                        request_parser_pending(client->parser));
        if (count > 0)
            request_parser_filled(client->parser, (size_t)count);
        return count;
    }
    struct bytes scratch = worker_scratch(client->worker, &to);
    ssize_t count = arrival_receive(&client->arrival, client->fd, to, scratch.length, 0);
    if (count > 0)
        request_parser_attach(client->parser, scratch.data, (size_t)count);
    return count;
}

// Who has said all may still listen: the replies that are owed are sent before the connection is closed. Only
// a blocked client is closed at once, as what it waits for may never come. While commands wait for the end of
// a pause, the end of the input is left unread, to be found again after them.
static void end_input(struct client *client) {
    if (client->wait == CLIENT_BLOCKED) {
        client_kill(client);
        return;
    }
    set_reading(client, false);
    if (client->wait == CLIENT_PAUSED)
        return;
    client->close_after_reply = true;
    worker_mark_pending(client->worker, client);
}

static void on_readable(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct client *client = argument;
    if (client->closing)
        return;
    ssize_t count = read_some(client);
    if (count < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        log_debug("client %s is closed: %s", client->address, strerror(errno));
        client_kill(client);
        return;
    }
    if (count == 0) {
        end_input(client);
        return;
    }
    note_input(client, (size_t)count);
    connection_run_input(client);
}

// --- Sending ---

// Sending happens only at the end of a round, after it is settled: a writable socket is a reason to look at
// it then.
static void on_writable(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct client *client = argument;
    worker_mark_pending(client->worker, client);
}

static enum client_class class_of(const struct client *client) {
    return client->topics == NULL ? CLIENT_CLASS_NORMAL : CLIENT_CLASS_PUBSUB;
}

static void check_output_limit(struct client *client) {
    struct output_limit limit = config_output_limit(client->server->config, class_of(client));
    size_t pending = reply_stream_pending(client);
    // Others stop being served above the high-water mark; a monitor is sent what all the others do.
    if (client->is_monitor && limit.hard_bytes == 0)
        limit.hard_bytes = OUTPUT_HIGH_WATER;
    bool over_soft = limit.soft_bytes != 0 && pending > limit.soft_bytes;
    uint64_t now = clock_duration_us();
    if (!over_soft)
        client->soft_limit_since_us = 0;
    else if (client->soft_limit_since_us == 0)
        client->soft_limit_since_us = now;
    bool over_long = over_soft && now - client->soft_limit_since_us > limit.soft_seconds * 1000000U;
    if ((limit.hard_bytes == 0 || pending <= limit.hard_bytes) && !over_long)
        return;
    log_warning("client %s is closed: it has left %zu bytes of replies unread, more than "
                "client-output-buffer-limit allows",
                client->address, pending);
    counter_add(&worker_stats(client->worker)->limit_closed, 1);
    client_kill(client);
}

void connection_limit_output(struct client *client) {
    if (reply_stream_pending(client) > LOOK_AT_LIMIT_ABOVE && !client->closing)
        check_output_limit(client);
}

static void send_pending(struct client *client) {
    struct output *output = &client->reply.output;
    int64_t sent = output_send(output, client->fd, SEND_MAX);
    if (sent < 0) {
        log_debug("client %s is closed: %s", client->address, strerror(errno));
        client->closing = true;
        return;
    }
    counter_add(&worker_stats(client->worker)->output_bytes, (uint64_t)sent);
    counter_add(&client->output_bytes, (uint64_t)sent);
    if (client->stream != NULL)
        reply_stream_note_sent(client, (size_t)sent);
    // More of a long reply is written when the loop comes round to the socket again.
    if (output->pending != 0 || client->stream != NULL) {
        // Nobody waits for a stranger to read.
        bool dismissed = client->close_after_reply && client_must_authenticate(client);
        if (dismissed || event_add(client->write_event, NULL) != 0)
            client->closing = true;
        check_output_limit(client);
    } else {
        client->soft_limit_since_us = 0;
        client->closing |= client->close_after_reply;
    }
    if (client->wait == CLIENT_THROTTLED && client->stream == NULL && output->pending < OUTPUT_LOW_WATER)
        worker_resume_later(client->worker, client);
    atomic_store_explicit(&client->output_memory, reply_stream_pending(client), memory_order_relaxed);
}

// What was held back in this round must not be sent: some of it would tell of success, or of data, that is
// not certain.
static void withhold_round(struct client *client, enum settle_result result) {
    const char *why = session_settle_error(worker_session(client->worker));
    if (result == SETTLE_LATE) {
        log_warning("client %s is closed: its write was stored too late to be acknowledged: %s",
                    client->address, why);
        counter_add(&worker_stats(client->worker)->late_closed, 1);
        client->closing = true;
        return;
    }
    if (client->stream != NULL && reply_stream_has_left(client)) {
        client->closing = true; // what was withheld is not this reply, but stands behind it
        return;
    }
    reply_stream_end(client);
    output_truncate(&client->reply.output, client->round_mark);
    reply_error(&client->reply, why);
    client->close_after_reply = true;
}

void connection_finish_round(struct client *client, enum settle_result result) {
    bool concerned = client->wrote_this_round || (result == SETTLE_FAILED && client->read_this_round);
    if (result != SETTLED && concerned && !client->closing)
        withhold_round(client, result);
    client->wrote_this_round = false;
    client->read_this_round = false;
    client->round_marked = false;
    if (!client->closing && client->stream != NULL)
        reply_stream_advance(client);
    if (!client->closing)
        send_pending(client);
}

void connection_check_limits(struct client *client, uint64_t now_us) {
    uint64_t timeout_us = (uint64_t)config_integer(client->server->config, CONFIG_TIMEOUT) * 1000000;
    uint64_t active_us = atomic_load_explicit(&client->last_active_us, memory_order_relaxed);
    uint64_t idle_us = now_us > active_us ? now_us - active_us : 0;
    if (timeout_us != 0 && idle_us > timeout_us && client->wait != CLIENT_BLOCKED && !client->is_monitor &&
        client->topics == NULL) {
        log_info("client %s is closed: idle for %" PRIu64 " s", client->address, idle_us / 1000000);
        counter_add(&worker_stats(client->worker)->timeout_closed, 1);
        client_kill(client);
    }
    if (reply_stream_pending(client) != 0)
        check_output_limit(client);
    if (client->stream != NULL && !client->closing)
        reply_stream_check(client, now_us);
}
