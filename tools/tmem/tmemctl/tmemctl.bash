# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion for tmemctl in bash: source this file.

_tmemctl_clients()
{
	"${COMP_WORDS[0]}" "$@" list --json 2>/dev/null | grep -oE '"name":"[^"]*"' | cut -d '"' -f 4
}

_tmemctl_policies()
{
	"${COMP_WORDS[0]}" "$@" policy --json 2>/dev/null | grep -oE '\[.*\]' | grep -oE '[a-z-]+'
}

_tmemctl_shared()
{
	"${COMP_WORDS[0]}" "$@" list --json 2>/dev/null | grep -oE '"uuid":"[^"]*"' | cut -d '"' -f 4 | sort -u
}

_tmemctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' nr=0 daemon=() choices='' i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s|--socket) i=$((i + 1)) daemon=(--socket "${COMP_WORDS[i]}") ;;
		-H|--host) i=$((i + 1)) daemon=(--host "${COMP_WORDS[i]}") ;;
		--delay|--seconds|--since) i=$((i + 1)) ;;
		-*) ;;
		*) [ -n "$verb" ] && nr=$((nr + 1)) || verb=${COMP_WORDS[i]} ;;
		esac
	done
	case $before in
	-s|--socket) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
	-H|--host) mapfile -t COMPREPLY < <(compgen -W "tmemd xen" -- "$word"); return ;;
	esac
	case $verb:$nr in
	:0) choices="list show top set add remove freeze thaw allow forbid drop save restore policy size scheduler why record reserve free stats trace report reload --host --socket --json --help" ;;
	show:0|why:0|set:0|freeze:0|thaw:0|allow:0|forbid:0|save:0|restore:0) choices=$(_tmemctl_clients "${daemon[@]}") ;;
	remove:0) choices="--force $(_tmemctl_clients "${daemon[@]}")" ;;
	drop:0) choices="--ephemeral $(_tmemctl_clients "${daemon[@]}")" ;;
	allow:1|forbid:1) choices=$(_tmemctl_shared "${daemon[@]}") ;;
	remove:1) choices=--force ;;
	drop:1) choices=--ephemeral ;;
	top:0) choices="--once --delay" ;;
	trace:1|record:1) choices=--seconds ;;
	report:1) choices=--since ;;
	scheduler:0) choices="demand proportional static" ;;
	policy:0) choices=$(_tmemctl_policies "${daemon[@]}") ;;
	save:1|restore:1|trace:0|record:0|report:0) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	set:*|add:[1-9])
		choices="min= cap= weight= hswap=on hswap=off"
		choices+=" memory= memory=all memory=auto memory_min= memory_max="
		[ "$verb" = set ] || choices+=" qmp="
		type compopt >/dev/null && compopt -o nospace ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}
complete -F _tmemctl tmemctl
