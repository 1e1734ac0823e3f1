// SPDX-License-Identifier: Apache-2.0
//
// The BPF programs on the running kernel, by BPF_PROG_TEST_RUN: the table of packets through XDP, TC and the
// native build, big packets, counters and events. Nothing is attached or pinned. Needs root. Uses:
// tests/fence, libbpf.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fence/command_entries.h"
#include "tests/fence/fence_kernel.h"
#include "tests/fence/native_frame.h"
#include "tests/fence/packet_fixtures.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ip.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { AN_HOUR_S = 3600, ETHERNET_HEADER = 14, DEADLINE_S = 10, FLIPPED_PACKETS = 2000 * 1000 };
#define SECOND_NS 1000000000ull

#define SET_COMMAND "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"
#define GET_COMMAND "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"

static struct frame frame;

static int open_kernel(void **state) {
    *state = fence_kernel_open();
    return *state == NULL ? -1 : 0;
}

static int close_kernel(void **state) {
    fence_kernel_close(*state);
    return 0;
}

static struct fence_lease expired_lease(void) {
    return (struct fence_lease){
        .deadline_ns = fence_kernel_now() - 1, .abi = FENCE_ABI, .mode = FENCE_MODE_BLOCK_WRITE};
}

static struct fence_lease lease_of(const struct packet_fixture *fixture) {
    struct fence_lease lease = expired_lease();
    if (fixture->lease == LEASE_VALID)
        lease.deadline_ns += AN_HOUR_S * SECOND_NS;
    if (fixture->lease == LEASE_NONE)
        lease.deadline_ns = 0;
    if (fixture->foreign_abi)
        lease.abi = FENCE_ABI + 1;
    lease.mode = (__u8)packet_fixture_mode(fixture);
    lease.policy = (__u8)fixture->policy;
    return lease;
}

static const char *name_of(enum fence_hook hook) {
    return hook == FENCE_HOOK_XDP ? "XDP" : "TC";
}

// --- The table ---

// The kernel takes no frame for a test that is shorter than the headers it wants to see itself.
static bool is_too_short(enum fence_hook hook) {
    return frame.length < (hook == FENCE_HOOK_XDP ? ETHERNET_HEADER : ETHERNET_HEADER + sizeof(struct iphdr));
}

static bool fixture_holds(struct fence_kernel *kernel, const struct packet_fixture *fixture,
                          enum fence_hook hook) {
    frame_build(&frame, &fixture->shape, fixture->payload, fixture->length);
    if (is_too_short(hook))
        return true;
    fence_kernel_set_lease(kernel, FRAME_PORT, lease_of(fixture));
    fence_kernel_forget_stats(kernel, FRAME_PORT);
    struct fence_run run = fence_kernel_run(kernel, hook, frame.bytes, frame.length, 1);
    struct fence_stats stats = fence_kernel_stats(kernel, FRAME_PORT);
    struct fence_stats expected = packet_fixture_stats(fixture);
    stats.events = stats.events_suppressed = 0;
    bool dropped = run.outcome == FENCE_OUTCOME_DROP;
    bool holds = run.error == 0 && run.outcome != FENCE_OUTCOME_OTHER &&
                 dropped == (fixture->outcome == DROPPED) && memcmp(&stats, &expected, sizeof(stats)) == 0;
    if (!holds)
        print_error(
            "%s: %s: error %d, outcome %d, inspected %llu, unparsed %llu, dropped %llu, would_drop %llu, "
            "undecided %llu\n",
            name_of(hook), fixture->description, run.error, (int)run.outcome, stats.inspected, stats.unparsed,
            stats.dropped, stats.would_drop, stats.undecided);
    return holds;
}

static void require_table(struct fence_kernel *kernel, enum fence_hook hook) {
    size_t count = 0, wrong = 0;
    const struct packet_fixture *fixtures = packet_fixtures(&count);
    assert_true(count >= 150);
    for (size_t i = 0; i < count; i++)
        wrong += !fixture_holds(kernel, &fixtures[i], hook);
    assert_int_equal(wrong, 0);
}

static void test_xdp_does_with_each_packet_of_the_table_what_it_says(void **state) {
    require_table(*state, FENCE_HOOK_XDP);
}

static void test_tc_does_with_each_packet_of_the_table_what_it_says(void **state) {
    require_table(*state, FENCE_HOOK_TC);
}

// --- Big packets ---

static void repeat(char *payload, size_t *length, const char *text, size_t times) {
    for (size_t i = 0; i < times; i++) {
        memcpy(payload + *length, text, strlen(text));
        *length += strlen(text);
    }
}

