#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the fuzzers that the Makefile built, all at a time, with the inputs that
# the repository keeps and those that they found before.
usage="Usage: fuzz.sh OUT SECONDS [NAME...]"
names="vectors arena stream"
here=$(cd "$(dirname "$0")" && pwd)
out=$1
seconds=$2
pids=
bad=0

[ $# -ge 2 ] || { echo "$usage" >&2; exit 2; }
shift 2
[ $# -eq 0 ] || names=$*
for name in $names; do
	"$here/seeds.sh" "$here/seeds/$name.txt" "$out/seeds/$name" || exit 1
	mkdir -p "$out/corpus/$name"
	# shellcheck disable=SC2086
	(cd "$out" && exec "./fuzz-$name" -max_total_time="$seconds" -timeout=10 -max_len=4096 \
		-artifact_prefix="$name-" -print_final_stats=1 \
		"corpus/$name" "seeds/$name") >"$out/fuzz-$name.log" 2>&1 &
	pids="$pids $!"
done
# what was started is stopped together
# shellcheck disable=SC2064,SC2086
trap "kill $pids 2>/dev/null" INT TERM
for name in $names; do
	# shellcheck disable=SC2086
	set -- $pids
	pids=${pids#* "$1"}
	wait "$1"
	status=$?
	coverage=$(grep -E '^#[0-9]+[[:space:]]+DONE' "$out/fuzz-$name.log" |
		sed -E 's/.*(cov: [0-9]+).*/\1/')
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/fuzz-$name.log")
	echo "# fuzz-$name: ${runs:-0} runs, $coverage"
	if [ $status -ne 0 ] || [ "${runs:-0}" -eq 0 ]; then
		tail -40 "$out/fuzz-$name.log"
		bad=1
	fi
done
exit $bad
