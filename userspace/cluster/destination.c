// SPDX-License-Identifier: Apache-2.0
//
// The sending side of a migration's connection. Uses: base.
#include "cluster/destination.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/number.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SLICE_MS = 50, // of a wait, after which it is looked whether somebody has cancelled
    RECEIVE_BYTES = 16 << 10,
    REPLY_BYTES_MAX = 1 << 20 // of replies to commands that change something
};

struct destination {
    struct destination_config config;
    int fd;
    struct buffer output; // commands
    struct buffer words;  // of the command that has no end yet
    size_t word_count;
    size_t command_count;
    struct buffer input; // replies that have not been looked at
};

static bool lost(char error[DESTINATION_ERROR_SIZE], const struct destination_config *config,
                 const char *why) {
    (void)snprintf(error, DESTINATION_ERROR_SIZE, "%.200s:%u: %s", config->host, config->port, why);
    return false;
}

// --- Connecting ---

// Until the socket is ready for that, or the time is over.
static bool wait_for(const struct destination *destination, short what, char error[DESTINATION_ERROR_SIZE]) {
    const struct destination_config *config = &destination->config;
    struct pollfd poll_fd = {.fd = destination->fd, .events = what};
    uint64_t until = clock_duration_us() + (uint64_t)config->timeout_ms * 1000;
    while (!config->is_cancelled(config->context)) {
        int ready = poll(&poll_fd, 1, SLICE_MS);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return lost(error, config, strerror(errno));
        if (clock_duration_us() >= until)
            return lost(error, config, "no answer in time");
    }
    return lost(error, config, "the migration was ended");
}

