#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Switches off one gate of the fence after the other, each in a build of its own, and shows which tests fail for
# it. Fails if a gate can be away without any test noticing, or if the tests fail with all gates in place.
#
#   tests/mutants.sh BUILD [NAME...]
#
# BUILD holds the finished build; `make test-mutants` sees to that. The gates are those of userspace/base/mutant.h.
set -euo pipefail

build=$1
shift

# Gate, and the programs that must notice: at least one of them, and all are run. A new gate is a row.
declare -A programs=(
    [check_at_commit]="unit/test_lease_modes unit/test_lease_threads integration/test_lease_writes integration/test_lease_expiries"
    [check_at_settle]="unit/test_lease_modes integration/test_lease_expiries"
    [heartbeat_age]="unit/test_lease_heartbeats unit/test_lease_life unit/test_lease_model integration/test_lease_pauses"
    [persisted_version]="unit/test_lease_durability unit/test_lease_life unit/test_lease_threads integration/test_lease_restarts"
    [reset_on_role_change]="unit/test_lease_life unit/test_lease_model"
    [restart_fenced]="unit/test_lease_life unit/test_lease_model integration/test_lease_restarts"
    [mirror_order]="unit/test_lease_mirror unit/test_lease_threads unit/test_fence"
    [kernel_verdict]="kernel/test_fence_program integration/test_kernel_fence"
)

cd "$(dirname "$0")/.."
mapfile -t known < <(sed -n 's/^#define MUTANT_\([a-z_]*\) *[1-9].*/\1/p' userspace/base/mutant.h)
names=("${@:-${known[@]}}")

# A build in which only what depends on the gates is compiled anew. The rest is copied from the finished one.
build_mutant() {
    local name=$1 directory=$2
    shift 2
    rm -rf "$directory"
    mkdir -p "$directory"
    (cd "$build" && find userspace tests -name '*.o' -print0 | tar --null --files-from=- -cf - ./*.txt) |
        tar -C "$directory" -xf -
    grep -rl --include='*.d' 'base/mutant\.h' "$build/userspace" "$build/tests" | while read -r dependencies; do
        dependencies=${dependencies#"$build"/}
        rm -f "$directory/${dependencies%.d}.o"
    done
    # compiler.txt counts as old: it would have everything compiled because of the one definition.
    make BUILD="$directory" CC="${CC:-gcc} -DKVFENCE_MUTANT=MUTANT_$name" -o "$directory/compiler.txt" \
        BPF_CC="clang -DKVFENCE_MUTANT=MUTANT_$name" \
        "$directory/kvfenced" "$directory/bpf/fence.bpf.o" "${@/#/$directory/tests/}" >"$directory/make.log" 2>&1 ||
        { cat "$directory/make.log"; return 1; }
}

# The tests of a program that failed in its last run: the first of them, and how many more.
failed_tests() {
    local directory=$1 program=$2 tests
    # A program that an assertion ended has not got round to its list.
    mapfile -t tests < <(sed -n 's/^\[  FAILED  \] (\?\([a-z_0-9]*\))\?$/\1/p' \
        "$directory/test-logs/${program//\//-}.log" | sort -u)
    printf '%s' "${tests[0]:-(the program was ended)}"
    ((${#tests[@]} < 2)) || printf ', and %d more' $((${#tests[@]} - 1))
}

# A line for each program that fails, and true if there is one.
report_mutant() {
    local name=$1 directory=$2 noticed=1 program
    shift 2
    for program in "$@"; do
        if ! tests/run.sh "$directory" "$directory/tests/$program" >"$directory/run.log"; then
            noticed=0
            printf '%-21s %-31s %s\n' "$name" "$program" "$(failed_tests "$directory" "$program")"
        fi
    done
    return $noticed
}

check_table() {
    local name
    for name in "${names[@]}"; do
        if [[ -z ${programs[$name]:-} ]]; then
            echo "tests/mutants.sh has no row for '$name'" >&2
            return 1
        fi
    done
}

check_table
mapfile -t all_programs < <(for name in "${names[@]}"; do tr ' ' '\n' <<<"${programs[$name]}"; done | sort -u)
echo 'With all gates in place:'
tests/run.sh "$build" "${all_programs[@]/#/$build/tests/}"

unnoticed=()
printf '\n%-21s %-31s %s\n' 'switched off' 'noticed by' 'test'
for name in "${names[@]}"; do
    read -ra own_programs <<<"${programs[$name]}"
    directory=$build/mutants/$name
    build_mutant "$name" "$directory" "${own_programs[@]}"
    if ! report_mutant "$name" "$directory" "${own_programs[@]}"; then
        printf '%-21s %s\n' "$name" 'NOBODY'
        unnoticed+=("$name")
    fi
    [[ -n ${KEEP:-} ]] || rm -rf "$directory"
done

if ((${#unnoticed[@]} > 0)); then
    echo "no test notices: ${unnoticed[*]}"
    exit 1
fi
echo "each of ${#names[@]} gates is noticed"
