// SPDX-License-Identifier: Apache-2.0
//
// The mirror of a live lease in real maps: what the kernel's half sees of every change, when the maps appear,
// vanish or are others, and what is left at the end. Needs root.
#include "fence/fence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fence_fixture.h"
#include "lease_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 6379, OTHER_PORT = 6380 };
#define NS_PER_MS UINT64_C(1000000)

static const struct fence_word words[] = {{"set", "set", true}, {"get", "get", false}};

struct scene {
    struct pinned_maps *pinned;
    struct lease_fixture lease;
    struct fence *fence; // NULL while it is closed
};

// The lease's clock begins at the machine's, as the mirror compares with that when it closes.
static int set_up(void **state) {
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL || pinned_set_up((void **)&scene->pinned) != 0)
        return -1;
    lease_fixture_prepare(&scene->lease);
    atomic_store(&scene->lease.clock_ns, clock_boot().value);
    *state = scene;
    return 0;
}

static void open_fence(struct scene *scene) {
    const struct fence_config config = {.path = scene->pinned->path,
                                        .port = PORT,
                                        .words = words,
                                        .word_count = 2,
                                        .lease = scene->lease.lease};
    scene->fence = fence_open(&config);
}

static void close_fence(struct scene *scene) {
    fence_close(scene->fence);
    scene->fence = NULL;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    close_fence(scene);
    lease_fixture_close(&scene->lease);
    int status = pinned_tear_down((void **)&scene->pinned);
    free(scene);
    return status;
}

// A mirror that is attached to a lease of a second, just granted.
static void open_held(struct scene *scene, enum lease_mode mode) {
    pinned_make(scene->pinned);
    (void)lease_fixture_open_held(&scene->lease, mode);
    open_fence(scene);
    assert_true(fence_view(scene->fence).is_attached);
}

static struct fence_lease entry_of(const struct scene *scene) {
    return pinned_lease(scene->pinned->lease, PORT);
}

static uint64_t deadline_of(struct scene *scene) {
    return lease_view(scene->lease.lease).deadline.value;
}

static void expect_entry(const struct scene *scene, uint64_t deadline_ns, enum fence_mode mode,
                         enum fence_policy policy) {
    struct fence_lease entry = entry_of(scene);
    assert_int_equal(entry.deadline_ns, deadline_ns);
    assert_int_equal(entry.mode, mode);
    assert_int_equal(entry.policy, policy);
    assert_int_equal(entry.abi, FENCE_ABI);
    assert_int_equal(entry.owner, getpid());
}

// Ticks until it is attached or not, as wanted.
static void tick_until(struct scene *scene, bool attached) {
    const struct timespec pause = {.tv_nsec = 5000000};
    uint64_t begun = clock_duration_us();
    while (fence_view(scene->fence).is_attached != attached) {
        if (clock_duration_us() - begun > 20000000)
            fail_msg("not so after 20 s: %s", fence_view(scene->fence).reason);
        fence_tick(scene->fence);
        (void)nanosleep(&pause, NULL);
    }
}

// --- What is mirrored ---

