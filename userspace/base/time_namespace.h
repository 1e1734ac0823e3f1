// SPDX-License-Identifier: Apache-2.0
//
// A process can live in a time namespace, whose CLOCK_BOOTTIME is shifted against the host's. For the lease
// alone that does not matter, as only differences count; but BPF programs see the host's clock. May use:
// base.
#ifndef KVFENCE_BASE_TIME_NAMESPACE_H
#define KVFENCE_BASE_TIME_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How far this process's CLOCK_BOOTTIME is ahead of the host's; negative: behind. 0 where the kernel knows no
// time namespaces. False with a reason if it cannot be told.
bool time_namespace_boot_offset(int64_t *offset_ns, char *error, size_t error_size);

// The same from the text of /proc/self/timens_offsets.
bool time_namespace_parse(const char *text, int64_t *offset_ns);

#endif
