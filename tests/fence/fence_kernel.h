// SPDX-License-Identifier: Apache-2.0
//
// The fence's programs, loaded into the running kernel with maps of their own: nothing is pinned or attached,
// so nothing is left when the process ends, however it ends. Needs root. Uses: libbpf, the contract.
#ifndef KVFENCE_FENCE_FENCE_KERNEL_H
#define KVFENCE_FENCE_FENCE_KERNEL_H

#include "bpf/fence_contract.h"

#include <stdbool.h>
#include <stddef.h>

struct fence_kernel;

// NULL: it could not be loaded; what libbpf said is on standard error. fence_commands is filled. The object
// is $KVFENCE_BPF, or the one of the build that the running program belongs to.
struct fence_kernel *fence_kernel_open(void);
void fence_kernel_close(struct fence_kernel *kernel);

// In CLOCK_BOOTTIME.
__u64 fence_kernel_now(void);
void fence_kernel_set_lease(struct fence_kernel *kernel, __u16 port, struct fence_lease lease);
// The sum over all CPUs; zeroes if the port was never counted.
struct fence_stats fence_kernel_stats(const struct fence_kernel *kernel, __u16 port);
void fence_kernel_forget_stats(struct fence_kernel *kernel, __u16 port);
// A file descriptor for what is not wrapped here; NULL name: the program of the hook.
int fence_kernel_map(const struct fence_kernel *kernel, const char *name);
int fence_kernel_program(const struct fence_kernel *kernel, enum fence_hook hook);

// What became of a packet in one run.
enum fence_outcome { FENCE_OUTCOME_PASS, FENCE_OUTCOME_DROP, FENCE_OUTCOME_OTHER };

struct fence_run {
    enum fence_outcome outcome;
    unsigned duration_ns; // of one run, the mean of all
    int error;            // an errno value: the kernel did not run it
};

// Runs the program on a frame, `repeat` times.
struct fence_run fence_kernel_run(const struct fence_kernel *kernel, enum fence_hook hook, const void *frame,
                                  size_t length, unsigned repeat);

#endif
