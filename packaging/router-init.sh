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

before=$(available)
for next in $(echo "$router_addresses" | $bb tr , ' '); do
	address "$next"
	[ -n "$daemon" ] || {
		/usr/sbin/wandns run --config /etc/config/wandns &
		daemon=$!
	}
	published "$next" || end
	echo "published: $next"
done
$bb sleep 5 # in silence
$bb cat "/proc/$daemon/smaps_rollup"
echo "MemLost: $((before - $(available))) kB"
kill "$daemon"
wait "$daemon" || end
echo "the router is done"
end
