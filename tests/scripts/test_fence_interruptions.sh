#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# load-fence.sh and unload-fence.sh, ended by a signal before each of their steps in turn. After a signal that can be
# caught everything is as it was; after one that cannot, running the script again makes it right.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

# Makes stand-ins for the commands that change something. Before the step whose number is in $TMPDIR/at they send the
# signal to the script; a script that is killed is not followed by the command it was about to start.
make_tools() {
    local tool real
    mkdir -p "$TMPDIR/tools"
    for tool in bpftool tc mount umount mv rm mkdir rmdir chgrp chmod; do
        real=$(command -v "$tool")
        cat >"$TMPDIR/tools/$tool" <<SCRIPT
#!/bin/bash
if [[ $tool != @(bpftool|tc) || " \$* " =~ " "(loadall|attach|detach|pin|update|add|replace|del)" " ]]; then
    step=\$((\$(<"$TMPDIR/step") + 1))
    echo \$step >"$TMPDIR/step"
    if ((step == \$(<"$TMPDIR/at"))); then
        kill -\$(<"$TMPDIR/signal") \$(<"$TMPDIR/pid")
        [[ \$(<"$TMPDIR/signal") != KILL ]] || exit 1
    fi
fi
exec $real "\$@"
SCRIPT
        chmod +x "$TMPDIR/tools/$tool"
    done
}

# Runs a script that gets the signal before its step $2. Is false when it ended before that step.
interrupt() { # SIGNAL STEP COMMAND...
    echo "$1" >"$TMPDIR/signal"
    echo "$2" >"$TMPDIR/at"
    echo 0 >"$TMPDIR/step"
    # shellcheck disable=SC2016
    run env PATH="$TMPDIR/tools:$PATH" bash -c 'echo $$ >"$TMPDIR/pid"; exec "$@"' - "${@:3}"
    (($(<"$TMPDIR/step") >= $2))
}

both_attached() {
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_on lo "tc $(tc_id)"
    [[ ! -e $pins-loading && ! -e $pins-old ]] || fail "something is left"
}

load_both() { loaded --iface veth0 --iface lo; }

# Loads OBJECT, and is terminated before each step in turn.
terminate_each_step_of_loading() { # OBJECT
    local step before
    make_tools
    before=$(snapshot)
    for ((step = 1; ; step++)); do
        interrupt TERM "$step" "$scripts/load-fence.sh" --object "$1" --iface veth0 --iface lo || break
        if ((status == 0)); then
            break # the signal came when all was done but the sweeping
        fi
        expect_one_line 'interrupted: everything is as it was before'
        expect_same "$before" "$(snapshot)"
    done
    both_attached
    ((step > 6)) || fail "only $((step - 1)) steps were seen"
}

# Loads OBJECT where PREPARE has been run, is killed before each step in turn, and loads it again for the INTERFACES.
kill_each_step_of_loading() { # PREPARE OBJECT INTERFACES...
    local step before
    make_tools
    before=$(snapshot)
    for ((step = 1; ; step++)); do
        "$1"
        interrupt KILL "$step" "$scripts/load-fence.sh" --object "$2" --iface veth0 --iface lo || break
        object=$2 loaded "${@:3}"
        both_attached
        unload
        expect_success
        expect_same "$before" "$(snapshot)"
    done
    ((step > 6)) || fail "only $((step - 1)) steps were seen"
}

test_a_first_load_that_is_terminated_at_any_step_leaves_nothing() { terminate_each_step_of_loading "$tiny_object"; }

test_a_first_load_that_is_killed_at_any_step_is_made_right_by_the_next() {
    kill_each_step_of_loading : "$tiny_object" --iface veth0 --iface lo
}

test_a_newer_object_whose_load_is_terminated_at_any_step_leaves_the_old_one() {
    load_both
    terminate_each_step_of_loading "$(other_object x)"
}

test_a_newer_object_whose_load_is_killed_at_any_step_is_made_right_by_the_next() {
    kill_each_step_of_loading load_both "$(other_object x)" --iface veth0
}

test_an_unload_that_is_ended_at_any_step_is_finished_by_the_next() {
    local step before signal
    make_tools
    before=$(snapshot)
    for signal in TERM KILL; do
        for ((step = 1; ; step++)); do
            load_both
            interrupt "$signal" "$step" "$scripts/unload-fence.sh" || break
            [[ $signal == KILL ]] || ((status == 0)) || expect_line 'interrupted: run it again to finish'
            unload
            expect_success
            expect_same "$before" "$(snapshot)"
        done
        ((step > 3)) || fail "only $((step - 1)) steps were seen"
    done
}

test_a_load_that_dies_while_it_holds_the_lock_does_not_keep_others_out() {
    make_tools
    interrupt KILL 1 "$scripts/load-fence.sh" --object "$tiny_object" --iface lo || fail "it was not interrupted"
    FENCE_LOCK_SECONDS=0 loaded --iface lo
}

run_tests "$@"
