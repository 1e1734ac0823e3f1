// SPDX-License-Identifier: Apache-2.0
//
// The mirror of the lease in the kernel, opened from the configuration and the command table, following
// CONFIG SET. May use: base, fence, lease, server/{command,config}.
#ifndef KVFENCE_SERVER_KERNEL_FENCE_H
#define KVFENCE_SERVER_KERNEL_FENCE_H

#include "fence/fence.h"
#include "server/command.h"
#include "server/config.h"

struct kernel_fence;

// Everything outlives it. Before clients are let in and after the last one has gone, as fence/fence.h says.
struct kernel_fence *kernel_fence_open(struct config *config, const struct command_table *commands,
                                       struct lease *lease);
void kernel_fence_close(struct kernel_fence *kernel);

// For ticks and INFO.
struct fence *kernel_fence_mirror(const struct kernel_fence *kernel);

#endif
