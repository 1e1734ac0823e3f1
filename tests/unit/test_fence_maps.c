// SPDX-License-Identifier: Apache-2.0
//
// The pinned maps: what is opened and what is refused, the table of commands that servers share, counters,
// and how little privilege it all takes. On real maps; needs root.
#include "fence/maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 6379, OTHER_PORT = 6380, NOBODY = 65534 };

static char reason[FENCE_TEXT_SIZE];
static bool missing;

static const struct fence_entry some_commands[] = {
    {{"SET"}, {.kind = FENCE_COMMAND_WRITE}},
    {{"GET"}, {.kind = FENCE_COMMAND_NO_WRITE}},
    {{"EXEC"}, {.kind = FENCE_COMMAND_MAY_WRITE}},
};
enum { SOME_COMMANDS = sizeof(some_commands) / sizeof(some_commands[0]) };

static struct fence_maps open_port(const struct pinned_maps *pinned, uint16_t port) {
    struct fence_maps maps;
    if (!fence_maps_open(pinned->path, port, &maps, &missing, reason))
        fail_msg("%s", reason);
    return maps;
}

static void claim(const struct fence_maps *maps, const struct fence_entry *entries, size_t count) {
    if (!fence_maps_claim(maps, 1, entries, count, reason))
        fail_msg("%s", reason);
}

static void expect_refused(const struct pinned_maps *pinned, bool is_missing, const char *words) {
    struct fence_maps maps;
    assert_false(fence_maps_open(pinned->path, PORT, &maps, &missing, reason));
    assert_int_equal(missing, is_missing);
    if (strstr(reason, words) == NULL)
        fail_msg("'%s' does not say '%s'", reason, words);
}

static void maps_that_follow_the_contract_are_opened(void **state) {
    struct pinned_maps *pinned = *state;
    static const uint16_t ports[] = {1, 255, 256, PORT, 65535};
    pinned_make(pinned);
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct fence_maps maps = open_port(pinned, ports[i]);
        atomic_store(&maps.entry->deadline_ns, 1000 + i);
        assert_int_equal(pinned_lease(pinned->lease, ports[i]).deadline_ns, 1000 + i);
        fence_maps_close(&maps);
    }
    assert_int_equal(pinned_lease(pinned->lease, 0).abi, FENCE_ABI);
}

static void maps_that_are_not_there_are_missing_and_nothing_worse(void **state) {
    struct pinned_maps *pinned = *state;
    char path[160];
    expect_refused(pinned, true, pinned->path);
    pinned_make(pinned);
    (void)snprintf(path, sizeof(path), "%s/fence_stats", pinned->path);
    assert_int_equal(unlink(path), 0);
    expect_refused(pinned, true, "fence_stats");
}

static void a_map_of_another_shape_is_refused_by_name(void **state) {
    struct pinned_maps *pinned = *state;
    struct fence_shapes shapes;
    struct {
        uint32_t *field, value;
        const char *map;
    } const wrongs[] = {
        {&shapes.lease.flags, 0, "fence_lease"},
        {&shapes.lease.value_size, 24, "fence_lease"},
        {&shapes.lease.entries, 1024, "fence_lease"},
        {&shapes.commands.type, BPF_MAP_TYPE_LRU_HASH, "fence_commands"},
        {&shapes.commands.key_size, 16, "fence_commands"},
        {&shapes.commands.value_size, 4, "fence_commands"},
        {&shapes.stats.type, BPF_MAP_TYPE_HASH, "fence_stats"},
        {&shapes.stats.value_size, sizeof(struct fence_stats) + 8, "fence_stats"},
        {&shapes.stats.entries, 16, "fence_stats"},
    };
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        shapes = fence_shapes();
        *wrongs[i].field = wrongs[i].value;
        pinned_make_as(pinned, &shapes);
        expect_refused(pinned, false, wrongs[i].map);
        expect_refused(pinned, false, "not the map that this server was built for");
        pinned_remove(pinned);
    }
}

static void maps_of_another_contract_are_refused(void **state) {
    struct pinned_maps *pinned = *state;
    struct fence_shapes shapes = fence_shapes();
    shapes.abi = FENCE_ABI + 7;
    pinned_make_as(pinned, &shapes);
    expect_refused(pinned, false, "abi is 8, this server's 1");
}

