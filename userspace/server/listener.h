// SPDX-License-Identifier: Apache-2.0
//
// The listening sockets: every bind address, and the unix socket. One thread accepts and deals the
// connections out to the workers, the least busy first. May use: base, server.
#ifndef KVFENCE_SERVER_LISTENER_H
#define KVFENCE_SERVER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

struct listener;
struct server;

// Binds everything the configuration names. NULL with the address and the reason in `error`.
struct listener *listener_open(struct server *server, char *error, size_t error_size);
// Starts to accept. False with a reason.
bool listener_start(struct listener *listener, char *error, size_t error_size);
// Stops accepting, joins the thread, closes the sockets and removes the unix socket's file.
void listener_close(struct listener *listener);

#endif
