#!/bin/sh
# What dhclient -6 -P calls. It does as OpenWrt's netifd does with the leases of
# odhcp6c: a delegated prefix is an unreachable route, its first /64 is the
# LAN's, each source has a default route. The LAN keeps a prefix that was
# withdrawn for a while, deprecated.
# shellcheck disable=SC2154 # dhclient sets reason, interface, new_* and old_*
set -e
default() { ip -6 route replace default from "$1" via fe80::1 dev "$interface" proto static metric 512; }
lan() { # PREFIX PREFERRED VALID
	ip -6 addr replace "${1%::/*}::1/64" dev lan0 noprefixroute preferred_lft "$2" valid_lft "$3"
}
case "$reason" in
BOUND6 | RENEW6 | REBIND6)
	if [ -n "$new_ip6_address" ]; then
		ip -6 addr replace "$new_ip6_address/128" dev "$interface" noprefixroute preferred_lft "$new_preferred_life" valid_lft "$new_max_life"
		default "$new_ip6_address/128"
	elif [ "$new_max_life" -gt 0 ]; then
		ip -6 route replace unreachable "$new_ip6_prefix" dev lo proto static metric 2147483647
		default "$new_ip6_prefix"
		lan "$new_ip6_prefix" "$new_preferred_life" "$new_max_life"
	fi
	;;
EXPIRE6 | RELEASE6 | STOP6)
	if [ -n "$old_ip6_prefix" ]; then
		ip -6 route del unreachable "$old_ip6_prefix" proto static metric 2147483647
		ip -6 route del default from "$old_ip6_prefix" dev "$interface"
		lan "$old_ip6_prefix" 0 7200
	fi
	;;
esac
echo "script: $reason ${new_ip6_address:-${new_ip6_prefix:-$old_ip6_prefix}}"
