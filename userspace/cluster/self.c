// SPDX-License-Identifier: Apache-2.0
//
// Comparing addresses with those at which this server listens. Uses: base/bytes, cluster/topology.
#include "cluster/self.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { ADDRESS_SIZE = 256 };

static bool stands_for_all(const char *address) {
    return strcmp(address, "*") == 0 || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

// The address as text, the same for every way of writing it; false if it is a name.
static bool normal_form(const char *address, char out[INET6_ADDRSTRLEN]) {
    unsigned char raw[sizeof(struct in6_addr)];
    int family = strchr(address, ':') == NULL ? AF_INET : AF_INET6;
    return inet_pton(family, address, raw) == 1 && inet_ntop(family, raw, out, INET6_ADDRSTRLEN) != NULL;
}

static bool same_address(const char *one, const char *other) {
    char normal_one[INET6_ADDRSTRLEN];
    char normal_other[INET6_ADDRSTRLEN];
    if (!normal_form(one, normal_one) || !normal_form(other, normal_other))
        return strcasecmp(one, other) == 0;
    return strcmp(normal_one, normal_other) == 0;
}

static bool interface_has(const struct ifaddrs *interface, const char *host) {
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr *address = interface->ifa_addr;
    if (address == NULL)
        return false;
    const void *raw = NULL;
    if (address->sa_family == AF_INET)
        raw = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address->sa_family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return raw != NULL && inet_ntop(address->sa_family, raw, text, sizeof(text)) != NULL &&
           same_address(text, host);
}

static bool any_interface_has(const char *host) {
    struct ifaddrs *interfaces = NULL;
    bool found = false;
    if (getifaddrs(&interfaces) != 0)
        return false;
    for (const struct ifaddrs *at = interfaces; at != NULL && !found; at = at->ifa_next)
        found = interface_has(at, host);
    freeifaddrs(interfaces);
    return found;
}

// Takes the next address off the list. False at its end, or if it is longer than any address.
static bool next_address(const char **list, char out[ADDRESS_SIZE]) {
    const char *start = *list + strspn(*list, " \t");
    size_t length = strcspn(start, " \t");
    *list = start + length;
    if (length == 0 || length >= ADDRESS_SIZE)
        return false;
    memcpy(out, start, length);
    out[length] = '\0';
    return true;
}

static bool is_own(const char *addresses, const char *host) {
    char address[ADDRESS_SIZE];
    while (next_address(&addresses, address)) {
        if (stands_for_all(address) ? any_interface_has(host) : same_address(address, host))
            return true;
    }
    return false;
}

bool cluster_is_own_address(const char *addresses, const char *host) {
    if (strcasecmp(host, "localhost") == 0)
        return is_own(addresses, "127.0.0.1") || is_own(addresses, "::1") || is_own(addresses, host);
    return is_own(addresses, host);
}

size_t cluster_find_self(const struct topology *topology, const char *addresses, uint16_t port) {
    for (size_t i = 0; i < topology->count; i++) {
        if (topology->nodes[i].port == port && cluster_is_own_address(addresses, topology->nodes[i].host))
            return i;
    }
    return TOPOLOGY_NOBODY;
}
