#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs test programs as the only programs of another kernel, emulated by qemu, and passes on what they print. Needs no
# root, no network and no image of a system: the programs and their libraries are all that is in it.
#
#   tests/kernel/boot.sh BUILD PROGRAM...
#
# The kernel is $KERNEL, or that of Debian's package linux-image-amd64, which is downloaded into BUILD once.
set -euo pipefail

build=$1
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-boot.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "boot: $*" >&2
    exit 1
}

# Prints the path of a kernel; fetches and unpacks the package that linux-image-amd64 stands for.
debian_kernel() {
    local package folder=$build/debian-kernel
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
    [[ -n $package ]] || fail "apt knows no linux-image-amd64: run scripts/install-deps.sh --test-kernel, or set KERNEL=/path/to/vmlinuz"
    if [[ ! -e $folder/boot/vmlinuz-${package#linux-image-} ]]; then
        mkdir -p "$folder"
        (cd "$work" && apt-get -qq download "$package" >&2) || fail "$package cannot be downloaded"
        dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$folder" ./boot
    fi
    echo "$folder/boot/vmlinuz-${package#linux-image-}"
}

# The first process of the kernel: mounts what the programs need, runs them, and switches off.
make_init() {
    cat >"$work/init.c" <<'END'
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **programs) {
    int failed = 0;
    (void)count;
    if (mount("proc", "/proc", "proc", 0, NULL) != 0 || mount("sys", "/sys", "sysfs", 0, NULL) != 0 ||
        mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) != 0)
        perror("mount");
    for (char **program = programs + 1; *program != NULL; program++) {
        int status = 0;
        if (fork() == 0) {
            execl(*program, *program, (char *)NULL);
            perror(*program);
            _exit(127);
        }
        (void)wait(&status);
        failed += status != 0;
    }
    printf("kvfence-boot: %d failed\n", failed);
    fflush(stdout);
    return reboot(RB_POWER_OFF);
}
END
    "${CC:-gcc}" -static -O2 -o "$work/root/init" "$work/init.c"
}

add() {
    mkdir -p "$work/root$(dirname "$2")"
    cp -L "$1" "$work/root$2"
}

command -v qemu-system-x86_64 >/dev/null || fail "needs qemu: scripts/install-deps.sh --test-kernel"
command -v cpio >/dev/null || fail "needs cpio: scripts/install-deps.sh --test-kernel"
kernel=${KERNEL:-$(debian_kernel)}

mkdir -p "$work"/root/{proc,sys,tmp,dev}
make_init
add "$build/bpf/fence.bpf.o" /build/bpf/fence.bpf.o
inside=()
for program in "$@"; do
    add "$program" "/build/${program#"$build"/}"
    inside+=("/build/${program#"$build"/}")
    while read -r library; do
        add "$library" "$library"
    done < <(ldd "$program" | grep -oE '/[^ ]+\.so[^ ]*')
done
(cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"

timeout "${BOOT_TIMEOUT:-300}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1024 -smp 2 -nic none \
    -nographic -no-reboot -kernel "$kernel" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off -- ${inside[*]}" </dev/null >"$work/log" 2>&1 || true
tr -d '\r' <"$work/log" | sed -n '/Running [0-9]* test/,$p'
grep -q '^kvfence-boot: 0 failed' "$work/log" || fail "a program failed on ${kernel##*/}, or it did not get so far"
echo "${kernel##*/}: all passed"
