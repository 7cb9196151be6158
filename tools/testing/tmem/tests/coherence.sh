# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For the tests of coherence: builds the program, runs it in a guest; with each transport of $TMEM_TRANSPORTS, by default loop
# shellcheck disable=SC2154 # lib.sh is sourced first

transports=${TMEM_TRANSPORTS:-loop}
# Of tests that have one guest only
transport=${transports%% *}

# Are loop's own parameters to be tested?
with_loop()
{
	[[ " $transports " == *" loop "* ]]
}

# Static, as the guest has no libraries but those that are asked for.
build_guest()
{
	mkdir -p "$tmp/share"
	make -s -C "$repo/tools/testing/tmem/guest" O="$tmp/share" || { fail "the program does not build"; finish; }
}

# coherence WHAT ARGS-OF-VM... -- ARGS-OF-PROGRAM...
coherence()
{
	local what=$1 args=() transport

	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	for transport in $transports; do
		about "$transport: $what"
		# Later arguments win
		vm run --disk-iops 0 --transport "$transport" --pool 64M --mem 96M --share "$tmp/share" "${args[@]}" -- \
			"cd / && /share/coherence $*"
		expect "$transport: $what" 0 $?
	done
}

# hswap WHAT ARGS-OF-VM... -- COMMANDS: $swap is the program, counter NAME a number of sysfs
hswap()
{
	local what=$1 args=() transport out

	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	for transport in $transports; do
		about "$transport: $what"
		out=$(vm run --disk-iops 0 --transport "$transport" --pool 128M --mem 96M --swap 256M --share "$tmp/share" "${args[@]}" -- '
			swap="/share/swap -d /dev/$VM_SWAP_DISK"; counter() { cat /sys/kernel/mm/tmem/hswap/$1; }; '"$2" 2>&1)
		expect "$transport: $what" 0 $?
		printf '%s\n' "$out"
	done
}

# On x86-64 with two processors and the debug kernel. These take their time to clear pages; with less memory the OOM killer finds
# no process that eats memory when it is called again, but the test itself.
smp_coherence()
{
	local fs=$1

	shift
	coherence "hazards" --guest qemu --debug --smp 2 --mem 128M --fs "$fs" --with "mkfs.$fs" --timeout 900 "$@" -- -r 10
	coherence "random, threads, switching hcache" --guest qemu --debug --smp 2 --mem 128M --fs "$fs" --timeout 600 -- -x -t 3 -r 20 random
}

# start_daemon ARGUMENT...: a tmemd of the test's own, with its sockets in $tmp/sockets; $keeper is its process
start_daemon()
{
	local daemon build='import sys; sys.path[:0] = sys.argv[1:3]; import store; print(store.build(sys.argv[3]))'

	daemon=$(python3 -B -c "$build" "$repo/tools/testing/tmem/vmlib" "$repo/scripts" tmemd)
	tmemctl=$(python3 -B -c "$build" "$repo/tools/testing/tmem/vmlib" "$repo/scripts" tmemctl)
	if [ ! -x "$daemon" ] || [ ! -x "$tmemctl" ]; then
		fail "the tools do not build"
		finish
	fi
	mkdir "$tmp/sockets"
	"$daemon" --socket "$tmp/sockets" "$@" 2>"$tmp/log" &
	keeper=$!
	trap 'kill $keeper 2>/dev/null; wait $keeper; rm -rf "$tmp"' EXIT
	for _ in $(seq 100); do
		[ ! -S "$tmp/sockets/control" ] || break
		sleep 0.1
	done
}

# field CLIENT NAME: of what tmemctl says of a client
field()
{
	"$tmemctl" --socket "$tmp/sockets" --json show "$1" | sed -n "s/.*\"$2\":\([a-z0-9]*\).*/\1/p"
}
