#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs test programs and says what came of them: a line for each, the whole output of those that failed, and a
# closing line "N passed, M failed" over all. Fails if a test failed or none ran.
#
#   tests/run.sh BUILD PROGRAM...
#
# A program under tests/unit or tests/integration is a cmocka program; its tests are counted by what it prints.
# tests/fuzz/replay_X is handed the folder tests/fuzz/corpus/X and counts as one test. Each program gets a
# temporary directory of its own, removed afterwards, and TEST_TIMEOUT seconds (default 300).
set -uo pipefail

build=$1
shift

# A server that a failed test leaves behind must not keep what this shell inherited, a lock or make's pipes.
for descriptor in /proc/self/fd/*; do
    number=${descriptor##*/}
    if ((number > 2 && number < 255)); then
        eval "exec $number>&-"
    fi
done

source_root=$(cd "$(dirname "$0")/.." && pwd)
suppressions=$source_root/tests/sanitizers
logs=$build/test-logs
passed=0
failed=0
skipped=0

export KVFENCED=$PWD/$build/kvfenced
[[ $build == /* ]] && KVFENCED=$build/kvfenced
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$suppressions/leak.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:suppressions=$suppressions/undefined.supp}
# The deadlock detector gives up the process when a thread holds more than 64 locks, as a command on many keys does.
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$suppressions/thread.supp:detect_deadlocks=0:allocator_may_return_null=1}

# What cmocka printed into $1: tests that were begun, were right, failed, were skipped.
counts_of() {
    awk '/^\[ RUN      \] / { begun++ }
         /^\[       OK \] / { right++ }
         /^\[  FAILED  \] [0-9]+ test\(s\), listed below/ { wrong += $4 }
         /^\[  SKIPPED \] [0-9]+ test\(s\), listed below/ { skipped += $4 }
         END { print begun + 0, right + 0, wrong + 0, skipped + 0 }' "$1"
}

run_one() {
    local program=$1 name arguments=() directory log status started took begun ok bad skip
    name=${program#"$build"/}
    name=${name#asan/}
    name=${name#tests/}
    if [[ $name == fuzz/replay_* ]]; then
        arguments=("$source_root/tests/fuzz/corpus/${name#fuzz/replay_}")
    fi
    log=$logs/${name//\//-}.log
    directory=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-test.XXXXXX")
    started=$EPOCHREALTIME
    TMPDIR=$directory timeout --kill-after=10 "${TEST_TIMEOUT:-300}" "$program" "${arguments[@]}" \
        >"$log" 2>&1 </dev/null
    status=$?
    took=$((${EPOCHREALTIME/./} - ${started/./}))
    rm -rf "$directory"
    if [[ $name == fuzz/* ]]; then
        ok=$((status == 0)) bad=$((status != 0)) skip=0
    else
        read -r begun ok bad skip < <(counts_of "$log")
        # A crash, a failed group fixture, a leak seen at the end and a program without a test have failed too.
        if ((bad == 0 && (status != 0 || ok + skip == 0))); then
            bad=$((begun > ok + skip ? begun - ok - skip : 1))
        fi
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if ((bad == 0)); then
        printf '  ok     %-40s %4d passed%s %5d.%d s\n' "$name" "$ok" \
            "$( ((skip > 0)) && printf ', %d skipped' "$skip")" $((took / 1000000)) $((took / 100000 % 10))
        return
    fi
    printf '  FAILED %-40s %4d passed, %d failed (exit status %d%s)\n' "$name" "$ok" "$bad" "$status" \
        "$( ((status == 124 || status == 137)) && printf ', out of time')"
    sed 's/^/    /' "$log"
}

mkdir -p "$logs"
for program in "$@"; do
    run_one "$program"
done
if ((skipped > 0)); then
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
else
    printf '%d passed, %d failed\n' "$passed" "$failed"
fi
((failed == 0 && passed > 0))
