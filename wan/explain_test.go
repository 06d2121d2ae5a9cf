package wan

import (
	"net/netip"
	"strings"
	"testing"
)

func TestExplainNamesEveryOtherAddress(t *testing.T) {
	second := by6("wan0", 10)
	second.PrefSrc = netip.MustParseAddr("2a00:1::3")
	for _, c := range []struct {
		name   string
		state  State
		family Family
		policy Policy
		want   []string // address, device, a part of the reason
	}{
		{
			"everything on a router", world(
				at("wan0", "2a00:1::2/64"), lasting(at("wan0", "2a00:1::3/64"), 60, 60), at("wan0", "fe80::1/64"),
				at("lan0", "2a00:2::1/64"), at("wan1", "2a00:3::1/64"), at("wan0", "84.0.0.2/24"),
				by6("wan0", 1), by6("wan1", 2),
			), IPv6, Policy{}, []string{
				"2a00:1::3 wan0 good too, but 2a00:1::2 stays preferred for longer",
				"fe80::1 wan0 link-local",
				"2a00:2::1 lan0 lan0 holds no IPv6 default route",
				"2a00:3::1 wan1 another default route comes before that of wan1",
			},
		},
		{
			"preferred source", world(at("wan0", "2a00:1::2/64"), at("wan0", "2a00:1::3/64"), second), IPv6,
			Policy{},
			[]string{"2a00:1::2 wan0 good too, but 2a00:1::3 is the preferred source of the route"},
		},
		{
			"published", world(at("wan0", "2a00:1::2/64"), at("wan0", "2a00:1::3/64"), by6("wan0", 1)), IPv6,
			Policy{Keep: netip.MustParseAddr("2a00:1::3")},
			[]string{"2a00:1::2 wan0 good too, but 2a00:1::3 is published already"},
		},
		{
			"kernel's order", world(at("wan0", "84.0.0.2/24"), at("wan0", "84.0.0.3/24"), by("wan0", 1)), IPv4,
			Policy{},
			[]string{"84.0.0.3 wan0 good too, but 84.0.0.2 comes first in the kernel's list"},
		},
		{
			"pinned", world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"), by("wan0", 1)), IPv4,
			Policy{Device: "wan1"},
			[]string{"84.0.0.2 wan0 wan0 is not the configured device"},
		},
		{
			"pinned to a network", on(world(at("wan0", "84.0.0.2/24"), at("wan1", "85.0.0.2/24"), by("wan0", 1)), Network{"wanb", "wan1", true}), IPv4,
			Policy{Interface: "wanb"},
			[]string{"84.0.0.2 wan0 wan0 is not the configured device"},
		},
		{
			"pinned to a network that is down", on(world(at("wan0", "84.0.0.2/24"), by("wan0", 1)), Network{"wanb", "", false}), IPv4,
			Policy{Interface: "wanb"},
			[]string{"84.0.0.2 wan0 interface wanb is not up"},
		},
		{
			"outside the source", world(at("wan0", "2a00:1::2/64"), at("wan0", "2a00:2::2/64"), from(by6("wan0", 1), "2a00:1::/48")), IPv6,
			Policy{},
			[]string{"2a00:2::2 wan0 outside 2a00:1::/48"},
		},
		{
			"two sources", world(at("wan0", "2a00:1::2/64"), at("wan1", "2a00:2::2/64"), from(by6("wan0", 1), "2a00:1::/48"), from(by6("wan1", 2), "2a00:2::/48")), IPv6,
			Policy{},
			[]string{"2a00:2::2 wan1 good too, but wan0 comes first"},
		},
		{
			"without a default route", world(at("lan0", "192.168.1.1/24"), at("wan0", "84.0.0.2/24")), IPv4,
			Policy{},
			[]string{"192.168.1.1 lan0 private", "84.0.0.2 wan0 wan0 holds no IPv4 default route"},
		},
		{
			"a host in the LAN", world(at("lan0", "2a00:2::1/64"), at("lan1", "2a00:3::1/64"), at("lan0", "fd00::1/64"), by6("wan0", 1)), IPv6,
			Policy{Host: netip.MustParseAddr("::10")},
			[]string{"2a00:3::10 lan1 good too, but the prefix of lan0 comes first", "fd00::10 lan0 unique local"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Explain(c.state, c.family, c.policy)
			if len(got) != len(c.want) {
				t.Fatalf("%+v, want %q", got, c.want)
			}
			for i, r := range got {
				if s := r.Addr.String() + " " + r.Device + " " + r.Reason; !strings.HasPrefix(s, c.want[i]) {
					t.Errorf("%q, want %q", s, c.want[i])
				}
			}
		})
	}
}

func TestChoiceHasTheProvidersPrefix(t *testing.T) {
	for _, c := range []struct {
		name  string
		state State
		p     Policy
		want  string
	}{
		{"of the link", world(at("wan0", "2a00:1::2/64"), by6("wan0", 1)), Policy{}, "2a00:1::/64"},
		{"of a single address", world(at("wan0", "2a00:1::2/128"), by6("wan0", 1)), Policy{}, "invalid Prefix"},
		{"delegated to it", delegated(world(at("wan0", "2a00:1::2/128"), by6("wan0", 1)), "2a00:2::/56"), Policy{}, "2a00:2::/56"},
		{
			"delegated to the host's network",
			delegated(world(at("wan0", "2a00:1::2/64"), at("lan0", "2a00:3:0:1::1/64"), by6("wan0", 1)), "2a00:2::/56", "2a00:3::/56"),
			Policy{Host: netip.MustParseAddr("::10")},
			"2a00:3::/56",
		},
	} {
		if got := Choose(c.state, IPv6, c.p).Prefix; got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := Choose(world(at("wan0", "84.0.0.2/24"), by("wan0", 1)), IPv4, Policy{}).Prefix; got.IsValid() {
		t.Errorf("an IPv4 address has the prefix %s", got)
	}
}

func on(s State, networks ...Network) State {
	s.Networks = networks
	return s
}
