package wan

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Family is an IP version; its value indexes per-family pairs.
type Family uint8

// The two families.
const (
	IPv4 Family = iota
	IPv6
)

// Families returns both families, IPv4 first.
func Families() [2]Family { return [...]Family{IPv4, IPv6} }

// Of returns the family of a valid address.
func Of(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

func (f Family) String() string {
	if f == IPv4 {
		return "IPv4"
	}
	return "IPv6"
}

// RecordType is the DNS type that carries an address of this family.
func (f Family) RecordType() string {
	if f == IPv4 {
		return "A"
	}
	return "AAAA"
}

// State is what the kernel knows about devices, addresses and default routes
// at one moment, and what the routers around have advertised. It is a value:
// nobody changes one after it was read.
type State struct {
	Devices []Device // by name
	Addrs   []Addr   // in the kernel's order
	Routes  []Route  // default routes of the main table, the preferred first
	// Delegated are the prefixes that a provider delegated (RFC 8415), by
	// address, as netifd leaves them in the kernel: as unreachable routes.
	Delegated []netip.Prefix

	Routers    []Router     // by device and address
	Advertised []Advertised // by device and prefix
	Ignored    int          // router advertisements that were no good, or not in all
	Deaf       bool         // advertisements cannot be heard: it takes CAP_NET_RAW

	// Networks are those of OpenWrt's netifd, by name, if they were wanted;
	// NoNetworks says why they are not known.
	Networks   []Network
	NoNetworks string
}

// Device is a network device that has an address or holds a default route.
type Device struct {
	Name    string
	Up      bool // administratively up
	Carrier bool // the lower layer is up
	// PointToPoint links, as of VPNs and PPP, have no hosts behind them.
	PointToPoint bool
	Index        int // another one when a device returns under the same name
}

// Addr is an address of a device.
type Addr struct {
	Device string
	Prefix netip.Prefix // the address with its prefix length
	Flags  Flags
	Scope  uint8 // rtnetlink(7): RT_SCOPE_*

	// Lifetimes in seconds from the reading, Forever for infinite. They run
	// down by themselves, so Equal looks only at whether Preferred is 0.
	Preferred, Valid uint32
}

// Forever is an infinite lifetime (RFC 4861, section 4.6.2).
const Forever = ^uint32(0)

// Route is a default route of the main table.
type Route struct {
	Family   Family
	Device   string
	Gateway  netip.Addr   // invalid on point-to-point links
	Source   netip.Prefix // RTA_SRC: only packets from here; invalid for any source
	PrefSrc  netip.Addr   // RTA_PREFSRC; invalid if the kernel chooses
	Metric   uint32       // lower wins
	LinkDown bool         // the kernel marked the next hop dead or without carrier
	Leaving  bool         // the router advertised that it goes away
}

// Flags are the IFA_F_* bits of if_addr.h.
type Flags uint32

// The flags that decide whether an address may be published. For IPv4 the
// lowest bit means a secondary address, for IPv6 a temporary one (RFC 8981).
const (
	Temporary  Flags = 0x01
	Optimistic Flags = 0x04
	DADFailed  Flags = 0x08
	Deprecated Flags = 0x20
	Tentative  Flags = 0x40
	Permanent  Flags = 0x80

	// Withdrawn is no flag of the kernel's: a router advertised that the
	// prefix shall not be used any more.
	Withdrawn Flags = 1 << 31
)

// Names returns the set flags in ip(8)'s words.
func (a Addr) Names() []string {
	first := "temporary"
	if a.Prefix.Addr().Is4() {
		first = "secondary"
	}
	var names []string
	for _, f := range []struct {
		bit  Flags
		name string
	}{
		{Temporary, first},
		{Optimistic, "optimistic"},
		{DADFailed, "dadfailed"},
		{Deprecated, "deprecated"},
		{Tentative, "tentative"},
		{Permanent, "permanent"},
		{Withdrawn, "withdrawn"},
	} {
		if a.Flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// Holds reports for which families a device holds a default route.
func (s State) Holds(device string) (v4, v6 bool) {
	for _, r := range s.Routes {
		if r.Device == device {
			v4 = v4 || r.Family == IPv4
			v6 = v6 || r.Family == IPv6
		}
	}
	return v4, v6
}

// gateways are the routers that a device's IPv6 default routes lead to; an
// invalid one stands for any on the link.
func (s State) gateways(device string) []netip.Addr {
	var list []netip.Addr
	for _, r := range s.Routes {
		if r.Family == IPv6 && r.Device == device {
			list = append(list, r.Gateway)
		}
	}
	return list
}

// trusts reports whether a router is one of these gateways.
func trusts(gateways []netip.Addr, router netip.Addr) bool {
	return slices.Contains(gateways, router) || slices.Contains(gateways, netip.Addr{})
}

// unheard reports whether one of a device's gateways has not been heard yet.
func (s State) unheard(device string) bool {
	return slices.ContainsFunc(s.gateways(device), func(g netip.Addr) bool {
		return g.IsLinkLocalUnicast() && !slices.ContainsFunc(s.Routers, func(r Router) bool {
			return r.Device == device && r.Addr == g
		})
	})
}

// Expects reports whether a router on a default route has not been heard yet.
func (s State) Expects() bool {
	return !s.Deaf && slices.ContainsFunc(s.Devices, func(d Device) bool { return s.unheard(d.Name) })
}

// Equal reports whether two states lead to the same decisions.
func (s State) Equal(t State) bool {
	return slices.Equal(s.Devices, t.Devices) &&
		slices.Equal(s.Routes, t.Routes) &&
		slices.Equal(s.Delegated, t.Delegated) &&
		slices.Equal(s.Networks, t.Networks) && s.NoNetworks == t.NoNetworks &&
		s.Ignored == t.Ignored && s.Deaf == t.Deaf &&
		alike(s.Addrs, t.Addrs, Addr.lasting) && alike(s.Routers, t.Routers, Router.lasting) &&
		alike(s.Advertised, t.Advertised, Advertised.lasting)
}

// alike compares what has lifetimes.
func alike[T comparable](a, b []T, lasting func(T) T) bool {
	return slices.EqualFunc(a, b, func(a, b T) bool { return lasting(a) == lasting(b) })
}

// lasting is the address without what changes by itself.
func (a Addr) lasting() Addr {
	a.Preferred, a.Valid = min(a.Preferred, 1), 0
	return a
}

// newState orders what was read so that equal readings compare equal.
func newState(devices []Device, addrs []Addr, routes []Route, delegated []netip.Prefix) State {
	used := map[string]bool{}
	for _, a := range addrs {
		used[a.Device] = true
	}
	for _, r := range routes {
		used[r.Device] = true
	}
	devices = slices.DeleteFunc(devices, func(d Device) bool { return !used[d.Name] })
	arrange(devices, func(a, b Device) int { return strings.Compare(a.Name, b.Name) })
	arrange(delegated, netip.Prefix.Compare)
	s := State{Devices: devices, Addrs: addrs, Routes: routes, Delegated: slices.Compact(delegated)}
	s.order()
	return s
}

// order puts the preferred route first: one that leads somewhere, then the
// lowest metric.
func (s State) order() {
	lost := func(r Route) int {
		if r.LinkDown || r.Leaving {
			return 1
		}
		return 0
	}
	arrange(s.Routes, func(a, b Route) int {
		return cmp.Or(lost(a)-lost(b), cmp.Compare(a.Metric, b.Metric))
	})
}

// arrange sorts, and keeps the order of equals. Unlike those of package slices
// it is not compiled anew for each type, which takes 4 to 12 KB.
func arrange[T any](list []T, compare func(a, b T) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}
