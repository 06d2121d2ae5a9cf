package wan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Policy is what a user may say about the address to publish.
// The zero value follows the default route and publishes only what the world
// can reach.
type Policy struct {
	Device       string // this device only, whoever holds the default route
	Interface    string // the device of this network, by netifd's name
	AllowPrivate bool   // also private, CGNAT, unique local and documentation addresses
	// Keep, if it may be published, comes before the device's other addresses.
	Keep netip.Addr
	// Host, if valid, asks for the IPv6 address of a host behind this router:
	// its interface identifier (RFC 7136), and above it the bits of its subnet
	// if the prefix leaves room for them.
	Host netip.Addr
	LAN  string // the device whose prefix Host has; empty for the first with one
}

// Choice is the address to publish for one family, or why there is none.
type Choice struct {
	Addr    netip.Addr   // invalid if there is nothing to publish
	Prefix  netip.Prefix // what the provider gave, for services that publish that; invalid if unknown
	Device  string       // the device that has Addr
	Reason  string       // a plain sentence; without an address the next step comes last
	Refused []Refusal    // of the other addresses that were looked at, the first few
}

// Refusal is an address that is not published, and why.
type Refusal struct {
	Addr   netip.Addr
	Device string
	Reason string
	next   string
}

// Choose picks the address of one family that the world should use for this
// router: that of the device holding the default route, or of the one that p
// pins.
//
// The default route is the one with the lowest metric, and any that is bound
// to a source prefix (RTA_SRC, RFC 8028 and OpenWrt's netifd), which serves
// only addresses inside it. Among a device's addresses the route's preferred
// source comes first, then p.Keep, also if only another route of the same device
// and metric serves it, then the longest preferred lifetime (RFC 6724 would rank
// by the peer, whom nobody knows here).
//
// If that device has no global IPv6 address of any kind, because the provider
// gave it nothing but a delegated prefix, one of another device serves.
func Choose(s State, f Family, p Policy) Choice {
	var why string
	if p.Device, why = s.Pinned(p); why != "" {
		return Choice{Reason: why}
	}
	if f == IPv6 && p.Host.IsValid() {
		return s.behind(p)
	}
	routes := s.holders(f, p.Device)
	if len(routes) == 0 {
		return Choice{Reason: s.noRoute(f, p)}
	}
	var refused []Refusal
	refuse := func(a Addr, reason, next string) {
		r := Refusal{a.Prefix.Addr(), a.Device, reason, next}
		if len(refused) < few && !slices.ContainsFunc(refused, func(o Refusal) bool { return o.Addr == r.Addr && o.Device == r.Device }) {
			refused = append(refused, r)
		}
	}
	var private Addr // the first that AllowPrivate permits
	var way Route
	for _, r := range routes {
		for _, a := range s.candidates(f, r, p.Keep) {
			reason, next, class := judge(a)
			if class == inside && s.OnLAN(f, p, a.Prefix.Addr()) {
				next = fmt.Sprintf("%s holds no %s default route, so it seems to face the LAN; leave out device and interface, or name the WAN's", r.Device, f)
			}
			switch permitted := class == global || class == inside && p.AllowPrivate; {
			case permitted && r.Source.IsValid() && !r.Source.Contains(a.Prefix.Addr()):
				refuse(a, unserved(r), "check the source of the default route")
				continue
			case class == global:
				s.confirm(&a, &r, class, routes, p.Keep)
				return s.chosen(a, r, p, refused)
			case permitted && !private.Prefix.IsValid():
				private, way = a, r
			}
			refuse(a, reason, next)
		}
	}
	if f == IPv6 && p.Device == "" {
		if c, ok := s.delegatedOnly(routes, p, refused); ok {
			return c
		}
	}
	if private.Prefix.IsValid() {
		s.confirm(&private, &way, inside, routes, p.Keep)
		return s.chosen(private, way, p, refused)
	}
	return Choice{Refused: refused, Reason: nothing(f, routes, refused)}
}

