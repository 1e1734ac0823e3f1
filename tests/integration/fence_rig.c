// SPDX-License-Identifier: Apache-2.0
//
// Uses: libbpf, the harness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence_rig.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"fence_lease", "fence_commands", "fence_stats", "fence_events"};
enum { MAPS = sizeof(names) / sizeof(names[0]) };

static struct bpf_object *object; // NULL: not loaded

static void must(bool done, const char *what) {
    if (!done)
        fail_msg("cannot %s: %s (the test needs root)", what, strerror(errno));
}

// --- Namespaces ---

static bool bring_lo_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        (void)close(fd);
    return up;
}

int fence_rig_enter(void **state) {
    (void)state;
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 &&
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0711") == 0 && bring_lo_up())
        return 0;
    perror("cannot enter namespaces with a bpffs (the test needs root and a kernel with BPF)");
    return -1;
}

// --- Loading ---

static void object_path(char out[512]) {
    const char *program = getenv("KVFENCED");
    const char *given = getenv("KVFENCE_BPF");
    if (program == NULL)
        program = "build/kvfenced";
    const char *end = strrchr(program, '/');
    int length = end == NULL ? 0 : (int)(end - program) + 1;
    if (given != NULL)
        (void)snprintf(out, 512, "%s", given);
    else
        (void)snprintf(out, 512, "%.*sbpf/fence.bpf.o", length, program);
}

int fence_map(const char *name) {
    assert_non_null(object);
    int map = bpf_object__find_map_fd_by_name(object, name);
    must(map >= 0, name);
    return map;
}

static void set_abi(uint16_t abi) {
    const uint32_t nobody = 0;
    const struct fence_lease entry = {.abi = abi};
    must(bpf_map_update_elem(fence_map("fence_lease"), &nobody, &entry, BPF_ANY) == 0, "write fence_lease");
}

static void pin_maps(void) {
    char path[128];
    must(mkdir(FENCE_PINS, 0700) == 0, "make the directory of the pins");
    for (size_t i = MAPS; i-- > 0;) {
        (void)snprintf(path, sizeof(path), FENCE_PINS "/%s", names[i]);
        must(bpf_obj_pin(fence_map(names[i]), path) == 0, "pin a map");
    }
}

// --- Attaching ---

static int index_of(const char *interface) {
    int index = (int)if_nametoindex(interface);
    must(index > 0, interface);
    return index;
}

static struct bpf_tc_hook ingress_of(const char *interface, enum bpf_tc_attach_point point) {
    return (struct bpf_tc_hook){
        .sz = sizeof(struct bpf_tc_hook), .ifindex = index_of(interface), .attach_point = point};
}

static void attach_by_tc(const char *interface, int program) {
    struct bpf_tc_hook hook = ingress_of(interface, BPF_TC_INGRESS);
    struct bpf_tc_opts options = {.sz = sizeof(options), .prog_fd = program, .priority = 1};
    must(bpf_tc_hook_create(&hook) == 0, "add a queueing discipline");
    must(bpf_tc_attach(&hook, &options) == 0, "attach by TC");
}

void fence_attach(const char *interface, enum fence_attachment attachment) {
    const char *name = attachment == FENCE_BY_TC ? "fence_tc" : "fence_xdp";
    const struct bpf_program *program = bpf_object__find_program_by_name(object, name);
    assert_non_null(program);
    int descriptor = bpf_program__fd(program);
    __u32 mode = attachment == FENCE_BY_NATIVE_XDP ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    if (attachment == FENCE_BY_TC)
        attach_by_tc(interface, descriptor);
    else
        must(bpf_xdp_attach(index_of(interface), descriptor, mode, NULL) == 0, "attach by XDP");
}

// It is no news that nothing was attached.
void fence_detach(const char *interface) {
    libbpf_print_fn_t printer = libbpf_set_print(NULL);
    struct bpf_tc_hook hook =
        ingress_of(interface, (enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS));
    (void)bpf_tc_hook_destroy(&hook);
    (void)bpf_xdp_detach(index_of(interface), XDP_FLAGS_DRV_MODE, NULL);
    (void)bpf_xdp_detach(index_of(interface), XDP_FLAGS_SKB_MODE, NULL);
    (void)libbpf_set_print(printer);
}