static void what_is_pinned_but_no_map_is_refused(void **state) {
    struct pinned_maps *pinned = *state;
    char path[160];
    pinned_make(pinned);
    (void)snprintf(path, sizeof(path), "%s/fence_lease", pinned->path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused(pinned, false, "fence_lease");
    assert_int_equal(rmdir(path), 0);
}

static void changed_pins_are_noticed(void **state) {
    struct pinned_maps *pinned = *state;
    pinned_make(pinned);
    struct fence_maps maps = open_port(pinned, PORT);
    assert_int_equal(fence_maps_look(&maps, pinned->path), FENCE_PINS_SAME);
    pinned_remove(pinned);
    assert_int_equal(fence_maps_look(&maps, pinned->path), FENCE_PINS_GONE);
    pinned_make(pinned);
    assert_int_equal(fence_maps_look(&maps, pinned->path), FENCE_PINS_REPLACED);
    fence_maps_close(&maps);
}

// --- The table of commands ---

static unsigned kind_of(const struct pinned_maps *pinned, const char *name) {
    return pinned_command(pinned, name).kind;
}

static void the_first_server_fills_the_table_and_marks_its_entry(void **state) {
    struct pinned_maps *pinned = *state;
    pinned_make(pinned);
    pinned_set_lease(pinned->lease, PORT, &(struct fence_lease){.deadline_ns = 99, .owner = 98});
    struct fence_maps maps = open_port(pinned, PORT);
    if (!fence_maps_claim(&maps, 0x0201, some_commands, SOME_COMMANDS, reason))
        fail_msg("%s", reason);
    assert_int_equal(kind_of(pinned, "SET"), FENCE_COMMAND_WRITE);
    assert_int_equal(kind_of(pinned, "GET"), FENCE_COMMAND_NO_WRITE);
    assert_int_equal(kind_of(pinned, "EXEC"), FENCE_COMMAND_MAY_WRITE);
    assert_int_equal(pinned_lease(pinned->lease, PORT).deadline_ns, 0);
    assert_int_equal(pinned_lease(pinned->lease, PORT).owner, 0x0201);
    fence_maps_close(&maps);
}

static void a_server_that_is_alone_replaces_the_table(void **state) {
    struct pinned_maps *pinned = *state;
    char name[FENCE_NAME_SIZE];
    pinned_make(pinned);
    struct fence_maps maps = open_port(pinned, PORT);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "STRANGER%d", i);
        pinned_set_command(pinned, name, (struct fence_command){.kind = FENCE_COMMAND_WRITE});
    }
    pinned_set_command(pinned, "GET", (struct fence_command){.kind = FENCE_COMMAND_WRITE});
    claim(&maps, some_commands, SOME_COMMANDS);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "STRANGER%d", i);
        assert_int_equal(kind_of(pinned, name), FENCE_COMMAND_UNKNOWN);
    }
    assert_int_equal(kind_of(pinned, "GET"), FENCE_COMMAND_NO_WRITE);
    fence_maps_close(&maps);
}

static void servers_that_share_the_table_merge_it(void **state) {
    struct pinned_maps *pinned = *state;
    static const struct fence_entry others[] = {{{"SET"}, {.kind = FENCE_COMMAND_NO_WRITE}},
                                                {{"GET"}, {.kind = FENCE_COMMAND_NO_WRITE}},
                                                {{"PUT"}, {.kind = FENCE_COMMAND_WRITE}}};
    pinned_make(pinned);
    struct fence_maps one = open_port(pinned, PORT), other = open_port(pinned, OTHER_PORT);
    claim(&one, some_commands, SOME_COMMANDS);
    claim(&other, others, 3);
    assert_int_equal(kind_of(pinned, "SET"), FENCE_COMMAND_MAY_WRITE);
    assert_int_equal(kind_of(pinned, "GET"), FENCE_COMMAND_NO_WRITE);
    assert_int_equal(kind_of(pinned, "PUT"), FENCE_COMMAND_WRITE);
    assert_int_equal(kind_of(pinned, "EXEC"), FENCE_COMMAND_MAY_WRITE);
    fence_maps_close(&one);
    fence_maps_close(&other);
}

static void only_one_server_at_a_time_fills_the_table(void **state) {
    struct pinned_maps *pinned = *state;
    pinned_make(pinned);
    struct fence_maps maps = open_port(pinned, PORT);
    int holder = open(pinned->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(holder >= 0);
    assert_int_equal(flock(holder, LOCK_EX), 0);
    assert_false(fence_maps_claim(&maps, 1, some_commands, SOME_COMMANDS, reason));
    assert_non_null(strstr(reason, "another server"));
    assert_int_equal(kind_of(pinned, "SET"), FENCE_COMMAND_UNKNOWN);
    (void)close(holder);
    claim(&maps, some_commands, SOME_COMMANDS);
    fence_maps_close(&maps);
}

static void a_full_table_is_said(void **state) {
    struct pinned_maps *pinned = *state;
    char name[FENCE_NAME_SIZE];
    pinned_make(pinned);
    pinned_set_lease(pinned->lease, OTHER_PORT, &(struct fence_lease){.owner = 1});
    for (int i = 0; i < FENCE_COMMANDS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "STRANGER%d", i);
        pinned_set_command(pinned, name, (struct fence_command){.kind = FENCE_COMMAND_WRITE});
    }
    struct fence_maps maps = open_port(pinned, PORT);
    assert_false(fence_maps_claim(&maps, 1, some_commands, SOME_COMMANDS, reason));
    assert_non_null(strstr(reason, "fence_commands is full"));
    fence_maps_close(&maps);
}

