package wan

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// at is a permanent address of a device.
func at(device, prefix string, flags ...Flags) Addr {
	a := Addr{Device: device, Prefix: netip.MustParsePrefix(prefix), Flags: Permanent, Preferred: Forever, Valid: Forever}
	for _, f := range flags {
		a.Flags |= f
	}
	return a
}

func lasting(a Addr, preferred, valid uint32) Addr {
	a.Preferred, a.Valid = preferred, valid
	return a
}

func scoped(a Addr, scope uint8) Addr {
	a.Scope = scope
	return a
}

func from(r Route, prefix string) Route {
	r.Source = netip.MustParsePrefix(prefix)
	return r
}

func source(r Route, addr string) Route {
	r.PrefSrc = netip.MustParseAddr(addr)
	return r
}

// by is the IPv4 default route of a device, by6 the IPv6 one.
func by(device string, metric uint32) Route { return Route{Device: device, Metric: metric} }

func by6(device string, metric uint32) Route {
	return Route{Family: IPv6, Device: device, Metric: metric}
}

// world is a State with every device that its addresses and routes name, and
// those that have neither out of it.
func world(parts ...any) State {
	var devices []Device
	var addrs []Addr
	var routes []Route
	see := func(name string) {
		if !slices.ContainsFunc(devices, func(d Device) bool { return d.Name == name }) {
			devices = append(devices, Device{Name: name, Up: true, Carrier: true})
		}
	}
	for _, p := range parts {
		switch p := p.(type) {
		case Addr:
			addrs = append(addrs, p)
			see(p.Device)
		case Route:
			routes = append(routes, p)
			see(p.Device)
		}
	}
	return newState(devices, addrs, routes, nil)
}

