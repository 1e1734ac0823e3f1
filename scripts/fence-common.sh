# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of the kernel's fence share; sourced by them, not run. It knows where things are pinned, how to ask
# the kernel what is attached where, and how to say in one line what is missing.
#
# A program on an interface is told by its name, fence_xdp or fence_tc, and by where it is pinned: in our pin directory
# it is ours; pinned nowhere it is an orphan, left by a run that was killed or by a bpffs that is gone, and anybody may
# take it away; pinned elsewhere it is another fence, which is left alone.

# shellcheck disable=SC2034 # used by the scripts that source this file
readonly fence_maps=(fence_lease fence_commands fence_stats fence_events)
# shellcheck disable=SC2034
readonly fence_programs=(fence_xdp fence_tc)
# shellcheck disable=SC2034 # first in the list, so that no other filter lets a write pass
readonly tc_preference=1 tc_handle=0x6b76
pin_dir=/sys/fs/bpf/kvfence

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    warn "$@"
    exit 1
}

# The comment at the top of the script that was started, without its first lines and without the marks.
usage() { sed -n '/^# SPDX/d; /^#!/d; /^#/!q; s/^# \{0,1\}//; p' "$0" | sed '1{/^$/d;}'; }

# $1 is an option, $2 how many words are left with it on the command line.
need_value() { (($2 >= 2)) || die "$1 needs a value (--help shows how)"; }

unknown_option() { die "unknown option '$1' (--help lists the options)"; }