static enum fence_outcome outcome_of_payload(struct fence_kernel *kernel, enum fence_hook hook,
                                             const char *payload, size_t length) {
    static const struct frame_shape plain = {0};
    frame_build(&frame, &plain, payload, length);
    fence_kernel_set_lease(kernel, FRAME_PORT, expired_lease());
    struct fence_run run = fence_kernel_run(kernel, hook, frame.bytes, frame.length, 1);
    assert_int_equal(run.error, 0);
    return run.outcome;
}

// Three thousand reads in one packet, and a write as the last command. XDP gets it in page fragments.
static void test_a_write_at_the_end_of_a_packet_in_fragments_is_found(void **state) {
    static char payload[FRAME_MAX];
    size_t length = 0;
    repeat(payload, &length, GET_COMMAND, 3000);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_PASS);
    repeat(payload, &length, SET_COMMAND, 1);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_DROP);
}

static void test_words_of_every_length_are_stepped_over_in_a_packet_in_fragments(void **state) {
    static char payload[FRAME_MAX];
    for (size_t word = 0; word < 3000; word += 97) {
        size_t length = 0;
        for (int i = 0; i < 15; i++) {
            length += (size_t)snprintf(payload + length, 64, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", word);
            memset(payload + length, 'x', word);
            length += word;
            repeat(payload, &length, "\r\n", 1);
        }
        repeat(payload, &length, "*1\r\n$4\r\nPING\r\n", 1);
        assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_PASS);
        repeat(payload, &length, "*2\r\n$3\r\nDEL\r\n", 1);
        assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_DROP);
    }
}

// The worst of 64 KiB: the shortest words there are. All are walked.
static void test_the_shortest_words_fill_a_packet_without_hiding_a_write(void **state) {
    static char payload[FRAME_MAX];
    size_t length = 0;
    repeat(payload, &length, "*10001\r\n$4\r\nMGET\r\n", 1);
    repeat(payload, &length, "$0\r\n\r\n", 10000);
    repeat(payload, &length, SET_COMMAND, 1);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_DROP);
}

static void test_a_packet_full_of_empty_lines_hides_no_write(void **state) {
    static char payload[FRAME_MAX];
    size_t length = 0;
    repeat(payload, &length, "\r\n", 32000);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_PASS);
    repeat(payload, &length, SET_COMMAND, 1);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_XDP, payload, length), FENCE_OUTCOME_DROP);
}

static void test_tc_finds_a_write_at_the_end_of_a_full_segment(void **state) {
    static char payload[FRAME_MAX];
    size_t length = 0;
    repeat(payload, &length, GET_COMMAND, 70);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_TC, payload, length), FENCE_OUTCOME_PASS);
    repeat(payload, &length, SET_COMMAND, 1);
    assert_int_equal(outcome_of_payload(*state, FENCE_HOOK_TC, payload, length), FENCE_OUTCOME_DROP);
}

// --- Ports ---

static void test_the_lease_of_one_port_does_not_touch_another(void **state) {
    struct fence_kernel *kernel = *state;
    struct fence_lease valid = expired_lease();
    valid.deadline_ns += AN_HOUR_S * SECOND_NS;
    fence_kernel_set_lease(kernel, FRAME_PORT, valid);
    fence_kernel_set_lease(kernel, FRAME_PORT + 1, expired_lease());
    for (int hook = FENCE_HOOK_XDP; hook <= FENCE_HOOK_TC; hook++) {
        for (int port = FRAME_PORT; port <= FRAME_PORT + 1; port++) {
            frame_build(&frame, &(struct frame_shape){.port = (uint16_t)port}, SET_COMMAND,
                        strlen(SET_COMMAND));
            struct fence_run run =
                fence_kernel_run(kernel, (enum fence_hook)hook, frame.bytes, frame.length, 1);
            assert_int_equal(run.outcome, port == FRAME_PORT ? FENCE_OUTCOME_PASS : FENCE_OUTCOME_DROP);
        }
    }
}

static void test_a_renewal_is_seen_by_the_next_packet(void **state) {
    struct fence_kernel *kernel = *state;
    struct fence_lease lease = expired_lease();
    frame_build(&frame, &(struct frame_shape){0}, SET_COMMAND, strlen(SET_COMMAND));
    for (int i = 0; i < 100; i++) {
        lease.deadline_ns = fence_kernel_now() + (i % 2 == 0 ? AN_HOUR_S * SECOND_NS : 0);
        fence_kernel_set_lease(kernel, FRAME_PORT, lease);
        struct fence_run run = fence_kernel_run(kernel, FENCE_HOOK_XDP, frame.bytes, frame.length, 1);
        assert_int_equal(run.outcome, i % 2 == 0 ? FENCE_OUTCOME_PASS : FENCE_OUTCOME_DROP);
    }
}

