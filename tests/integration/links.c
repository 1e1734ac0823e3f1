// SPDX-License-Identifier: Apache-2.0
//
// The links, and traffic from the other side. Uses: libbpf, the fence's rig, the network.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "links.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(bool done, const char *what) {
    if (!done)
        fail_msg("cannot %s: %s", what, strerror(errno));
}

int links_enter(void **state) {
    if (fence_rig_enter(state) != 0 || !network_make_places())
        return -1;
    fence_load_unattached();
    return 0;
}

// --- Links ---

static void join(int number) {
    network_run(AT_NODE, "ip link add node%d type veth peer name client%d netns %s", number, number,
                network_namespace(AT_CLIENTS));
    network_run(AT_NODE, "ip address add 10.99.%d.1/24 dev node%d && ip link set node%d up", number, number,
                number);
    network_run(AT_CLIENTS, "ip address add 10.99.%d.2/24 dev client%d && ip link set client%d up", number,
                number, number);
}

void links_build(void) {
    network_run(AT_NODE, "for i in 0 1; do ip link del node$i 2>/dev/null; done; ip link set lo up");
    network_run(AT_CLIENTS, "ip link del far0 2>/dev/null; echo 0 >/proc/sys/net/ipv4/ip_no_pmtu_disc");
    fence_detach("lo");
    join(0);
    join(1);
    network_run(AT_NODE, "ip address add fd99::1/64 dev node0 nodad");
    network_run(AT_CLIENTS, "ip address add fd99::2/64 dev client0 nodad");
}

void links_build_narrow_way(void) {
    network_run(AT_NODE, "ip link del node0 && ip link add node0 type veth peer name narrow");
    network_run(AT_NODE, "ip link set narrow netns %s", network_namespace(AT_ROUTER));
    network_run(AT_NODE, "ip address add 10.99.0.1/24 dev node0 && ip link set node0 up && "
                         "ip route add 10.98.0.0/24 via 10.99.0.3");
    network_run(AT_CLIENTS, "ip link add far0 type veth peer name wide");
    network_run(AT_CLIENTS, "ip link set wide netns %s", network_namespace(AT_ROUTER));
    network_run(AT_CLIENTS, "ip address add 10.98.0.2/24 dev far0 && ip link set far0 up && "
                            "ip route add 10.99.0.0/24 via 10.98.0.3");
    network_run(AT_CLIENTS, "echo 1 >/proc/sys/net/ipv4/ip_no_pmtu_disc"); // so routers may cut packets
    network_run(AT_ROUTER,
                "ip address add 10.99.0.3/24 dev narrow && ip address add 10.98.0.3/24 dev wide && "
                "ip link set narrow mtu 600 up && ip link set wide up && "
                "echo 1 >/proc/sys/net/ipv4/ip_forward");
}

static void ask_link(const char *interface, struct ethtool_value *value) {
    struct ifreq request = {0};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    request.ifr_data = (char *)value;
    must(descriptor >= 0 && ioctl(descriptor, SIOCETHTOOL, &request) == 0, "switch a link's feature");
    assert_int_equal(close(descriptor), 0);
}

void link_switch(int place, const char *interface, enum link_feature feature, bool on) {
    struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS, .data = on};
    network_go(place);
    if (feature == LINK_TAGS_BESIDE_PACKETS) {
        ask_link(interface, &value);
        value.cmd = ETHTOOL_SFLAGS;
        value.data = on ? value.data | ETH_FLAG_TXVLAN : value.data & ~(__u32)ETH_FLAG_TXVLAN;
    } else {
        value.cmd = feature == LINK_RECEIVE_MERGING ? ETHTOOL_SGRO : ETHTOOL_STSO;
    }
    ask_link(interface, &value);
    network_go(AT_NODE);
}

// --- Tags, by programs of their own: not every kernel has devices for VLANs ---

static void attach_program(int place, const char *interface, enum bpf_tc_attach_point point,
                           const struct bpf_insn *program, size_t length) {
    network_go(place);
    int descriptor = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tags", "GPL", program, length, NULL);
    must(descriptor >= 0, "load a program for tags");
    struct bpf_tc_hook hook = {
        .sz = sizeof(hook), .ifindex = (int)if_nametoindex(interface), .attach_point = point};
    struct bpf_tc_opts options = {.sz = sizeof(options), .prog_fd = descriptor, .priority = 2};
    libbpf_print_fn_t printer = libbpf_set_print(NULL);
    int created = bpf_tc_hook_create(&hook);
    (void)libbpf_set_print(printer);
    must(created == 0 || created == -EEXIST, "add a queueing discipline");
    must(bpf_tc_attach(&hook, &options) == 0, "attach a program for tags");
    assert_int_equal(close(descriptor), 0);
    network_go(AT_NODE);
}

#define KEEP_CONTEXT                                                                                         \
    { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 }
#define GIVE_CONTEXT                                                                                         \
    { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6 }
#define LOAD(register, value)                                                                                \
    { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (register), .imm = (value) }
#define CALL(function)                                                                                       \
    { .code = BPF_JMP | BPF_CALL, .imm = (function) }
#define LEAVE                                                                                                \
    { .code = BPF_JMP | BPF_EXIT }

void links_tag(uint16_t outer_protocol, uint16_t inner_protocol) {
    const struct bpf_insn push[] = {
        KEEP_CONTEXT,
        LOAD(BPF_REG_2, __builtin_bswap16(inner_protocol)),
        LOAD(BPF_REG_3, 7),
        CALL(BPF_FUNC_skb_vlan_push),
        GIVE_CONTEXT,
        // With one tag the program begins here.
        LOAD(BPF_REG_2, __builtin_bswap16(outer_protocol)),
        LOAD(BPF_REG_3, 8),
        CALL(BPF_FUNC_skb_vlan_push),
        LOAD(BPF_REG_0, -1),
        LEAVE,
    };
    const struct bpf_insn pop_two[] = {
        KEEP_CONTEXT,        CALL(BPF_FUNC_skb_vlan_pop),
        GIVE_CONTEXT,        CALL(BPF_FUNC_skb_vlan_pop),
        LOAD(BPF_REG_0, -1), LEAVE,
    };
    size_t begin = inner_protocol == 0 ? 5 : 0;
    attach_program(AT_CLIENTS, "client0", BPF_TC_EGRESS, push + begin,
                   sizeof(push) / sizeof(push[0]) - begin);
    attach_program(AT_NODE, "node0", BPF_TC_INGRESS, pop_two, sizeof(pop_two) / sizeof(pop_two[0]));
}

// --- Traffic ---

void send_frame_from(int place, const char *interface, const void *frame, size_t length) {
    network_go(place);
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    network_go(AT_NODE);
    must(descriptor >= 0, "open a packet socket");
    ssize_t sent = sendto(descriptor, frame, length, 0, (struct sockaddr *)&address, sizeof(address));
    must(sent == (ssize_t)length, "send a frame");
    assert_int_equal(close(descriptor), 0);
}
