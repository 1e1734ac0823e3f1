// SPDX-License-Identifier: Apache-2.0
//
// A cluster's node for unit tests. Uses: cmocka, cluster/cluster.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_fixture.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool open_cluster(struct cluster_fixture *fixture, bool is_persistent) {
    const struct cluster_config config = {.directory = fixture->directory,
                                          .addresses = "127.0.0.1",
                                          .port = 7001,
                                          .is_persistent = is_persistent};
    return cluster_open(&config, &fixture->cluster, fixture->error);
}

int cluster_fixture_open(void **state) {
    static struct cluster_fixture fixture;
    log_set_level(LOG_FATAL);
    fixture = (struct cluster_fixture){.directory = "/tmp/kvfence-cluster-XXXXXX"};
    assert_non_null(mkdtemp(fixture.directory));
    (void)snprintf(fixture.path, sizeof(fixture.path), "%s/nodes.conf", fixture.directory);
    if (!open_cluster(&fixture, true))
        fail_msg("%s", fixture.error);
    *state = &fixture;
    return 0;
}

int cluster_fixture_close(void **state) {
    struct cluster_fixture *fixture = *state;
    cluster_close(fixture->cluster);
    (void)unlink(fixture->path);
    return rmdir(fixture->directory);
}

bool cluster_fixture_reopen(struct cluster_fixture *fixture, bool is_persistent) {
    cluster_close(fixture->cluster);
    return open_cluster(fixture, is_persistent);
}

void cluster_fixture_set(struct cluster_fixture *fixture, const char *id, const char *nodes,
                         int64_t version) {
    if (!cluster_set_id(fixture->cluster, bytes_from_text(id), fixture->error) ||
        !cluster_set_nodes(fixture->cluster, bytes_from_text(nodes), version, false, fixture->error))
        fail_msg("%s", fixture->error);
}

int64_t cluster_fixture_version(struct cluster_fixture *fixture) {
    struct cluster_view view = cluster_view_begin(fixture->cluster);
    int64_t version = view.version;
    cluster_view_end(fixture->cluster);
    return version;
}
