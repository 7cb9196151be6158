# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For the tests: sourced first. Gives $repo, $tmp (a directory that goes away), vm, and the words below.

set -uo pipefail
here=$(dirname "$(realpath "$0")")
repo=$(realpath "$here/../../../..")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/tmem-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 143' TERM INT
failures=0

# Runs vm. With scripts/check --guest all guests are of that kind, have time, and their programs do not work for longer than
# $TMEM_SECONDS where a test lets them go on for a while.
vm()
{
	local args=()

	if [ -n "${TMEM_GUEST:-}" ] && [ "$1" = run ]; then
		while [ "$1" != -- ]; do
			args+=("$1")
			shift
		done
		shift
		# Later arguments win
		set -- "${args[@]}" --guest "$TMEM_GUEST" --timeout 3000 -- "export TMEM_SECONDS=${TMEM_SECONDS:-600}; $*"
	fi
	"${VM:-$repo/tools/testing/tmem/vm}" "$@"
}

# A thing to be tested, said before its checks.
about()
{
	printf -- '-- %s\n' "$*"
}

fail()
{
	printf 'FAILED: %s\n' "$*"
	failures=$((failures + 1))
}

skip()
{
	printf '%s\n' "$*"
	exit 4
}

# expect WHAT WANTED GOT
expect()
{
	if [ "$2" = "$3" ]; then
		printf 'ok: %s\n' "$1"
	else
		fail "$1: wanted '$2', got '$3'"
	fi
}

# expect_in WHAT WANTED TEXT
expect_in()
{
	case $3 in
	*"$2"*) printf 'ok: %s\n' "$1" ;;
	*) fail "$1: no '$2' in: $3" ;;
	esac
}

# The last line of a test.
finish()
{
	[ "$failures" -eq 0 ] || { echo "$failures checks failed"; exit 1; }
	exit 0
}
