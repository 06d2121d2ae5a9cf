package wantest

import (
	"net/netip"

	"wandns/wan"
)

// State is a WAN whose only device holds both default routes and has these
// lasting addresses.
func State(addrs ...string) wan.State {
	s := wan.State{
		Devices: []wan.Device{{Name: "wan0", Up: true, Carrier: true}},
		Routes:  []wan.Route{{Family: wan.IPv4, Device: "wan0"}, {Family: wan.IPv6, Device: "wan0"}},
	}
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		s.Addrs = append(s.Addrs, wan.Addr{Device: "wan0", Prefix: netip.PrefixFrom(ip, ip.BitLen()), Preferred: wan.Forever, Valid: wan.Forever})
	}
	return s
}
