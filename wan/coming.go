package wan

// Coming reports whether p.Keep, an IPv6 address that is not there or not yet
// checked for duplicates, may be about to come, and over which line: after a
// line is up, DHCPv6 takes some seconds longer than an advertisement. What
// speaks for it is that the line has its prefix; what speaks against it
// decides.
func Coming(s State, p Policy) (line string, ok bool) {
	device, unknown := s.Pinned(p)
	routes := s.holders(IPv6, device)
	if unknown != "" || len(routes) == 0 || !p.Keep.Is6() {
		return "", false
	}
	line = routes[0].Device
	prefix, err := p.Keep.Prefix(64)
	if err != nil {
		return "", false
	}
	var had []Addr // what the address is, or is made of
	if p.Host.IsValid() {
		had = s.lanAddrs(p)
	} else {
		had = s.Addrs
	}
	for _, a := range had {
		ip := a.Prefix.Addr()
		if ip == p.Keep || p.Host.IsValid() && prefix.Contains(ip) {
			return line, a.pending() && a.Flags&Tentative != 0
		}
	}
	for _, a := range s.Advertised {
		if a.Device == line && a.Preferred == 0 && a.Prefix.Contains(p.Keep) {
			return line, false
		}
	}
	if s.delegated(p.Keep) {
		return line, true
	}
	if p.Host.IsValid() {
		return line, false
	}
	for _, a := range s.Addrs {
		if a.Device == line && a.pending() && prefix.Contains(a.Prefix.Addr()) {
			return line, true
		}
	}
	for _, a := range s.Advertised {
		if a.Device == line && a.Prefix.Contains(p.Keep) {
			return line, true
		}
	}
	for _, r := range routes {
		if r.Device == line && r.Source.IsValid() && r.Source.Contains(p.Keep) {
			return line, true
		}
	}
	return line, false
}

// pending reports whether an address is good or will be once it is checked.
func (a Addr) pending() bool {
	return a.Flags&(DADFailed|Withdrawn|Deprecated) == 0 && a.Preferred > 0
}
