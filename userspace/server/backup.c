// SPDX-License-Identifier: Apache-2.0
//
// Makes a backup beside the old one, then swaps them. Uses: base, store/store,
// server/{background,config,server}. RocksDB's own destroy function is used to delete a backup, because it
// takes only RocksDB's files: a wrong backup-dir must not cost an operator other files.
#include "server/backup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/background.h"
#include "server/server.h"

#include <errno.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct backup_job {
    struct server *server;
    backup_done_function *done;
    void *context;
};

// backup-dir, or `backup` in the server's directory if it is not set; with `suffix` behind. The caller frees
// it.
static char *backup_path(const struct server *server, const char *suffix) {
    struct buffer path = {0};
    config_text(server->config, CONFIG_BACKUP_DIR, &path);
    if (path.length == 0) {
        config_text(server->config, CONFIG_DIR, &path);
        buffer_append_text(&path, "/backup");
    }
    buffer_append(&path, (struct bytes){.data = suffix, .length = strlen(suffix) + 1});
    return path.data;
}

static bool directory_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// True if there is nothing at the path afterwards.
static bool delete_database(const char *path) {
    if (!directory_exists(path))
        return true;
    char *error = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_destroy_db(options, path, &error);
    rocksdb_options_destroy(options);
    if (error != NULL)
        log_error("the backup in %s could not be deleted: %s", path, error);
    else if (directory_exists(path))
        log_error("the backup in %s could not be deleted: there is more in the directory than a backup",
                  path);
    free(error);
    return !directory_exists(path);
}

static bool rename_logged(const char *from, const char *to) {
    if (rename(from, to) == 0)
        return true;
    log_error("%s could not be renamed to %s: %s", from, to, strerror(errno));
    return false;
}

static bool make_copy(const struct server *server, const char *path) {
    if (!delete_database(path))
        return false;
    char *error = store_checkpoint(server->store, path);
    if (error == NULL)
        return true;
    log_error("the backup could not be made in %s: %s", path, error);
    free(error);
    return false;
}

// At every moment there is a whole backup under one of the names.
static bool make_backup(const struct server *server) {
    char *path = backup_path(server, "");
    char *fresh = backup_path(server, ".tmp");
    char *old = backup_path(server, ".old");
    bool made = make_copy(server, fresh) && delete_database(old) &&
                (!directory_exists(path) || rename_logged(path, old)) && rename_logged(fresh, path);
    if (made) {
        log_info("a backup was made in %s", path);
        (void)delete_database(old); // what remains of it stands in the way of the next one only
    }
    free(path);
    free(fresh);
    free(old);
    return made;
}

static void finish(struct backup_job *job, bool succeeded) {
    atomic_store(&job->server->bgsave_in_progress, false);
    if (job->done != NULL)
        job->done(job->context, succeeded);
    free(job);
}

static void run_backup(void *argument, bool cancelled) {
    struct backup_job *job = argument;
    struct server *server = job->server;
    if (cancelled) {
        finish(job, false);
        return;
    }
    wall_ms_t started = clock_wall_ms();
    uint64_t started_us = clock_duration_us();
    bool made = make_backup(server);
    atomic_store(&server->bgsave_ok, made);
    atomic_store(&server->bgsave_time_ms, started);
    atomic_store(&server->bgsave_duration_s, (int64_t)((clock_duration_us() - started_us) / 1000000));
    finish(job, made);
}

static void run_purge(void *argument, bool cancelled) {
    struct backup_job *job = argument;
    char *path = backup_path(job->server, "");
    bool deleted = !cancelled && delete_database(path);
    free(path);
    finish(job, deleted);
}

static bool start(struct server *server, background_function *function, backup_done_function *done,
                  void *context) {
    if (atomic_exchange(&server->bgsave_in_progress, true))
        return false;
    struct backup_job *job = memory_allocate(sizeof(*job));
    *job = (struct backup_job){.server = server, .done = done, .context = context};
    background_run(server->background, function, job);
    return true;
}

bool backup_start(struct server *server, backup_done_function *done, void *context) {
    return start(server, run_backup, done, context);
}

bool backup_start_purge(struct server *server) {
    return start(server, run_purge, NULL, NULL);
}
