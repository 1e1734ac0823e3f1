// SPDX-License-Identifier: Apache-2.0
//
// Runs a command and tells how long a pinned BPF program ran meanwhile, as the kernel itself has measured it:
// what a program costs the traffic that really passes it, which throughput only shows through much noise.
//
//   program_time PINNED_PROGRAM FILE COMMAND [ARGUMENT...]
//
// Writes "runs N nanoseconds N" to FILE. They include the reading of the clock that measures.
// Ends with the status of the command. Uses: libbpf.
#include <bpf/bpf.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(bool done, const char *what) {
    if (done)
        return;
    perror(what);
    exit(1);
}

static struct bpf_prog_info look(int program) {
    struct bpf_prog_info info = {0};
    __u32 size = sizeof(info);
    must(bpf_obj_get_info_by_fd(program, &info, &size) == 0, "the program's counters");
    return info;
}

static int run(char *const command[]) {
    int status = 0;
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        (void)execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    must(waitpid(child, &status, 0) == child, "the command");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void write_down(const char *path, uint64_t runs, uint64_t nanoseconds) {
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    bool written = fprintf(file, "runs %" PRIu64 " nanoseconds %" PRIu64 "\n", runs, nanoseconds) > 0;
    must(fclose(file) == 0 && written, path);
}

int main(int count, char *arguments[]) {
    if (count < 4) {
        (void)fprintf(stderr, "usage: program_time PINNED_PROGRAM FILE COMMAND [ARGUMENT...]\n");
        return 2;
    }
    int program = bpf_obj_get(arguments[1]);
    must(program >= 0, arguments[1]);
    // The kernel measures for as long as this is open.
    int measuring = bpf_enable_stats(BPF_STATS_RUN_TIME);
    must(measuring >= 0, "the kernel's statistics of BPF programs");
    struct bpf_prog_info before = look(program);
    int status = run(arguments + 3);
    struct bpf_prog_info after = look(program);
    must(close(measuring) == 0 && close(program) == 0, "close");
    write_down(arguments[2], after.run_cnt - before.run_cnt, after.run_time_ns - before.run_time_ns);
    return status;
}