// What a mirror writes when mode and deadline change at once, as fast as it can: an expired lease of mode
// log-only and a valid one of mode block-write in turn. Neither drops anything.
struct flipper {
    _Atomic __u64 *words;
    _Atomic bool stop;
    struct fence_lease expired, valid;
};

static void write_words(_Atomic __u64 *words, const struct fence_lease *lease) {
    __u64 terms = 0;
    memcpy(&terms, (const char *)lease + offsetof(struct fence_lease, owner), sizeof(terms));
    atomic_store_explicit(&words[0], 0, memory_order_release);
    atomic_store_explicit(&words[1], terms, memory_order_release);
    atomic_store_explicit(&words[0], lease->deadline_ns, memory_order_release);
}

static void *flip(void *context) {
    struct flipper *flipper = context;
    while (!atomic_load_explicit(&flipper->stop, memory_order_relaxed)) {
        flipper->expired.deadline_ns--; // no two leases end at the same nanosecond
        write_words(flipper->words, &flipper->expired);
        write_words(flipper->words, &flipper->valid);
    }
    return NULL;
}

static void test_an_old_deadline_is_not_taken_for_that_of_a_new_mode(void **state) {
    struct fence_kernel *kernel = *state;
    struct flipper flipper = {.expired = expired_lease(), .valid = expired_lease()};
    pthread_t thread;
    size_t offset = FRAME_PORT * sizeof(struct fence_lease), within = offset % (size_t)getpagesize();
    char *page = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
                      fence_kernel_map(kernel, "fence_lease"), (off_t)(offset - within));
    assert_ptr_not_equal(page, MAP_FAILED);
    flipper.words = (_Atomic __u64 *)(void *)(page + within);
    flipper.expired.mode = FENCE_MODE_LOG_ONLY;
    flipper.valid.deadline_ns += AN_HOUR_S * SECOND_NS;
    fence_kernel_forget_stats(kernel, FRAME_PORT);
    frame_build(&frame, &(struct frame_shape){0}, SET_COMMAND, strlen(SET_COMMAND));
    assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
    for (int hook = FENCE_HOOK_XDP; hook <= FENCE_HOOK_TC; hook++)
        (void)fence_kernel_run(kernel, (enum fence_hook)hook, frame.bytes, frame.length, FLIPPED_PACKETS);
    atomic_store(&flipper.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(munmap(page, (size_t)getpagesize()), 0);
    struct fence_stats stats = fence_kernel_stats(kernel, FRAME_PORT);
    assert_true(stats.would_drop > 0);
    assert_int_equal(stats.dropped, 0);
}

// --- The table of commands ---

static enum fence_outcome outcome_of_name(struct fence_kernel *kernel, const char *command) {
    return outcome_of_payload(kernel, FENCE_HOOK_XDP, command, strlen(command));
}

static void test_a_command_that_becomes_known_is_dropped_within_seconds(void **state) {
    struct fence_kernel *kernel = *state;
    struct fence_command_name name = {.text = "FRESH"};
    struct fence_command command = {.kind = FENCE_COMMAND_WRITE};
    const char *packet = "*2\r\n$5\r\nfresh\r\n$1\r\nk\r\n";
    assert_int_equal(outcome_of_name(kernel, packet), FENCE_OUTCOME_PASS);
    assert_int_equal(
        bpf_map_update_elem(fence_kernel_map(kernel, "fence_commands"), &name, &command, BPF_ANY), 0);
    __u64 limit = fence_kernel_now() + DEADLINE_S * SECOND_NS;
    while (outcome_of_name(kernel, packet) != FENCE_OUTCOME_DROP) {
        assert_true(fence_kernel_now() < limit);
        (void)usleep(20000);
    }
    assert_int_equal(bpf_map_delete_elem(fence_kernel_map(kernel, "fence_commands"), &name), 0);
}

// Every entry, one after the other and all within less than the time for which a CPU remembers names.
static void test_every_entry_decides_for_its_own_name_only(void **state) {
    size_t count = 0;
    const struct fence_entry *entries = command_entries(&count);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            char packet[128];
            (void)snprintf(packet, sizeof(packet), "*20\r\n$%zu\r\n%s\r\n", strlen(entries[i].name.text),
                           entries[i].name.text);
            bool write = entries[i].command.kind == FENCE_COMMAND_WRITE && strchr(packet, '|') == NULL;
            if (strchr(entries[i].name.text, '|') == NULL)
                assert_int_equal(outcome_of_name(*state, packet),
                                 write ? FENCE_OUTCOME_DROP : FENCE_OUTCOME_PASS);
        }
    }
}

