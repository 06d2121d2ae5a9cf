package wan

import (
	"net/netip"
	"sync"
)

// special is an entry of IANA's special-purpose address registries.
type special struct {
	prefix netip.Prefix
	name   string
	class  class
}

// The kinds of NAT that people have to be told about.
const (
	natted = "private, RFC 1918"
	cgnat  = "carrier-grade NAT, RFC 6598"
	dsLite = "IETF protocol assignment, used by DS-Lite, RFC 6890"
)

type class uint8

const (
	global  class = iota // globally reachable
	inside               // reachable inside a site or a provider: allow_private permits it
	nowhere              // never the address of a host that others can reach
)

// registry holds the IANA IPv4 and IPv6 special-purpose address registries
// (RFC 6890, as updated up to RFC 9637 and RFC 9780), multicast (RFC 5771,
// RFC 4291) and what lies outside IPv6 global unicast (2000::/3, RFC 4291).
// The longest prefix that contains an address decides.
//
//nolint:gochecknoglobals // a constant table, parsed when first needed
var registry = sync.OnceValue(func() []special {
	var list []special
	for _, e := range []struct {
		prefix, name string
		class        class
	}{
		{"0.0.0.0/8", "this network, RFC 791", nowhere},
		{"10.0.0.0/8", natted, inside},
		{"100.64.0.0/10", cgnat, inside},
		{"127.0.0.0/8", "loopback, RFC 1122", nowhere},
		{"169.254.0.0/16", "link-local, RFC 3927", nowhere},
		{"172.16.0.0/12", natted, inside},
		{"192.0.0.0/24", dsLite, inside},
		{"192.0.0.9/32", "PCP anycast, RFC 7723", global},
		{"192.0.0.10/32", "TURN anycast, RFC 8155", global},
		{"192.0.2.0/24", "documentation, RFC 5737", inside},
		{"192.31.196.0/24", "AS112, RFC 7535", global},
		{"192.52.193.0/24", "AMT, RFC 7450", global},
		{"192.88.99.0/24", "6to4 relay anycast, deprecated by RFC 7526", nowhere},
		{"192.168.0.0/16", natted, inside},
		{"192.175.48.0/24", "AS112, RFC 7534", global},
		{"198.18.0.0/15", "benchmarking, RFC 2544", inside},
		{"198.51.100.0/24", "documentation, RFC 5737", inside},
		{"203.0.113.0/24", "documentation, RFC 5737", inside},
		{"224.0.0.0/4", "multicast, RFC 5771", nowhere},
		{"240.0.0.0/4", "reserved, RFC 1112", nowhere},
		{"255.255.255.255/32", "limited broadcast, RFC 919", nowhere},

		{"::/0", "not global unicast, RFC 4291", nowhere},
		{"::/128", "unspecified, RFC 4291", nowhere},
		{"::1/128", "loopback, RFC 4291", nowhere},
		{"::ffff:0:0/96", "IPv4-mapped, RFC 4291", nowhere},
		{"64:ff9b::/96", "IPv4/IPv6 translation, RFC 6052", global},
		{"64:ff9b:1::/48", "local IPv4/IPv6 translation, RFC 8215", inside},
		{"100::/64", "discard-only, RFC 6666", nowhere},
		{"100:0:0:1::/64", "dummy prefix, RFC 9780", nowhere},
		{"2000::/3", "global unicast, RFC 4291", global},
		{"2001::/23", "IETF protocol assignment, RFC 2928", nowhere},
		{"2001::/32", "Teredo, RFC 4380", nowhere},
		{"2001:1::1/128", "PCP anycast, RFC 7723", global},
		{"2001:1::2/128", "TURN anycast, RFC 8155", global},
		{"2001:1::3/128", "DNS-SD SRP anycast, RFC 9665", global},
		{"2001:2::/48", "benchmarking, RFC 5180", inside},
		{"2001:3::/32", "AMT, RFC 7450", global},
		{"2001:4:112::/48", "AS112, RFC 7535", global},
		{"2001:10::/28", "ORCHID, deprecated by RFC 7343", nowhere},
		{"2001:20::/28", "ORCHIDv2, RFC 7343", global},
		{"2001:30::/28", "drone remote identification, RFC 9374", global},
		{"2001:db8::/32", "documentation, RFC 3849", inside},
		{"2620:4f:8000::/48", "AS112, RFC 7534", global},
		{"3fff::/20", "documentation, RFC 9637", inside},
		{"5f00::/16", "segment routing, RFC 9602", nowhere},
		{"fc00::/7", "unique local, RFC 4193", inside},
		{"fe80::/10", "link-local, RFC 4291", nowhere},
		{"fec0::/10", "site-local, deprecated by RFC 3879", inside},
		{"ff00::/8", "multicast, RFC 4291", nowhere},
	} {
		list = append(list, special{netip.MustParsePrefix(e.prefix), e.name, e.class})
	}
	return list
})

// sixToFour is 2002::/16 (RFC 3056): such an address is as reachable as the
// IPv4 address inside it.
func sixToFour(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	if !a.Is6() || b[0] != 0x20 || b[1] != 0x02 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[2:6])), true
}

// lookup returns the registry's most specific entry for an address; a zero
// one, which is global, where there is none.
func lookup(a netip.Addr) special {
	if !a.IsValid() {
		return special{name: "no address", class: nowhere}
	}
	a = a.WithZone("")
	if v4, ok := sixToFour(a); ok {
		e := lookup(v4)
		e.name = "6to4 of " + e.name
		return e
	}
	var best special
	for _, e := range registry() {
		if e.prefix.Contains(a) && (!best.prefix.IsValid() || e.prefix.Bits() > best.prefix.Bits()) {
			best = e
		}
	}
	return best
}

// Reachable reports whether the world can reach an address, by IANA's
// special-purpose registries, and names the entry that forbids it.
func Reachable(a netip.Addr) (ok bool, why string) {
	e := lookup(a)
	if e.class == global {
		return true, ""
	}
	return false, e.name
}
