#!/bin/sh
# overlay.sh GOROOT FOLDER: writes FOLDER/overlay.json, which has go build take
# the patched mspanset.go in place of the one in GOROOT. Where the patch is not
# for this Go, it says so and replaces nothing.
set -eu

patch=$(cd "$(dirname "$0")" && pwd -P)/mspanset.patch
source=$1/src/runtime/mspanset.go
out=$2
go=$1/bin/go

without() { echo "$1: wandns is built without mspanset.patch and takes 0.6 MB more memory" >&2; }

mkdir -p "$out"
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
sum=$(sed -n 's/^SHA-256: //p' "$patch")
cache=$("$go" env GOMODCACHE)
replace=
case $source in
"$cache"/*)
	without "$1 lies in Go's module cache, of which go build replaces nothing"
	;;
*)
	if [ "$(sha256sum <"$source")" = "$sum  -" ]; then
		cp "$source" "$temp/mspanset.go"
		(cd "$temp" && GIT_CEILING_DIRECTORIES=$(dirname "$(pwd -P)") git apply "$patch")
		mv "$temp/mspanset.go" "$out/mspanset.$$" && mv "$out/mspanset.$$" "$out/mspanset"
		replace="\"$source\": \"$out/mspanset\""
	else
		without "$("$go" env GOVERSION) has another runtime/mspanset.go"
	fi
	;;
esac
echo "{\"Replace\": {$replace}}" >"$out/overlay.json.$$"
mv "$out/overlay.json.$$" "$out/overlay.json"
