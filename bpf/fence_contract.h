// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// The contract between the two halves of the fence: what lies in the maps under /sys/fs/bpf/kvfence/, who
// writes it, and what the kernel's half makes of it. Included by the BPF programs and by the server, so it
// holds only constants and layouts. All numbers are in the host's byte order unless a field says otherwise;
// all times are CLOCK_BOOTTIME nanoseconds as the host's kernel counts them (a time namespace may shift a
// process's view).
//
// clang-format off
//   object          type              key -> value                                  written by
//   fence_lease     ARRAY, mmapable   TCP port -> struct fence_lease                the server
//   fence_commands  HASH              struct fence_command_name -> fence_command    the server, when it attaches
//   fence_stats     PERCPU_HASH       __u32 port -> struct fence_stats              the programs, after the deadline
//   fence_events    PERF_EVENT_ARRAY  struct fence_event                            the programs, rate-limited
//   fence_xdp       XDP program, declared for fragments
//   fence_tc        TC classifier, direct action, for ingress
// clang-format on
//
// A packet is judged by its TCP destination port alone: attach the programs where packets end. A host that
// also forwards the same port to others would hold back their writes too.
#ifndef KVFENCE_BPF_FENCE_CONTRACT_H
#define KVFENCE_BPF_FENCE_CONTRACT_H

#include <linux/types.h>

// Rises with every change of a layout or of a meaning in this file. It is an enum so that it is part of the
// object's BTF: `bpftool btf dump file fence.bpf.o` tells an object's number. The load script writes that
// number into fence_lease[0].abi (port 0 is nobody's), where the server reads it before it attaches: it must
// be able to refuse without the privileges that reading BTF takes. The programs in turn ignore an entry whose
// abi is not theirs: the server's own fence stands alone then.
enum fence_abi { FENCE_ABI = 1 };

enum {
    FENCE_PORTS = 65536,       // entries of fence_lease
    FENCE_COMMANDS_MAX = 2048, // entries of fence_commands
    FENCE_STATS_PORTS = 1024,  // entries of fence_stats: beyond these ports are fenced but not counted
    FENCE_NAME_SIZE = 32,      // a command's name with at least one zero byte behind it
    FENCE_ADDRESS_SIZE = 16,
    FENCE_EVENTS_PER_WINDOW = 100, // events for each port on each CPU in one window
};
#define FENCE_EVENT_WINDOW_NS 1000000000ull

// --- fence_lease ---

enum fence_mode { FENCE_MODE_DISABLED = 0, FENCE_MODE_LOG_ONLY = 1, FENCE_MODE_BLOCK_WRITE = 2 };

enum fence_policy {
    FENCE_POLICY_WRITES = 0, // drops what is known to carry a write; passes what it cannot decide
    FENCE_POLICY_STRICT =
        1, // passes only whole commands, from the first byte to the last, known not to write
};

// Each field is written by one aligned store of its own width, no system call. Whoever begins to fence a port
// writes abi, mode and policy first and the deadline last; whoever ends it writes the deadline 0 first.
struct fence_lease {
    __u64 deadline_ns; // 0: the port is not fenced; a packet is late when now > deadline_ns
    __u32 owner;       // process id of the server that wrote the entry: for people, nothing is decided by it
    __u16 abi;         // enum fence_abi; anything else: the entry is ignored
    __u8 mode;         // enum fence_mode
    __u8 policy;       // enum fence_policy
};

// --- fence_commands ---

// In upper case, zero-padded, at most FENCE_NAME_SIZE - 1 bytes. A subcommand's is "CONTAINER|SUBCOMMAND".
// The comparison is of the whole key, so the padding must be zero.
struct fence_command_name {
    char text[FENCE_NAME_SIZE];
};

