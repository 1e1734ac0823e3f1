// SPDX-License-Identifier: Apache-2.0
//
// One connection between master and replica, seen by the thread that has nothing else to do: calls wait, but
// never longer than the link's time-out without a byte moving, and come back at once when the thread is
// wanted elsewhere. One thread. May use: base.
#ifndef KVFENCE_REPLICATION_LINK_H
#define KVFENCE_REPLICATION_LINK_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum { LINK_ERROR_SIZE = 768 };

// Zero-initialised but for `fd` (-1) and `wake` it is closed and valid.
struct link {
    int fd;           // not blocking; owned
    int wake;         // readable: come back. Borrowed; -1: none
    int timeout_ms;   // without a byte moving
    struct buffer in; // received; from `at` on not yet taken
    size_t at;
    char error[LINK_ERROR_SIZE]; // why the last call failed
};

// Takes over a connected socket.
void link_adopt(struct link *link, int fd);
// Looks the name up, which may take long, and connects. False with link->error.
bool link_connect(struct link *link, const char *host, uint16_t port);
void link_close(struct link *link);

// All of it.
bool link_send(struct link *link, struct bytes bytes);
// A command as an array of bulk strings.
bool link_send_command(struct link *link, const struct bytes *words, size_t count);
// As much as can be sent without waiting. SIZE_MAX: the connection has failed.
size_t link_send_some(struct link *link, struct bytes bytes);

// What has been received and not taken.
struct bytes link_received(const struct link *link);
void link_take(struct link *link, size_t count);
// Waits for more. False: the end, or an error.
bool link_receive(struct link *link);
// The same without waiting: true if the connection is still there.
bool link_receive_now(struct link *link);
// A line, taken, without its end; valid until the next call.
bool link_read_line(struct link *link, struct bytes *line);
// At least so many bytes are received, not taken.
bool link_fill(struct link *link, size_t count);

// "host:port" of the other end.
void link_peer(const struct link *link, char *host, size_t host_size, uint16_t *port);

#endif
