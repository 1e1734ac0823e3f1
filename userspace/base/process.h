// SPDX-License-Identifier: Apache-2.0
//
// What the process is to the system around it: a daemon, a pidfile, a service that reports to its manager, a
// user of file descriptors. For the main thread, before and after the server's threads run. May use:
// base/log.
#ifndef KVFENCE_BASE_PROCESS_H
#define KVFENCE_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROCESS_ERROR_SIZE = 512 };

// Goes on in a child with a session of its own; must be called before any thread is started. Returns true in
// the child only. The parent waits until the child has called process_daemon_ready() and then exits with 0,
// or until the child has ended, and then exits with 1. The working directory stays, because configured paths
// may be relative. On failure returns false in the parent with the reason in `error`.
bool process_daemonize(int *ready, char error[PROCESS_ERROR_SIZE]);
// Lets the waiting parent go and detaches the three standard streams. Call once, with what
// process_daemonize() put into `ready`.
void process_daemon_ready(int ready);

// Writes the process's number into the file at `path`, all at once. Logs a warning if the file names another
// process that is running. On failure returns false with the reason in `error`.
bool pidfile_write(const char *path, char error[PROCESS_ERROR_SIZE]);
// Removes the file if it still names this process.
void pidfile_remove(const char *path);

// Tells the service manager that started the process, over the datagram socket named in NOTIFY_SOCKET
// ("READY=1"). True if it was told or if there is none; otherwise false with the reason in `error`.
bool process_notify(const char *state, char error[PROCESS_ERROR_SIZE]);

// Raises the number of files that may be open to `wanted` or as near to it as the system allows; never lowers
// it. Returns the number in force.
uint64_t process_raise_file_limit(uint64_t wanted);

// Creates `path` and the directories above it that are missing. On failure returns false with the reason in
// `error`.
bool directory_create(const char *path, char error[PROCESS_ERROR_SIZE]);
// True if `path` belongs to the user that the process runs as, or to root. Somebody else could put links and
// files into it. Otherwise false with the reason in `error`.
bool directory_is_trusted(const char *path, char error[PROCESS_ERROR_SIZE]);

// Makes the directory this process's own, as long as the file that *lock becomes is open. False with the
// reason in `error` if it is another one's. A file system without such locks is no failure: *lock is -1.
bool directory_lock(const char *path, int *lock, char error[PROCESS_ERROR_SIZE]);

// From now on no file that the process makes is open to other users, whatever mode it asks for. Before any
// thread is started.
void process_keep_files_private(void);

#endif
