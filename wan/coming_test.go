package wan

import (
	"net/netip"
	"strings"
	"testing"
)

// netifd makes a default route for each prefix and address, in any order.
func TestTheConfirmedAddressWinsAcrossRoutesAsGood(t *testing.T) {
	const slaac, dhcp = "2a00:1:2:3::5/64", "2a00:9::42/128"
	for _, c := range []struct {
		name  string
		state State
		want  string
	}{
		{"either is served", world(at("wan0", slaac), at("wan0", dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64"), from(by6("wan0", 512), dhcp)), "2a00:9::42 wan0"},
		{"the other order", world(at("wan0", dhcp), at("wan0", slaac), from(by6("wan0", 512), dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64")), "2a00:9::42 wan0"},
		{"beside a route for all", world(at("wan0", slaac), at("wan0", dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64"), by6("wan0", 512)), "2a00:9::42 wan0"},
		{"no route serves it", world(at("wan0", slaac), at("wan0", dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64")), "2a00:1:2:3::5 wan0"},
		{"its route has a higher metric", world(at("wan0", slaac), at("wan0", dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64"), from(by6("wan0", 1024), dhcp)), "2a00:1:2:3::5 wan0"},
		{"its router leaves", world(at("wan0", slaac), at("wan0", dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64"), leaving(from(by6("wan0", 512), dhcp))), "2a00:1:2:3::5 wan0"},
		{"it is on another device", world(at("wan0", slaac), at("wan1", dhcp), from(by6("wan0", 512), "2a00:1:2:3::/64"), from(by6("wan1", 512), dhcp)), "2a00:1:2:3::5 wan0"},
		{"it is deprecated", world(at("wan0", slaac), lasting(at("wan0", dhcp), 0, 60), from(by6("wan0", 512), "2a00:1:2:3::/64"), from(by6("wan0", 512), dhcp)), "2a00:1:2:3::5 wan0"},
		{"it is withdrawn", world(at("wan0", slaac), at("wan0", dhcp, Withdrawn), from(by6("wan0", 512), "2a00:1:2:3::/64"), from(by6("wan0", 512), dhcp)), "2a00:1:2:3::5 wan0"},
		{"it is tentative", world(at("wan0", slaac), at("wan0", dhcp, Tentative), from(by6("wan0", 512), "2a00:1:2:3::/64"), from(by6("wan0", 512), dhcp)), "2a00:1:2:3::5 wan0"},
		{"the route prefers the other", world(at("wan0", slaac), at("wan0", dhcp), source(from(by6("wan0", 512), "2a00:1:2:3::/64"), "2a00:1:2:3::5"), from(by6("wan0", 512), dhcp)), "2a00:1:2:3::5 wan0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Policy{Keep: netip.MustParseAddr("2a00:9::42")}
			got := Choose(c.state, IPv6, p)
			if got.Addr.String()+" "+got.Device != c.want {
				t.Errorf("chosen %s on %s, want %s", got.Addr, got.Device, c.want)
			}
			for _, r := range Explain(c.state, IPv6, p) {
				if r.Addr == got.Addr || r.Reason == "" {
					t.Errorf("explained: %+v", r)
				}
				if r.Addr.String() == "2a00:1:2:3::5" && !strings.Contains(r.Reason, "2a00:9::42 is published already") {
					t.Errorf("%s: %s", r.Addr, r.Reason)
				}
			}
		})
	}
	private := Policy{Keep: netip.MustParseAddr("fd00:9::42"), AllowPrivate: true}
	s := world(at("wan0", "fd00:1::5/64"), at("wan0", "fd00:9::42/128"), from(by6("wan0", 512), "fd00:1::/64"), from(by6("wan0", 512), "fd00:9::42/128"))
	if got := Choose(s, IPv6, private).Addr; got != private.Keep {
		t.Errorf("of private ones %s is chosen", got)
	}
}

func leaving(r Route) Route {
	r.Leaving = true
	return r
}

func TestComing(t *testing.T) {
	const keep, slaac = "2a00:1:2:3::42", "2a00:1:2:3::5/64"
	advertised := func(s State, prefix string, preferred uint32) State {
		s.Advertised = append(s.Advertised, Advertised{Device: "wan0", Prefix: netip.MustParsePrefix(prefix), Preferred: preferred, Valid: Forever})
		return s
	}
	host := Policy{Host: netip.MustParseAddr("::42")}
	for _, c := range []struct {
		name  string
		state State
		p     Policy
		want  bool
	}{
		{"an address of its prefix", world(at("wan0", slaac), by6("wan0", 1)), Policy{}, true},
		{"one that is tentative", world(at("wan0", slaac, Tentative), by6("wan0", 1)), Policy{}, true},
		{"one that is deprecated", world(lasting(at("wan0", slaac), 0, 60), by6("wan0", 1)), Policy{}, false},
		{"one that is withdrawn", world(at("wan0", slaac, Withdrawn), by6("wan0", 1)), Policy{}, false},
		{"an address of another prefix", world(at("wan0", "2a00:1:2:4::5/64"), by6("wan0", 1)), Policy{}, false},
		{"its prefix on another device", world(at("wan0", "2a00:1:2:4::5/64"), at("wan1", slaac), by6("wan0", 1)), Policy{}, false},
		{"no default route", world(at("wan0", slaac)), Policy{}, false},
		{"its prefix is advertised", advertised(world(at("wan0", "2a00:1:2:4::5/64"), by6("wan0", 1)), "2a00:1:2:3::/64", 60), Policy{}, true},
		{"its prefix is advertised as over", advertised(world(at("wan0", slaac), by6("wan0", 1)), "2a00:1:2:3::/64", 0), Policy{}, false},
		{"its prefix is delegated", delegated(world(at("lan1", "2a00:1:2:4::1/64"), by6("wan0", 1)), "2a00:1:2::/56"), Policy{}, true},
		{"another prefix is delegated", delegated(world(at("lan1", "2a00:1:3:4::1/64"), by6("wan0", 1)), "2a00:1:3::/56"), Policy{}, false},
		{"it is being checked", world(at("wan0", keep+"/128", Tentative), at("wan0", "2a00:1:2:4::5/64"), by6("wan0", 1)), Policy{}, true},
		{"it is a duplicate", world(at("wan0", keep+"/128", Tentative, DADFailed), at("wan0", slaac), by6("wan0", 1)), Policy{}, false},
		{"it is deprecated", world(lasting(at("wan0", keep+"/128"), 0, 60), at("wan0", slaac), by6("wan0", 1)), Policy{}, false},
		{"it is there", world(at("wan0", keep+"/128"), at("wan0", slaac), by6("wan0", 1)), Policy{}, false},
		{"pinned to its line", world(at("wan0", "2a00:1:2:4::5/64"), at("wan1", slaac), by6("wan0", 1)), Policy{Device: "wan1"}, true},
		{"pinned to a line that is gone", world(at("wan0", slaac), by6("wan0", 1)), Policy{Device: "wan1"}, false},
		{"a host's prefix is delegated", delegated(world(at("lan0", "2a00:1:2:4::1/64"), by6("wan0", 1)), "2a00:1:2::/56"), host, true},
		{"a host's prefix is being checked", world(at("lan0", "2a00:1:2:3::1/64", Tentative), at("lan0", "2a00:1:2:4::1/64"), by6("wan0", 1)), host, true},
		{"a host's prefix is gone", delegated(world(at("lan0", "2a00:1:3:3::1/64"), by6("wan0", 1)), "2a00:1:3::/56"), host, false},
		{"a host's prefix is deprecated", delegated(world(lasting(at("lan0", "2a00:1:2:3::1/64"), 0, 60), by6("wan0", 1)), "2a00:1:2::/56"), host, false},
	} {
		c.p.Keep = netip.MustParseAddr(keep)
		line, ok := Coming(c.state, c.p)
		want := "wan0"
		if c.p.Device != "" {
			want = c.p.Device
		}
		if ok != c.want || ok && line != want {
			t.Errorf("%s: %t by %q, want %t", c.name, ok, line, c.want)
		}
	}
	if _, ok := Coming(world(at("wan0", slaac), by6("wan0", 1)), Policy{}); ok {
		t.Error("nothing is coming where nothing is confirmed")
	}
}
