#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The page store includes what it may and nothing else, and its environment
# does not lie beside it.
store=$1
bad=$(grep -Hn '#[[:space:]]*include' "$store"/*.[ch] |
	grep -v -E '"(tmem_env|tstore|private|ghost|policy|codec|stream|arena)\.h"$')
bad="$bad$(grep -Hn -E '#[[:space:]]*if(def|ndef)?[[:space:]]' "$store"/*.[ch] |
	grep -v -E '#ifndef _TSTORE(_[A-Z]+)?_H$')"
[ ! -e "$store/tmem_env.h" ] || bad="$bad $store/tmem_env.h"
if [ -n "$bad" ]; then
	echo "not ok 1 includes # $bad"
	exit 1
fi
echo "ok 1 includes"
