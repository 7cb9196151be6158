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

# On x86-64 with two processors and the debug kernel.
smp_coherence()
{
	local fs=$1

	shift
	coherence "hazards" --guest qemu --debug --smp 2 --fs "$fs" --with "mkfs.$fs" --timeout 900 "$@" -- -r 10
	coherence "random, threads, switching hcache" --guest qemu --debug --smp 2 --fs "$fs" --timeout 600 -- -x -t 3 -r 20 random
}