func TestChoose(t *testing.T) {
	down := by("wan0", 10)
	down.LinkDown = true
	private := Policy{AllowPrivate: true}

	for _, c := range []struct {
		name    string
		state   State
		family  Family
		policy  Policy
		want    string   // "ADDRESS DEVICE", or nothing
		reason  string   // part of it
		refused []string // "ADDRESS part of the reason", in order
	}{
		{
			name:   "the address of the device with the default route",
			state:  world(at("lan0", "84.0.1.1/24"), at("wan0", "84.0.0.2/24"), by("wan0", 5)),
			want:   "84.0.0.2 wan0",
			reason: "wan0 holds the IPv4 default route (metric 5)",
		},
		{
			name: "the lower metric wins",
			state: world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"),
				by("wan0", 20), by("wan1", 10)),
			want:   "85.0.0.2 wan1",
			reason: "wan1 holds the IPv4 default route (metric 10)",
		},
		{
			name: "a route without carrier loses",
			state: world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"),
				down, by("wan1", 20)),
			want: "85.0.0.2 wan1",
		},
		{
			name:  "a route without carrier is better than none",
			state: world(at("wan0", "84.0.0.2/24"), down),
			want:  "84.0.0.2 wan0",
		},
		{
			name:   "no default route",
			state:  world(at("wan0", "84.0.0.2/24")),
			reason: "no device holds an IPv4 default route; connect the WAN or set device",
		},
		{
			name:   "the other family's default route does not count",
			state:  world(at("wan0", "84.0.0.2/24"), at("wan0", "2a00::2/64"), by("wan0", 5)),
			family: IPv6,
			reason: "no device holds an IPv6 default route",
		},
		{
			name:   "nothing at all",
			reason: "no device holds an IPv4 default route",
		},
		{
			name:   "the default route's device has no address",
			state:  world(at("lan0", "84.0.1.1/24"), by("wan0", 5)),
			reason: "wan0 has no IPv4 address",
		},
		{
			name: "the second device is not used when the first has nothing",
			state: world(at("wan0", "192.168.1.2/24"), at("wan1", "85.0.0.2/24"),
				by("wan0", 10), by("wan1", 20)),
			reason:  "192.168.1.2 on wan0 cannot be published: private, RFC 1918",
			refused: []string{"192.168.1.2 private, RFC 1918"},
		},
		{
			name: "a second default route of the same device changes nothing",
			state: world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"),
				by("wan0", 10), by("wan1", 15), by("wan0", 20)),
			want: "84.0.0.2 wan0",
		},
		{
			name: "a pinned device with a default route",
			state: world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"),
				by("wan0", 10), by("wan1", 20)),
			policy: Policy{Device: "wan1"},
			want:   "85.0.0.2 wan1",
			reason: "wan1 is the configured device",
		},
		{
			name:   "a pinned device without a default route",
			state:  world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"), by("wan0", 10)),
			policy: Policy{Device: "wan1"},
			want:   "85.0.0.2 wan1",
			reason: "wan1 is the configured device",
		},
		{
			name:   "a pinned device that does not exist",
			state:  world(at("wan0", "84.0.0.2/24"), by("wan0", 10)),
			policy: Policy{Device: "wan7"},
			reason: "there is no device wan7 now, or it has no address; bring it up or correct device",
		},
		{
			name:   "a pinned device without an address of the family",
			state:  world(at("wan0", "84.0.0.2/24"), by("wan0", 10)),
			family: IPv6,
			policy: Policy{Device: "wan0"},
			reason: "wan0 has no IPv6 address that is not link-local",
		},
		{
			name: "a source-specific default serves only its source",
			state: world(at("wan0", "fe80::1/64"), at("wan0", "2a00:2::2/64"), at("wan0", "2a00:1::2/64"),
				from(by6("wan0", 512), "2a00:1::/48")),
			family: IPv6,
			want:   "2a00:1::2 wan0",
			refused: []string{
				"fe80::1 link-local",
				"2a00:2::2 outside 2a00:1::/48, the only source that the default route of wan0 serves",
			},
		},
		{
			name:    "no address inside the source",
			state:   world(at("wan0", "2a00:2::2/64"), from(by6("wan0", 512), "2a00:1::/48")),
			family:  IPv6,
			reason:  "2a00:2::2 on wan0 cannot be published: outside 2a00:1::/48",
			refused: []string{"2a00:2::2 outside 2a00:1::/48"},
		},
		{
			name: "two source-specific defaults on one device",
			state: world(at("wan0", "2a00:2::2/64"), at("wan0", "2a00:1::2/64", Deprecated),
				from(by6("wan0", 512), "2a00:1::/48"), from(by6("wan0", 512), "2a00:2::/48")),
			family:  IPv6,
			want:    "2a00:2::2 wan0",
			refused: []string{"2a00:1::2 deprecated"},
		},
		{
			name: "source-specific defaults on two devices: the second serves when the first has nothing",
			state: world(at("wan0", "2a00:1::2/64", Tentative), at("wan1", "2a00:2::2/64"),
				from(by6("wan0", 100), "2a00:1::/48"), from(by6("wan1", 200), "2a00:2::/48")),
			family:  IPv6,
			want:    "2a00:2::2 wan1",
			reason:  "wan1 holds the IPv6 default route (metric 200)",
			refused: []string{"2a00:1::2 tentative"},
		},
		{
			name: "source-specific defaults on two devices: the lower metric wins",
			state: world(at("wan0", "2a00:1::2/64"), at("wan1", "2a00:2::2/64"),
				from(by6("wan0", 200), "2a00:1::/48"), from(by6("wan1", 100), "2a00:2::/48")),
			family: IPv6,
			want:   "2a00:2::2 wan1",
		},
		{
			name: "a second device's default for any source does not count, its source-specific one does",
			state: world(at("wan0", "fe80::1/64"), at("wan1", "2a00:2::2/64"), at("wan2", "2a00:3::2/64"),
				by6("wan0", 100), by6("wan1", 200), from(by6("wan2", 300), "2a00:3::/48")),
			family:  IPv6,
			want:    "2a00:3::2 wan2",
			refused: []string{"fe80::1 link-local"},
		},
		{
			name:  "the route's preferred source comes first",
			state: world(at("wan0", "84.0.0.2/24"), at("wan0", "84.0.0.3/24"), source(by("wan0", 5), "84.0.0.3")),
			want:  "84.0.0.3 wan0",
		},
		{
			name:  "the preferred source may be on another device",
			state: world(at("lo", "85.0.0.1/32"), at("wan0", "84.0.0.2/24"), source(by("wan0", 5), "85.0.0.1")),
			want:  "85.0.0.1 lo",
		},
		{
			name:    "a preferred source that cannot be published",
			state:   world(at("wan0", "84.0.0.2/24"), at("wan0", "10.0.0.1/24"), source(by("wan0", 5), "10.0.0.1")),
			want:    "84.0.0.2 wan0",
			refused: []string{"10.0.0.1 private"},
		},
		{
			name:  "the kernel's order decides",
			state: world(at("wan0", "84.0.0.3/24"), at("wan0", "84.0.0.2/24"), by("wan0", 5)),
			want:  "84.0.0.3 wan0",
		},
		{
			name:    "private",
			state:   world(at("wan0", "172.31.0.2/24"), by("wan0", 5)),
			reason:  "172.31.0.2 on wan0 cannot be published: private, RFC 1918; another router stands before this one (double NAT); put it in bridge mode, or set allow_private",
			refused: []string{"172.31.0.2 private, RFC 1918"},
		},
		{
			name:    "carrier-grade NAT",
			state:   world(at("wan0", "100.64.0.2/24"), by("wan0", 5)),
			reason:  "carrier-grade NAT, RFC 6598; many customers share one public address, so nothing can connect in; ask your provider for a public IPv4 address",
			refused: []string{"100.64.0.2 carrier-grade NAT"},
		},
		{
			name:    "DS-Lite",
			state:   world(at("ds0", "192.0.0.2/29"), by("ds0", 5)),
			reason:  "used by DS-Lite",
			refused: []string{"192.0.0.2 IETF protocol assignment"},
		},
		{
			name:    "IPv4 link-local",
			state:   world(at("wan0", "169.254.3.4/16"), by("wan0", 5)),
			reason:  "wan0 has no IPv4 address that is not link-local; wait for one or check its configuration",
			refused: []string{"169.254.3.4 link-local, RFC 3927"},
		},
		{
			name:    "documentation",
			state:   world(at("wan0", "203.0.113.5/24"), by("wan0", 5)),
			reason:  "documentation, RFC 5737",
			refused: []string{"203.0.113.5 documentation"},
		},
		{
			name:    "multicast",
			state:   world(at("wan0", "239.1.2.3/32"), by("wan0", 5)),
			reason:  "multicast, RFC 5771; set device if another one faces the internet",
			refused: []string{"239.1.2.3 multicast"},
		},
		{
			name: "unique local, link-local, documentation and multicast IPv6",
			state: world(at("wan0", "fe80::1/64"), at("wan0", "fd00::2/64"), at("wan0", "2001:db8::2/64"),
				at("wan0", "ff0e::1/128"), by6("wan0", 1024)),
			family: IPv6,
			reason: "fd00::2 on wan0 cannot be published: unique local, RFC 4193 (nor can 2001:db8::2, ff0e::1); ask your provider for a global address",
			refused: []string{
				"fe80::1 link-local, RFC 4291", "fd00::2 unique local, RFC 4193",
				"2001:db8::2 documentation, RFC 3849", "ff0e::1 multicast, RFC 4291",
			},
		},
		{
			name:   "allow_private permits a private address and says so",
			state:  world(at("wan0", "10.0.0.2/24"), by("wan0", 5)),
			policy: private,
			want:   "10.0.0.2 wan0",
			reason: "private, RFC 1918 is allowed by allow_private",
		},
		{
			name:   "allow_private permits carrier-grade NAT",
			state:  world(at("wan0", "100.127.255.254/10"), by("wan0", 5)),
			policy: private,
			want:   "100.127.255.254 wan0",
			reason: "carrier-grade NAT, RFC 6598 is allowed by allow_private",
		},
		{
			name:    "allow_private permits unique local",
			state:   world(at("wan0", "fe80::1/64"), at("wan0", "fd00::2/64"), by6("wan0", 1024)),
			family:  IPv6,
			policy:  private,
			want:    "fd00::2 wan0",
			reason:  "unique local, RFC 4193 is allowed by allow_private",
			refused: []string{"fe80::1 link-local"},
		},
		{
			name:   "allow_private permits the first of several",
			state:  world(at("wan0", "10.0.0.2/24"), at("wan0", "10.0.0.3/24"), by("wan0", 5)),
			policy: private,
			want:   "10.0.0.2 wan0",
			// It was looked at, so it is accounted for.
			refused: []string{"10.0.0.3 private"},
		},
		{
			name:    "allow_private does not permit loopback and link-local",
			state:   world(at("lo", "127.0.0.2/8"), at("lo", "169.254.1.1/16"), by("lo", 5)),
			policy:  private,
			reason:  "127.0.0.2 on lo cannot be published: loopback, RFC 1122",
			refused: []string{"127.0.0.2 loopback", "169.254.1.1 link-local"},
		},
		{
			name: "allow_private does not permit what is not usable",
			state: world(at("wan0", "fd00::1/64", Tentative), at("wan0", "fd00::2/64", DADFailed),
				at("wan0", "fd00::3/64", Deprecated), at("wan0", "fd00::4/64", Temporary),
				lasting(at("wan0", "fd00::5/64"), 0, 100), at("wan0", "::1/128"), at("wan0", "fe80::1/64"),
				by6("wan0", 1024)),
			family: IPv6,
			policy: private,
			reason: "fd00::1 on wan0 cannot be published: tentative",
			refused: []string{
				"fd00::1 tentative", "fd00::2 duplicate", "fd00::3 deprecated", "fd00::4 temporary", "::1 loopback", "fe80::1 link-local", "fd00::5 deprecated",
			},
		},
		{
			name:   "a public address is preferred to an earlier private one",
			state:  world(at("wan0", "10.0.0.2/24"), at("wan0", "84.0.0.2/24"), by("wan0", 5)),
			policy: private,
			want:   "84.0.0.2 wan0",
			reason: "wan0 holds the IPv4 default route (metric 5)",
			// It was looked at, so it is accounted for.
			refused: []string{"10.0.0.2 private"},
		},
		{
			name: "a public address is preferred to a private one that another source-specific default serves",
			state: world(at("wan0", "fd00:1::2/64"), at("wan0", "2a00:1::2/64"),
				from(by6("wan0", 512), "fd00:1::/48"), from(by6("wan0", 512), "2a00:1::/48")),
			family:  IPv6,
			policy:  private,
			want:    "2a00:1::2 wan0",
			refused: []string{"fd00:1::2 "},
		},
		{
			name:    "allow_private does not permit a scope that ends at the host",
			state:   world(scoped(at("wan0", "10.0.0.2/32"), 254), by("wan0", 5)),
			policy:  private,
			reason:  "10.0.0.2 on wan0 cannot be published",
			refused: []string{"10.0.0.2 not of global scope"},
		},
		{
			name:    "not of global scope",
			state:   world(scoped(at("wan0", "84.0.0.2/24"), 253), scoped(at("wan0", "84.0.0.3/24"), 254), by("wan0", 5)),
			reason:  "84.0.0.2 on wan0 cannot be published: not of global scope (nor can 84.0.0.3)",
			refused: []string{"84.0.0.2 not of global scope", "84.0.0.3 not of global scope"},
		},
		{
			name: "tentative, duplicate, deprecated and temporary are refused",
			state: world(at("wan0", "2a00::1/64", Tentative), at("wan0", "2a00::2/64", Tentative, Optimistic),
				at("wan0", "2a00::3/64", DADFailed, Tentative), at("wan0", "2a00::4/64", Deprecated),
				at("wan0", "2a00::6/64"), by6("wan0", 1024)),
			family: IPv6,
			want:   "2a00::6 wan0",
			refused: []string{
				"2a00::1 tentative", "2a00::2 tentative", "2a00::3 duplicate",
				"2a00::4 deprecated",
			},
		},
		{
			name:    "a preferred lifetime of 0 is deprecated without the flag",
			state:   world(lasting(at("wan0", "2a00::5/64"), 0, 7200), by6("wan0", 1024)),
			family:  IPv6,
			reason:  "deprecated: its preferred lifetime is over (RFC 4862); wait for the provider's new address",
			refused: []string{"2a00::5 deprecated"},
		},
		{
			name:  "an IPv4 lease with a lifetime",
			state: world(lasting(at("wan0", "84.0.0.2/24"), 1, 1), by("wan0", 5)),
			want:  "84.0.0.2 wan0",
		},
		{
			name:  "a secondary IPv4 address has the temporary bit and is allowed",
			state: world(at("wan0", "84.0.0.2/24", Temporary), by("wan0", 5)),
			want:  "84.0.0.2 wan0",
		},
		{
			name: "an address that every source-specific default refuses is named once",
			state: world(at("wan0", "2a00:9::2/64"),
				from(by6("wan0", 512), "2a00:1::/48"), from(by6("wan0", 512), "2a00:2::/48")),
			family:  IPv6,
			reason:  "2a00:9::2 on wan0 cannot be published: outside",
			refused: []string{"2a00:9::2 outside"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Choose(c.state, c.family, c.policy)
			have := ""
			if got.Addr.IsValid() {
				have = got.Addr.String() + " " + got.Device
			}
			if have != c.want {
				t.Errorf("chose %q, want %q", have, c.want)
			}
			if !strings.Contains(got.Reason, c.reason) || got.Reason == "" {
				t.Errorf("the reason is %q, want %q in it", got.Reason, c.reason)
			}
			ok := slices.EqualFunc(got.Refused, c.refused, func(r Refusal, want string) bool {
				addr, reason, _ := strings.Cut(want, " ")
				return r.Addr.String() == addr && strings.Contains(r.Reason, reason)
			})
			if !ok {
				t.Errorf("refused %v, want %q", got.Refused, c.refused)
			}
		})
	}
}

