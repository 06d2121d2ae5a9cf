#!/bin/sh
# What busybox's DHCP client calls: as OpenWrt does, the address and the route
# of a lease are replaced.
# shellcheck disable=SC2154 # udhcpc sets interface, ip, mask and router
set -e
case "$1" in
deconfig) ip -4 addr flush dev "$interface" ;;
bound | renew)
	ip -4 addr replace "$ip/$mask" dev "$interface"
	ip -4 route replace default via "$router" dev "$interface"
	;;
esac
echo "script: $1 $ip"
