#!/bin/sh
# size.sh BINARY: prints its size as it is, and as xz packs it, which is about
# what it takes on a router's flash. Fails over the budget.
set -eu

raw_budget=7800000
xz_budget=1800000

raw=$(wc -c <"$1")
xz=$(xz -9e -c "$1" | wc -c)
printf '%-4s %9d bytes, budget %9d\n' raw "$raw" "$raw_budget" xz "$xz" "$xz_budget"
if [ "$raw" -gt "$raw_budget" ] || [ "$xz" -gt "$xz_budget" ]; then
	echo "$1 is over its budget: see what it links with go tool nm -size -sort size" >&2
	exit 1
fi
