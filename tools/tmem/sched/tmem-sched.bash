# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion for tmem-sched in bash

_tmem_sched()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} choices=''

	case $before in
	-p|--policy) choices="demand proportional static" ;;
	-x|--except) choices=$(xl list 2>/dev/null | awk 'NR > 1 && $2 > 0 { print $1 }') ;;
	-m|--memory|--size|--interval) ;;
	--record) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	*)
		case $COMP_CWORD:${COMP_WORDS[1]}:$word in
		1:*) choices="run replay --help" ;;
		*:replay:-*) choices="--policy --plot" ;;
		*:replay:*) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
		*:run:*) choices="--memory --size --policy --except --interval --dry-run --verbose --record" ;;
		esac ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}
complete -F _tmem_sched tmem-sched
