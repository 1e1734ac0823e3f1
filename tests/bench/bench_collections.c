// SPDX-License-Identifier: Apache-2.0
//
// How long commands on hashes, lists, sets and sorted sets take, by the size of the collection: 100 to a
// million elements (BENCH_SIZE_MAX), and whether that is what Redis publishes for them: from the smallest to
// the biggest collection a command may become dearer by what its complexity says, times a tolerance for
// deeper trees and colder caches. Fails if one does not keep to it. The commands go in small pipelines
// from one client, so that a row tells the server's work and not the network's. Starts the server that
// KVFENCED names, build/kvfenced by default. Uses: hiredis.
#include <hiredis/hiredis.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SIZES = 5,
    FIRST_SIZE = 100,
    PIPELINE = 20,
    AT_ONCE = 100,
    SPAN = 100,
    ROUNDS = 200,
    REPEATS = 3,
    TOLERANCE = 8,
    LONGEST_US = 500000
};

// How the time of a command may grow with the size of its collection.
enum growth {
    STAYS,    // O(1), beside what the command itself asks for
    LOGARITHM // O(log(N)), likewise
};

// Moving and popping come last: what they leave behind until it is compacted slows walks that pass it.
// Formats are handed a size, a number below it and that number plus SPAN - 1. What changes the size is
// undone.
static const struct row {
    const char *title, *command, *undo, *published;
    enum growth growth;
} rows[] = {
    {"HGET", "HGET hash:%lld %lld", NULL, "O(1)", STAYS},
    {"HSET", "HSET hash:%lld %lld value", NULL, "O(1)", STAYS},
    {"LPUSH, LPOP", "LPUSH list:%lld %lld", "LPOP list:%lld", "O(1)", STAYS},
    {"LINDEX", "LINDEX list:%lld %lld", NULL, "O(N), at the ends O(1)", STAYS},
    {"LRANGE of 100", "LRANGE list:%lld %lld %lld", NULL, "O(S+M)", STAYS},
    {"SADD, SREM", "SADD set:%lld new:%lld", "SREM set:%lld new:%lld", "O(1)", STAYS},
    {"SISMEMBER", "SISMEMBER set:%lld %lld", NULL, "O(1)", STAYS},
    {"ZSCORE", "ZSCORE zset:%lld %lld", NULL, "O(1)", STAYS},
    {"ZRANGE of the first 100", "ZRANGE zset:%lld 0 99", NULL, "O(log(N)+M)", LOGARITHM},
    {"ZRANGE of 100 anywhere", "ZRANGE zset:%lld %lld %lld", NULL, "O(log(N)+M)", LOGARITHM},
    {"ZREVRANGE of 100", "ZREVRANGE zset:%lld %lld %lld", NULL, "O(log(N)+M)", LOGARITHM},
    {"ZRANGEBYSCORE of 100", "ZRANGEBYSCORE zset:%lld %lld %lld", NULL, "O(log(N)+M)", LOGARITHM},
    {"ZRANK", "ZRANK zset:%lld %lld", NULL, "O(log(N))", LOGARITHM},
    {"ZREVRANK", "ZREVRANK zset:%lld %lld", NULL, "O(log(N))", LOGARITHM},
    {"ZCOUNT", "ZCOUNT zset:%lld %lld +inf", NULL, "O(log(N))", LOGARITHM},
    {"ZRANGEBYSCORE, LIMIT", "ZRANGEBYSCORE zset:%lld -inf +inf LIMIT %lld 1", NULL, "O(log(N)+M)",
     LOGARITHM},
    {"ZADD", "ZADD zset:%lld %lld member", NULL, "O(log(N))", LOGARITHM},
    {"ZADD, ZRANK", "ZADD zset:%lld %lld member", "ZRANK zset:%lld member", "O(log(N))", LOGARITHM},
    {"ZPOPMIN, ZADD", "ZPOPMIN zset:%lld", "ZADD zset:%lld 0 0", "O(log(N))", LOGARITHM},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const char *const types[] = {"hash", "list", "set", "zset"};
enum { TYPES = sizeof(types) / sizeof(types[0]), CURVES = ROWS + TYPES + 1 };

_Noreturn static void give_up(const char *what, const char *why) {
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

// --- The server ---

static pid_t server;
static char directory[] = "/tmp/kvfence-bench-XXXXXX";

static void stop_server(void) {
    char command[64];
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        (void)fprintf(stderr, "%s could not be removed\n", directory);
}

// The time that one thread of the server has run, if it is a worker.
static double worker_us(const char *thread) {
    char path[320];
    char text[64] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)server, thread);
    FILE *file = fopen(path, "re");
    bool is_worker = file != NULL && fgets(text, sizeof(text), file) != NULL &&
                     strncmp(text, "worker-", strlen("worker-")) == 0;
    if (file != NULL)
        (void)fclose(file);
    if (!is_worker)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)server, thread);
    file = fopen(path, "re");
    if (file == NULL || fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    if (file != NULL)
        (void)fclose(file);
    return strtod(text, NULL) / 1e3;
}