set_pin_dir() {
    [[ $1 == /?* ]] || die "--pin-dir needs an absolute path, not '$1'"
    pin_dir=${1%/}
    # bpffs keeps names with a dot for itself.
    [[ ${pin_dir##*/} != *.* ]] || die "--pin-dir must not have a dot in its last part, bpffs refuses it: $1"
}

# Sets `port` from the value of --port.
set_port() {
    { [[ $1 =~ ^[0-9]{1,5}$ ]] && ((10#$1 >= 1 && 10#$1 <= 65535)); } ||
        die "--port must be a number from 1 to 65535, not '$1'"
    port=$((10#$1))
}

need_root() { ((EUID == 0)) || die "must be run as root: sudo $0 ..."; }

need_tools() {
    local tool package
    for tool in "$@"; do
        command -v "$tool" >/dev/null && continue
        case $tool in
            ip | tc) package=iproute2 ;;
            flock | mount) package=util-linux ;;
            *) package=$tool ;;
        esac
        die "'$tool' is not in PATH: install it with 'apt-get install $package' (and have /usr/sbin in PATH)"
    done
}

# One load or unload at a time on this machine. The lock ends with this shell and with the commands that it has started:
# a step that outlives its script, because that was killed, keeps others out until it is done. The file is not in
# /run/lock, where everybody may make one, and only root may open it: whoever can open a file can hold its lock.
take_lock() {
    local file=${FENCE_LOCK_FILE:-/run/kvfence-fence.lock} seconds=${FENCE_LOCK_SECONDS:-30}
    mkdir -p "${file%/*}" 2>/dev/null
    (umask 077 && touch "$file") 2>/dev/null || die "cannot make the lock file $file"
    exec {lock}>"$file"
    flock --wait "$seconds" "$lock" ||
        die "another load or unload of the fence has been running for $seconds s (it holds $file): try again when it is done"
}

# From bash's point of view the network namespace is the one we are in, but /sys may show another's: ask `ip`.
interface_exists() { ip link show dev "$1" >/dev/null 2>&1; }

# The name by which everything else calls the interface $1, which may be one of its other names (altname).
real_name() { ip -o link show dev "$1" 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }

# "ether", "loopback" and so on.
link_type() { ip -o link show dev "$1" | grep -o '[[:space:]]link/[a-z0-9_]*' | sed -n '1s/.*link\///p'; }

# The mount point that holds the path $1, which need not exist yet, if it is a bpffs.
bpffs_of() {
    local path=$1
    while [[ ! -e $path ]]; do path=${path%/*} path=${path:-/}; done
    [[ $(stat -f -c %T "$path" 2>/dev/null) == bpf_fs ]] && stat -c %m "$path"
}

# Id, name and tag of programs as bpftool shows them: "12: xdp  name fence_xdp  tag 0123456789abcdef  gpl ...".
program_id() { bpftool prog show pinned "$1" 2>/dev/null | sed -n '1s/^\([0-9]\+\):.*/\1/p'; }
program_name() { bpftool prog show id "$1" 2>/dev/null | sed -n '1s/.* name \([^ ]*\).*/\1/p'; }

# Every program of a fence that is attached in this network namespace: "INTERFACE xdp|tc MODE ID" a line. The mode is
# native or generic for XDP and ingress for TC. bpftool names a TC program twice under an "ingress" queueing discipline.
attached_programs() {
    local interface hook mode id
    bpftool net show 2>/dev/null | awk '
        /^[^ ]+\([0-9]+\) / {
            interface = $1
            sub(/\([0-9]+\)$/, "", interface)
            if ($2 == "driver" || $2 == "generic")
                print interface, "xdp", ($2 == "driver" ? "native" : "generic"), $4
            else if ($2 ~ /ingress|egress|root/)
                print interface, "tc", "ingress", $NF
        }' | sort -u | while read -r interface hook mode id; do
        [[ $(program_name "$id") == "fence_$hook" ]] && printf '%s %s %s %s\n' "$interface" "$hook" "$mode" "$id"
    done
    return 0
}

# Says whose the program $1 is: "ours", "orphan", or the path of another fence's pin.
owner_of() {
    local path
    path=$(bpftool -f prog show id "$1" 2>/dev/null | sed -n 's/^[[:space:]]*pinned \(.*\)/\1/p' | head -n 1)
    case $path in
        '') echo orphan ;;
        "$pin_dir"/*) echo ours ;;
        *) echo "$path" ;;
    esac
}

# The pref and handle of the TC filter with the program $2 on the interface $1.
filter_of() {
    tc filter show dev "$1" ingress 2>/dev/null |
        sed -n "s/^filter .* pref \([0-9]\+\) bpf .*handle \(0x[0-9a-f]\+\) .* id $2 .*/\1 \2/p" | head -n 1
}

detach_program() { # INTERFACE HOOK MODE ID
    local filter
    if [[ $2 == xdp ]]; then
        bpftool net detach "$(xdp_type "$3")" dev "$1" 2>&1
        return
    fi
    read -r -a filter < <(filter_of "$1" "$4") || return 0
    tc filter del dev "$1" ingress pref "${filter[0]}" handle "${filter[1]}" bpf 2>&1
}

xdp_type() { [[ $1 == native ]] && echo xdpdrv || echo xdpgeneric; }

# A directory of this name in the pin directory remembers that the load script added the queueing discipline to the
# interface $1, so that unloading takes away what loading brought. bpffs allows directories, and forgets with the kernel.
qdisc_mark() { echo "qdisc_$(stat -L -c %i /proc/self/ns/net)_$(ip -o link show dev "$1" | sed 's/:.*//')"; }

has_qdisc() { tc qdisc show dev "$1" 2>/dev/null | grep -qE '^qdisc (clsact|ingress) '; }

remove_empty_qdisc() {
    [[ -n $(tc filter show dev "$1" ingress 2>/dev/null)$(tc filter show dev "$1" egress 2>/dev/null) ]] ||
        tc qdisc del dev "$1" clsact 2>/dev/null
}

# The number of the contract that an object was built for, and of the one that the pinned fence_lease $1 keeps: it is
# in the entry of port 0, which is nobody's.
object_abi() { bpftool btf dump file "$1" 2>/dev/null | sed -n "s/^[[:space:]]*'FENCE_ABI' val=//p" | head -n 1; }
pinned_abi() { bpftool map lookup pinned "$1" key 0 0 0 0 2>/dev/null | field abi; }

# The entries of fence_lease that are in use: "PORT DEADLINE_NS OWNER ABI MODE POLICY" a line. An entry without a
# deadline is in use while the server that wrote it is there.
leases() {
    local port deadline owner rest
    bpftool map dump pinned "$pin_dir/fence_lease" 2>/dev/null | awk '
        { gsub(/[",:]/, "") }
        $1 ~ /key$/ { port = $2 }
        NF == 2 { value[$1] = $2 }
        $1 == "policy" && port != 0 && (value["deadline_ns"] != 0 || value["owner"] != 0) {
            print port, value["deadline_ns"], value["owner"], value["abi"], value["mode"], value["policy"]
        }' | while read -r port deadline owner rest; do
        [[ $deadline == 0 && ! -d /proc/$owner ]] || echo "$port $deadline $owner $rest"
    done
}

# Reading a field of a map's value as bpftool prints it: "name": 12,
field() { sed -n "s/^[[:space:]]*\"$1\": \(-\{0,1\}[0-9]\+\),\{0,1\}\$/\1/p" | head -n 1; }

# The four bytes of the number $1 as bpftool takes keys, on a machine with the least byte first.
key_bytes() { printf '0x%02x 0x%02x 0x%02x 0x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }

# CLOCK_BOOTTIME in nanoseconds as the host's kernel counts it, to a hundredth of a second. A time namespace shifts it.
boot_shift_ns() {
    local name seconds nanoseconds
    while read -r name seconds nanoseconds; do
        [[ $name != boottime ]] || echo $((seconds * 1000000000 + nanoseconds))
    done 2>/dev/null </proc/self/timens_offsets
}
boot_now_ns() {
    local up shift_ns
    read -r up _ </proc/uptime
    shift_ns=$(boot_shift_ns)
    echo $((10#${up/./} * 10000000 - shift_ns))
}
