// SPDX-License-Identifier: Apache-2.0
//
// The kernel draws a random name at each boot, of which this takes a hash. Uses: base/bytes.
#include "base/boot_number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char path[] = "/proc/sys/kernel/random/boot_id";

// FNV-1a, whose upper bits depend on all of the text.
uint64_t boot_number_of(struct bytes id) {
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < id.length; i++)
        sum = (sum ^ (unsigned char)id.data[i]) * UINT64_C(0x100000001b3);
    return sum >> (64 - BOOT_NUMBER_BITS);
}

bool boot_number(uint64_t *number, char *error, size_t error_size) {
    char id[64];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, id, sizeof(id));
    int reason = errno;
    if (file >= 0)
        (void)close(file);
    if (length <= 0) {
        (void)snprintf(error, error_size, "%s: %s", path, length == 0 ? "it is empty" : strerror(reason));
        return false;
    }
    *number = boot_number_of((struct bytes){.data = id, .length = (size_t)length});
    return true;
}
