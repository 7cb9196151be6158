#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Checks the models exhaustively: as they are, no error; with a protection taken away, an error.
set -uo pipefail
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d "${TMPDIR:-/tmp}/tmem-model.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT
failures=0

# Model and actors, by what they cover together. All of them at once would not end.
sound=(
	"hcache READS=2 EVICTIONS=3 DIRECT=2 HOST=1"
	"hcache READERS=2 READS=2 EVICTIONS=2 DIRECT=1 HOST=1"
	"hcache READS=2 EVICTORS=2 EVICTIONS=2 DIRECT=1 TRUNCATE=1"
	"hcache READS=2 EVICTIONS=2 DIRECT=1 BUFFERED=1 HOST=1"
	"hcache READS=2 EVICTIONS=2 TRUNCATE=1 INODE=1 BUFFERED=1"
	"hcache READS=2 EVICTIONS=3 BUFFERED=1 FLUSHES=1"
	"hcache READS=2 EVICTIONS=2 DIRECT=1 FLUSHES=1 HOST=1"
	"hcache READS=3 EVICTIONS=2 REKEY=1 BUFFERED=1"
	"hcache READS=2 EVICTIONS=2 REKEY=1 DIRECT=1"
	"hswap WRITES=6 FLUSHES=6"
	"hswap WRITES=4 FLUSHES=4 HOST"
)

# Each protection taken away, with actors that need it. NO_INVARIANT: a stale read itself must be found, not only the
# broken invariant.
broken=(
	"hcache BREAK_CLEAR_AFTER READS=2 EVICTIONS=2 DIRECT=1"
	"hcache BREAK_CLEAR_BEFORE READS=2 EVICTIONS=2 DIRECT=1"
	"hcache BREAK_NO_TAKE READS=2 EVICTIONS=2 BUFFERED=1"
	"hcache BREAK_NO_TAKE NO_INVARIANT READS=3 EVICTIONS=3 BUFFERED=1"
	"hcache BREAK_EMPTY READS=2 EVICTIONS=1 DIRECT=1"
	"hcache BREAK_EMPTY READS=2 EVICTIONS=1 TRUNCATE=1"
	"hcache BREAK_POST READS=2 EVICTIONS=1 DIRECT=1"
	"hcache BREAK_UNKNOWN READS=3 EVICTIONS=2 BUFFERED=1 HOST=1"
	"hcache BREAK_SET_EARLY READS=3 EVICTIONS=2 BUFFERED=1"
	"hcache BREAK_FORGET READS=2 EVICTIONS=2 BUFFERED=1"
	"hcache BREAK_FORGET NO_INVARIANT READS=3 EVICTIONS=3 BUFFERED=1"
	"hcache BREAK_FLUSH_SEQ READS=3 EVICTIONS=2 BUFFERED=1 FLUSHES=1"
	"hcache BREAK_REUSE READS=2 EVICTIONS=1 INODE=1"
	"hcache BREAK_REKEY READS=3 EVICTIONS=2 BUFFERED=1 REKEY=1"
	"hcache BREAK_REKEY_GET READS=3 EVICTIONS=2 BUFFERED=1 REKEY=1"
	"hcache BREAK_REKEY_WAIT READS=3 EVICTIONS=2 BUFFERED=1 REKEY=1"
	"hswap BREAK_FORGET"
	"hswap BREAK_FREE"
	"hswap BREAK_NO_TAKE"
	"hswap BREAK_PUT_LOCK"
	"hswap BREAK_NUMBER_LATE"
	"hswap BREAK_NUMBER_EARLY"
	"hswap BREAK_SEQ"
	"hswap BREAK_UNKNOWN"
	"hswap BREAK_DISK HOST"
)

# check WHAT: prints "errors states seconds", or nothing if the check itself failed.
check()
{
	local dir word model=${1%% *} defs=()

	for word in ${1#* }; do
		defs+=("-D$word")
	done
	dir=$(mktemp -d "$work/XXXXXX")
	cd "$dir" || return
	spin -a "${defs[@]}" "$here/$model.pml" >spin.out 2>&1 &&
		gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=3500 -DVECTORSZ=512 -o pan pan.c >gcc.out 2>&1 &&
		./pan -m400000 >pan.out 2>&1
	if [ ! -s pan.out ] || grep -q "search depth too small\|out of memory\|reached -DMEMLIM" pan.out; then
		cat ./*.out >&2
		return 1
	fi
	awk '/errors:/ { errors = $NF }
		/states, stored/ { states = $1 }
		/elapsed time/ { time = $4 }
		/^pan:[0-9]+:/ && !why { why = $0; sub(/^pan:[0-9]+: /, "", why); sub(/ \(at depth.*/, "", why) }
		END { print errors, states, time + 0, why }' pan.out
}

for what in "${sound[@]}"; do
	read -r errors states time why < <(check "$what")
	if [ "${errors:-}" = 0 ]; then
		printf 'ok: %s: %s states, %s s\n' "$what" "$states" "$time"
	else
		printf 'FAILED: %s: %s\n' "$what" "${why:-not checked}"
		failures=$((failures + 1))
	fi
done
for what in "${broken[@]}"; do
	read -r errors states time why < <(check "$what")
	if [ "${errors:-0}" -gt 0 ]; then
		printf 'ok: %s: seen to fail: %s\n' "$what" "$why"
	else
		printf 'FAILED: %s: no error found\n' "$what"
		failures=$((failures + 1))
	fi
done
[ $failures -eq 0 ]