static bool connect_to(struct destination *destination, const struct addrinfo *address,
                       char error[DESTINATION_ERROR_SIZE]) {
    int failure = 0;
    socklen_t length = sizeof(failure);
    destination->fd =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    if (destination->fd < 0 ||
        (connect(destination->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS))
        return lost(error, &destination->config, strerror(errno));
    if (!wait_for(destination, POLLOUT, error))
        return false;
    if (getsockopt(destination->fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0 || failure != 0)
        return lost(error, &destination->config, strerror(failure != 0 ? failure : errno));
    int on = 1; // without it the connection is only slower
    (void)setsockopt(destination->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
}

static bool connect_to_any(struct destination *destination, char error[DESTINATION_ERROR_SIZE]) {
    char port[NUMBER_INTEGER_SIZE + 1];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    (void)snprintf(port, sizeof(port), "%u", destination->config.port);
    int failure = getaddrinfo(destination->config.host, port, &hints, &addresses);
    if (failure != 0)
        return lost(error, &destination->config, gai_strerror(failure));
    bool connected = false;
    for (const struct addrinfo *at = addresses; at != NULL && !connected; at = at->ai_next) {
        connected = connect_to(destination, at, error);
        if (!connected && destination->fd >= 0) {
            (void)close(destination->fd);
            destination->fd = -1;
        }
    }
    freeaddrinfo(addresses);
    return connected;
}

struct destination *destination_connect(const struct destination_config *config,
                                        char error[DESTINATION_ERROR_SIZE]) {
    struct destination *destination = memory_allocate_zeroed(1, sizeof(*destination));
    destination->config = *config;
    destination->fd = -1;
    if (connect_to_any(destination, error))
        return destination;
    destination_close(destination);
    return NULL;
}

void destination_close(struct destination *destination) {
    if (destination == NULL)
        return;
    if (destination->fd >= 0)
        (void)close(destination->fd);
    buffer_release(&destination->output);
    buffer_release(&destination->words);
    buffer_release(&destination->input);
    free(destination);
}

// --- Commands ---

void destination_add(struct destination *destination, struct bytes word) {
    buffer_append_format(&destination->words, "$%zu\r\n", word.length);
    buffer_append(&destination->words, word);
    buffer_append_text(&destination->words, "\r\n");
    destination->word_count++;
}

void destination_add_text(struct destination *destination, const char *word) {
    destination_add(destination, bytes_from_text(word));
}

void destination_add_number(struct destination *destination, int64_t number) {
    char text[NUMBER_INTEGER_SIZE];
    destination_add(destination, (struct bytes){text, number_write_integer(text, number)});
}

void destination_end(struct destination *destination) {
    buffer_append_format(&destination->output, "*%zu\r\n", destination->word_count);
    buffer_append(&destination->output, buffer_bytes(&destination->words));
    buffer_clear(&destination->words);
    destination->word_count = 0;
    destination->command_count++;
}

void destination_pause(const struct destination *destination, uint64_t microseconds) {
    const struct destination_config *config = &destination->config;
    while (microseconds != 0 && !config->is_cancelled(config->context)) {
        uint64_t slice = microseconds < SLICE_MS * 1000 ? microseconds : SLICE_MS * 1000;
        const struct timespec pause = {.tv_nsec = (long)slice * 1000};
        (void)nanosleep(&pause, NULL);
        microseconds -= slice;
    }
}

size_t destination_commands(const struct destination *destination) {
    return destination->command_count;
}

size_t destination_bytes(const struct destination *destination) {
    return destination->output.length + destination->words.length;
}

// --- Replies ---

enum reply_reading { REPLY_WHOLE, REPLY_CUT_OFF, REPLY_WRONG };

struct reply_reader {
    struct bytes rest;
    struct bytes text; // of the last bulk string, status or error
    char kind;         // of the outermost reply
};

static bool take_line(struct bytes *rest, struct bytes *line) {
    const char *end = rest->length == 0 ? NULL : memchr(rest->data, '\n', rest->length);
    if (end == NULL)
        return false;
    size_t used = (size_t)(end - rest->data) + 1;
    *line = (struct bytes){rest->data, used >= 2 ? used - 2 : 0};
    rest->data += used;
    rest->length -= used;
    return true;
}

static enum reply_reading take_bulk(struct reply_reader *reader, int64_t length) {
    if (length < 0)
        return REPLY_WHOLE;
    if (reader->rest.length < (uint64_t)length + 2)
        return REPLY_CUT_OFF;
    reader->text = (struct bytes){reader->rest.data, (size_t)length};
    reader->rest.data += length + 2;
    reader->rest.length -= (size_t)length + 2;
    return REPLY_WHOLE;
}

// One reply, or as many as are left of an array: arrays in arrays only add to what is left.
static enum reply_reading take_reply(struct reply_reader *reader) {
    struct bytes line;
    int64_t number = 0;
    for (int64_t left = 1; left > 0; left--) {
        if (!take_line(&reader->rest, &line))
            return REPLY_CUT_OFF;
        if (line.length == 0)
            return REPLY_WRONG;
        struct bytes text = {line.data + 1, line.length - 1};
        reader->kind = reader->kind == 0 ? line.data[0] : reader->kind;
        bool has_number = line.data[0] == '$' || line.data[0] == '*';
        if (has_number && (!number_read_integer(text, &number) || number > REPLY_BYTES_MAX))
            return REPLY_WRONG;
        if (line.data[0] == '*')
            left += number > 0 ? number : 0;
        else if (line.data[0] == '$' && take_bulk(reader, number) != REPLY_WHOLE)
            return REPLY_CUT_OFF;
        else if (line.data[0] == '+' || line.data[0] == '-')
            reader->text = text;
        else if (!has_number && line.data[0] != ':')
            return REPLY_WRONG;
    }
    return REPLY_WHOLE;
}

static bool receive(struct destination *destination, char error[DESTINATION_ERROR_SIZE]) {
    for (;;) {
        char *room = buffer_reserve(&destination->input, RECEIVE_BYTES);
        ssize_t count = recv(destination->fd, room, RECEIVE_BYTES, 0);
        if (count > 0) {
            destination->input.length += (size_t)count;
            return true;
        }
        if (count == 0)
            return lost(error, &destination->config, "it has closed the connection");
        if (errno != EAGAIN && errno != EINTR)
            return lost(error, &destination->config, strerror(errno));
        if (!wait_for(destination, POLLIN, error))
            return false;
    }
}

static bool send_all(struct destination *destination, char error[DESTINATION_ERROR_SIZE]) {
    struct bytes rest = buffer_bytes(&destination->output);
    while (rest.length != 0) {
        ssize_t count = send(destination->fd, rest.data, rest.length, MSG_NOSIGNAL);
        if (count >= 0) {
            rest.data += count;
            rest.length -= (size_t)count;
        } else if (errno != EAGAIN && errno != EINTR) {
            return lost(error, &destination->config, strerror(errno));
        } else if (!wait_for(destination, POLLOUT, error)) {
            return false;
        }
    }
    buffer_clear(&destination->output);
    return true;
}

// Waits for one reply and takes it out of the input.
static enum destination_result next_reply(struct destination *destination, struct buffer *text,
                                          char error[DESTINATION_ERROR_SIZE]) {
    for (;;) {
        struct reply_reader reader = {.rest = buffer_bytes(&destination->input)};
        enum reply_reading reading = take_reply(&reader);
        if (reading == REPLY_WRONG ||
            (reading == REPLY_CUT_OFF && destination->input.length > REPLY_BYTES_MAX)) {
            (void)lost(error, &destination->config, "its reply is not understood");
            return DESTINATION_LOST;
        }
        if (reading == REPLY_CUT_OFF) {
            if (!receive(destination, error))
                return DESTINATION_LOST;
            continue;
        }
        bool refused = reader.kind == '-';
        if (refused)
            (void)snprintf(error, DESTINATION_ERROR_SIZE, "%.200s:%u replied: %.*s", destination->config.host,
                           destination->config.port, bytes_shown_length(reader.text), reader.text.data);
        if (text != NULL && reader.kind == '$')
            buffer_append(text, reader.text);
        memmove(destination->input.data, reader.rest.data, reader.rest.length);
        destination->input.length = reader.rest.length;
        return refused ? DESTINATION_REFUSED : DESTINATION_TOOK_ALL;
    }
}

enum destination_result destination_flush(struct destination *destination, struct buffer *text,
                                          char error[DESTINATION_ERROR_SIZE]) {
    enum destination_result result = DESTINATION_TOOK_ALL;
    char ignored[DESTINATION_ERROR_SIZE] = "";
    if (!send_all(destination, error))
        return DESTINATION_LOST;
    for (; destination->command_count != 0; destination->command_count--) {
        bool is_first = result == DESTINATION_TOOK_ALL;
        enum destination_result one = next_reply(destination, destination->command_count == 1 ? text : NULL,
                                                 is_first ? error : ignored);
        if (one == DESTINATION_LOST)
            return DESTINATION_LOST;
        if (is_first)
            result = one;
    }
    return result;
}