// --- Counters ---

static void counters_are_summed_up_over_the_processors(void **state) {
    struct pinned_maps *pinned = *state;
    const uint32_t port = PORT;
    int processors = libbpf_num_possible_cpus();
    assert_true(processors > 0);
    struct fence_stats *each = calloc((size_t)processors, sizeof(*each)), sum;
    assert_non_null(each);
    uint64_t all = 0;
    for (int i = 0; i < processors; i++) {
        uint64_t value = (uint64_t)i + 1;
        each[i] = (struct fence_stats){.inspected = value * 10,
                                       .unparsed = value,
                                       .dropped = value * 2,
                                       .would_drop = value * 3,
                                       .undecided = value * 4,
                                       .events = value * 5,
                                       .events_suppressed = value * 6};
        all += value;
    }
    pinned_make(pinned);
    struct fence_maps maps = open_port(pinned, PORT);
    assert_true(fence_maps_count(&maps, &sum));
    assert_int_equal(sum.inspected, 0);
    assert_int_equal(bpf_map_update_elem(pinned->stats, &port, each, BPF_ANY), 0);
    assert_true(fence_maps_count(&maps, &sum));
    const struct fence_stats wanted = {.inspected = all * 10,
                                       .unparsed = all,
                                       .dropped = all * 2,
                                       .would_drop = all * 3,
                                       .undecided = all * 4,
                                       .events = all * 5,
                                       .events_suppressed = all * 6};
    assert_memory_equal(&sum, &wanted, sizeof(sum));
    fence_maps_close(&maps);
    free(each);
}

// --- Privileges ---

// In a child without root, without capabilities and in no group but its own: 0 if everything that a server
// does with the maps works, 2 if they are refused for want of rights.
static int use_maps_as_nobody(const struct pinned_maps *pinned) {
    struct fence_maps maps;
    struct fence_stats sum;
    if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return 1;
    if (!fence_maps_open(pinned->path, PORT, &maps, &missing, reason))
        return !missing && strstr(reason, "ermission denied") != NULL ? 2 : 3;
    if (!fence_maps_claim(&maps, 1, some_commands, SOME_COMMANDS, reason))
        return 4;
    atomic_store(&maps.entry->deadline_ns, 4711);
    return fence_maps_count(&maps, &sum) ? 0 : 5;
}

static int run_as_nobody(const struct pinned_maps *pinned) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(use_maps_as_nobody(pinned));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_server_without_privileges_needs_only_the_rights_of_the_pins(void **state) {
    struct pinned_maps *pinned = *state;
    static const char *const names[] = {"fence_lease", "fence_commands", "fence_stats"};
    char path[160];
    char directory[96] = "";
    memcpy(directory, pinned->mount, sizeof(directory));
    pinned_make(pinned);
    // The directory that the bpffs is mounted in may be closed to others.
    *strrchr(directory, '/') = '\0';
    struct stat above;
    assert_int_equal(stat(directory, &above), 0);
    assert_int_equal(chmod(directory, above.st_mode | S_IXOTH), 0);
    assert_int_equal(run_as_nobody(pinned), 2);
    assert_int_equal(chown(pinned->path, 0, NOBODY), 0);
    assert_int_equal(chmod(pinned->path, 0750), 0);
    assert_int_equal(run_as_nobody(pinned), 2);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", pinned->path, names[i]);
        assert_int_equal(chown(path, 0, NOBODY), 0);
        assert_int_equal(chmod(path, 0660), 0);
    }
    assert_int_equal(run_as_nobody(pinned), 0);
    assert_int_equal(pinned_lease(pinned->lease, PORT).deadline_ns, 4711);
    assert_int_equal(kind_of(pinned, "SET"), FENCE_COMMAND_WRITE);
    assert_int_equal(chmod(directory, above.st_mode & 07777), 0);
}

#define with_pins(test) cmocka_unit_test_setup_teardown(test, pinned_set_up, pinned_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        with_pins(maps_that_follow_the_contract_are_opened),
        with_pins(maps_that_are_not_there_are_missing_and_nothing_worse),
        with_pins(a_map_of_another_shape_is_refused_by_name),
        with_pins(maps_of_another_contract_are_refused),
        with_pins(what_is_pinned_but_no_map_is_refused),
        with_pins(changed_pins_are_noticed),
        with_pins(the_first_server_fills_the_table_and_marks_its_entry),
        with_pins(a_server_that_is_alone_replaces_the_table),
        with_pins(servers_that_share_the_table_merge_it),
        with_pins(only_one_server_at_a_time_fills_the_table),
        with_pins(a_full_table_is_said),
        with_pins(counters_are_summed_up_over_the_processors),
        with_pins(a_server_without_privileges_needs_only_the_rights_of_the_pins),
    };
    return cmocka_run_group_tests(tests, fence_bpffs_mount, fence_bpffs_unmount);
}
