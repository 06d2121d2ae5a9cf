#!/bin/sh
# Run on the router's processor with the package installed: test.sh NAME VERSION

[ "$1" = wandns ] || exit 0
set -eu
umask 077

dir=$(mktemp -d)
trap 'kill "${pid:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT

wandns version | grep -F "$2" >/dev/null
wandns check --config /etc/config/wandns >/dev/null

# A service without a WAN to publish: the daemon starts, says so and stops.
cat >"$dir/wandns.toml" <<-END
	state_dir = "$dir/state"
	run_dir   = "$dir/run"
	[[service]]
	name      = "home"
	provider  = "noip"
	hostnames = ["home.example.com"]
	username  = "user"
	password  = "secret"
	device    = "lo"
END
wandns check --config "$dir/wandns.toml" >"$dir/check"
if grep secret "$dir/check" >/dev/null; then
	echo "check prints the password" >&2
	exit 1
fi
wandns run --config "$dir/wandns.toml" &
pid=$!
n=0
until wandns status --config "$dir/wandns.toml" 2>/dev/null | grep no-address >/dev/null; do
	n=$((n + 1))
	[ "$n" -lt 20 ] || exit 1
	sleep 1
done
kill "$pid"
wait "$pid"
