#!/bin/sh
# size.sh BINARY: prints its size as it is, and as xz packs it, which is about
# what it takes on a router's flash. Fails over the budget of the second: the
# first grows in steps of 64 KiB.
set -eu

budget=1885000

raw=$(wc -c <"$1")
xz=$(xz -9e -c "$1" | wc -c)
printf 'raw  %9d bytes\nxz   %9d bytes, budget %9d\n' "$raw" "$xz" "$budget"
if [ "$xz" -gt "$budget" ]; then
	echo "$1 is over its budget: see what it links with go tool nm -size -sort size" >&2
	exit 1
fi
