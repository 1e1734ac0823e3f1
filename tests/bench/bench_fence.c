// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's half costs a packet, in nanoseconds by BPF_PROG_TEST_RUN: the best of several rounds of a
// million runs each, all cases in turn. The measure is a program that reads the clock and passes. Fails if a
// case is over its limit. Needs root. Uses: tests/kernel, libbpf.
#include "tests/fence/fence_kernel.h"
#include "tests/fence/frame.h"

#include <bpf/bpf.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEAT = 1000 * 1000, ROUNDS = 7, NO_LIMIT = 0, OVER_CLOCK = 1, IN_ALL = 2, NO_CLOCK = 3 };

enum lease_kind { LEASE_NONE, LEASE_VALID, LEASE_EXPIRED };

struct fence_case {
    const char *name;
    enum lease_kind lease;
    const char *payload;
    unsigned times; // the payload is repeated
    int limit_kind;
    unsigned limit_ns;
    enum fence_outcome outcome;
    unsigned best[2]; // XDP, TC
};

#define GET "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n"
#define SET "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$32\r\n0123456789abcdef0123456789abcdef\r\n"

static struct fence_case cases[] = {
    {"no lease", LEASE_NONE, SET, 1, NO_CLOCK, 10, FENCE_OUTCOME_PASS, {0}},
    {"no payload", LEASE_EXPIRED, "", 1, NO_CLOCK, 10, FENCE_OUTCOME_PASS, {0}},
    {"lease valid", LEASE_VALID, SET, 1, OVER_CLOCK, 10, FENCE_OUTCOME_PASS, {0}},
    {"SET dropped", LEASE_EXPIRED, SET, 1, OVER_CLOCK, 60, FENCE_OUTCOME_DROP, {0}},
    {"GET passed", LEASE_EXPIRED, GET, 1, NO_LIMIT, 0, FENCE_OUTCOME_PASS, {0}},
    {"16 GETs passed", LEASE_EXPIRED, GET, 16, IN_ALL, 800, FENCE_OUTCOME_PASS, {0}},
    {"16 GETs, SET dropped",
     LEASE_EXPIRED,
     GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET SET,
     1,
     NO_LIMIT,
     0,
     FENCE_OUTCOME_DROP,
     {0}},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void must(bool holds, const char *what) {
    if (holds)
        return;
    perror(what);
    exit(1);
}

// A program of the hook that returns "pass", after a look at the clock or without.
static int load_measure(enum fence_hook hook, bool clock) {
    struct bpf_insn program[] = {
        {.code = BPF_JMP | BPF_CALL,
         .imm = clock ? BPF_FUNC_ktime_get_boot_ns : BPF_FUNC_get_smp_processor_id},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K,
         .dst_reg = BPF_REG_0,
         .imm = hook == FENCE_HOOK_XDP ? XDP_PASS : 0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    size_t skip = clock ? 0 : 1;
    int descriptor = bpf_prog_load(hook == FENCE_HOOK_XDP ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS,
                                   "measure", "GPL", program + skip, 3 - skip, NULL);
    must(descriptor >= 0, "a program that reads the clock");
    return descriptor;
}

static void note(unsigned *best, unsigned duration) {
    if (*best == 0 || duration < *best)
        *best = duration;
}

static void run_measure(int program, const struct frame *frame, unsigned *best) {
    struct bpf_test_run_opts options = {.sz = sizeof(options),
                                        .data_in = frame->bytes,
                                        .data_size_in = (__u32)frame->length,
                                        .repeat = REPEAT};
    must(bpf_prog_test_run_opts(program, &options) == 0, "BPF_PROG_TEST_RUN");
    note(best, options.duration);
}

static void build(struct frame *frame, const struct fence_case *this) {
    static const struct frame_shape plain = {0};
    size_t length = strlen(this->payload);
    char payload[4096];
    for (unsigned i = 0; i < this->times; i++)
        memcpy(payload + i * length, this->payload, length);
    frame_build(frame, &plain, payload, length * this->times);
}

static struct fence_lease lease_of(enum lease_kind kind) {
    __u64 now = fence_kernel_now();
    struct fence_lease lease = {.abi = FENCE_ABI, .mode = FENCE_MODE_BLOCK_WRITE};
    if (kind != LEASE_NONE)
        lease.deadline_ns = kind == LEASE_VALID ? now + 3600000000000 : now - 1;
    return lease;
}

static void run_case(struct fence_kernel *kernel, struct fence_case *this) {
    static struct frame frame;
    build(&frame, this);
    fence_kernel_set_lease(kernel, FRAME_PORT, lease_of(this->lease));
    for (int hook = FENCE_HOOK_XDP; hook <= FENCE_HOOK_TC; hook++) {
        struct fence_run run =
            fence_kernel_run(kernel, (enum fence_hook)hook, frame.bytes, frame.length, REPEAT);
        if (run.error != 0 || run.outcome != this->outcome) {
            (void)fprintf(stderr, "%s: outcome %d, error %d\n", this->name, (int)run.outcome, run.error);
            exit(1);
        }
        note(&this->best[hook - 1], run.duration_ns);
    }
}

static bool within(const struct fence_case *this, unsigned best, unsigned clock, unsigned empty) {
    switch (this->limit_kind) {
    case OVER_CLOCK:
        return best <= clock + this->limit_ns;
    case IN_ALL:
        return best <= this->limit_ns;
    case NO_CLOCK:
        return best <= empty + this->limit_ns;
    default:
        return true;
    }
}

static bool report(const unsigned *clock, const unsigned *empty) {
    static const char *const kinds[] = {"", "over the clock", "in all", "over the empty program"};
    bool good = true;
    printf("%-28s %6s %6s   ns a packet\n", "", "XDP", "TC");
    printf("%-28s %6u %6u\n%-28s %6u %6u\n", "empty program", empty[0], empty[1], "clock read, passed",
           clock[0], clock[1]);
    for (size_t i = 0; i < CASES; i++) {
        bool ok = within(&cases[i], cases[i].best[0], clock[0], empty[0]) &&
                  within(&cases[i], cases[i].best[1], clock[1], empty[1]);
        printf("%-28s %6u %6u", cases[i].name, cases[i].best[0], cases[i].best[1]);
        if (cases[i].limit_kind != NO_LIMIT)
            printf("   limit %u %s%s", cases[i].limit_ns, kinds[cases[i].limit_kind], ok ? "" : ": EXCEEDED");
        printf("\n");
        good = good && ok;
    }
    return good;
}

int main(void) {
    static struct frame frame;
    unsigned clock[2] = {0}, empty[2] = {0};
    int programs[2][2];
    struct fence_kernel *kernel = fence_kernel_open();
    must(kernel != NULL, "the fence's programs");
    build(&frame, &cases[0]);
    for (int hook = 0; hook < 2; hook++) {
        for (int with_clock = 0; with_clock < 2; with_clock++)
            programs[hook][with_clock] = load_measure((enum fence_hook)(hook + 1), with_clock != 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int hook = 0; hook < 2; hook++) {
            run_measure(programs[hook][0], &frame, &empty[hook]);
            run_measure(programs[hook][1], &frame, &clock[hook]);
        }
        for (size_t i = 0; i < CASES; i++)
            run_case(kernel, &cases[i]);
    }
    bool good = report(clock, empty);
    fence_kernel_close(kernel);
    return good ? 0 : 1;
}
