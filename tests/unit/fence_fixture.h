// SPDX-License-Identifier: Apache-2.0
//
// Real maps of the kernel's fence, pinned in a bpffs and a mount namespace of the test's own. Needs root, and
// fails without it. Include after cmocka.h.
#ifndef KVFENCE_TESTS_UNIT_FENCE_FIXTURE_H
#define KVFENCE_TESTS_UNIT_FENCE_FIXTURE_H

#include "bpf/fence_contract.h"

#include <stdbool.h>
#include <stdint.h>

// The maps to make. Starts as the contract has them.
struct fence_shapes {
    struct fence_shape {
        uint32_t type, key_size, value_size, entries, flags;
    } lease, commands, stats;
    uint16_t abi;
};
struct fence_shapes fence_shapes(void);

struct pinned_maps {
    char mount[96]; // the bpffs
    char path[128]; // the directory of the pins
    int lease, commands, stats;
};

// For cmocka_run_group_tests(): the bpffs. For cmocka_unit_test_setup_teardown(): *state is a struct
// pinned_maps without maps; what is pinned is removed afterwards.
int fence_bpffs_mount(void **state);
int fence_bpffs_unmount(void **state);
int pinned_set_up(void **state);
int pinned_tear_down(void **state);

// Pins maps as the contract has them, or others. What was pinned before must have been removed.
void pinned_make(struct pinned_maps *pins);
void pinned_make_as(struct pinned_maps *pins, const struct fence_shapes *shapes);
// Removes pins and directory; the maps live on in the descriptors.
void pinned_remove(struct pinned_maps *pins);

// Through the kernel: an entry of fence_lease, and the entry of a command, whose kind is
// FENCE_COMMAND_UNKNOWN if there is none.
struct fence_lease pinned_lease(int lease, uint16_t port);
void pinned_set_lease(int lease, uint16_t port, const struct fence_lease *entry);
struct fence_command pinned_command(const struct pinned_maps *pins, const char *name);
void pinned_set_command(const struct pinned_maps *pins, const char *name, struct fence_command command);

#endif
