#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Inputs for the fuzzers to begin with, from a text file and back.  In the file
# each is in base64, and an empty line is behind it.
usage="Usage: seeds.sh FILE DIRECTORY		writes what is in the file into the directory
       seeds.sh --keep DIRECTORY	prints such a file"

keep()
{
	sed -n 2p "$0"
	echo "# Inputs of a fuzzer, as seeds.sh reads them"
	echo
	for seed in "$1"/*; do
		base64 -w 120 "$seed" || exit 1
		echo
	done
}

unpack()
{
	nr=0
	text=
	rm -rf "$2"
	mkdir -p "$2" || exit 1
	while read -r line; do
		case $line in
		'#'*)
			;;
		'')
			[ -n "$text" ] || continue
			nr=$((nr + 1))
			echo "$text" | base64 -d >"$2/$nr" || exit 1
			text=
			;;
		*)
			text=$text$line
			;;
		esac
	done <"$1"
	echo "# $1: $nr inputs"
	[ $nr -gt 0 ] && [ -z "$text" ]
}

case $# in
2)
	if [ "$1" = --keep ]; then keep "$2"; else unpack "$1" "$2"; fi
	;;
*)
	echo "$usage" >&2
	exit 2
	;;
esac
