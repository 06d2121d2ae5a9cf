package wan

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func delegated(s State, prefixes ...string) State {
	for _, p := range prefixes {
		s.Delegated = append(s.Delegated, netip.MustParsePrefix(p))
	}
	return s
}

func pointToPoint(s State, device string) State {
	for i := range s.Devices {
		if s.Devices[i].Name == device {
			s.Devices[i].PointToPoint = true
		}
	}
	return s
}

type ipv6Case struct {
	name         string
	state        State
	policy       Policy
	want, reason string // "ADDRESS DEVICE" or nothing, and part of why
}

func checkIPv6(t *testing.T, cases []ipv6Case) {
	t.Helper()
	for _, c := range cases {
		got := Choose(c.state, IPv6, c.policy)
		if have := strings.TrimSpace(strings.TrimPrefix(got.Addr.String(), "invalid IP") + " " + got.Device); have != c.want || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: chose %q because %s; want %q because %q", c.name, have, got.Reason, c.want, c.reason)
		}
	}
}

func TestWANWithNothingButADelegatedPrefix(t *testing.T) {
	lan := at("br-lan", "2a00:1:2:3::1/64")
	checkIPv6(t, []ipv6Case{
		{
			name: "the LAN's address serves", want: "2a00:1:2:3::1 br-lan", reason: "wan0 holds the IPv6 default route but has no global address",
			state: delegated(world(at("wan0", "fe80::1/64"), lan, by6("wan0", 1)), "2a00:1:2::/56"),
		},
		{
			name: "without OpenWrt's routes too", want: "2a00:1:2:3::1 br-lan",
			state: world(lan, by6("wan0", 1)),
		},
		{
			name: "the default route serves its source only", reason: "has no IPv6 address",
			state: world(lan, from(by6("wan0", 1), "2a00:9::/48")),
		},
		{
			name: "one of the WAN's own comes first", want: "2a00:1::2 wan0",
			state: world(lan, at("wan0", "2a00:1::2/64"), by6("wan0", 1)),
		},
		{
			name: "and is waited for", reason: "tentative",
			state: world(lan, at("wan0", "2a00:1::2/64", Tentative), by6("wan0", 1)),
		},
		{
			name: "a unique local one of the WAN does not count", want: "2a00:1:2:3::1 br-lan",
			state: world(lan, at("wan0", "fd00::2/64"), by6("wan0", 1)),
		},
		{
			name: "nor is it better if it is allowed", want: "2a00:1:2:3::1 br-lan", policy: Policy{AllowPrivate: true},
			state: world(lan, at("wan0", "fd00::2/64"), by6("wan0", 1)),
		},
		{
			name: "a VPN's address is not the router's", reason: "has no IPv6 address",
			state: pointToPoint(world(at("wg0", "2a00:7::2/64"), by6("wan0", 1)), "wg0"),
		},
		{
			name: "unless the prefix was delegated", want: "2a00:7::2 wg0",
			state: delegated(pointToPoint(world(at("wg0", "2a00:7::2/64"), by6("wan0", 1)), "wg0"), "2a00:7::/48"),
		},
		{
			name: "not for a pinned device", reason: "wan0 has no IPv6 address", policy: Policy{Device: "wan0"},
			state: world(lan, at("wan0", "fe80::1/64"), by6("wan0", 1)),
		},
		{
			name: "a deprecated one is none", reason: "has no IPv6 address",
			state: world(lasting(lan, 0, 7200), by6("wan0", 1)),
		},
	})
}

func TestLongestPreferredLifetimeComesFirst(t *testing.T) {
	short, long := lasting(at("wan0", "2a00:1::1/64"), 600, 1200), lasting(at("wan0", "2a00:1::2/128"), 3600, 7200)
	for _, keep := range []string{"", "2a00:1::1", "2a00:1::9"} {
		want, p := "2a00:1::2", Policy{}
		if keep != "" {
			p.Keep = netip.MustParseAddr(keep)
		}
		if keep == "2a00:1::1" {
			want = keep
		}
		if got := Choose(world(short, long, by6("wan0", 1)), IPv6, p); got.Addr.String() != want {
			t.Errorf("keeping %q: chose %s, want %s", keep, got.Addr, want)
		}
	}
}

