package wan

import (
	"reflect"
	"slices"
	"testing"
)

func TestEqualIgnoresLifetimesThatRunDown(t *testing.T) {
	base := world(lasting(at("wan0", "2a00::2/64"), 1800, 3600), by6("wan0", 1024))
	for _, c := range []struct {
		name             string
		preferred, valid uint32
		want             bool
	}{
		{"the same", 1800, 3600, true},
		{"a second later", 1799, 3599, true},
		{"nearly over", 1, 2, true},
		{"renewed", 7200, 7200, true},
		{"infinite", Forever, Forever, true},
		{"deprecated", 0, 3600, false},
		{"deprecated and over", 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := base.clone()
			other.Addrs[0].Preferred, other.Addrs[0].Valid = c.preferred, c.valid
			if base.Equal(other) != c.want || other.Equal(base) != c.want {
				t.Errorf("Equal is not %v", c.want)
			}
		})
	}
}

func TestEqualSeesEveryOtherChange(t *testing.T) {
	base := world(at("wan0", "84.0.0.2/24"), at("wan0", "2a00::2/64"), by("wan0", 5), from(by6("wan0", 9), "2a00::/48"))
	base.Networks = []Network{{"wan", "wan0", true}}
	if !base.Equal(base.clone()) {
		t.Fatal("a state differs from its copy")
	}
	for name, change := range map[string]func(*State){
		"address":            func(s *State) { s.Addrs[0].Prefix = at("", "84.0.0.3/24").Prefix },
		"prefix length":      func(s *State) { s.Addrs[0].Prefix = at("", "84.0.0.2/25").Prefix },
		"device":             func(s *State) { s.Addrs[0].Device = "wan1" },
		"flags":              func(s *State) { s.Addrs[1].Flags |= Tentative },
		"scope":              func(s *State) { s.Addrs[1].Scope = 253 },
		"one address less":   func(s *State) { s.Addrs = s.Addrs[:1] },
		"order of addresses": func(s *State) { slices.Reverse(s.Addrs) },
		"metric":             func(s *State) { s.Routes[0].Metric++ },
		"carrier of a route": func(s *State) { s.Routes[0].LinkDown = true },
		"gateway":            func(s *State) { s.Routes[0].Gateway = at("", "84.0.0.1/32").Prefix.Addr() },
		"source":             func(s *State) { s.Routes[1].Source = at("", "2a01::/48").Prefix },
		"preferred source":   func(s *State) { s.Routes[0].PrefSrc = s.Addrs[0].Prefix.Addr() },
		"no route":           func(s *State) { s.Routes = nil },
		"device down":        func(s *State) { s.Devices[0].Up = false },
		"carrier":            func(s *State) { s.Devices[0].Carrier = false },
		"leaving router":     func(s *State) { s.Routes[0].Leaving = true },
		"router":             func(s *State) { s.Routers = []Router{{Device: "wan0", Lifetime: 1}} },
		"advertised prefix":  func(s *State) { s.Advertised = []Advertised{{Device: "wan0", Valid: 1}} },
		"ignored":            func(s *State) { s.Ignored++ },
		"deaf":               func(s *State) { s.Deaf = true },
		"another device":     func(s *State) { s.Devices[0].Index++ },
		"network's device":   func(s *State) { s.Networks[0].Device = "wan1" },
		"network down":       func(s *State) { s.Networks[0].Up = false },
		"no networks":        func(s *State) { s.Networks, s.NoNetworks = nil, "netifd does not run" },
	} {
		t.Run(name, func(t *testing.T) {
			other := base.clone()
			change(&other)
			if base.Equal(other) || other.Equal(base) {
				t.Error("the change is not seen")
			}
		})
	}
}

func TestStateIsOrdered(t *testing.T) {
	dead := by("wan1", 1)
	dead.LinkDown = true
	first, second := by("wan2", 10), by("wan3", 10)
	s := newState(
		[]Device{{Name: "wan3"}, {Name: "wan1"}, {Name: "idle"}, {Name: "lan0"}, {Name: "wan2"}},
		[]Addr{at("wan2", "84.0.0.9/24"), at("lan0", "84.0.0.1/24")},
		[]Route{dead, by6("wan3", Forever), first, second, by("wan1", 2)},
		nil,
	)
	var names []string
	for _, d := range s.Devices {
		names = append(names, d.Name)
	}
	if want := []string{"lan0", "wan1", "wan2", "wan3"}; !slices.Equal(names, want) {
		t.Errorf("devices %q, want %q: by name, and only those with an address or a default route", names, want)
	}
	if want := []Route{by("wan1", 2), first, second, by6("wan3", Forever), dead}; !slices.Equal(s.Routes, want) {
		t.Errorf("routes %v, want %v: by metric, otherwise as they came, dead ones last", s.Routes, want)
	}
	if s.Addrs[0].Device != "wan2" || s.Addrs[1].Device != "lan0" {
		t.Errorf("addresses %v are not in the kernel's order", s.Addrs)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		addr Addr
		want []string
	}{
		{at("wan0", "84.0.0.2/24", Temporary), []string{"secondary", "permanent"}},
		{at("wan0", "2a00::2/64", Temporary), []string{"temporary", "permanent"}},
		{Addr{Prefix: at("", "2a00::2/64").Prefix}, nil},
		{
			Addr{Prefix: at("", "2a00::2/64").Prefix, Flags: ^Flags(0)},
			[]string{"temporary", "optimistic", "dadfailed", "deprecated", "tentative", "permanent", "withdrawn"},
		},
		{Addr{Prefix: at("", "2a00::2/64").Prefix, Flags: 0xf02}, nil},
	} {
		if got := c.addr.Names(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %q, want %q", c.addr, got, c.want)
		}
	}
}

func TestHolds(t *testing.T) {
	s := world(by("wan0", 5), by6("wan1", 5), by("wan2", 5), by6("wan2", 9), at("lan0", "10.0.0.1/8"))
	for device, want := range map[string][2]bool{
		"wan0": {true, false}, "wan1": {false, true}, "wan2": {true, true}, "lan0": {}, "gone": {},
	} {
		if v4, v6 := s.Holds(device); v4 != want[0] || v6 != want[1] {
			t.Errorf("%s holds %v %v, want %v", device, v4, v6, want)
		}
	}
}

func TestFamilies(t *testing.T) {
	for i, want := range [][3]string{{"IPv4", "A", "84.0.0.2/24"}, {"IPv6", "AAAA", "2a00::2/64"}} {
		f := Families()[i]
		if int(f) != i || f.String() != want[0] || f.RecordType() != want[1] || Of(at("", want[2]).Prefix.Addr()) != f {
			t.Errorf("%d is %s with records %s", i, f, f.RecordType())
		}
	}
}
