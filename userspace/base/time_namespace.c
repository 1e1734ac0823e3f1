// SPDX-License-Identifier: Apache-2.0
//
// Reads what the kernel says of the time namespace. Uses: nothing else of the project.
#include "base/time_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char offsets_path[] = "/proc/self/timens_offsets";

// Lines such as "boottime         86400         0": seconds and nanoseconds.
bool time_namespace_parse(const char *text, int64_t *offset_ns) {
    static const char name[] = "boottime";
    const char *line = strncmp(text, name, strlen(name)) == 0 ? text : strstr(text, "\nboottime");
    if (line == NULL)
        return false;
    const char *from = line + strlen(name) + (line != text);
    char *end = NULL;
    errno = 0;
    long long seconds = strtoll(from, &end, 10);
    if (end == from || errno != 0 || seconds > INT32_MAX * 4LL || seconds < INT32_MIN * 4LL)
        return false;
    from = end;
    long long nanoseconds = strtoll(from, &end, 10);
    if (end == from || (*end != '\n' && *end != '\0') || nanoseconds < 0 || nanoseconds >= 1000000000)
        return false;
    *offset_ns = seconds * 1000000000 + nanoseconds;
    return true;
}

// The offsets are those of the namespace for children, which need not be this process's own.
static bool is_own(void) {
    char own[64] = "";
    char children[64] = "";
    return readlink("/proc/self/ns/time", own, sizeof(own) - 1) > 0 &&
           readlink("/proc/self/ns/time_for_children", children, sizeof(children) - 1) > 0 &&
           strcmp(own, children) == 0;
}

bool time_namespace_boot_offset(int64_t *offset_ns, char *error, size_t error_size) {
    char text[256];
    int fd = open(offsets_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *offset_ns = 0;
        return true;
    }
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (length < 0)
        (void)snprintf(error, error_size, "%s: %s", offsets_path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    if (length < 0)
        return false;
    text[length] = '\0';
    if (is_own() && time_namespace_parse(text, offset_ns))
        return true;
    (void)snprintf(error, error_size, "%s does not tell the clocks of this process", offsets_path);
    return false;
}