// confirm puts keep in place of an address of the same class, if a route as good
// as that one's serves it: netifd makes one for each prefix and address.
func (s State) confirm(a *Addr, r *Route, kind class, routes []Route, keep netip.Addr) {
	i := slices.IndexFunc(s.Addrs, func(k Addr) bool { return k.Prefix.Addr() == keep && k.Device == r.Device })
	if i < 0 || Of(keep) != r.Family || a.Prefix.Addr() == r.PrefSrc {
		return
	}
	if _, _, class := judge(s.Addrs[i]); class != kind {
		return
	}
	j := slices.IndexFunc(routes, func(o Route) bool {
		return o.Device == r.Device && o.Metric == r.Metric && o.LinkDown == r.LinkDown && o.Leaving == r.Leaving && (!o.Source.IsValid() || o.Source.Contains(keep))
	})
	if j >= 0 {
		*a, *r = s.Addrs[i], routes[j]
	}
}

// few bounds what a Choice remembers of a router with thousands of addresses.
const few = 8

func unserved(r Route) string {
	return fmt.Sprintf("outside %s, the only source that the default route of %s serves", r.Source, r.Device)
}

func (s State) chosen(a Addr, r Route, p Policy, refused []Refusal) Choice {
	ip := a.Prefix.Addr()
	refused = slices.DeleteFunc(refused, func(r Refusal) bool { return r.Addr == ip })
	reason := fmt.Sprintf("%s holds the %s default route (metric %d)", r.Device, r.Family, r.Metric)
	switch {
	case p.Interface != "":
		reason = fmt.Sprintf("%s is the device of interface %s", p.Device, p.Interface)
	case p.Device != "":
		reason = fmt.Sprintf("%s is the configured device", p.Device)
	}
	if ok, why := Reachable(ip); !ok {
		reason += fmt.Sprintf("; %s is allowed by allow_private", why)
	}
	return Choice{Addr: ip, Prefix: s.prefix(a), Device: a.Device, Reason: reason, Refused: refused}
}

// holders returns the default routes that count, the preferred first. A
// pinned device counts without one: policy routing may lead to it.
func (s State) holders(f Family, device string) []Route {
	var held []Route
	first := ""
	for _, r := range s.Routes {
		if r.Family != f || device != "" && r.Device != device {
			continue
		}
		if !r.Source.IsValid() {
			if first != "" && r.Device != first {
				continue
			}
			first = r.Device
		}
		held = append(held, r)
	}
	if len(held) == 0 && device != "" && slices.ContainsFunc(s.Devices, func(d Device) bool { return d.Name == device }) {
		held = append(held, Route{Family: f, Device: device})
	}
	return held
}

// candidates returns the addresses that packets by this route may carry.
func (s State) candidates(f Family, r Route, keep netip.Addr) []Addr {
	var list []Addr
	for _, a := range s.Addrs {
		if ip := a.Prefix.Addr(); Of(ip) == f && (a.Device == r.Device || ip == r.PrefSrc) {
			list = append(list, a)
		}
	}
	rank := func(a Addr) int {
		switch a.Prefix.Addr() {
		case r.PrefSrc:
			return 0
		case keep:
			return 1
		}
		return 2
	}
	arrange(list, func(a, b Addr) int {
		return cmp.Or(rank(a)-rank(b), cmp.Compare(b.Preferred, a.Preferred))
	})
	return list
}

