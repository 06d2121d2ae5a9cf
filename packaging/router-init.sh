#!/bin/busybox sh
# The first program of a router with our package on it: the daemon follows the
# addresses it is given in turn, and is then left alone. The kernel's command
# line has set the router_* variables.
# shellcheck shell=dash disable=SC2154
set -e
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
$bb mount -t tmpfs tmpfs /tmp
while read -r module; do $bb insmod "/$module"; done </modules
until [ -b "/dev/$router_disk" ]; do $bb sleep 0.1; done
$bb mount -t ext4 "/dev/$router_disk" /etc/wandns
$bb ip link set lo up
$bb ip link set eth0 up

address() {
	$bb ip addr flush dev eth0
	$bb ip addr add "$1/24" dev eth0
	$bb ip route add default via 10.0.2.2
}

# published ADDRESS: waits for it, half an hour at most.
published() {
	n=0
	until /usr/sbin/wandns status --json >/tmp/status && $bb grep "\"published\":\"$1\"" /tmp/status >/dev/null; do
		n=$((n + 1))
		[ $n -lt 1800 ] || return 1
		$bb sleep 1
	done
}

available() { $bb sed -n 's/MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo; }

end() {
	$bb cat /tmp/status
	$bb umount /etc/wandns
	echo o >/proc/sysrq-trigger
	$bb sleep 60
}

# idle waits until the daemon has done nothing for five seconds.
idle() {
	switches=
	until [ "$switches" = "$($bb cat /proc/"$daemon"/task/*/status | $bb grep ctxt_switches)" ]; do
		switches=$($bb cat /proc/"$daemon"/task/*/status | $bb grep ctxt_switches)
		$bb sleep 5
	done
}

before=$(available)
for program in $(echo "$router_programs" | $bb tr , ' '); do
	daemon=
	for next in $(echo "$router_addresses" | $bb tr , ' '); do
		address "$next"
		[ -n "$daemon" ] || {
			"$program" run --config /etc/config/wandns &
			daemon=$!
		}
		published "$next" || end
		echo "$program published: $next"
		idle
	done
	$bb cat "/proc/$daemon/smaps_rollup"
	echo "MemLost: $((before - $(available))) kB"
	kill "$daemon"
	wait "$daemon" || end
done
echo "the router is done"
end
