// SPDX-License-Identifier: Apache-2.0
//
// Arrival times from timestamps and known-empty moments. Uses: base/{assert,clock}, server/wall_steps.
#include "server/arrival.h"

#include "base/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

bool arrival_enable(int listening_fd) {
    int one = 1;
    return setsockopt(listening_fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) == 0;
}

void arrival_begin(struct arrival *arrival, boot_ns_t known_empty) {
    *arrival =
        (struct arrival){.empty_at = known_empty, .newest_after = known_empty, .older_after = known_empty};
}

void arrival_note(struct arrival *arrival, const struct arrival_reading *reading) {
    always_assert(reading->before.value >= arrival->empty_at.value, "boot time does not go back");
    // Bytes from before the previous reading may be among those held: then the older moment stays.
    if (reading->held <= arrival->newest_count)
        arrival->older_after = arrival->newest_after;
    arrival->newest_after = arrival->empty_at;
    arrival->newest_count = reading->count;
    arrival->stamp_ns = reading->stamp_ns;
    arrival->drained = reading->drained;
    if (reading->drained)
        arrival->empty_at = reading->before;
}

static int64_t stamp_of(struct msghdr *message) {
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS)
        return 0;
    struct timespec stamp;
    memcpy(&stamp, CMSG_DATA(header), sizeof(stamp));
    return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
}

ssize_t arrival_receive(struct arrival *arrival, int fd, void *to, size_t room, size_t held) {
    union {
        struct cmsghdr aligned;
        char room[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec part = {.iov_base = to, .iov_len = room};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    boot_ns_t before = clock_boot();
    ssize_t count = recvmsg(fd, &message, 0);
    if (count > 0)
        arrival_note(arrival, &(struct arrival_reading){.before = before,
                                                        .held = held,
                                                        .count = (size_t)count,
                                                        .stamp_ns = stamp_of(&message),
                                                        .drained = (size_t)count < room});
    else if (count < 0 && errno == EAGAIN)
        arrival->empty_at = before;
    return count;
}

void arrival_look(struct arrival *arrival, int fd) {
    int unread = 0;
    boot_ns_t before = clock_boot();
    if (ioctl(fd, FIONREAD, &unread) == 0 && unread == 0)
        arrival->empty_at = before;
}

// The stamp in boot time, if it is the command's own and the wall clock can be trusted since then.
static bool own_stamp(const struct arrival *arrival, const struct wall_reading *now, boot_ns_t *out) {
    if (arrival->stamp_ns == 0 || !arrival->drained || arrival->stamp_ns > now->wall_ns ||
        now->steady_since.value > arrival->newest_after.value)
        return false;
    uint64_t age = (uint64_t)(now->wall_ns - arrival->stamp_ns);
    if (age >= now->boot.value)
        return false;
    *out = (boot_ns_t){now->boot.value - age};
    return true;
}

boot_ns_t arrival_of_command(const struct arrival *arrival, size_t following,
                             const struct wall_reading *now) {
    boot_ns_t arrived;
    if (following == 0 && own_stamp(arrival, now, &arrived))
        return arrived;
    return following < arrival->newest_count ? arrival->newest_after : arrival->older_after;
}
