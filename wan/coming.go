package wan

// Coming reports whether p.Keep, an IPv6 address that is not there or not yet
// checked for duplicates, may be about to come, and over which line: after a
// line is up, DHCPv6 takes some seconds longer than an advertisement. What
// speaks for it is that the line has its prefix; what speaks against it
// decides.
func Coming(s State, p Policy) (line string, ok bool) {
	device, unknown := s.Pinned(p)
	routes := s.holders(IPv6, device)
	prefix, err := p.Keep.Prefix(64)
	if unknown != "" || len(routes) == 0 || err != nil || p.Keep.Is4() {
		return "", false
	}
	line = routes[0].Device
	had, host := s.Addrs, p.Host.IsValid()
	if host {
		had = s.lanAddrs(p)
	}
	near := s.delegated(p.Keep)
	for i := range had {
		a := &had[i]
		ip := a.Prefix.Addr()
		inside := prefix.Contains(ip)
		pending := a.Flags&(DADFailed|Withdrawn|Deprecated) == 0 && a.Preferred > 0
		if ip == p.Keep || host && inside {
			return line, pending && a.Flags&Tentative != 0
		}
		near = near || inside && pending && a.Device == line
	}
	for i := range s.Advertised {
		if a := &s.Advertised[i]; a.Device == line && a.Prefix.Contains(p.Keep) {
			if a.Preferred > 0 {
				near = near || !host
			} else if trusts(s.gateways(line), a.Router) {
				return line, false
			}
		}
	}
	return line, near
}
