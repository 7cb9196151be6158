# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the shell scripts of this directory: messages, and where things are kept.

TMEM_CACHE=${TMEM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/tmem}
export TMEM_CACHE

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$@"
	exit 1
}