static void the_entry_has_the_lease_as_soon_as_it_is_attached(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    expect_entry(scene, deadline_of(scene), FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
    assert_string_equal(fence_view(scene->fence).reason, "");
    assert_true(lease_view(scene->lease.lease).is_mirrored);
}

static void every_heartbeat_moves_the_entrys_deadline(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    static const uint64_t lengths_ms[] = {5000, 200, 60000, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lease_fixture_heartbeat(&scene->lease, 5, lengths_ms[i]), LEASE_RENEWED);
        expect_entry(scene, atomic_load(&scene->lease.clock_ns) + lengths_ms[i] * NS_PER_MS,
                     FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
    }
}

static void modes_and_policies_take_effect_at_once(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_LOG_ONLY);
    uint64_t deadline = deadline_of(scene);
    expect_entry(scene, deadline, FENCE_MODE_LOG_ONLY, FENCE_POLICY_WRITES);
    lease_set_mode(scene->lease.lease, LEASE_BLOCK_WRITE);
    expect_entry(scene, deadline, FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
    fence_set_policy(scene->fence, FENCE_POLICY_STRICT);
    expect_entry(scene, deadline, FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_STRICT);
    assert_int_equal(fence_view(scene->fence).policy, FENCE_POLICY_STRICT);
    lease_set_mode(scene->lease.lease, LEASE_DISABLED);
    expect_entry(scene, 0, FENCE_MODE_DISABLED, FENCE_POLICY_STRICT);
    lease_set_mode(scene->lease.lease, LEASE_BLOCK_WRITE);
    expect_entry(scene, deadline, FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_STRICT);
    fence_set_policy(scene->fence, FENCE_POLICY_WRITES);
    expect_entry(scene, deadline, FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
}

static void a_replica_is_never_fenced(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    lease_become_replica(scene->lease.lease);
    assert_int_equal(entry_of(scene).deadline_ns, 0);
    (void)lease_fixture_heartbeat(&scene->lease, 6, 1000);
    lease_set_mode(scene->lease.lease, LEASE_LOG_ONLY);
    lease_set_mode(scene->lease.lease, LEASE_BLOCK_WRITE);
    assert_int_equal(entry_of(scene).deadline_ns, 0);
    lease_become_master(scene->lease.lease);
    uint64_t deadline = entry_of(scene).deadline_ns;
    assert_true(deadline != 0 && deadline < atomic_load(&scene->lease.clock_ns));
}

static void a_node_that_never_had_a_lease_is_not_fenced(void **state) {
    struct scene *scene = *state;
    pinned_make(scene->pinned);
    lease_fixture_open(&scene->lease);
    open_fence(scene);
    expect_entry(scene, 0, FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
}

static void two_servers_do_not_touch_each_others_entry(void **state) {
    struct scene *scene = *state;
    const struct fence_lease other = {
        .deadline_ns = 4711, .owner = 1, .abi = FENCE_ABI, .mode = FENCE_MODE_BLOCK_WRITE};
    pinned_make(scene->pinned);
    pinned_set_lease(scene->pinned->lease, OTHER_PORT, &other);
    (void)lease_fixture_open_held(&scene->lease, LEASE_BLOCK_WRITE);
    open_fence(scene);
    (void)lease_fixture_heartbeat(&scene->lease, 5, 1);
    lease_set_mode(scene->lease.lease, LEASE_LOG_ONLY);
    close_fence(scene);
    struct fence_lease after = pinned_lease(scene->pinned->lease, OTHER_PORT);
    assert_memory_equal(&after, &other, sizeof(other));
}

static void a_server_that_writes_into_the_same_entry_is_noticed(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    pinned_set_lease(scene->pinned->lease, PORT, &(struct fence_lease){.owner = 4711, .abi = FENCE_ABI});
    uint64_t begun = clock_duration_us();
    while (clock_duration_us() - begun < 2200000) // long enough for two looks
        fence_tick(scene->fence);
    assert_non_null(strstr(fence_view(scene->fence).reason, "process 4711 has written"));
    assert_true(fence_view(scene->fence).is_attached);
    assert_int_equal(lease_fixture_logged(&scene->lease, "process 4711 has written"), 1);
}

// --- The order of the halves, and of the entry's words ---

struct watched {
    struct scene *scene;
    struct lease_mirror mirror;
    size_t publications, wrong;
};

static bool kernel_drops(const struct scene *scene) {
    struct fence_lease entry = entry_of(scene);
    return entry.deadline_ns != 0 && entry.mode == FENCE_MODE_BLOCK_WRITE &&
           atomic_load(&scene->lease.clock_ns) > entry.deadline_ns;
}

static void watch_halves(struct watched *watched) {
    watched->wrong += kernel_drops(watched->scene) && lease_fixture_passes(&watched->scene->lease);
}

static void publish_watched(void *context, boot_ns_t deadline, enum lease_mode mode) {
    struct watched *watched = context;
    watched->publications++;
    watch_halves(watched);
    watched->mirror.publish(watched->mirror.context, deadline, mode);
    watch_halves(watched);
}

static void random_change(struct scene *scene) {
    static const enum lease_mode modes[] = {LEASE_DISABLED, LEASE_LOG_ONLY, LEASE_BLOCK_WRITE};
    switch (rand() % 6) {
    case 0:
        lease_fixture_advance_ms(&scene->lease, (uint64_t)(rand() % 30));
        break;
    case 1:
    case 2:
        (void)lease_fixture_heartbeat(&scene->lease, 5, 1 + (uint64_t)(rand() % 20));
        break;
    case 3:
        lease_set_mode(scene->lease.lease, modes[rand() % 3]);
        break;
    case 4:
        lease_become_replica(scene->lease.lease);
        break;
    default:
        lease_become_master(scene->lease.lease);
    }
}

static void the_kernel_never_drops_what_the_server_accepts(void **state) {
    struct scene *scene = *state;
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given == NULL ? (unsigned)time(NULL) : (unsigned)strtoul(given, NULL, 10);
    print_message("KVFENCE_SEED=%u\n", seed);
    srand(seed);
    open_held(scene, LEASE_BLOCK_WRITE);
    struct watched watched = {.scene = scene, .mirror = fence_mirror(scene->fence)};
    const struct lease_mirror mirror = {.publish = publish_watched, .context = &watched};
    lease_set_mirror(scene->lease.lease, &mirror);
    for (int i = 0; i < 5000; i++) {
        random_change(scene);
        watch_halves(&watched);
    }
    lease_set_mirror(scene->lease.lease, NULL);
    assert_true(watched.publications > 1000);
    assert_int_equal(watched.wrong, 0);
}

// What a packet would see at any moment, also while the writing thread waits between two stores: a timer's
// signal looks wherever it interrupts. Odd deadlines belong to log-only, even ones to block-write.
static const struct fence_words *volatile interrupted_entry;
static volatile sig_atomic_t looks, torn;

static void look_at_entry(int signal) {
    (void)signal;
    uint64_t deadline = atomic_load(&interrupted_entry->deadline_ns);
    uint64_t terms = atomic_load(&interrupted_entry->terms);
    struct fence_lease entry;
    memcpy((char *)&entry + offsetof(struct fence_lease, owner), &terms, sizeof(terms));
    looks = looks + 1;
    if (deadline % 2 == 1 && entry.mode == FENCE_MODE_BLOCK_WRITE)
        torn = torn + 1;
}

static void set_timer(long interval_us) {
    const struct itimerval timer = {{0, interval_us}, {0, interval_us}};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void an_old_deadline_never_stands_beside_new_terms(void **state) {
    struct scene *scene = *state;
    const struct sigaction action = {.sa_handler = look_at_entry, .sa_flags = SA_RESTART};
    struct fence_maps maps;
    char reason[FENCE_TEXT_SIZE];
    bool missing;
    open_held(scene, LEASE_LOG_ONLY);
    assert_true(fence_maps_open(scene->pinned->path, PORT, &maps, &missing, reason));
    interrupted_entry = maps.entry;
    struct lease_mirror mirror = fence_mirror(scene->fence);
    lease_set_mirror(scene->lease.lease, NULL);
    mirror.publish(mirror.context, (boot_ns_t){1}, LEASE_LOG_ONLY);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    set_timer(20);
    for (uint64_t i = 1; looks < 20000 && i < 300000000; i++) {
        mirror.publish(mirror.context, (boot_ns_t){2 * i - 1}, LEASE_LOG_ONLY);
        mirror.publish(mirror.context, (boot_ns_t){2 * i}, LEASE_BLOCK_WRITE);
    }
    set_timer(0);
    assert_true(looks > 0);
    assert_int_equal(torn, 0);
    fence_maps_close(&maps);
}

// --- Maps that come and go ---

static void maps_that_appear_later_are_attached(void **state) {
    struct scene *scene = *state;
    (void)lease_fixture_open_held(&scene->lease, LEASE_BLOCK_WRITE);
    open_fence(scene);
    assert_false(fence_view(scene->fence).is_attached);
    assert_non_null(strstr(fence_view(scene->fence).reason, scene->pinned->path));
    pinned_make(scene->pinned);
    tick_until(scene, true);
    expect_entry(scene, deadline_of(scene), FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
    assert_int_equal(pinned_command(scene->pinned, "SET").kind, FENCE_COMMAND_WRITE);
    assert_int_equal(lease_fixture_logged(&scene->lease, "the kernel's fence is attached"), 1);
}

static void maps_that_vanish_are_let_go_of_and_do_not_go_on_fencing(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    pinned_remove(scene->pinned);
    tick_until(scene, false);
    assert_int_equal(entry_of(scene).deadline_ns, 0);
    assert_int_equal(lease_fixture_logged(&scene->lease, "are gone"), 1);
    assert_false(lease_view(scene->lease.lease).is_mirrored);
    (void)lease_fixture_heartbeat(&scene->lease, 5, 1000);
    assert_int_equal(entry_of(scene).deadline_ns, 0);
    pinned_make(scene->pinned);
    tick_until(scene, true);
    expect_entry(scene, deadline_of(scene), FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
}

static void maps_that_are_replaced_are_attached_in_place_of_the_old(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    int old = dup(scene->pinned->lease);
    assert_true(old >= 0);
    pinned_remove(scene->pinned);
    pinned_make(scene->pinned);
    uint64_t begun = clock_duration_us();
    while (entry_of(scene).deadline_ns == 0 && clock_duration_us() - begun < 20000000)
        fence_tick(scene->fence);
    expect_entry(scene, deadline_of(scene), FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
    assert_int_equal(pinned_lease(old, PORT).deadline_ns, 0);
    assert_int_equal(lease_fixture_logged(&scene->lease, "have been replaced"), 1);
    (void)close(old);
}

static void maps_of_another_contract_are_said_once_and_not_touched(void **state) {
    struct scene *scene = *state;
    struct fence_shapes shapes = fence_shapes();
    shapes.abi = FENCE_ABI + 1;
    pinned_make_as(scene->pinned, &shapes);
    (void)lease_fixture_open_held(&scene->lease, LEASE_BLOCK_WRITE);
    open_fence(scene);
    uint64_t begun = clock_duration_us();
    while (clock_duration_us() - begun < 2200000) // long enough for two more attempts
        fence_tick(scene->fence);
    assert_false(fence_view(scene->fence).is_attached);
    assert_non_null(strstr(fence_view(scene->fence).reason, "abi"));
    assert_int_equal(lease_fixture_logged(&scene->lease, "follows another contract"), 1);
    assert_int_equal(entry_of(scene).owner, 0);
    assert_int_equal(pinned_command(scene->pinned, "SET").kind, FENCE_COMMAND_UNKNOWN);
}

static void what_an_earlier_server_left_gives_way(void **state) {
    struct scene *scene = *state;
    pinned_make(scene->pinned);
    pinned_set_lease(scene->pinned->lease, PORT,
                     &(struct fence_lease){
                         .deadline_ns = 1, .owner = 1, .abi = FENCE_ABI, .mode = FENCE_MODE_BLOCK_WRITE});
    (void)lease_fixture_open_held(&scene->lease, LEASE_DISABLED);
    open_fence(scene);
    expect_entry(scene, 0, FENCE_MODE_DISABLED, FENCE_POLICY_WRITES);
}

static void a_server_that_does_not_want_it_says_so(void **state) {
    struct scene *scene = *state;
    lease_fixture_open(&scene->lease);
    pinned_make(scene->pinned);
    struct fence_config config = {.path = "", .port = PORT, .lease = scene->lease.lease};
    scene->fence = fence_open(&config);
    assert_string_equal(fence_view(scene->fence).reason, "fence-bpf-path is empty");
    close_fence(scene);
    config.path = scene->pinned->path;
    config.port = 0;
    scene->fence = fence_open(&config);
    assert_string_equal(fence_view(scene->fence).reason, "there is no TCP port to fence");
    assert_int_equal(fence_view(scene->fence).counters.inspected, 0);
}

// --- The end ---

static void expect_reset(const struct scene *scene) {
    const struct fence_lease none = {0};
    struct fence_lease entry = entry_of(scene);
    assert_memory_equal(&entry, &none, sizeof(none));
}

static void a_server_that_ends_with_its_lease_resets_its_entry(void **state) {
    struct scene *scene = *state;
    open_held(scene, LEASE_BLOCK_WRITE);
    (void)lease_fixture_heartbeat(&scene->lease, 5, 600000);
    close_fence(scene);
    expect_reset(scene);
    assert_false(lease_view(scene->lease.lease).is_mirrored);
}

static void a_server_that_ends_while_it_keeps_writers_out_leaves_its_entry(void **state) {
    struct scene *scene = *state;
    pinned_make(scene->pinned);
    atomic_fetch_sub(&scene->lease.clock_ns, 10000 * NS_PER_MS); // the lease ended long before now
    (void)lease_fixture_open_held(&scene->lease, LEASE_BLOCK_WRITE);
    open_fence(scene);
    close_fence(scene);
    expect_entry(scene, deadline_of(scene), FENCE_MODE_BLOCK_WRITE, FENCE_POLICY_WRITES);
}

static void a_server_that_only_logs_resets_its_entry(void **state) {
    struct scene *scene = *state;
    pinned_make(scene->pinned);
    atomic_fetch_sub(&scene->lease.clock_ns, 10000 * NS_PER_MS);
    (void)lease_fixture_open_held(&scene->lease, LEASE_LOG_ONLY);
    open_fence(scene);
    close_fence(scene);
    expect_reset(scene);
}

#define scene_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        scene_test(the_entry_has_the_lease_as_soon_as_it_is_attached),
        scene_test(every_heartbeat_moves_the_entrys_deadline),
        scene_test(modes_and_policies_take_effect_at_once),
        scene_test(a_replica_is_never_fenced),
        scene_test(a_node_that_never_had_a_lease_is_not_fenced),
        scene_test(two_servers_do_not_touch_each_others_entry),
        scene_test(a_server_that_writes_into_the_same_entry_is_noticed),
        scene_test(the_kernel_never_drops_what_the_server_accepts),
        scene_test(an_old_deadline_never_stands_beside_new_terms),
        scene_test(maps_that_appear_later_are_attached),
        scene_test(maps_that_vanish_are_let_go_of_and_do_not_go_on_fencing),
        scene_test(maps_that_are_replaced_are_attached_in_place_of_the_old),
        scene_test(maps_of_another_contract_are_said_once_and_not_touched),
        scene_test(what_an_earlier_server_left_gives_way),
        scene_test(a_server_that_does_not_want_it_says_so),
        scene_test(a_server_that_ends_with_its_lease_resets_its_entry),
        scene_test(a_server_that_ends_while_it_keeps_writers_out_leaves_its_entry),
        scene_test(a_server_that_only_logs_resets_its_entry),
    };
    return cmocka_run_group_tests(tests, fence_bpffs_mount, fence_bpffs_unmount);
}
