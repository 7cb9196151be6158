# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion for xl-tmem in bash

_xl_tmem()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} nr=0 choices='' i

	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "save restore migrate --help" -- "$word")
		return
	fi
	case $before in
	-s|--ssh) mapfile -t COMPREPLY < <(compgen -c -- "$word"); return ;;
	esac
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s|--ssh) i=$((i + 1)) ;;
		-?*) ;;
		*) nr=$((nr + 1)) ;;
		esac
	done
	case $verb:$nr:$word in
	save:0:-*) choices=--continue ;;
	restore:0:-*) choices=--paused ;;
	migrate:0:-*) choices=--ssh ;;
	save:0:*|migrate:0:*) choices=$(xl list 2>/dev/null | awk 'NR > 1 && $2 > 0 { print $1 }') ;;
	save:1:*|restore:0:*) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	migrate:1:*) mapfile -t COMPREPLY < <(compgen -A hostname -W localhost -- "$word" | sort -u); return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}
complete -F _xl_tmem xl-tmem
