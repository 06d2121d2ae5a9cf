package wan

import (
	"net/netip"
	"testing"
)

// A service keeps its IPv6 address; its A record is none of that's business, also
// where the IPv4 route names no source, as of PPPoE and static addresses.
func TestAKeptIPv6AddressIsNoAnswerForIPv4(t *testing.T) {
	at := func(prefix string) Addr {
		return Addr{Device: "pppoe-wan", Prefix: netip.MustParsePrefix(prefix), Preferred: 3600, Valid: 3600}
	}
	s := State{
		Devices: []Device{{Name: "pppoe-wan", Up: true}},
		Addrs:   []Addr{at("84.0.0.2/32"), at("2a00:1::2/64"), at("2a00:1::3/64")},
		Routes:  []Route{{Family: IPv4, Device: "pppoe-wan"}, {Family: IPv6, Device: "pppoe-wan"}},
	}
	p := Policy{Keep: netip.MustParseAddr("2a00:1::3")}
	if got := Choose(s, IPv4, p).Addr; got != netip.MustParseAddr("84.0.0.2") {
		t.Errorf("A: %s", got)
	}
	if got := Choose(s, IPv6, p).Addr; got != p.Keep {
		t.Errorf("AAAA: %s", got)
	}
}
