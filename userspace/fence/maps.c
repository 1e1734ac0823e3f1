// SPDX-License-Identifier: Apache-2.0
//
// Opening the pinned maps and looking whether they are still there. Uses: the contract, libbpf.
#include "fence/maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIN_PATH_SIZE = 4096 };

_Static_assert(sizeof(struct fence_words) == sizeof(struct fence_lease), "two words make an entry");
_Static_assert(offsetof(struct fence_lease, deadline_ns) == offsetof(struct fence_words, deadline_ns) &&
                   offsetof(struct fence_lease, owner) == offsetof(struct fence_words, terms),
               "the deadline is the first word of an entry");

// What the contract says of each map.
struct map_shape {
    const char *name;
    __u32 type, key_size, value_size, entries, flags;
};
static const struct map_shape lease_shape = {"fence_lease", BPF_MAP_TYPE_ARRAY,
                                             sizeof(__u32), sizeof(struct fence_lease),
                                             FENCE_PORTS,   BPF_F_MMAPABLE};
static const struct map_shape commands_shape = {"fence_commands",
                                                BPF_MAP_TYPE_HASH,
                                                sizeof(struct fence_command_name),
                                                sizeof(struct fence_command),
                                                FENCE_COMMANDS_MAX,
                                                0};
static const struct map_shape stats_shape = {
    "fence_stats", BPF_MAP_TYPE_PERCPU_HASH, sizeof(__u32), sizeof(struct fence_stats), FENCE_STATS_PORTS, 0};

static bool failed(char reason[FENCE_TEXT_SIZE], const char *what, const char *name, int problem) {
    (void)snprintf(reason, FENCE_TEXT_SIZE, "cannot %s %.200s: %s", what, name, strerror(problem));
    return false;
}

static bool pin_path(char out[PIN_PATH_SIZE], const char *path, const char *name) {
    int length = snprintf(out, PIN_PATH_SIZE, "%s/%s", path, name);
    return length > 0 && length < PIN_PATH_SIZE;
}

// --- Opening ---

static const char *help_for(int problem) {
    return problem == EACCES || problem == EPERM ? " (load-fence.sh --group lets a group's processes use it)"
                                                 : "";
}

static bool has_shape(int map, const struct map_shape *shape, char reason[FENCE_TEXT_SIZE]) {
    struct bpf_map_info info = {0};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(map, &info, &size) != 0)
        return failed(reason, "look at the map", shape->name, errno);
    if (info.type == shape->type && info.key_size == shape->key_size &&
        info.value_size == shape->value_size && info.max_entries == shape->entries &&
        (info.map_flags & shape->flags) == shape->flags)
        return true;
    (void)snprintf(reason, FENCE_TEXT_SIZE,
                   "%s is not the map that this server was built for: type %u, key %u, value %u, entries %u, "
                   "flags %#x in place of %u, %u, %u, %u, %#x. Load the fence that belongs to this server",
                   shape->name, info.type, info.key_size, info.value_size, info.max_entries, info.map_flags,
                   shape->type, shape->key_size, shape->value_size, shape->entries, shape->flags);
    return false;
}

static bool open_map(const char *path, const struct map_shape *shape, int *out, bool *missing,
                     char reason[FENCE_TEXT_SIZE]) {
    char pin[PIN_PATH_SIZE];
    errno = ENAMETOOLONG;
    *out = pin_path(pin, path, shape->name) ? bpf_obj_get(pin) : -1;
    if (*out >= 0)
        return has_shape(*out, shape, reason);
    int problem = errno;
    *missing = problem == ENOENT || problem == ENOTDIR;
    if (*missing)
        (void)snprintf(reason, FENCE_TEXT_SIZE, "there is no map %s in %.200s", shape->name, path);
    else
        (void)snprintf(reason, FENCE_TEXT_SIZE, "cannot open the map %.200s/%s: %s%s", path, shape->name,
                       strerror(problem), help_for(problem));
    return false;
}

static bool open_directory(const char *path, struct fence_maps *maps, bool *missing,
                           char reason[FENCE_TEXT_SIZE]) {
    struct stat pin;
    char name[PIN_PATH_SIZE];
    maps->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int problem = errno;
    *missing = maps->directory < 0 && (problem == ENOENT || problem == ENOTDIR);
    if (*missing)
        (void)snprintf(reason, FENCE_TEXT_SIZE, "there is no %.200s", path);
    else if (maps->directory < 0)
        (void)snprintf(reason, FENCE_TEXT_SIZE, "cannot look into %.200s: %s%s", path, strerror(problem),
                       help_for(problem));
    if (maps->directory < 0)
        return false;
    if (pin_path(name, path, lease_shape.name) && stat(name, &pin) == 0) {
        maps->device = pin.st_dev;
        maps->inode = pin.st_ino;
    }
    return true;
}

static bool check_abi(int lease, char reason[FENCE_TEXT_SIZE]) {
    const __u32 port = 0;
    struct fence_lease nobody = {0};
    if (bpf_map_lookup_elem(lease, &port, &nobody) != 0)
        return failed(reason, "read the map", lease_shape.name, errno);
    if (nobody.abi == FENCE_ABI)
        return true;
    (void)snprintf(reason, FENCE_TEXT_SIZE,
                   "the kernel's fence follows another contract: its abi is %u, this server's %d. Load the "
                   "fence that belongs to this server",
                   nobody.abi, FENCE_ABI);
    return false;
}

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static bool map_entry(struct fence_maps *maps, char reason[FENCE_TEXT_SIZE]) {
    size_t offset = maps->port * sizeof(struct fence_lease), within = offset % page_size();
    void *page =
        mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, maps->lease, (off_t)(offset - within));
    if (page == MAP_FAILED)
        return failed(reason, "map", lease_shape.name, errno);
    maps->page = page;
    maps->entry = (struct fence_words *)(void *)((char *)page + within);
    return true;
}

bool fence_maps_open(const char *path, uint16_t port, struct fence_maps *out, bool *missing,
                     char reason[FENCE_TEXT_SIZE]) {
    *out = (struct fence_maps){.directory = -1, .lease = -1, .commands = -1, .stats = -1, .port = port};
    *missing = false;
    if (open_directory(path, out, missing, reason) &&
        open_map(path, &lease_shape, &out->lease, missing, reason) &&
        open_map(path, &commands_shape, &out->commands, missing, reason) &&
        open_map(path, &stats_shape, &out->stats, missing, reason) && check_abi(out->lease, reason) &&
        map_entry(out, reason))
        return true;
    fence_maps_close(out);
    return false;
}

static void close_if_open(int file) {
    if (file >= 0)
        (void)close(file);
}

void fence_maps_close(struct fence_maps *maps) {
    if (maps->page != NULL)
        (void)munmap(maps->page, page_size());
    close_if_open(maps->stats);
    close_if_open(maps->commands);
    close_if_open(maps->lease);
    close_if_open(maps->directory);
}

// What cannot be looked at any more is not known to be gone, and the maps go on working.
enum fence_pins fence_maps_look(const struct fence_maps *maps, const char *path) {
    struct stat pin;
    char name[PIN_PATH_SIZE];
    if (!pin_path(name, path, lease_shape.name))
        return FENCE_PINS_GONE;
    if (stat(name, &pin) != 0)
        return errno == ENOENT || errno == ENOTDIR ? FENCE_PINS_GONE : FENCE_PINS_SAME;
    bool same = pin.st_dev == maps->device && pin.st_ino == maps->inode;
    return same ? FENCE_PINS_SAME : FENCE_PINS_REPLACED;
}
