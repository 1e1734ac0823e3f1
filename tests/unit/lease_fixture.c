// SPDX-License-Identifier: Apache-2.0
//
// A live lease in a directory of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_fixture.h"

#include "base/log.h"
#include "lease/state_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NS_PER_MS = 1000000 };

static boot_ns_t fixture_now(void *context) {
    struct lease_fixture *fixture = context;
    return (boot_ns_t){atomic_load(&fixture->clock_ns)};
}

static void note_armed(void *context, boot_ns_t when) {
    struct lease_fixture *fixture = context;
    fixture->armed = when;
    fixture->armed_times++;
}

void lease_fixture_prepare(struct lease_fixture *fixture) {
    const char *base = getenv("TMPDIR");
    char error[256];
    memset(fixture, 0, sizeof(*fixture));
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "%s/kvfence-lease.XXXXXX",
                   base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(fixture->directory));
    assert_true(log_open(fixture->directory, error, sizeof(error)));
    atomic_store(&fixture->clock_ns, UINT64_C(1000) * 1000 * NS_PER_MS);
    fixture->config = (struct lease_config){
        .directory = fixture->directory,
        .mode = LEASE_BLOCK_WRITE,
        .cold_start = LEASE_COLD_START_ALLOW,
        .now = fixture_now,
        .now_context = fixture,
        .deadline_changed = note_armed,
        .deadline_changed_context = fixture,
    };
}

void lease_fixture_open(struct lease_fixture *fixture) {
    char error[LEASE_ERROR_SIZE] = "";
    if (!lease_open(&fixture->config, &fixture->lease, error))
        fail_msg("the lease cannot be opened: %s", error);
}

void lease_fixture_shut(struct lease_fixture *fixture) {
    if (fixture->lease != NULL)
        lease_close(fixture->lease);
    fixture->lease = NULL;
}

void lease_fixture_restart(struct lease_fixture *fixture) {
    lease_fixture_shut(fixture);
    lease_fixture_open(fixture);
}

static void remove_directory(const char *directory) {
    char path[512];
    DIR *listing = opendir(directory);
    assert_non_null(listing);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (unlink(path) != 0)
            (void)rmdir(path);
    }
    (void)closedir(listing);
    assert_int_equal(rmdir(directory), 0);
}

void lease_fixture_close(struct lease_fixture *fixture) {
    char error[256];
    lease_fixture_shut(fixture);
    assert_true(log_open(NULL, error, sizeof(error)));
    remove_directory(fixture->directory);
}

int lease_fixture_set_up(void **state) {
    struct lease_fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    lease_fixture_prepare(fixture);
    *state = fixture;
    return 0;
}

int lease_fixture_tear_down(void **state) {
    lease_fixture_close(*state);
    free(*state);
    return 0;
}

void lease_fixture_advance_ms(struct lease_fixture *fixture, uint64_t milliseconds) {
    (void)atomic_fetch_add(&fixture->clock_ns, milliseconds * NS_PER_MS);
}

enum lease_outcome lease_fixture_heartbeat(struct lease_fixture *fixture, uint64_t version,
                                           uint64_t lease_ms) {
    struct lease_heartbeat heartbeat = {
        .form = LEASE_FORM_SHORT, .lease_ms = lease_ms, .version = version, .arrived = fixture_now(fixture)};
    struct lease_answer answer;
    lease_heartbeat(fixture->lease, &heartbeat, &answer);
    assert_int_equal(answer.error[0] != '\0', lease_outcome_is_error(answer.outcome));
    return answer.outcome;
}

struct lease_fixture *lease_fixture_open_held(struct lease_fixture *fixture, enum lease_mode mode) {
    fixture->config.mode = mode;
    lease_fixture_open(fixture);
    assert_int_equal(lease_fixture_heartbeat(fixture, 5, 1000), LEASE_RENEWED);
    return fixture;
}

struct lease_fixture *lease_fixture_open_expired(struct lease_fixture *fixture, enum lease_mode mode) {
    (void)lease_fixture_open_held(fixture, mode);
    lease_fixture_advance_ms(fixture, 2000);
    return fixture;
}

static bool kernel_drops(const struct lease_fixture *fixture) {
    return fixture->kernel_mode == LEASE_BLOCK_WRITE &&
           !lease_allows(fixture->kernel_deadline, (boot_ns_t){atomic_load(&fixture->clock_ns)});
}

static void record_step(void *context, boot_ns_t deadline, enum lease_mode mode) {
    struct lease_fixture *fixture = context;
    struct lease_mirror_step step = {.deadline = deadline,
                                     .mode = mode,
                                     .kernel_drops_before = kernel_drops(fixture),
                                     .server_refuses = !lease_fixture_passes(fixture)};
    fixture->kernel_deadline = deadline;
    fixture->kernel_mode = mode;
    step.kernel_drops_after = kernel_drops(fixture);
    assert_true(fixture->step_count < LEASE_FIXTURE_STEPS);
    fixture->steps[fixture->step_count++] = step;
}

void lease_fixture_attach(struct lease_fixture *fixture) {
    lease_set_mirror(fixture->lease, &(struct lease_mirror){.publish = record_step, .context = fixture});
    fixture->step_count = 0;
}

size_t lease_fixture_wrong_drops(const struct lease_fixture *fixture) {
    size_t wrong = 0;
    for (size_t i = 0; i < fixture->step_count; i++) {
        const struct lease_mirror_step *step = &fixture->steps[i];
        wrong += (step->kernel_drops_before || step->kernel_drops_after) && !step->server_refuses;
    }
    return wrong;
}

bool lease_fixture_passes(struct lease_fixture *fixture) {
    return lease_check_commit(fixture->lease, 1) == NULL;
}

const char *lease_fixture_log(struct lease_fixture *fixture) {
    char path[256];
    struct tm now = clock_local_time(clock_wall_ms());
    (void)snprintf(path, sizeof(path), "%s/kvrocks_%04d-%02d-%02d.log", fixture->directory,
                   now.tm_year + 1900, now.tm_mon + 1, now.tm_mday);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t length = fread(fixture->log, 1, sizeof(fixture->log) - 1, file);
    fixture->log[length] = '\0';
    assert_int_equal(fclose(file), 0);
    return fixture->log;
}

size_t lease_fixture_logged(struct lease_fixture *fixture, const char *text) {
    size_t count = 0;
    for (const char *at = lease_fixture_log(fixture); (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    return count;
}

struct lease_record lease_fixture_record(const struct lease_fixture *fixture) {
    char error[STATE_FILE_ERROR_SIZE];
    struct lease_record record;
    if (!state_file_read(fixture->directory, &record, error))
        fail_msg("%s", error);
    return record;
}
