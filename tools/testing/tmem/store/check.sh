#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the programs that the Makefile built and adds up what they say.
# Usage: check.sh [--quick] BUILD STORE; SECONDS_* tell how long
quick=
if [ "$1" = --quick ]; then
	quick=yes
	SECONDS_STRESS=3 SECONDS_PERTURB=6
	shift
fi
out=$1
store=$2
here=$(dirname "$0")
passed=0
failed=0
skipped=0

# run NAME COMMAND...: a program that ends with its own sum
run()
{
	name=$1
	shift
	echo "# $name"
	"$@" >"$out/$name.log" 2>&1
	status=$?
	sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out/$name.log" | tail -1)
	# shellcheck disable=SC2086
	set -- $sum
	if [ $status -ne 0 ] || [ -z "$sum" ]; then
		grep -E -v '^ok ' "$out/$name.log" | head -60
		[ "${3:-0}" -gt 0 ] || failed=$((failed + 1))
	else
		grep -E '^#' "$out/$name.log"
	fi
	passed=$((passed + ${1:-0}))
	failed=$((failed + ${3:-0}))
	skipped=$((skipped + ${5:-0}))
}

# one NAME COMMAND...: a program that succeeds or not
one()
{
	name=$1
	shift
	if "$@" >"$out/$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok $name"
	else
		failed=$((failed + 1))
		echo "not ok $name"
		tail -40 "$out/$name.log"
	fi
}

# long COMMAND...: not for those who wait; few N M: N, or M for them
long()
{
	[ -n "$quick" ] || "$@"
}

few()
{
	if [ -n "$quick" ]; then echo "$2"; else echo "$1"; fi
}

# Threads are what the thread sanitizer is for, so do not let it give up early
export TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}"

one includes "$here/check-includes.sh" "$store"
one freestanding ls "$out/freestanding/store.o"
run gcc-asan-unit "$out/gcc-asan-unit"
long run clang-asan-unit "$out/clang-asan-unit"
long run density "$out/density"
long run move "$out/move"
long one record-traces "$here/record-traces" "$out/traces"
long run ghost "$out/ghost" "$out/traces"
long run capacity "$out/capacity" "$store"/*.[ch] "$store"/../*.[ch] "$here"/*.[ch]
run gcc-asan-random "$out/gcc-asan-random" --runs "$(few 60 20)"
long run clang-asan-random "$out/clang-asan-random" --seed 1000 --runs 40
run crash-kill "$out/crash" --kill "$(few 2000 500)"
run crash-step "$out/crash-step" --step "$(few 40 5)"
long run crash-kill-dedup "$out/crash" --dedup --kill 1000
long run crash-step-dedup "$out/crash-step" --dedup --step 25
run perturb "$out/perturb" --seconds "$SECONDS_PERTURB"
run gcc-tsan-stress "$out/gcc-tsan-stress" --seconds "$SECONDS_STRESS"
long run clang-tsan-stress "$out/clang-tsan-stress" --seconds "$SECONDS_STRESS"
long run gcc-asan-stress "$out/gcc-asan-stress" --seconds "$SECONDS_STRESS"
long run gcc-tsan-stress-pack "$out/gcc-tsan-stress" --pack --seconds "$SECONDS_STRESS"
run gcc-tsan-stress-dedup "$out/gcc-tsan-stress" --pack --dedup --seconds "$SECONDS_STRESS"
long run gcc-asan-stress-pack "$out/gcc-asan-stress" --pack --seconds "$SECONDS_STRESS"
long run gcc-asan-replay "$out/gcc-asan-replay"
long one fuzz "$here/fuzz.sh" "$out" "$SECONDS_FUZZ"
long grep '^# fuzz' "$out/fuzz.log"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
