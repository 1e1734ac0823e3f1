// SPDX-License-Identifier: Apache-2.0
//
// The program: reads its options, brings up what the server needs in order (see start()), passes signals on
// while it runs, and takes everything down in reverse. The only file that may use all of the others.
#include "base/log.h"
#include "base/process.h"
#include "commands/node.h"
#include "commands/rename.h"
#include "commands/table.h"
#include "replication/replication.h"
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

// Read by jemalloc when it starts. RocksDB's write buffers and blocks are searched at random, and with pages
// of 2 MiB those searches miss the processor's translation cache less: 5 to 10 % less processor time for a
// SET or GET.
extern const char *malloc_conf;
const char *malloc_conf = "thp:always";

// Files that are open beside clients' connections and the database's tables: listeners, logs, event queues.
enum { FILE_RESERVE = 256, TICK_MS = 100 };

enum { ERROR_SIZE = 1024 };
_Static_assert((int)ERROR_SIZE >= (int)SERVER_ERROR_SIZE && (int)ERROR_SIZE >= (int)CONFIG_ERROR_SIZE &&
                   (int)ERROR_SIZE >= (int)PROCESS_ERROR_SIZE && (int)ERROR_SIZE >= (int)NODE_OPEN_ERROR_SIZE,
               "every module's reason fits");

struct options {
    const char *file; // NULL: defaults only
    char *const *directives;
    int directive_count;
};

// Everything that start() opens and stop() closes. -1 and NULL: not open.
struct program {
    struct config *config;
    struct command *commands;
    char *renamed; // the names that rename-command gave
    struct node *node;
    struct server *server;
    bool replicates;
    char *pidfile; // only once it is written
    bool logs_to_file;
    int directory_lock;
    int daemon_ready;
    int signals;
    int shutdown; // an eventfd: anybody may write to it to end the program
    int timer;
};

static const char usage[] =
    "usage: kvfenced [-c FILE] [--directive value ...]\n"
    "\n"
    "  -c, --config FILE      reads the directives in FILE; - is standard input\n"
    "  --directive value ...  overrides what FILE says, for example --port 6667\n"
    "  -v, --version          prints the version\n"
    "  -h, --help             prints this\n"
    "\n"
    "Signals: TERM and INT shut down (a second one exits at once), HUP opens the log file anew.\n";