// Every row of IANA's two special-purpose registries, with the addresses just
// outside it.
// A pinned device of the LAN shows nothing of what is before the router.
func TestAPinnedLANIsNoDoubleNAT(t *testing.T) {
	lan := []any{at("br-lan", "192.168.1.1/24"), at("br-lan", "fd00::1/64")}
	wan4, wan6 := at("wan0", "84.0.0.2/24"), at("wan0", "2a00:1::2/64")
	up := append(slices.Clone(lan), wan4, wan6, by("wan0", 1), by6("wan0", 1))
	network := on(world(up...), Network{"lan", "br-lan", true})
	for _, c := range []struct {
		name   string
		state  State
		family Family
		policy Policy
		onLAN  bool
		reason string
	}{
		{"the LAN", world(up...), IPv4, Policy{Device: "br-lan"}, true, "192.168.1.1 on br-lan cannot be published: private, RFC 1918; br-lan holds no IPv4 default route, so it seems to face the LAN; leave out device and interface, or name the WAN's"},
		{"its unique local address", world(up...), IPv6, Policy{Device: "br-lan"}, true, "br-lan holds no IPv6 default route, so it seems to face the LAN"},
		{"by its network", network, IPv4, Policy{Interface: "lan"}, true, "so it seems to face the LAN"},
		{"while the WAN is down", world(lan...), IPv4, Policy{Device: "br-lan"}, true, "so it seems to face the LAN"},
		{"a WAN behind another router", world(at("wan1", "192.168.7.2/24"), by("wan1", 9)), IPv4, Policy{Device: "wan1"}, false, "another router stands before this one (double NAT)"},
		{"another WAN behind carrier-grade NAT", world(at("wan1", "100.64.0.2/24"), wan4, by("wan0", 9)), IPv4, Policy{Device: "wan1"}, false, "many customers share one public address"},
		{"nothing pinned", world(at("wan0", "192.168.7.2/24"), by("wan0", 9)), IPv4, Policy{}, false, "another router stands before this one (double NAT)"},
	} {
		got := Choose(c.state, c.family, c.policy)
		if got.Addr.IsValid() || !strings.Contains(got.Reason, c.reason) || strings.Contains(got.Reason, "double NAT") && c.onLAN {
			t.Errorf("%s: %s, because %s", c.name, got.Addr, got.Reason)
		}
		for _, r := range got.Refused {
			if is := c.state.OnLAN(c.family, c.policy, r.Addr); is != c.onLAN {
				t.Errorf("%s: %s on the LAN: %t", c.name, r.Addr, is)
			}
		}
	}
}