static void load_and_pin(uint16_t abi) {
    char path[512];
    object_path(path);
    assert_null(object);
    object = bpf_object__open_file(path, NULL);
    if (object == NULL)
        fail_msg("cannot open %s: %s", path, strerror(errno));
    must(bpf_object__load(object) == 0, "load the fence");
    set_abi(abi);
    pin_maps();
}

void fence_load_as(uint16_t abi) {
    load_and_pin(abi);
    fence_attach("lo", FENCE_BY_TC);
}

void fence_load_unattached(void) {
    load_and_pin(FENCE_ABI);
}

void fence_load(void) {
    fence_load_as(FENCE_ABI);
}

void fence_unload(void) {
    char path[128];
    if (object == NULL)
        return;
    fence_detach("lo");
    for (size_t i = 0; i < MAPS; i++) {
        (void)snprintf(path, sizeof(path), FENCE_PINS "/%s", names[i]);
        (void)unlink(path);
    }
    (void)rmdir(FENCE_PINS);
    bpf_object__close(object);
    object = NULL;
}

void fence_forget(void) {
    object = NULL;
}

int fence_unload_after(void **state) {
    (void)state;
    fence_unload();
    return 0;
}

// --- Looking ---

struct fence_lease fence_entry(int port) {
    const uint32_t key = (uint32_t)port;
    struct fence_lease entry;
    must(bpf_map_lookup_elem(fence_map("fence_lease"), &key, &entry) == 0, "read fence_lease");
    return entry;
}

struct fence_stats fence_counters(int port) {
    const uint32_t key = (uint32_t)port;
    struct fence_stats sum = {0}, *each = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*each));
    assert_non_null(each);
    if (bpf_map_lookup_elem(fence_map("fence_stats"), &key, each) == 0) {
        for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
            sum.inspected += each[i].inspected;
            sum.dropped += each[i].dropped;
            sum.would_drop += each[i].would_drop;
            sum.undecided += each[i].undecided;
            sum.unparsed += each[i].unparsed;
        }
    }
    free(each);
    return sum;
}

const char *lease_text(redisContext *connection, const char *field) {
    static char value[512];
    char line[64];
    redisReply *reply = command(connection, "INFO lease");
    (void)snprintf(line, sizeof(line), "\n%s:", field);
    const char *found = reply->str == NULL ? NULL : strstr(reply->str, line);
    if (found == NULL)
        fail_msg("INFO lease has no %s", field);
    else
        (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(found + strlen(line), "\r"),
                       found + strlen(line));
    freeReplyObject(reply);
    return value;
}

struct awaited {
    redisContext *connection;
    const char *state;
};

static bool has_state(void *context) {
    const struct awaited *awaited = context;
    return strcmp(lease_text(awaited->connection, "lease_kernel_fence"), awaited->state) == 0;
}

void await_fence(const struct test_server *server, const char *attached_or_detached) {
    struct awaited awaited = {server_connect(server), attached_or_detached};
    wait_until(has_state, &awaited, 30, attached_or_detached);
    redisFree(awaited.connection);
}

// --- Commands that may be dropped ---

redisContext *send_alone(const struct test_server *server, const char *format, ...) {
    va_list arguments;
    int done = 0;
    redisContext *connection = server_connect(server);
    va_start(arguments, format);
    assert_int_equal(redisvAppendCommand(connection, format, arguments), REDIS_OK);
    va_end(arguments);
    while (done == 0)
        assert_int_equal(redisBufferWrite(connection, &done), REDIS_OK);
    return connection;
}

bool is_answered(const redisContext *connection, int milliseconds) {
    struct pollfd answer = {.fd = connection->fd, .events = POLLIN};
    int ready = poll(&answer, 1, milliseconds);
    assert_true(ready >= 0);
    return ready == 1;
}

void expect_answer(redisContext *connection, const char *wanted) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_non_null(reply->str);
    if (strncmp(reply->str, wanted, strlen(wanted)) != 0)
        fail_msg("wanted '%s', got '%s'", wanted, reply->str);
    freeReplyObject(reply);
    redisFree(connection);
}