// Processor time of all workers, in microseconds.
static double spent_us(void) {
    char path[64];
    double sum = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)server);
    DIR *threads = opendir(path);
    if (threads == NULL)
        give_up(path, "cannot be read");
    for (const struct dirent *entry = NULL; (entry = readdir(threads)) != NULL;) {
        if (entry->d_name[0] != '.')
            sum += worker_us(entry->d_name);
    }
    (void)closedir(threads);
    return sum;
}

static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        give_up("port", "none is free");
    (void)close(fd);
    return ntohs(address.sin_port);
}

static redisContext *start_server(void) {
    const char *given = getenv("KVFENCED");
    const char *program = given != NULL ? given : "build/kvfenced";
    char port[16];
    char log[64];
    if (mkdtemp(directory) == NULL)
        give_up(directory, "cannot be made");
    (void)snprintf(port, sizeof(port), "%d", free_port());
    (void)snprintf(log, sizeof(log), "%s/log", directory);
    server = fork();
    if (server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (freopen(log, "w", stdout) != NULL)
            (void)execl(program, program, "-c", "/dev/null", "--port", port, "--bind", "127.0.0.1", "--dir",
                        directory, "--log-dir", "stdout", (char *)NULL);
        _exit(127);
    }
    (void)atexit(stop_server);
    for (int i = 0; i < 400; i++) {
        redisContext *client = redisConnect("127.0.0.1", atoi(port));
        if (client != NULL && client->err == 0)
            return client;
        redisFree(client);
        (void)usleep(25000);
    }
    give_up(program, "does not answer");
}

// --- Commands ---

static void take_replies(redisContext *client, int count) {
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(client, (void **)&reply) != REDIS_OK)
            give_up("connection", client->errstr);
        if (reply->type == REDIS_REPLY_ERROR)
            give_up("reply", reply->str);
        freeReplyObject(reply);
    }
}

// One command that adds the elements from `first` on, AT_ONCE of them.
static void append_fill(redisContext *client, size_t type, long long size, long long first) {
    static const char *const commands[TYPES] = {"HSET", "RPUSH", "SADD", "ZADD"};
    char words[2 + 2 * AT_ONCE][24];
    const char *arguments[2 + 2 * AT_ONCE];
    int count = 0;
    (void)snprintf(words[count++], sizeof(words[0]), "%s", commands[type]);
    (void)snprintf(words[count++], sizeof(words[0]), "%s:%lld", types[type], size);
    for (long long i = first; i < first + AT_ONCE; i++) {
        (void)snprintf(words[count++], sizeof(words[0]), "%lld", i);
        if (type == 0 || type == TYPES - 1) // a field's value, or the member of a score
            (void)snprintf(words[count++], sizeof(words[0]), "%lld", i);
    }
    for (int i = 0; i < count; i++)
        arguments[i] = words[i];
    (void)redisAppendCommandArgv(client, count, arguments, NULL);
}

static void fill(redisContext *client, long long size) {
    for (size_t type = 0; type < TYPES; type++) {
        int waiting = 0;
        for (long long first = 0; first < size; first += AT_ONCE) {
            append_fill(client, type, size, first);
            if (++waiting == PIPELINE) {
                take_replies(client, waiting);
                waiting = 0;
            }
        }
        take_replies(client, waiting);
    }
}

// What INFO says of flushes and compactions that go on or are waited for.
static long background_work(redisContext *client) {
    static const char *const fields[] = {"\nnum_running_flushes", "\nmemtable_flush_pending",
                                         "\ncompaction_pending", "\nnum_running_compactions"};
    long sum = 0;
    redisReply *reply = redisCommand(client, "INFO rocksdb");
    if (reply == NULL || reply->str == NULL)
        give_up("INFO", client->errstr);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (const char *at = reply->str; (at = strstr(at, fields[i])) != NULL; at++) {
            const char *value = strchr(at, ':');
            sum += value == NULL ? 0 : strtol(value + 1, NULL, 10);
        }
    }
    freeReplyObject(reply);
    return sum;
}

// What filling has left to be done would be measured too.
static void await_quiet(redisContext *client) {
    enum { STEP_US = 50000, SECONDS_MAX = 60 };
    for (int waited = 0; background_work(client) != 0 && waited < SECONDS_MAX * 1000000; waited += STEP_US)
        (void)usleep(STEP_US);
}

static int append_row(redisContext *client, const struct row *row, long long size, unsigned *seed) {
    long long span = strstr(row->title, "100") != NULL ? SPAN : 1;
    long long at = (long long)rand_r(seed) % (size - span + 1);
    (void)redisAppendCommand(client, row->command, size, at, at + SPAN - 1);
    if (row->undo == NULL)
        return 1;
    (void)redisAppendCommand(client, row->undo, size, at);
    return 2;
}

