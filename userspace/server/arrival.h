// SPDX-License-Identifier: Apache-2.0
//
// When a command's bytes reached this host, which may be long before the process got around to reading them:
// it can be stopped, or starved, with a heartbeat waiting in a socket. Never says a moment that is too late;
// says one that is too early where it cannot know better.
//
// The kernel's receive timestamp belongs to the newest byte of what it has merged. So it is a command's own
// only if nothing followed the command in the socket. Otherwise the answer is a moment at which the socket is
// known to have been empty, so that the command was not there yet. Unix sockets have no timestamps and always
// take that moment.
//
// Rules of the state below, but for arrival_receive() and arrival_look() which fill it. One owner, not
// thread-safe. May use: base, server/wall_steps.
#ifndef KVFENCE_SERVER_ARRIVAL_H
#define KVFENCE_SERVER_ARRIVAL_H

#include "server/wall_steps.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// One for each connection.
struct arrival {
    boot_ns_t empty_at;     // what is still in the socket came after this
    boot_ns_t newest_after; // what the newest reading brought came after this
    boot_ns_t older_after;  // what earlier readings brought, as far as it is not consumed, came after this
    size_t newest_count;    // bytes of the newest reading
    int64_t stamp_ns;       // the kernel's wall time of the newest reading's last byte; 0: none
    bool drained;           // the newest reading left nothing in the socket
};

// Asks the kernel for timestamps on a listening socket; connections inherit it. False with errno.
bool arrival_enable(int listening_fd);

// A new connection: none of its bytes had come at `known_empty`.
void arrival_begin(struct arrival *arrival, boot_ns_t known_empty);

// Reads from the socket as read() does and notes what it learns. `held`: bytes of earlier readings that are
// not consumed yet.
ssize_t arrival_receive(struct arrival *arrival, int fd, void *to, size_t room, size_t held);

// Notes that the socket is empty, if it is: lets the known-empty moment keep up while nothing comes.
void arrival_look(struct arrival *arrival, int fd);

// What one reading has brought.
struct arrival_reading {
    boot_ns_t before; // taken before the reading
    size_t held, count;
    int64_t stamp_ns; // 0: none
    bool drained;
};
void arrival_note(struct arrival *arrival, const struct arrival_reading *reading);

// When the command arrived after which `following` bytes have been read.
boot_ns_t arrival_of_command(const struct arrival *arrival, size_t following, const struct wall_reading *now);

#endif
