// SPDX-License-Identifier: Apache-2.0
//
// Runs the server as its users do: as a program of its own, in a directory of its own, on a free port. The
// program is the one that the environment's KVFENCED names. Failures end the test.
#ifndef KVFENCE_INTEGRATION_PROGRAM_H
#define KVFENCE_INTEGRATION_PROGRAM_H

#include <sys/types.h>

enum { MOST_PROGRAMS = 16 };

// A temporary directory with what one test needs. sandbox_close() removes everything in it and kills the
// programs that still run because the test failed.
struct sandbox {
    pid_t programs[MOST_PROGRAMS]; // all that were started
    char directory[256];
    int manager; // the socket at which started programs report, as they would to systemd
    int port;    // free when the sandbox was opened
};

struct sandbox *sandbox_open(void);
void sandbox_close(struct sandbox *sandbox);
// The same as a test's setup and teardown: the sandbox is the test's state.
int open_sandbox(void **state);
int close_sandbox(void **state);

// Kills and reaps `program` too when the sandbox is closed, if it still runs. For daemons.
void sandbox_adopt(struct sandbox *sandbox, pid_t program);

// The path of `name` in the sandbox; good for a dozen further calls.
const char *sandbox_path(const struct sandbox *sandbox, const char *name);
void sandbox_write(const struct sandbox *sandbox, const char *name, const char *text);
// The file's text; good until the next call. Fails if there is none.
const char *sandbox_read(const struct sandbox *sandbox, const char *name);

// Starts the program with these arguments, the last one NULL. Its standard streams are the sandbox's files
// input (if it is there), output and errors. It becomes ready in its own time.
pid_t program_start(struct sandbox *sandbox, const char *const *arguments);
// The same with the sandbox's port, its directory data, one worker, and the log in the sandbox's output;
// waits until it serves. `arguments` may be NULL.
pid_t program_serve(struct sandbox *sandbox, const char *const *arguments);
// Waits until a program reports `state`, such as "READY=1"; other states before it are ignored.
void program_await_state(const struct sandbox *sandbox, const char *state);
// Waits for the end and returns the exit status, or 128 + the number of the signal that ended it.
int program_wait(pid_t program);
// Ends it with SIGTERM and checks that it ended well.
void program_stop(pid_t program);

#endif
