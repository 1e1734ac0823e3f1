// SPDX-License-Identifier: Apache-2.0
//
// The kernel's fence for real servers: network and mount namespaces of the test's own, with a bpffs where the
// server looks for it, and the programs on lo by TC. Everything ends with the process. Needs root, and fails
// without it. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_FENCE_RIG_H
#define KVFENCE_TESTS_INTEGRATION_FENCE_RIG_H

#include "bpf/fence_contract.h"
#include "harness.h"

#define FENCE_PINS "/sys/fs/bpf/kvfence"

// For cmocka_run_group_tests().
int fence_rig_enter(void **state);

// Loads the object of the build that the server belongs to, pins its maps and attaches it to lo.
void fence_load(void);
// The same with another number in fence_lease's entry of nobody.
void fence_load_as(uint16_t abi);
// Loads and pins it, and attaches it to nothing.
void fence_load_unattached(void);
// Detaches from lo and unpins; does nothing if it is not loaded.
void fence_unload(void);
// For a child process that goes on in namespaces of its own: what its parent loaded is not its.
void fence_forget(void);
// A test's teardown.
int fence_unload_after(void **state);

enum fence_attachment { FENCE_BY_NATIVE_XDP, FENCE_BY_GENERIC_XDP, FENCE_BY_TC };

// To an interface of the namespace that the caller is in; there may be several, and both hooks on one.
void fence_attach(const char *interface, enum fence_attachment attachment);
void fence_detach(const char *interface);

// What is in the maps that were loaded last.
int fence_map(const char *name); // its file descriptor
struct fence_lease fence_entry(int port);
struct fence_stats fence_counters(int port);

// A field of INFO lease as text; good until the next call.
const char *lease_text(redisContext *connection, const char *field);
void await_fence(const struct test_server *server, const char *attached_or_detached);

// Sends a command on a connection of its own, which is returned.
__attribute__((format(printf, 2, 3))) redisContext *send_alone(const struct test_server *server,
                                                               const char *format, ...);
// True if a reply comes within so many milliseconds.
bool is_answered(const redisContext *connection, int milliseconds);
// Fails if anything but this status comes back, and waits for it as long as TCP may take to send again.
// Releases the connection.
void expect_answer(redisContext *connection, const char *wanted);

#endif