// --- Events ---

struct heard {
    size_t count;
    struct fence_event last;
};

static void hear(void *context, int cpu, void *data, __u32 size) {
    struct heard *heard = context;
    (void)cpu;
    assert_true(size >= sizeof(heard->last));
    memcpy(&heard->last, data, sizeof(heard->last));
    heard->count++;
}

static struct perf_buffer *listen_to(const struct fence_kernel *kernel, struct heard *heard) {
    struct perf_buffer *buffer =
        perf_buffer__new(fence_kernel_map(kernel, "fence_events"), 64, hear, NULL, heard, NULL);
    assert_non_null(buffer);
    return buffer;
}

static void require_event(const struct fence_event *event, enum fence_hook hook,
                          const struct fence_lease *lease) {
    assert_int_equal(event->hook, hook);
    assert_int_equal(event->verdict, FENCE_VERDICT_DROP);
    assert_int_equal(event->reason, FENCE_REASON_WRITE);
    assert_int_equal(event->source_port, FRAME_SOURCE_PORT);
    assert_int_equal(event->destination_port, FRAME_PORT);
    assert_int_equal(event->deadline_ns, lease->deadline_ns);
    assert_true(event->time_ns > event->deadline_ns && event->time_ns <= fence_kernel_now());
    assert_int_equal(event->payload_length, strlen(GET_COMMAND SET_COMMAND));
    assert_int_equal(event->command_offset, strlen(GET_COMMAND));
    assert_string_equal(event->command.text, "SET");
    assert_true(event->ifindex != 0);
}

static void test_an_event_tells_who_wrote_what_and_how_late(void **state) {
    struct fence_kernel *kernel = *state;
    struct fence_lease lease = expired_lease();
    fence_kernel_set_lease(kernel, FRAME_PORT, lease);
    for (int hook = FENCE_HOOK_XDP; hook <= FENCE_HOOK_TC; hook++) {
        for (int ip = 4; ip <= 6; ip += 2) {
            struct heard heard = {0};
            struct perf_buffer *buffer = listen_to(kernel, &heard);
            fence_kernel_forget_stats(kernel, FRAME_PORT);
            frame_build(&frame, &(struct frame_shape){.ip = ip, .tags = 1}, GET_COMMAND SET_COMMAND,
                        strlen(GET_COMMAND SET_COMMAND));
            (void)fence_kernel_run(kernel, (enum fence_hook)hook, frame.bytes, frame.length, 1);
            assert_int_equal(perf_buffer__consume(buffer), 0);
            assert_int_equal(heard.count, 1);
            require_event(&heard.last, (enum fence_hook)hook, &lease);
            assert_int_equal(heard.last.ip_version, ip);
            size_t addresses = ETHERNET_HEADER + 4 + (ip == 4 ? 12 : 8), size = ip == 4 ? 4 : 16;
            assert_memory_equal(heard.last.source_address, frame.bytes + addresses, size);
            assert_memory_equal(heard.last.destination_address, frame.bytes + addresses + size, size);
            perf_buffer__free(buffer);
        }
    }
}

static void test_events_are_limited_and_the_next_one_tells_how_many_were_left_out(void **state) {
    struct fence_kernel *kernel = *state;
    struct heard heard = {0};
    struct perf_buffer *buffer = listen_to(kernel, &heard);
    fence_kernel_set_lease(kernel, FRAME_PORT, expired_lease());
    fence_kernel_forget_stats(kernel, FRAME_PORT);
    frame_build(&frame, &(struct frame_shape){0}, SET_COMMAND, strlen(SET_COMMAND));
    (void)fence_kernel_run(kernel, FENCE_HOOK_XDP, frame.bytes, frame.length, 10000);
    assert_int_equal(perf_buffer__consume(buffer), 0);
    struct fence_stats stats = fence_kernel_stats(kernel, FRAME_PORT);
    assert_int_equal(stats.dropped, 10000);
    assert_int_equal(stats.events, heard.count);
    assert_int_equal(stats.events + stats.events_suppressed, 10000);
    // On a machine that is slow the windows may have been several, and the CPUs.
    assert_true(heard.count >= FENCE_EVENTS_PER_WINDOW && heard.count < 5000);
    perf_buffer__free(buffer);
}