static _Noreturn void print_and_exit(const char *text) {
    exit(fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static bool is_option(const char *argument, const char *brief, const char *full) {
    return strcmp(argument, brief) == 0 || strcmp(argument, full) == 0;
}

// Does not return for --help and --version.
static bool read_options(int count, char *const *arguments, struct options *options, char error[ERROR_SIZE]) {
    int at = 1;
    *options = (struct options){0};
    if (at < count && is_option(arguments[at], "-h", "--help"))
        print_and_exit(usage);
    if (at < count && is_option(arguments[at], "-v", "--version"))
        print_and_exit("kvfence " KVFENCE_VERSION "\n");
    if (at < count && is_option(arguments[at], "-c", "--config")) {
        if (at + 1 == count) {
            (void)snprintf(error, ERROR_SIZE, "%s needs a file", arguments[at]);
            return false;
        }
        options->file = arguments[at + 1];
        at += 2;
    }
    if (at < count && strncmp(arguments[at], "--", 2) != 0) {
        (void)snprintf(error, ERROR_SIZE, "'%s' is no option; see kvfenced --help", arguments[at]);
        return false;
    }
    options->directives = arguments + at;
    options->directive_count = count - at;
    return true;
}

static bool load_config(const struct options *options, struct config *config, char error[ERROR_SIZE]) {
    return (options->file == NULL || config_load_file(config, options->file, error)) &&
           config_load_arguments(config, options->directive_count, options->directives, error) &&
           config_validate(config, error);
}

static const char *follow_log_level(void *context, enum config_id id) {
    const struct config *config = context;
    log_set_level((enum log_level)config_choice(config, id));
    return NULL;
}

// An empty log-dir stands for the data directory, "stdout" for standard output.
static bool open_log(struct program *program, const char *directory, char error[ERROR_SIZE]) {
    char *log_directory = config_text_copy(program->config, CONFIG_LOG_DIR);
    const char *path = log_directory[0] == '\0' ? directory : log_directory;
    bool done = true;
    if (strcmp(path, "stdout") != 0) {
        done = directory_create(path, error) && log_open(path, error, ERROR_SIZE);
        program->logs_to_file = done;
    }
    free(log_directory);
    (void)follow_log_level(program->config, CONFIG_LOG_LEVEL);
    config_on_change(program->config, CONFIG_LOG_LEVEL, follow_log_level, program->config);
    return done;
}

// Under a service manager's eyes the process stays where the manager started it.
static bool become_daemon(struct program *program, char error[ERROR_SIZE]) {
    if (!config_yes(program->config, CONFIG_DAEMONIZE) ||
        config_choice(program->config, CONFIG_SUPERVISED) != 0)
        return true;
    return process_daemonize(&program->daemon_ready, error);
}

static void raise_file_limit(const struct config *config) {
    int64_t tables = config_integer(config, CONFIG_ROCKSDB_MAX_OPEN_FILES);
    int64_t clients = config_integer(config, CONFIG_MAXCLIENTS);
    uint64_t wanted = (uint64_t)clients + (uint64_t)(tables > 0 ? tables : 0) + FILE_RESERVE;
    uint64_t allowed = process_raise_file_limit(wanted);
    if (allowed < wanted)
        log_warning(
            "the system allows %llu open files, but maxclients %lld and rocksdb.max_open_files %lld need "
            "%llu: raise the limit (ulimit -n, LimitNOFILE) or lower these",
            (unsigned long long)allowed, (long long)clients, (long long)tables, (unsigned long long)wanted);
}

static void fill_signals(sigset_t *set) {
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

// Before any thread is started, so that all of them leave the signals to the main thread.
static bool open_events(struct program *program, char error[ERROR_SIZE]) {
    const struct itimerspec tick = {.it_interval = {.tv_nsec = TICK_MS * 1000000L},
                                    .it_value = {.tv_nsec = TICK_MS * 1000000L}};
    sigset_t set;
    fill_signals(&set);
    (void)signal(SIGPIPE, SIG_IGN);
    program->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    program->shutdown = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    program->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (program->signals >= 0 && program->shutdown >= 0 && program->timer >= 0 &&
        sigprocmask(SIG_BLOCK, &set, NULL) == 0 && timerfd_settime(program->timer, 0, &tick, NULL) == 0)
        return true;
    (void)snprintf(error, ERROR_SIZE, "cannot wait for signals and time: %s", strerror(errno));
    return false;
}

// Any thread: asks the main thread to end the program. The counter cannot be full, so the write cannot fail.
static void request_shutdown(void *context) {
    const struct program *program = context;
    uint64_t one = 1;
    (void)!write(program->shutdown, &one, sizeof(one));
}

static bool make_commands(struct program *program, size_t *count, char error[ERROR_SIZE]) {
    char *lines = config_text_copy(program->config, CONFIG_RENAME_COMMAND);
    program->commands = commands_copy(count);
    bool right = commands_rename(program->commands, count, bytes_from_text(lines), &program->renamed, error);
    free(lines);
    return right;
}

static bool open_server(struct program *program, char error[ERROR_SIZE]) {
    size_t count = 0;
    if (!make_commands(program, &count, error) || !node_open(program->config, &program->node, error))
        return false;
    const struct node_view node = node_view_of(program->node);
    const struct server_setup setup = {.config = program->config,
                                       .commands = program->commands,
                                       .command_count = count,
                                       .node = &node,
                                       .request_shutdown = request_shutdown,
                                       .request_shutdown_context = program};
    program->server = server_open(&setup, error);
    program->replicates =
        program->server != NULL && replication_start(node_replication(program->node), program->server, error);
    return program->replicates && node_start(program->node, program->server, error);
}

// Only after the database is open: whoever finds it in use by another process leaves that one's pidfile
// alone.
static bool write_pidfile(struct program *program, const char *directory, char error[ERROR_SIZE]) {
    char *path = config_text_copy(program->config, CONFIG_PIDFILE);
    if (path[0] == '\0') {
        struct buffer text = {0};
        buffer_append_format(&text, "%s/kvrocks.pid%c", directory, '\0');
        free(path);
        path = text.data;
    }
    if (!pidfile_write(path, error)) {
        free(path);
        return false;
    }
    program->pidfile = path;
    return true;
}

static void notify(const char *state) {
    char error[PROCESS_ERROR_SIZE];
    if (!process_notify(state, error))
        log_warning("the service manager was not told: %s", error);
}

static void warn_of_no_effect(void *context, const char *name) {
    (void)context;
    log_warning("the directive '%s' is set but has no effect here", name);
}

static void announce(const struct config *config, const char *directory) {
    const char *file = config_path(config);
    log_warning("kvfence " KVFENCE_VERSION ", process %d, port %lld, directory %s, %s%s", (int)getpid(),
                (long long)config_integer(config, CONFIG_PORT), directory,
                file == NULL ? "no configuration file" : "configuration ", file == NULL ? "" : file);
    config_each_without_effect(config, warn_of_no_effect, NULL);
}

// The order of start-up. Nothing is read from the directory before it is this process's own: another one
// could change it, or find its own data changed. On failure the reason is in `error` and stop() takes down
// what was reached.
static bool start(struct program *program, const struct options *options, char error[ERROR_SIZE]) {
    program->config = config_open();
    if (!load_config(options, program->config, error))
        return false;
    char *directory = config_text_copy(program->config, CONFIG_DIR);
    bool done = directory_create(directory, error) && directory_is_trusted(directory, error) &&
                open_log(program, directory, error) && become_daemon(program, error) &&
                directory_lock(directory, &program->directory_lock, error);
    if (done) {
        announce(program->config, directory);
        raise_file_limit(program->config);
        done = open_events(program, error) && open_server(program, error) &&
               write_pidfile(program, directory, error);
    }
    free(directory);
    if (!done)
        return false;
    notify("READY=1");
    if (program->daemon_ready >= 0)
        process_daemon_ready(program->daemon_ready);
    program->daemon_ready = -1;
    return true;
}

// True if the signal asks for the end.
static bool take_signal(int signals) {
    struct signalfd_siginfo signal;
    if (read(signals, &signal, sizeof(signal)) != (ssize_t)sizeof(signal))
        return false;
    if (signal.ssi_signo == SIGHUP) {
        log_info("SIGHUP from process %u: opening the log file anew", signal.ssi_pid);
        log_reopen();
        return false;
    }
    log_warning("signal %u (%s) from process %u: shutting down", signal.ssi_signo,
                strsignal((int)signal.ssi_signo), signal.ssi_pid);
    return true;
}

static void tick(const struct program *program) {
    server_tick(program->server);
    replication_tick(node_replication(program->node));
}

static void serve(const struct program *program) {
    struct pollfd events[] = {{.fd = program->signals, .events = POLLIN},
                              {.fd = program->shutdown, .events = POLLIN},
                              {.fd = program->timer, .events = POLLIN},
                              {.fd = server_lease_timer(program->server), .events = POLLIN}};
    for (;;) {
        uint64_t expirations = 0;
        if (poll(events, sizeof(events) / sizeof(events[0]), -1) < 0 && errno != EINTR) {
            log_error("cannot wait for signals and time, shutting down: %s", strerror(errno));
            return;
        }
        if (events[0].revents != 0 && take_signal(program->signals))
            return;
        if (events[1].revents != 0) {
            log_warning("shutting down as asked by a client");
            return;
        }
        if (events[3].revents != 0)
            server_on_lease_timer(program->server);
        if (read(program->timer, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
            tick(program);
    }
}

static void exit_at_once(int signal) {
    static const char text[] = "kvfenced: second signal: exiting at once\n";
    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(EXIT_FAILURE);
}

// From now on TERM and INT do not wait for anything.
static void let_signals_kill(void) {
    const struct sigaction action = {.sa_handler = exit_at_once};
    sigset_t set;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    fill_signals(&set);
    (void)sigdelset(&set, SIGHUP);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void close_if_open(int file) {
    if (file >= 0)
        (void)close(file);
}

// The reverse of start(), from wherever that got to.
static void stop(struct program *program) {
    if (program->node != NULL)
        node_stop(program->node);
    if (program->replicates)
        replication_stop(node_replication(program->node));
    if (program->server != NULL)
        server_close(program->server);
    node_close(program->node);
    if (program->pidfile != NULL)
        pidfile_remove(program->pidfile);
    free(program->pidfile);
    free(program->commands);
    free(program->renamed);
    close_if_open(program->timer);
    close_if_open(program->shutdown);
    close_if_open(program->signals);
    config_close(program->config);
    close_if_open(program->directory_lock);
    close_if_open(program->daemon_ready);
}

int main(int argc, char **argv) {
    struct program program = {
        .daemon_ready = -1, .directory_lock = -1, .signals = -1, .shutdown = -1, .timer = -1};
    struct options options;
    char error[ERROR_SIZE] = "";
    process_keep_files_private();
    if (!read_options(argc, argv, &options, error)) {
        (void)fprintf(stderr, "kvfenced: %s\n", error);
        return EXIT_FAILURE;
    }
    if (!start(&program, &options, error)) {
        (void)fprintf(stderr, "kvfenced: %s\n", error);
        if (program.logs_to_file)
            log_error("start failed: %s", error);
        stop(&program);
        return EXIT_FAILURE;
    }
    serve(&program);
    let_signals_kill();
    notify("STOPPING=1");
    stop(&program);
    log_warning("shut down");
    return EXIT_SUCCESS;
}
