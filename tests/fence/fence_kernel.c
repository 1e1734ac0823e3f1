// SPDX-License-Identifier: Apache-2.0
//
// Loads the BPF object and drives it by BPF_PROG_TEST_RUN. Uses: libbpf, tests/fence/command_entries.
#include "tests/fence/fence_kernel.h"

#include "tests/fence/command_entries.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct fence_kernel {
    struct bpf_object *object;
};

static void must(bool holds, const char *what) {
    if (holds)
        return;
    perror(what);
    abort();
}

// BUILD/tests/fence/test_x belongs to BUILD/bpf/fence.bpf.o.
static void find_object(char path[static PATH_MAX]) {
    const char *chosen = getenv("KVFENCE_BPF");
    if (chosen != NULL) {
        (void)snprintf(path, PATH_MAX, "%s", chosen);
        return;
    }
    char program[PATH_MAX - 32];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    must(length > 0, "/proc/self/exe");
    program[length] = '\0';
    for (int i = 0; i < 3; i++) {
        char *slash = strrchr(program, '/');
        must(slash != NULL, "the folder of the running program");
        *slash = '\0';
    }
    (void)snprintf(path, PATH_MAX, "%s/bpf/fence.bpf.o", program);
}

static void fill_commands(const struct fence_kernel *kernel) {
    size_t count = 0;
    const struct fence_entry *entries = command_entries(&count);
    int map = fence_kernel_map(kernel, "fence_commands");
    for (size_t i = 0; i < count; i++)
        must(bpf_map_update_elem(map, &entries[i].name, &entries[i].command, BPF_ANY) == 0, "fence_commands");
}

struct fence_kernel *fence_kernel_open(void) {
    char path[PATH_MAX];
    find_object(path);
    (void)libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    struct fence_kernel *kernel = calloc(1, sizeof(*kernel));
    must(kernel != NULL, "memory");
    kernel->object = bpf_object__open_file(path, NULL);
    if (kernel->object == NULL || bpf_object__load(kernel->object) != 0) {
        (void)fprintf(stderr, "%s cannot be loaded: %s\n", path, strerror(errno));
        fence_kernel_close(kernel);
        return NULL;
    }
    fill_commands(kernel);
    return kernel;
}

void fence_kernel_close(struct fence_kernel *kernel) {
    if (kernel != NULL)
        bpf_object__close(kernel->object);
    free(kernel);
}

__u64 fence_kernel_now(void) {
    struct timespec now;
    must(clock_gettime(CLOCK_BOOTTIME, &now) == 0, "CLOCK_BOOTTIME");
    return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
}

int fence_kernel_map(const struct fence_kernel *kernel, const char *name) {
    int map = bpf_object__find_map_fd_by_name(kernel->object, name);
    must(map >= 0, name);
    return map;
}

int fence_kernel_program(const struct fence_kernel *kernel, enum fence_hook hook) {
    const char *name = hook == FENCE_HOOK_XDP ? "fence_xdp" : "fence_tc";
    struct bpf_program *program = bpf_object__find_program_by_name(kernel->object, name);
    must(program != NULL, name);
    return bpf_program__fd(program);
}

void fence_kernel_set_lease(struct fence_kernel *kernel, __u16 port, struct fence_lease lease) {
    __u32 key = port;
    must(bpf_map_update_elem(fence_kernel_map(kernel, "fence_lease"), &key, &lease, BPF_ANY) == 0,
         "fence_lease");
}

static void add(struct fence_stats *sum, const struct fence_stats *part) {
    sum->inspected += part->inspected;
    sum->unparsed += part->unparsed;
    sum->dropped += part->dropped;
    sum->would_drop += part->would_drop;
    sum->undecided += part->undecided;
    sum->events += part->events;
    sum->events_suppressed += part->events_suppressed;
}

struct fence_stats fence_kernel_stats(const struct fence_kernel *kernel, __u16 port) {
    struct fence_stats sum = {0};
    __u32 key = port;
    int cpus = libbpf_num_possible_cpus();
    must(cpus > 0, "the number of CPUs");
    struct fence_stats *parts = calloc((size_t)cpus, sizeof(*parts));
    must(parts != NULL, "memory");
    if (bpf_map_lookup_elem(fence_kernel_map(kernel, "fence_stats"), &key, parts) == 0) {
        for (int i = 0; i < cpus; i++)
            add(&sum, &parts[i]);
    }
    free(parts);
    return sum;
}

void fence_kernel_forget_stats(struct fence_kernel *kernel, __u16 port) {
    __u32 key = port;
    (void)bpf_map_delete_elem(fence_kernel_map(kernel, "fence_stats"), &key);
}

static enum fence_outcome outcome_of(enum fence_hook hook, int value) {
    int pass = hook == FENCE_HOOK_XDP ? XDP_PASS : TC_ACT_UNSPEC;
    int drop = hook == FENCE_HOOK_XDP ? XDP_DROP : TC_ACT_SHOT;
    if (value == pass)
        return FENCE_OUTCOME_PASS;
    return value == drop ? FENCE_OUTCOME_DROP : FENCE_OUTCOME_OTHER;
}

struct fence_run fence_kernel_run(const struct fence_kernel *kernel, enum fence_hook hook, const void *frame,
                                  size_t length, unsigned repeat) {
    struct bpf_test_run_opts options = {
        .sz = sizeof(options), .data_in = frame, .data_size_in = (__u32)length, .repeat = (int)repeat};
    if (bpf_prog_test_run_opts(fence_kernel_program(kernel, hook), &options) != 0)
        return (struct fence_run){.error = errno};
    return (struct fence_run){.outcome = outcome_of(hook, (int)options.retval),
                              .duration_ns = options.duration};
}