// judge says whether an address may be published. Being usable at all comes
// before being reachable, since nothing can permit an address that is not.
func judge(a Addr) (reason, next string, c class) {
	ip := a.Prefix.Addr()
	six := ip.Is6()
	const other = "set device if another one faces the internet"
	switch {
	case a.Flags&DADFailed != 0:
		return "duplicate: another host uses it (dadfailed, RFC 4862)", "give one of the two hosts another address", nowhere
	case a.Flags&Tentative != 0:
		return "tentative: duplicate address detection is running (RFC 4862)", "wait a few seconds", nowhere
	case a.Flags&Withdrawn != 0:
		return "withdrawn: its router advertises the prefix as deprecated (RFC 4862)", "wait for the provider's new address", nowhere
	case a.Flags&Deprecated != 0 || a.Preferred == 0:
		return "deprecated: its preferred lifetime is over (RFC 4862)", "wait for the provider's new address", nowhere
	case six && a.Flags&Temporary != 0:
		return "temporary: it will be replaced soon (RFC 8981)", "give the device a stable address too", nowhere
	}
	e := lookup(ip)
	switch {
	case e.class != nowhere && a.Scope > scopeSite:
		return "not of global scope", other, nowhere
	case e.class == global:
		return "", "", global
	case e.name == cgnat:
		next = "many customers share one public address, so nothing can connect in; ask your provider for a public IPv4 address"
	case e.name == dsLite:
		next = "IPv4 is tunnelled to the provider's NAT, so nothing can connect in; ask your provider for a public IPv4 address, or use IPv6"
	case e.name == natted:
		next = "another router stands before this one (double NAT); put it in bridge mode, or set allow_private"
	case e.class == inside:
		next = "ask your provider for a global address, or set allow_private"
	default:
		next = other
	}
	return e.name, next, e.class
}

// HasGlobal reports whether a device has an address of a family that the world
// can reach, whatever its state.
func (s State) HasGlobal(device string, f Family) bool {
	return slices.ContainsFunc(s.Addrs, func(a Addr) bool {
		ip := a.Prefix.Addr()
		return a.Device == device && Of(ip) == f && lookup(ip).class == global
	})
}

// OnLAN reports a private address that shows no NAT before this router: that of
// a device which p pins, and which holds no default route. It may be another
// WAN's that policy routing leads to, of which nobody knows.
func (s State) OnLAN(f Family, p Policy, a netip.Addr) bool {
	device, _ := s.Pinned(p)
	v4, v6 := s.Holds(device)
	e := lookup(a)
	return device != "" && e.class == inside && e.name != cgnat && e.name != dsLite && [...]bool{!v4, !v6}[f]
}

// NAT says who hides an address from the world, and what a user can do about
// it; nobody does if the world can reach it.
func NAT(a netip.Addr) (who, next string) {
	switch e := lookup(a); {
	case e.class != inside:
		return "", ""
	case e.name == cgnat:
		return "your provider's NAT", "ask your provider for a public IPv4 address"
	case e.name == dsLite:
		return "your provider's NAT", "ask your provider for a public IPv4 address, or use IPv6"
	case e.name == natted:
		return "another router before this one (double NAT)", "put that router in bridge mode or let it forward ports; if it is a VPN, set device"
	}
	return "a NAT before this router", "ask your provider for a global address"
}

// scopeSite is RT_SCOPE_SITE: larger values reach no further than a link.
const scopeSite = 200

// noRoute explains why no device holds the default route.
func (s State) noRoute(f Family, p Policy) string {
	switch {
	case p.Interface != "":
		return fmt.Sprintf("%s, the device of interface %s, has no address; look at: ifstatus %s", p.Device, p.Interface, p.Interface)
	case p.Device != "":
		return fmt.Sprintf("there is no device %s now, or it has no address; bring it up or correct device", p.Device)
	}
	return fmt.Sprintf("no device holds an %s default route; connect the WAN or set device", f)
}

// nothing explains why none of the addresses may be published; the widest
// one says most about what is wrong.
func nothing(f Family, routes []Route, refused []Refusal) string {
	device := routes[0].Device
	worth := slices.IndexFunc(refused, func(r Refusal) bool { return !r.Addr.IsLinkLocalUnicast() })
	if worth < 0 {
		return fmt.Sprintf("%s has no %s address that is not link-local; wait for one or check its configuration", device, f)
	}
	r := refused[worth]
	var also []string
	for _, o := range refused[worth+1:] {
		if !o.Addr.IsLinkLocalUnicast() && len(also) < 3 {
			also = append(also, o.Addr.String())
		}
	}
	more := ""
	if len(also) > 0 {
		more = " (nor can " + strings.Join(also, ", ") + ")"
	}
	return fmt.Sprintf("%s on %s cannot be published: %s%s; %s", r.Addr, r.Device, r.Reason, more, r.next)
}