// What the name tells, and the number of words. The kernel may only drop what the server would refuse, and it
// sees neither options in their context nor data nor a connection's history. So a command is a WRITE here if
// it is one in the server's table (COMMAND_WRITE), else a NO_WRITE; but for those in fence_exceptions.h,
// which says why. A command that turns out to change nothing (SET ... NX, DEL of a missing key) is a WRITE:
// that depends on data, not on the command. So is one that MULTI would only queue: its EXEC could only refuse
// it. A container is a NO_WRITE if no subcommand writes; else it is a CONTAINER, and each subcommand has an
// entry.
//
// Where two servers on one host disagree on a name (after rename-command), the entry is MAY_WRITE. A name
// that is not in the table may be anything: `writes` passes it (and what follows it in the packet goes on
// being walked), `strict` does not.
enum fence_command_kind {
    FENCE_COMMAND_UNKNOWN = 0, // never stored
    FENCE_COMMAND_NO_WRITE = 1,
    FENCE_COMMAND_WRITE = 2,
    FENCE_COMMAND_MAY_WRITE = 3,
    FENCE_COMMAND_CONTAINER = 4, // the entry of "NAME|SUBCOMMAND" decides
};

struct fence_command {
    __u32 kind;        // enum fence_command_kind
    __u32 reads_up_to; // with at most so many words, the name included, it is a NO_WRITE; 0: however few
                       // there are
};

// --- fence_stats ---

// For each CPU: add them up. Only packets that came to a fenced port after its deadline and carry payload.
struct fence_stats {
    __u64 inspected;         // all of them
    __u64 unparsed;          // of these: passed although not wholly known, for the server to decide
    __u64 dropped;           // of these: dropped (mode block-write)
    __u64 would_drop;        // of these: would have been dropped (mode log-only)
    __u64 undecided;         // of dropped and would_drop: without a known write in them (policy strict)
    __u64 events;            // written to fence_events
    __u64 events_suppressed; // not written: the window's events were used up
    __u64 window_start_ns;   // of the rate limit
    __u32 window_events;
    __u32 suppressed_since; // events suppressed since the last one that was written
};

// --- fence_events ---

enum fence_hook { FENCE_HOOK_XDP = 1, FENCE_HOOK_TC = 2 };

// Why a packet was, or would have been, dropped; those from FENCE_REASON_MAY_WRITE on only under policy
// strict.
enum fence_reason {
    FENCE_REASON_NONE = 0,
    FENCE_REASON_WRITE = 1,           // the command is a write
    FENCE_REASON_MAY_WRITE = 2,       // the command may write
    FENCE_REASON_UNKNOWN_COMMAND = 3, // the command is not in fence_commands
    FENCE_REASON_NOT_RESP = 4,        // no RESP array: inline text, TLS, or the middle of a command
    FENCE_REASON_INCOMPLETE = 5,      // the payload ends within a command
    FENCE_REASON_MALFORMED = 6,       // a RESP array that the server would refuse, or of a rare spelling
    FENCE_REASON_TOO_LONG = 7,        // more than is walked in one packet
    FENCE_REASON_UNREADABLE = 8,      // the kernel did not let the payload be read
};

enum fence_verdict { FENCE_VERDICT_WOULD_DROP = 1, FENCE_VERDICT_DROP = 2 };

struct fence_event {
    __u64 time_ns;
    __u64 deadline_ns;
    __u8 source_address[FENCE_ADDRESS_SIZE]; // as on the wire; IPv4: the first four bytes, the rest zero
    __u8 destination_address[FENCE_ADDRESS_SIZE];
    __u16 source_port;
    __u16 destination_port;
    __u8 ip_version;  // 4 or 6
    __u8 hook;        // enum fence_hook
    __u8 verdict;     // enum fence_verdict
    __u8 reason;      // enum fence_reason
    __u32 ifindex;    // where the packet came in
    __u32 suppressed; // events of this port on this CPU that were not written since the one before
    __u32 payload_length;
    __u32 command_offset;              // where in the payload the command begins that decided
    struct fence_command_name command; // its name as it is looked up; empty if none was read
};

#endif
