// SPDX-License-Identifier: Apache-2.0
//
// Opens and closes a server inside the test's process. Uses: cmocka, harness, commands/table, server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"

#include "commands/table.h"
#include "server/background.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void configure(struct inner_server *inner, int workers) {
    char text[160];
    char error[SERVER_ERROR_SIZE];
    (void)snprintf(text, sizeof(text), "--port %d --dir %s --workers %d", inner->address.port,
                   inner->directory, workers);
    // A fence that is loaded on this machine is not the tests'.
    char *arguments[8] = {(char[]){"--fence-bpf-path"}, (char[]){""}};
    char *rest = NULL;
    size_t count = 2;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    inner->config = config_open();
    if (!config_load_arguments(inner->config, (int)count, arguments, error))
        fail_msg("%s", error);
}

static void open_with(struct inner_server *inner, int workers, struct server_setup setup) {
    char error[SERVER_ERROR_SIZE];
    *inner = (struct inner_server){.directory = "/tmp/kvfence-inner-XXXXXX"};
    assert_non_null(mkdtemp(inner->directory));
    inner->address.port = free_port();
    configure(inner, workers);
    setup.config = inner->config;
    inner->commands = setup.commands = commands_copy(&setup.command_count);
    inner->server = server_open(&setup, error);
    if (inner->server == NULL)
        fail_msg("%s", error);
}

void inner_server_open(struct inner_server *inner, int workers, store_check_function *check,
                       void *check_context) {
    open_with(inner, workers, (struct server_setup){.check = check, .check_context = check_context});
}

void inner_server_open_node(struct inner_server *inner, int workers, const struct node_view *node) {
    open_with(inner, workers, (struct server_setup){.node = node});
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void inner_server_discard(struct inner_server *inner) {
    server_close(inner->server);
    config_close(inner->config);
    free(inner->commands);
    assert_int_equal(nftw(inner->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void occupy(void *argument, bool cancelled) {
    struct occupation *occupation = argument;
    (void)cancelled;
    (void)sem_post(&occupation->begun);
    (void)sem_wait(&occupation->may_end);
}

void inner_server_occupy(struct inner_server *inner, struct occupation *occupation) {
    assert_int_equal(sem_init(&occupation->begun, 0, 0), 0);
    assert_int_equal(sem_init(&occupation->may_end, 0, 0), 0);
    background_run(inner->server->background, occupy, occupation);
    (void)sem_wait(&occupation->begun);
}
