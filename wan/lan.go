package wan

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// delegatedOnly picks an address of another device for a router whose WAN has
// no global IPv6 address at all. One that is tentative or deprecated counts as
// one: it is about to be good, or about to be replaced.
func (s State) delegatedOnly(routes []Route, p Policy, refused []Refusal) (Choice, bool) {
	for _, a := range s.Addrs {
		ip := a.Prefix.Addr()
		if ip.Is6() && lookup(ip).class == global && slices.ContainsFunc(routes, func(r Route) bool { return r.Device == a.Device }) {
			return Choice{}, false
		}
	}
	for _, a := range s.lanAddrs(p) {
		ip := a.Prefix.Addr()
		i := slices.IndexFunc(routes, func(r Route) bool { return !r.Source.IsValid() || r.Source.Contains(ip) })
		if _, _, class := judge(a); class != global || i < 0 {
			continue
		}
		return Choice{
			Addr: ip, Prefix: s.prefix(a), Device: a.Device, Refused: refused,
			Reason: fmt.Sprintf("%s holds the IPv6 default route but has no global address, and %s has this one", routes[i].Device, a.Device),
		}, true
	}
	return Choice{}, false
}

// behind picks the address of a host behind the router: the prefix of the LAN
// with the host's bits below it.
func (s State) behind(p Policy) Choice {
	var refused []Refusal
	var private Choice
	for _, a := range s.lanAddrs(p) {
		if a.Prefix.Bits() > 64 {
			continue // no prefix that hosts make addresses of (RFC 4862)
		}
		ip := join(a.Prefix, p.Host)
		reason, next, class := judge(a.of(p.Host))
		choice := Choice{Addr: ip, Prefix: s.prefix(a), Device: a.Device, Reason: fmt.Sprintf("%s is the prefix of %s", a.Prefix.Masked(), a.Device)}
		switch {
		case class == global:
			choice.Refused = refused
			return choice
		case class == inside && p.AllowPrivate && !private.Addr.IsValid():
			private = choice
		case len(refused) < few:
			refused = append(refused, Refusal{ip, a.Device, reason, next})
		}
	}
	if private.Addr.IsValid() {
		private.Refused = refused
		return private
	}
	lan := "no LAN device has"
	if p.LAN != "" {
		lan = p.LAN + " does not have"
	}
	return Choice{Refused: refused, Reason: lan + " a global IPv6 prefix; ask your provider for a delegated one, or correct ipv6_lan"}
}

// lanAddrs returns the IPv6 addresses of devices behind the router: of p.LAN, or
// of all that hold no default route and can have hosts; p.Keep's prefix first,
// then the longest preferred lifetime.
func (s State) lanAddrs(p Policy) []Addr {
	var list []Addr
	for _, a := range s.Addrs {
		ip := a.Prefix.Addr()
		if !ip.Is6() || ip.IsLinkLocalUnicast() {
			continue
		}
		if _, holds := s.Holds(a.Device); p.LAN == a.Device || p.LAN == "" && !holds && (s.delegated(ip) || !s.pointToPoint(a.Device)) {
			list = append(list, a)
		}
	}
	kept := func(a Addr) int {
		if p.Keep.IsValid() && a.Prefix.Contains(p.Keep) {
			return 0
		}
		return 1
	}
	arrange(list, func(a, b Addr) int {
		return cmp.Or(kept(a)-kept(b), cmp.Compare(b.Preferred, a.Preferred))
	})
	return list
}

func (s State) delegated(ip netip.Addr) bool {
	return slices.ContainsFunc(s.Delegated, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// prefix returns what the provider gave to the network of an IPv6 address: the
// delegated prefix that it is in, or else the first one, or else the prefix of
// its link.
func (s State) prefix(a Addr) netip.Prefix {
	if a.Prefix.Addr().Is4() {
		return netip.Prefix{}
	}
	for _, p := range s.Delegated {
		if p.Contains(a.Prefix.Addr()) {
			return p
		}
	}
	switch {
	case len(s.Delegated) > 0:
		return s.Delegated[0]
	case a.Prefix.Bits() <= 64:
		return a.Prefix.Masked()
	}
	return netip.Prefix{}
}

func (s State) pointToPoint(device string) bool {
	return slices.ContainsFunc(s.Devices, func(d Device) bool { return d.Name == device && d.PointToPoint })
}

// of is the address that a host has in the same network.
func (a Addr) of(host netip.Addr) Addr {
	a.Prefix = netip.PrefixFrom(join(a.Prefix, host), 128)
	return a
}

// join takes the prefix from one address and the bits below it from another.
func join(p netip.Prefix, host netip.Addr) netip.Addr {
	prefix, low := p.Masked().Addr().As16(), host.As16()
	for i := range prefix {
		keep := byte(0) // of the prefix in this byte
		if n := p.Bits() - 8*i; n >= 8 {
			keep = 0xff
		} else if n > 0 {
			keep = ^byte(0xff >> n)
		}
		prefix[i] = prefix[i]&keep | low[i]&^keep
	}
	return netip.AddrFrom16(prefix)
}

// EUI64 is the interface identifier that a host makes of its MAC address (RFC
// 4291, appendix A), as a suffix for Policy.Host.
func EUI64(mac string) (netip.Addr, error) {
	m, err := net.ParseMAC(mac)
	if err != nil || len(m) != 6 {
		return netip.Addr{}, errors.New("not a MAC address of six bytes")
	}
	return netip.AddrFrom16([16]byte{8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}), nil
}