// Microseconds a command. A run is over when it has made enough commands, or has taken long enough.
static double measure_once(redisContext *client, const struct row *row, long long size) {
    unsigned seed = 1;
    int commands = 0;
    double begun = spent_us();
    for (int round = 0; round < ROUNDS && spent_us() - begun < LONGEST_US; round++) {
        int count = 0;
        for (int i = 0; i < PIPELINE; i++)
            count += append_row(client, row, size, &seed);
        take_replies(client, count);
        commands += count;
    }
    return (spent_us() - begun) / commands;
}

// The least of some runs, as whatever else goes on can only add to it, unless one alone takes very long. The
// first one brings what was compacted back into the cache.
static double measure(redisContext *client, const struct row *row, long long size) {
    double least = measure_once(client, row, size);
    for (int i = 1; i < REPEATS && least * PIPELINE < LONGEST_US; i++) {
        double time = measure_once(client, row, size);
        least = time < least ? time : least;
    }
    return least;
}

static double measure_delete(redisContext *client, const char *type, long long size) {
    double begun = spent_us();
    (void)redisAppendCommand(client, "DEL %s:%lld", type, size);
    take_replies(client, 1);
    return spent_us() - begun;
}

// A queue that is emptied: each pop comes to where all before it have left nothing. Microseconds for each.
static double measure_draining(redisContext *client, long long size) {
    (void)redisAppendCommand(client, "COPY zset:%lld queue:%lld", size, size);
    take_replies(client, 1);
    double begun = spent_us();
    for (long long taken = 0; taken < size; taken += PIPELINE) {
        for (int i = 0; i < PIPELINE; i++)
            (void)redisAppendCommand(client, "ZPOPMIN queue:%lld", size);
        take_replies(client, PIPELINE);
    }
    return (spent_us() - begun) / (double)size;
}

// --- The curves ---

struct curve {
    const char *title, *published;
    enum growth growth;
    double times[SIZES];
};

// What the time may be multiplied by between these sizes.
static double allowed(enum growth growth, double smallest, double biggest) {
    return growth == LOGARITHM ? TOLERANCE * log(biggest) / log(smallest) : TOLERANCE;
}

// False: the curve is not what is published.
static bool print_curve(const struct curve *curve, int count) {
    double growth = curve->times[count - 1] / curve->times[0];
    double most = allowed(curve->growth, FIRST_SIZE, FIRST_SIZE * pow(10, count - 1));
    bool holds = growth <= most;
    (void)printf("%-24s", curve->title);
    for (int i = 0; i < count; i++)
        (void)printf(" %9.1f", curve->times[i]);
    (void)printf("  x%-7.1f  %-23s", growth, curve->published);
    (void)printf("%s: at most x%.0f\n", holds ? "holds" : "DOES NOT HOLD", most);
    return holds;
}

static void measure_size(redisContext *client, long long size, struct curve *curves, int column) {
    fill(client, size);
    await_quiet(client);
    for (size_t i = 0; i < ROWS; i++)
        curves[i].times[column] = measure(client, &rows[i], size);
    curves[CURVES - 1].times[column] = measure_draining(client, size);
    for (size_t i = 0; i < TYPES; i++)
        curves[ROWS + i].times[column] = measure_delete(client, types[i], size);
}

static void name_curves(struct curve *curves) {
    static const char *const deletions[TYPES] = {"DEL of a hash", "DEL of a list", "DEL of a set",
                                                 "DEL of a zset"};
    for (size_t i = 0; i < ROWS; i++)
        curves[i] = (struct curve){rows[i].title, rows[i].published, rows[i].growth, {0}};
    for (size_t i = 0; i < TYPES; i++)
        curves[ROWS + i] = (struct curve){deletions[i], "O(N), UNLINK O(1)", STAYS, {0}};
    curves[CURVES - 1] = (struct curve){"ZPOPMIN until empty", "O(log(N))", LOGARITHM, {0}};
}

int main(void) {
    static struct curve curves[CURVES];
    const char *given = getenv("BENCH_SIZE_MAX");
    long long most = given != NULL ? strtoll(given, NULL, 10) : 1000000;
    redisContext *client = start_server();
    int count = 0;
    bool all_hold = true;
    name_curves(curves);
    (void)printf("%-24s", "microseconds a command");
    for (long long size = FIRST_SIZE; count < SIZES && size <= most; size *= 10, count++) {
        (void)printf(" %9lld", size);
        measure_size(client, size, curves, count);
    }
    (void)printf("   growth   published by Redis\n");
    for (size_t i = 0; i < CURVES && count != 0; i++)
        all_hold &= print_curve(&curves[i], count);
    redisFree(client);
    return all_hold ? 0 : 1;
}