static void test_drops_are_counted_where_nobody_listens(void **state) {
    struct fence_kernel *kernel = *state;
    fence_kernel_set_lease(kernel, FRAME_PORT, expired_lease());
    fence_kernel_forget_stats(kernel, FRAME_PORT);
    frame_build(&frame, &(struct frame_shape){0}, SET_COMMAND, strlen(SET_COMMAND));
    (void)fence_kernel_run(kernel, FENCE_HOOK_TC, frame.bytes, frame.length, 50);
    struct fence_stats stats = fence_kernel_stats(kernel, FRAME_PORT);
    assert_int_equal(stats.dropped, 50);
    assert_int_equal(stats.events, 0);
}

// Counters have room for so many ports; beyond them a port is fenced all the same.
static void test_a_port_without_room_for_counters_is_fenced(void **state) {
    struct fence_kernel *kernel = *state;
    for (int port = 10000; port < 10000 + FENCE_STATS_PORTS + 50; port++) {
        fence_kernel_set_lease(kernel, (__u16)port, expired_lease());
        frame_build(&frame, &(struct frame_shape){.port = (uint16_t)port}, SET_COMMAND, strlen(SET_COMMAND));
        struct fence_run run = fence_kernel_run(kernel, FENCE_HOOK_XDP, frame.bytes, frame.length, 1);
        assert_int_equal(run.outcome, FENCE_OUTCOME_DROP);
    }
    for (int port = 10000; port < 10000 + FENCE_STATS_PORTS + 50; port++)
        fence_kernel_forget_stats(kernel, (__u16)port);
}

// --- Maps ---

static void test_the_maps_are_as_the_contract_says_and_carry_names(void **state) {
    static const struct {
        const char *name;
        __u32 type, key, value, entries, flags;
    } maps[] = {
        {"fence_lease", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fence_lease), FENCE_PORTS, BPF_F_MMAPABLE},
        {"fence_commands", BPF_MAP_TYPE_HASH, FENCE_NAME_SIZE, sizeof(struct fence_command),
         FENCE_COMMANDS_MAX, 0},
        {"fence_stats", BPF_MAP_TYPE_PERCPU_HASH, 4, sizeof(struct fence_stats), FENCE_STATS_PORTS, 0},
    };
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        struct bpf_map_info info = {0};
        __u32 length = sizeof(info);
        assert_int_equal(bpf_obj_get_info_by_fd(fence_kernel_map(*state, maps[i].name), &info, &length), 0);
        assert_string_equal(info.name, maps[i].name);
        assert_int_equal(info.type, maps[i].type);
        assert_int_equal(info.key_size, maps[i].key);
        assert_int_equal(info.value_size, maps[i].value);
        assert_int_equal(info.max_entries, maps[i].entries);
        assert_int_equal(info.map_flags, maps[i].flags);
        assert_true(info.btf_value_type_id != 0 && info.btf_key_type_id != 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xdp_does_with_each_packet_of_the_table_what_it_says),
        cmocka_unit_test(test_tc_does_with_each_packet_of_the_table_what_it_says),
        cmocka_unit_test(test_a_write_at_the_end_of_a_packet_in_fragments_is_found),
        cmocka_unit_test(test_words_of_every_length_are_stepped_over_in_a_packet_in_fragments),
        cmocka_unit_test(test_the_shortest_words_fill_a_packet_without_hiding_a_write),
        cmocka_unit_test(test_a_packet_full_of_empty_lines_hides_no_write),
        cmocka_unit_test(test_tc_finds_a_write_at_the_end_of_a_full_segment),
        cmocka_unit_test(test_the_lease_of_one_port_does_not_touch_another),
        cmocka_unit_test(test_a_renewal_is_seen_by_the_next_packet),
        cmocka_unit_test(test_an_old_deadline_is_not_taken_for_that_of_a_new_mode),
        cmocka_unit_test(test_a_command_that_becomes_known_is_dropped_within_seconds),
        cmocka_unit_test(test_every_entry_decides_for_its_own_name_only),
        cmocka_unit_test(test_an_event_tells_who_wrote_what_and_how_late),
        cmocka_unit_test(test_events_are_limited_and_the_next_one_tells_how_many_were_left_out),
        cmocka_unit_test(test_drops_are_counted_where_nobody_listens),
        cmocka_unit_test(test_a_port_without_room_for_counters_is_fenced),
        cmocka_unit_test(test_the_maps_are_as_the_contract_says_and_carry_names),
    };
    return cmocka_run_group_tests(tests, open_kernel, close_kernel);
}
