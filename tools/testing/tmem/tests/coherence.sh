# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For the tests of coherence: builds the program, runs it in a guest
# shellcheck disable=SC2154 # lib.sh is sourced first

# Static, as the guest has no libraries but those that are asked for.
build_guest()
{
	mkdir -p "$tmp/share"
	make -s -C "$repo/tools/testing/tmem/guest" O="$tmp/share" || { fail "the program does not build"; finish; }
}

# coherence WHAT ARGS-OF-VM... -- ARGS-OF-PROGRAM...
coherence()
{
	local what=$1 args=() status

	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	about "$what"
	# Later arguments win
	vm run --disk-iops 0 --transport loop --pool 64M --mem 96M --share "$tmp/share" "${args[@]}" -- \
		"cd / && /share/coherence $*"
	status=$?
	expect "$what" 0 $status
}

# On x86-64 with two processors and the debug kernel. $failslab makes allocations of the process that reclaims fail, those
# that may not wait: the ones of the index are.
smp_coherence()
{
	local fs=$1 failslab

	shift
	coherence "hazards" --guest qemu --debug --smp 2 --fs "$fs" --with "mkfs.$fs" --timeout 900 "$@" -- -r 20
	coherence "random, threads, switching hcache" --guest qemu --debug --smp 2 --fs "$fs" --timeout 600 -- -x -t 3 -r 40 random

	about "no memory for the index: failing allocations"
	# shellcheck disable=SC2016
	failslab='
		d=/sys/kernel/debug/failslab
		dd if=/dev/urandom of=a bs=1M count=40 2>/dev/null; sync; md5sum <a >/tmp/first
		echo Y >$d/task-filter; echo 50 >$d/probability; echo -1 >$d/times; echo 0 >$d/verbose; echo Y >$d/ignore-gfp-wait
		(echo 1 >/proc/self/make-it-fail; for i in 1 2 3; do echo 40M >/sys/fs/cgroup/memory.reclaim; done) 2>/dev/null
		echo 0 >$d/probability
		md5sum <a >/tmp/second; cmp /tmp/first /tmp/second || exit 1
		cd /sys/kernel/mm/tmem/hcache; echo "stored $(cat stored), refused for want of memory $(cat reject_index)"
		[ $(cat stored) -gt 0 ] && [ $(cat reject_index) -gt 0 ]'
	vm run --guest qemu --debug --smp 2 --fs "$fs" --transport loop --pool 64M --mem 96M --disk-iops 0 --timeout 600 -- "$failslab"
	expect "failing allocations: data" 0 $?
}