func TestHostBehindAChangingPrefix(t *testing.T) {
	mac, err := EUI64("00:11:22:33:44:55")
	if err != nil {
		t.Fatal(err)
	}
	host := func(s, lan string) Policy { return Policy{Host: netip.MustParseAddr(s), LAN: lan} }
	lan := at("br-lan", "2a00:1:2:3::1/64")
	checkIPv6(t, []ipv6Case{
		{"under the LAN's prefix", world(at("wan0", "2a00:9::2/64"), lan, by6("wan0", 1)), host("::10", ""), "2a00:1:2:3::10 br-lan", "2a00:1:2:3::/64 is the prefix of br-lan"},
		{"by its MAC address", world(lan, by6("wan0", 1)), Policy{Host: mac}, "2a00:1:2:3:211:22ff:fe33:4455 br-lan", ""},
		{"on the LAN that was named", world(lan, at("guest", "2a00:1:2:4::1/64")), host("::10", "guest"), "2a00:1:2:4::10 guest", ""},
		{"never under the WAN's prefix", world(at("wan0", "2a00:9::2/64"), by6("wan0", 1)), host("::10", ""), "", "no LAN device has a global IPv6 prefix"},
		{"unless the WAN was named", world(at("wan0", "2a00:9::2/64"), by6("wan0", 1)), host("::10", "wan0"), "2a00:9::10 wan0", ""},
		{"subnet bits where there is room", world(at("br-lan", "2a00:1:2:300::1/56")), host("::7:0:0:0:10", ""), "2a00:1:2:307::10 br-lan", ""},
		{"the prefix wins over them", world(lan), host("::7:0:0:0:10", ""), "2a00:1:2:3::10 br-lan", ""},
		{"in the middle of a byte", world(at("br-lan", "2a00:1:2:3f0::1/60")), host("::ff:0:0:0:10", ""), "2a00:1:2:3ff::10 br-lan", ""},
		{"a deprecated prefix is left", world(lasting(lan, 0, 7200), at("br-lan", "2a00:1:9:3::1/64")), host("::10", ""), "2a00:1:9:3::10 br-lan", ""},
		{"the one before stays", world(at("br-lan", "2a00:5::1/64"), lan), Policy{Host: netip.MustParseAddr("::10"), Keep: netip.MustParseAddr("2a00:1:2:3::10")}, "2a00:1:2:3::10 br-lan", ""},
		{"a unique local prefix is refused", world(at("br-lan", "fd00::1/64")), host("::10", ""), "", "no LAN device has"},
		{"unless it is allowed", world(at("br-lan", "fd00::1/64")), Policy{Host: netip.MustParseAddr("::10"), AllowPrivate: true}, "fd00::10 br-lan", ""},
		{"the global one comes first then", world(at("br-lan", "fd00::1/64"), lan), Policy{Host: netip.MustParseAddr("::10"), AllowPrivate: true}, "2a00:1:2:3::10 br-lan", ""},
		{"an address alone is no prefix", world(at("br-lan", "2a00:1:2:3::1/128")), host("::10", ""), "", "no LAN device has"},
		{"a LAN without one", world(lan, at("guest", "10.0.0.1/8")), host("::10", "guest"), "", "guest does not have a global IPv6 prefix"},
	})
	if got := Choose(world(at("wan0", "84.0.0.2/24"), lan, by("wan0", 1)), IPv4, host("::10", "")); got.Addr.String() != "84.0.0.2" {
		t.Errorf("its IPv4 address is %v, want the router's", got.Addr)
	}
}

func TestEUI64(t *testing.T) {
	for mac, want := range map[string]string{"00:11:22:33:44:55": "::211:22ff:fe33:4455", "02-00-5e-10-00-01": "::5eff:fe10:1", "FF:ff:ff:ff:ff:ff": "::fdff:ffff:feff:ffff"} {
		if got, err := EUI64(mac); err != nil || got.String() != want {
			t.Errorf("EUI64(%s) = %v, %v; want %s", mac, got, err, want)
		}
	}
	for _, mac := range []string{"", "00:11:22:33:44", "00:11:22:33:44:55:66:77", "nonsense"} {
		if got, err := EUI64(mac); err == nil {
			t.Errorf("EUI64(%s) = %v", mac, got)
		}
	}
}

func TestParseDelegated(t *testing.T) {
	good := func() []byte {
		b := routeMsg(unix.AF_INET6, 56, 0, 0, attr(unix.RTA_DST, ip("2a00:1:2::")), attr(unix.RTA_PRIORITY, u32(1<<31-1)))
		b[4], b[7] = unix.RT_TABLE_MAIN, unix.RTN_UNREACHABLE
		return b
	}
	if p, ok := parseDelegated(good()); !ok || p.String() != "2a00:1:2::/56" {
		t.Errorf("prefix = %v, %t", p, ok)
	}
	if !matters(unix.RTM_NEWROUTE, good()) || !matters(unix.RTM_DELROUTE, good()) {
		t.Error("it does not matter")
	}
	other := func(dst string, bits uint8, metric uint32) []byte {
		b := routeMsg(unix.AF_INET6, bits, 0, 0, attr(unix.RTA_DST, ip(dst)), attr(unix.RTA_PRIORITY, u32(metric)))
		b[4], b[7] = unix.RT_TABLE_MAIN, unix.RTN_UNREACHABLE
		return b
	}
	for name, b := range map[string][]byte{
		"short":         good()[:11],
		"reachable":     set(good(), 7, unix.RTN_UNICAST),
		"IPv4":          set(good(), 0, unix.AF_INET),
		"another table": set(good(), 4, 100),
		"unique local":  other("fd00:1::", 48, 1<<31-1),
		"by hand":       other("2a00:1:2::", 56, 1024),
		"a single host": other("2a00:1:2::1", 128, 1<<31-1),
	} {
		if p, ok := parseDelegated(b); ok {
			t.Errorf("%s: %v", name, p)
		}
	}
}
