// SPDX-License-Identifier: Apache-2.0
//
// Uses: libbpf.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence_fixture.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"fence_lease", "fence_commands", "fence_stats"};

// One for the whole program, as a mount namespace is.
static char mount_point[96];

static void must(bool done, const char *what) {
    if (!done)
        fail_msg("cannot %s: %s (the test needs root)", what, strerror(errno));
}

int fence_bpffs_mount(void **state) {
    (void)state;
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(mount_point, sizeof(mount_point), "%.60s/kvfence-bpffs-XXXXXX",
                   temporary == NULL ? "/tmp" : temporary);
    if (mkdtemp(mount_point) == NULL || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("bpf", mount_point, "bpf", 0, "mode=0711") != 0) {
        perror("cannot mount a bpffs in a namespace of its own (the test needs root)");
        return -1;
    }
    return 0;
}

int fence_bpffs_unmount(void **state) {
    (void)state;
    return umount2(mount_point, MNT_DETACH) == 0 && rmdir(mount_point) == 0 ? 0 : -1;
}

int pinned_set_up(void **state) {
    struct pinned_maps *pins = calloc(1, sizeof(*pins));
    if (pins == NULL)
        return -1;
    pins->lease = pins->commands = pins->stats = -1;
    memcpy(pins->mount, mount_point, sizeof(pins->mount));
    (void)snprintf(pins->path, sizeof(pins->path), "%s/kvfence", mount_point);
    *state = pins;
    return 0;
}

static void close_maps(struct pinned_maps *pins) {
    int *const maps[] = {&pins->lease, &pins->commands, &pins->stats};
    for (size_t i = 0; i < 3; i++) {
        if (*maps[i] >= 0)
            (void)close(*maps[i]);
        *maps[i] = -1;
    }
}

int pinned_tear_down(void **state) {
    struct pinned_maps *pins = *state;
    pinned_remove(pins);
    close_maps(pins);
    free(pins);
    return 0;
}

struct fence_shapes fence_shapes(void) {
    return (struct fence_shapes){
        .lease = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fence_lease), FENCE_PORTS, BPF_F_MMAPABLE},
        .commands = {BPF_MAP_TYPE_HASH, FENCE_NAME_SIZE, sizeof(struct fence_command), FENCE_COMMANDS_MAX, 0},
        .stats = {BPF_MAP_TYPE_PERCPU_HASH, 4, sizeof(struct fence_stats), FENCE_STATS_PORTS, 0},
        .abi = FENCE_ABI,
    };
}

static int make_map(const struct pinned_maps *pins, const char *name, const struct fence_shape *shape) {
    const struct bpf_map_create_opts options = {.sz = sizeof(options), .map_flags = shape->flags};
    char path[160];
    int map = bpf_map_create((enum bpf_map_type)shape->type, name, shape->key_size, shape->value_size,
                             shape->entries, &options);
    must(map >= 0, "make a map");
    (void)snprintf(path, sizeof(path), "%s/%s", pins->path, name);
    must(bpf_obj_pin(map, path) == 0, "pin a map");
    return map;
}

void pinned_make_as(struct pinned_maps *pins, const struct fence_shapes *shapes) {
    close_maps(pins);
    must(mkdir(pins->path, 0700) == 0, "make a directory in the bpffs");
    pins->commands = make_map(pins, names[1], &shapes->commands);
    pins->stats = make_map(pins, names[2], &shapes->stats);
    pins->lease = make_map(pins, names[0], &shapes->lease);
    if (shapes->lease.value_size == sizeof(struct fence_lease) && shapes->lease.key_size == 4)
        pinned_set_lease(pins->lease, 0, &(struct fence_lease){.abi = shapes->abi});
}

void pinned_make(struct pinned_maps *pins) {
    struct fence_shapes shapes = fence_shapes();
    pinned_make_as(pins, &shapes);
}

void pinned_remove(struct pinned_maps *pins) {
    char path[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", pins->path, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(pins->path);
}

struct fence_lease pinned_lease(int lease, uint16_t port) {
    const uint32_t key = port;
    struct fence_lease entry;
    must(bpf_map_lookup_elem(lease, &key, &entry) == 0, "read fence_lease");
    return entry;
}

void pinned_set_lease(int lease, uint16_t port, const struct fence_lease *entry) {
    const uint32_t key = port;
    must(bpf_map_update_elem(lease, &key, entry, BPF_ANY) == 0, "write fence_lease");
}

struct fence_command pinned_command(const struct pinned_maps *pins, const char *name) {
    struct fence_command_name key = {{0}};
    struct fence_command command = {.kind = FENCE_COMMAND_UNKNOWN};
    memcpy(key.text, name, strlen(name));
    if (bpf_map_lookup_elem(pins->commands, &key, &command) != 0)
        must(errno == ENOENT, "read fence_commands");
    return command;
}

void pinned_set_command(const struct pinned_maps *pins, const char *name, struct fence_command command) {
    struct fence_command_name key = {{0}};
    memcpy(key.text, name, strlen(name));
    must(bpf_map_update_elem(pins->commands, &key, &command, BPF_ANY) == 0, "write fence_commands");
}
