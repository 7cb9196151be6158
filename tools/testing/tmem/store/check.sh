#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the programs that the Makefile built and adds up what they say.
out=$1
store=$2
fuzz_seconds=$3
stress_seconds=$4
perturb_seconds=$5
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

# Threads are what the thread sanitizer is for, so do not let it give up early
export TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}"

one includes "$here/check-includes.sh" "$store"
one freestanding ls "$out/freestanding/store.o"
run gcc-asan-unit "$out/gcc-asan-unit"
run clang-asan-unit "$out/clang-asan-unit"
run density "$out/density"
run move "$out/move"
one record-traces "$here/record-traces" "$out/traces"
run ghost "$out/ghost" "$out/traces"
run capacity "$out/capacity" "$store"/*.[ch] "$store"/../*.[ch] "$here"/*.[ch]
run gcc-asan-random "$out/gcc-asan-random" --runs 60
run clang-asan-random "$out/clang-asan-random" --seed 1000 --runs 40
run crash-kill "$out/crash" --kill 2000
run crash-step "$out/crash-step" --step 40
run crash-kill-dedup "$out/crash" --dedup --kill 1000
run crash-step-dedup "$out/crash-step" --dedup --step 25
run perturb "$out/perturb" --seconds "$perturb_seconds"
run gcc-tsan-stress "$out/gcc-tsan-stress" --seconds "$stress_seconds"
run clang-tsan-stress "$out/clang-tsan-stress" --seconds "$stress_seconds"
run gcc-asan-stress "$out/gcc-asan-stress" --seconds "$stress_seconds"
run gcc-tsan-stress-pack "$out/gcc-tsan-stress" --pack --seconds "$stress_seconds"
run gcc-tsan-stress-dedup "$out/gcc-tsan-stress" --pack --dedup --seconds "$stress_seconds"
run gcc-asan-stress-pack "$out/gcc-asan-stress" --pack --seconds "$stress_seconds"
run gcc-asan-replay "$out/gcc-asan-replay"
one fuzz "$here/fuzz.sh" "$out" "$fuzz_seconds"
grep '^# fuzz' "$out/fuzz.log"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
