// SPDX-License-Identifier: Apache-2.0
//
// Asks the allocator and /proc. Uses: base. jemalloc's functions are weak references: a build with a
// sanitizer does not link it.
#include "server/memory_use.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int mallctl(const char *name, void *old_value, size_t *old_length, void *new_value, size_t new_length)
    __attribute__((weak));
void malloc_stats_print(void (*write)(void *context, const char *text), void *context, const char *options)
    __attribute__((weak));

static bool has_jemalloc(void) {
    return mallctl != NULL && malloc_stats_print != NULL;
}

// --- Numbers ---

static uint64_t jemalloc_number(const char *name) {
    size_t value = 0;
    size_t length = sizeof(value);
    return mallctl(name, &value, &length, NULL, 0) == 0 ? value : 0;
}

static void ask_jemalloc(struct memory_use *use) {
    uint64_t epoch = 1; // its statistics are as of the last change of this number
    (void)mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
    use->allocated = jemalloc_number("stats.allocated");
    use->active = jemalloc_number("stats.active");
    use->mapped = jemalloc_number("stats.resident");
}

static void ask_libc(struct memory_use *use) {
    struct mallinfo2 info = mallinfo2();
    use->allocated = info.uordblks + info.hblkhd;
    use->active = info.arena + info.hblkhd;
    use->mapped = use->active;
}

// If the line is "<name>   1234 kB", puts the size into *bytes.
static void take_kilobytes(const char *line, const char *name, uint64_t *bytes) {
    size_t length = strlen(name);
    if (strncmp(line, name, length) == 0)
        *bytes = strtoull(line + length, NULL, 10) << 10;
}

static void ask_kernel(struct memory_use *use) {
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        return;
    char line[256];
    while (fgets(line, sizeof(line), file) != NULL) {
        take_kilobytes(line, "VmRSS:", &use->resident);
        take_kilobytes(line, "VmHWM:", &use->peak);
    }
    (void)fclose(file);
}

struct memory_use memory_use_now(void) {
    struct memory_use use = {0};
    if (has_jemalloc())
        ask_jemalloc(&use);
    else
        ask_libc(&use);
    ask_kernel(&use);
    if (use.allocated == 0) // another allocator than either: a sanitizer's
        use.allocated = use.active = use.mapped = use.resident;
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    use.system = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    return use;
}

// --- The allocator itself ---

// jemalloc's version goes on with the commit that it was built from.
void memory_use_allocator(struct buffer *out) {
    const char *version = NULL;
    size_t length = sizeof(version);
    if (!has_jemalloc() || mallctl("version", &version, &length, NULL, 0) != 0) {
        buffer_append_text(out, "libc");
        return;
    }
    buffer_append_text(out, "jemalloc-");
    buffer_append(out, (struct bytes){.data = version, .length = strcspn(version, "-")});
}

static void append_report(void *context, const char *text) {
    buffer_append_text(context, text);
}

void memory_use_report(struct buffer *out) {
    if (has_jemalloc()) {
        malloc_stats_print(append_report, out, NULL);
        return;
    }
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    if (file == NULL)
        return;
    bool written = malloc_info(0, file) == 0;
    if (fclose(file) == 0 && written)
        buffer_append(out, (struct bytes){.data = text, .length = length});
    free(text);
}

void memory_use_purge(void) {
    enum { ALL_ARENAS = 4096 }; // jemalloc's MALLCTL_ARENAS_ALL
    char name[64];
    (void)snprintf(name, sizeof(name), "arena.%d.purge", ALL_ARENAS);
    if (has_jemalloc())
        (void)mallctl(name, NULL, NULL, NULL, 0);
    else
        (void)malloc_trim(0);
}
