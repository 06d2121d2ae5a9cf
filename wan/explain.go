package wan

import (
	"cmp"
	"fmt"
	"slices"
)

// Explain says of every address of a family why Choose does not return it. For
// a host behind the router these are the addresses that the host may have.
func Explain(s State, f Family, p Policy) []Refusal {
	c := Choose(s, f, p)
	device, unpinned := s.Pinned(p)
	p.Device = device
	var list []Refusal
	for _, a := range s.answers(f, p) {
		ip := a.Prefix.Addr()
		if ip == c.Addr && a.Device == c.Device {
			continue
		}
		reason, _, class := judge(a)
		if class == global || class == inside && p.AllowPrivate {
			reason = cmp.Or(unpinned, s.lesser(a, f, p, c))
		}
		list = append(list, Refusal{Addr: ip, Device: a.Device, Reason: reason})
	}
	return list
}

// answers are the addresses that could be the answer to a policy.
func (s State) answers(f Family, p Policy) []Addr {
	var list []Addr
	if f == IPv6 && p.Host.IsValid() {
		for _, a := range s.lanAddrs(p) {
			if a.Prefix.Bits() <= 64 {
				list = append(list, a.of(p.Host))
			}
		}
		return list
	}
	for _, a := range s.Addrs {
		if Of(a.Prefix.Addr()) == f {
			list = append(list, a)
		}
	}
	return list
}

// lesser says why a good address comes after the chosen one.
func (s State) lesser(a Addr, f Family, p Policy, c Choice) string {
	ip := a.Prefix.Addr()
	on := func(r Route) bool { return r.Family == f && r.Device == a.Device }
	held := s.holders(f, p.Device)
	i := slices.IndexFunc(held, on)
	switch {
	case p.Host.IsValid():
		return fmt.Sprintf("good too, but the prefix of %s comes first", c.Device)
	case p.Device != "" && a.Device != p.Device:
		return fmt.Sprintf("%s is not the configured device", a.Device)
	case i < 0 && slices.ContainsFunc(s.Routes, on):
		return fmt.Sprintf("another default route comes before that of %s", a.Device)
	case i < 0:
		return fmt.Sprintf("%s holds no %s default route", a.Device, f)
	case !slices.ContainsFunc(held, func(r Route) bool { return on(r) && (!r.Source.IsValid() || r.Source.Contains(ip)) }):
		return unserved(held[i])
	case a.Device != c.Device:
		return fmt.Sprintf("good too, but %s comes first", c.Device)
	}
	why := "comes first in the kernel's list"
	chosen := s.Addrs[slices.IndexFunc(s.Addrs, func(a Addr) bool { return a.Prefix.Addr() == c.Addr && a.Device == c.Device })]
	switch {
	case slices.ContainsFunc(held, func(r Route) bool { return r.PrefSrc == c.Addr }):
		why = "is the preferred source of the route"
	case p.Keep == c.Addr:
		why = "is published already"
	case chosen.Preferred > a.Preferred:
		why = "stays preferred for longer"
	}
	return fmt.Sprintf("good too, but %s %s", c.Addr, why)
}