func TestReachable(t *testing.T) {
	for _, c := range []struct {
		addrs string
		why   string // part of it; empty if reachable
	}{
		{"0.0.0.0 0.255.255.255", "this network"},
		{"1.0.0.0 9.255.255.255", ""},
		{"10.0.0.0 10.255.255.255", "RFC 1918"},
		{"11.0.0.0 100.63.255.255", ""},
		{"100.64.0.0 100.127.255.255", "RFC 6598"},
		{"100.128.0.0 126.255.255.255", ""},
		{"127.0.0.0 127.255.255.255", "loopback"},
		{"128.0.0.0 169.253.255.255", ""},
		{"169.254.0.0 169.254.255.255", "link-local"},
		{"169.255.0.0 172.15.255.255", ""},
		{"172.16.0.0 172.31.255.255", "RFC 1918"},
		{"172.32.0.0 191.255.255.255", ""},
		{"192.0.0.0 192.0.0.7 192.0.0.8 192.0.0.11 192.0.0.170 192.0.0.171 192.0.0.255", "RFC 6890"},
		{"192.0.0.9 192.0.0.10", ""},
		{"192.0.1.0 192.0.1.255", ""},
		{"192.0.2.0 192.0.2.255", "documentation"},
		{"192.0.3.0 192.31.196.0 192.31.196.255 192.52.193.0 192.52.193.255 192.88.98.255", ""},
		{"192.88.99.0 192.88.99.2 192.88.99.255", "6to4"},
		{"192.88.100.0 192.167.255.255", ""},
		{"192.168.0.0 192.168.255.255", "RFC 1918"},
		{"192.169.0.0 192.175.48.0 192.175.48.255 198.17.255.255", ""},
		{"198.18.0.0 198.19.255.255", "benchmarking"},
		{"198.20.0.0 198.51.99.255", ""},
		{"198.51.100.0 198.51.100.255", "documentation"},
		{"198.51.101.0 203.0.112.255", ""},
		{"203.0.113.0 203.0.113.255", "documentation"},
		{"203.0.114.0 223.255.255.255", ""},
		{"224.0.0.0 239.255.255.255", "multicast"},
		{"240.0.0.0 255.255.255.254", "reserved"},
		{"255.255.255.255", "broadcast"},

		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::2 ::fffe:ffff:ffff ::1:0:0:0", "not global unicast"},
		{"::ffff:0.0.0.0 ::ffff:84.0.0.2 ::ffff:255.255.255.255", "IPv4-mapped"},
		{"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff 64:ff9b:0:0:0:1:0:0", "not global unicast"},
		{"64:ff9b:: 64:ff9b::ffff:ffff", ""},
		{"64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "RFC 8215"},
		{"64:ff9b:2::", "not global unicast"},
		{"100:: 100::ffff:ffff:ffff:ffff", "discard"},
		{"100:0:0:1:: 100:0:0:1:ffff:ffff:ffff:ffff", "dummy"},
		{"100:0:0:2:: 1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "not global unicast"},
		{"2000:: 2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"2001:: 2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"},
		{"2001:1:: 2001:1::4 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "RFC 2928"},
		{"2001:1::1 2001:1::2 2001:1::3", ""},
		{"2001:2:: 2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking"},
		{"2001:2:1::", "RFC 2928"},
		{"2001:3:: 2001:3:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"2001:4:: 2001:4:111:ffff:ffff:ffff:ffff:ffff 2001:4:113::", "RFC 2928"},
		{"2001:4:112:: 2001:4:112:ffff:ffff:ffff:ffff:ffff", ""},
		{"2001:f:ffff::", "RFC 2928"},
		{"2001:10:: 2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHID"},
		{"2001:20:: 2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"2001:30:: 2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"2001:40::", "RFC 2928"},
		{"2001:200:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
		{"2001:db9:: 2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"2002:5400:2:: 2002:dfff:ffff::", ""},
		{"2002:a00:1:: 2002:aff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4 of private"},
		{"2002:6440::", "6to4 of carrier-grade NAT"},
		{"2002:7f00:1::", "6to4 of loopback"},
		{"2002:e000::", "6to4 of multicast"},
		{"2002:fbff:ffff::", "6to4 of reserved"},
		{"2003:: 2a00::1 2620:4f:8000:: 2620:4f:8000:ffff:ffff:ffff:ffff:ffff", ""},
		{"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff 3fff:1000::", ""},
		{"3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"},
		{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
		{"4000:: 5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 5f01::", "not global unicast"},
		{"5f00:: 5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing"},
		{"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "not global unicast"},
		{"fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local"},
		{"fe00:: fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "not global unicast"},
		{"fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"},
		{"fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"},
		{"ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
	} {
		for s := range strings.FieldsSeq(c.addrs) {
			t.Run(s, func(t *testing.T) {
				ok, why := Reachable(netip.MustParseAddr(s))
				if ok != (c.why == "") || ok != (why == "") || !strings.Contains(why, c.why) {
					t.Errorf("Reachable says %v %q, want %q", ok, why, c.why)
				}
			})
		}
	}
}

func TestNoAddressIsNotReachable(t *testing.T) {
	if ok, why := Reachable(netip.Addr{}); ok || why == "" {
		t.Errorf("Reachable says %v %q of no address", ok, why)
	}
}

func TestZoneDoesNotMakeAnAddressReachable(t *testing.T) {
	for _, s := range []string{"fe80::1%wan0", "fd00::1%wan0", "2002:a00:1::%wan0"} {
		if ok, why := Reachable(netip.MustParseAddr(s)); ok || why == "" {
			t.Errorf("Reachable says %v %q of %s", ok, why, s)
		}
	}
}

// What each class of the registry allows is what the policy relies on.
func TestAllowPrivatePermitsOnlyWhatIsReachableInside(t *testing.T) {
	for s, want := range map[string]bool{
		"10.0.0.1/8": true, "172.16.0.1/12": true, "192.168.0.1/16": true, "100.64.0.1/10": true,
		"192.0.0.2/29": true, "192.0.2.1/24": true, "198.18.0.1/15": true,
		"fd00::1/8": true, "2001:db8::1/32": true, "fec0::1/10": true, "2002:a00:1::1/48": true,
		"0.0.0.1/8": false, "127.0.0.1/8": false, "169.254.0.1/16": false, "224.0.0.1/4": false,
		"240.0.0.1/4": false, "255.255.255.255/32": false, "192.88.99.1/24": false,
		"::1/128": false, "fe80::1/64": false, "ff02::1/16": false, "2001::1/32": false,
		"::ffff:10.0.0.1/128": false, "2002:7f00:1::1/48": false, "4000::1/64": false,
	} {
		a := at("wan0", s)
		f := Of(a.Prefix.Addr())
		got := Choose(world(a, Route{Family: f, Device: "wan0"}), f, Policy{AllowPrivate: true})
		if got.Addr.IsValid() != want {
			t.Errorf("%s: chosen is %v, want %v: %s", s, got.Addr.IsValid(), want, got.Reason)
		}
	}
}

// dice takes decisions from a fuzzer's bytes; zeroes when they are used up.
type dice []byte

func (d *dice) roll(sides int) int {
	if len(*d) == 0 {
		return 0
	}
	n := int((*d)[0]) % sides
	*d = (*d)[1:]
	return n
}

var fuzzPrefixes = []string{
	"84.0.0.2/24", "84.0.0.3/24", "85.1.2.3/32", "10.0.0.1/8", "100.64.0.1/10", "192.0.0.2/29",
	"169.254.0.1/16", "127.0.0.1/8", "203.0.113.9/24", "224.0.0.1/4",
	"2a00:1::2/64", "2a00:1::3/64", "2a00:2::2/64", "2a00:1:1::2/128", "fd00::1/64", "fe80::1/64",
	"::1/128", "2001:db8::1/64", "2002:a00:1::1/16", "2002:5400:1::1/16", "ff02::1/128", "::ffff:84.0.0.2/128",
}

func (d *dice) prefix() netip.Prefix {
	n := d.roll(len(fuzzPrefixes) + 4)
	if n < len(fuzzPrefixes) {
		return netip.MustParsePrefix(fuzzPrefixes[n])
	}
	b := make([]byte, 4+12*(n&1))
	for i := range b {
		b[i] = byte(d.roll(256))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, d.roll(a.BitLen()+1))
}

func (d *dice) state() State {
	names := []string{"wan0", "wan1", "lo"}
	devices := []Device{
		{Name: "lo", Index: 1, Up: true, Carrier: true},
		{Name: "wan0", Index: 2, Up: d.roll(2) == 0, Carrier: true},
		{Name: "wan1", Index: 3, Up: true, Carrier: d.roll(2) == 0, PointToPoint: d.roll(2) == 0},
	}
	var addrs []Addr
	for range d.roll(8) {
		addrs = append(addrs, Addr{
			Device: names[d.roll(3)], Prefix: d.prefix(), Flags: Flags(d.roll(256)),
			Scope:     []uint8{0, 200, 253, 254}[d.roll(4)],
			Preferred: []uint32{Forever, 0, 1}[d.roll(3)], Valid: Forever,
		})
	}
	var routes []Route
	for range d.roll(6) {
		r := Route{
			Family: Family(d.roll(2)), Device: names[d.roll(3)],
			Metric: uint32(d.roll(4)), LinkDown: d.roll(4) == 1,
		}
		if d.roll(2) == 1 {
			r.Source = d.prefix().Masked()
		}
		if d.roll(3) == 1 {
			r.PrefSrc = d.prefix().Addr()
		}
		routes = append(routes, r)
	}
	var delegated []netip.Prefix
	for range d.roll(2) {
		delegated = append(delegated, d.prefix().Masked())
	}
	return newState(devices, addrs, routes, delegated)
}

func (s State) clone() State {
	s.Devices, s.Addrs, s.Routes, s.Delegated = slices.Clone(s.Devices), slices.Clone(s.Addrs), slices.Clone(s.Routes), slices.Clone(s.Delegated)
	s.Networks = slices.Clone(s.Networks)
	return s
}

func FuzzChoose(f *testing.F) {
	f.Add([]byte{0, 0, 2, 0, 0, 128, 0, 0, 0, 3, 128, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 3, 0, 10, 128, 0, 0, 0, 12, 128, 0, 0, 1, 14, 64, 0, 1, 3, 1, 0, 0, 0, 1, 10, 1, 14, 1, 1, 1, 0, 1, 12, 0})
	f.Add([]byte{1, 1, 7, 2, 25, 42, 0, 9, 9, 64, 32, 3, 2, 5, 1, 0, 3, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := dice(b)
		p := Policy{Device: []string{"", "wan0", "wan1", "gone"}[d.roll(4)], AllowPrivate: d.roll(2) == 1}
		s := d.state()
		for _, f := range Families() {
			before := s.clone()
			c := Choose(s, f, p)
			if !reflect.DeepEqual(s, before) {
				t.Fatalf("Choose changed the state from %v to %v", before, s)
			}
			if again := Choose(s, f, p); !reflect.DeepEqual(c, again) {
				t.Fatalf("chose %v, then %v", c, again)
			}
			checkChoice(t, s, f, p, c)
			checkExplanation(t, s, f, p, c)
		}
	})
}

// checkExplanation wants a reason for every address but the chosen one.
func checkExplanation(t *testing.T, s State, f Family, p Policy, c Choice) {
	t.Helper()
	list := Explain(s, f, p)
	for _, a := range s.Addrs {
		ip := a.Prefix.Addr()
		if Of(ip) != f || ip == c.Addr && a.Device == c.Device {
			continue
		}
		if !slices.ContainsFunc(list, func(r Refusal) bool { return r.Addr == ip && r.Device == a.Device && r.Reason != "" }) {
			t.Fatalf("%s on %s is neither chosen nor refused in %v", ip, a.Device, s)
		}
	}
}

func checkChoice(t *testing.T, s State, f Family, p Policy, c Choice) {
	t.Helper()
	if c.Reason == "" {
		t.Fatal("there is no reason")
	}
	for _, r := range c.Refused {
		known := slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Prefix.Addr() == r.Addr && a.Device == r.Device })
		if !known || Of(r.Addr) != f || r.Reason == "" {
			t.Fatalf("refused %v in %v", r, s)
		}
		if r.Addr == c.Addr {
			t.Fatalf("%s is chosen and refused: %s", c.Addr, r.Reason)
		}
	}
	if !c.Addr.IsValid() {
		if c.Device != "" {
			t.Fatalf("device %s without an address", c.Device)
		}
		return
	}
	// The same address may be on several devices, usable on one of them.
	usable := slices.ContainsFunc(s.Addrs, func(a Addr) bool {
		return a.Prefix.Addr() == c.Addr && a.Device == c.Device &&
			a.Preferred != 0 && a.Flags&(Tentative|DADFailed|Deprecated) == 0 &&
			(f == IPv4 || a.Flags&Temporary == 0)
	})
	if !usable {
		t.Fatalf("chose %s on %s, which is not usable in %v", c.Addr, c.Device, s)
	}
	if Of(c.Addr) != f {
		t.Fatalf("chose %s for %s", c.Addr, f)
	}
	if ok, why := Reachable(c.Addr); !ok && !p.AllowPrivate {
		t.Fatalf("chose %s: %s", c.Addr, why)
	}
	if c.Addr.IsLoopback() || c.Addr.IsLinkLocalUnicast() || c.Addr.IsMulticast() || c.Addr.IsUnspecified() {
		t.Fatalf("chose %s", c.Addr)
	}
	served := slices.ContainsFunc(s.holders(f, p.Device), func(r Route) bool {
		facing := r.Device == c.Device || r.PrefSrc == c.Addr
		if _, holds := s.Holds(c.Device); !holds && f == IPv6 && p.Device == "" {
			facing = true // of the LAN, since the WAN has a delegated prefix only
		}
		return facing && (!r.Source.IsValid() || r.Source.Contains(c.Addr))
	})
	if !served {
		t.Fatalf("chose %s on %s, which no default route serves in %v", c.Addr, c.Device, s)
	}
}
