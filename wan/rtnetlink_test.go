package wan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// parseAll reads messages as a reader does, without a kernel's filters.
func parseAll(t testing.TB, list []body) State {
	t.Helper()
	names := map[uint32]string{}
	var devices []Device
	var addrs []Addr
	var routes []Route
	for _, b := range list {
		switch b.kind {
		case unix.RTM_NEWLINK:
			d, ok := parseLink(b.data)
			if !ok {
				t.Errorf("not a link: %x", b.data)
			}
			names[uint32(d.Index)] = d.Name
			devices = append(devices, d)
		case unix.RTM_NEWADDR:
			index, a, ok := parseAddr(b.data)
			if !ok || names[index] == "" {
				t.Errorf("not an address of a device: %x", b.data)
			}
			a.Device = names[index]
			addrs = append(addrs, a)
		case unix.RTM_NEWROUTE:
			for _, h := range parseDefault(b.data) {
				h.Device = names[h.index]
				routes = append(routes, h.Route)
			}
		}
	}
	return newState(devices, addrs, routes, nil)
}

// checkScene compares with what TestKernelMessages sets up.
func checkScene(t *testing.T, s State) {
	t.Helper()
	for _, d := range s.Devices {
		if !d.Up || !d.Carrier {
			t.Errorf("%s is not up: %+v", d.Name, d)
		}
	}

	var addrs []string
	for _, a := range s.Addrs {
		life := ""
		if a.Preferred != Forever || a.Valid != Forever {
			// They run down between setting and reading.
			round := func(n uint32) uint32 { return (n + 99) / 100 * 100 }
			life = fmt.Sprintf(" %d/%d", round(a.Preferred), round(a.Valid))
		}
		addrs = append(addrs, fmt.Sprintf("%s %s %d %s%s", a.Device, a.Prefix, a.Scope, strings.Join(a.Names(), ","), life))
	}
	slices.Sort(addrs)
	wantAddrs := []string{
		"lo 127.0.0.1/8 254 permanent",
		"lo ::1/128 254 permanent",
		"wan0 10.0.0.1/32 0 permanent",
		"wan0 2a00:1::2/64 0 permanent",
		"wan0 2a00:1::3/64 0 deprecated 0/4000",
		"wan0 2a00:1::4/64 0  1000/2000",
		"wan0 2a00:1::5/64 0 tentative,permanent",
		"wan0 84.0.0.2/24 0 permanent",
		"wan0 84.0.0.3/24 0 secondary,permanent",
		"wan0 84.0.0.4/32 253 permanent",
	}
	if !slices.Equal(addrs, wantAddrs) {
		t.Errorf("addresses:\n%s\nwant:\n%s", strings.Join(addrs, "\n"), strings.Join(wantAddrs, "\n"))
	}

	var routes []string
	for _, r := range s.Routes {
		if r.LinkDown {
			t.Errorf("%+v is down", r)
		}
		routes = append(routes, fmt.Sprintf("%s %s %d via %s from %s src %s", r.Family, r.Device, r.Metric, r.Gateway, r.Source, r.PrefSrc))
	}
	wantRoutes := []string{
		"IPv6 wan0 3 via fe80::1 from 2a00:1::/48 src invalid IP",
		"IPv4 wan0 5 via 84.0.0.1 from invalid Prefix src 84.0.0.3",
		"IPv4 wan0 50 via invalid IP from invalid Prefix src invalid IP",
		"IPv4 wan0 77 via 84.0.0.1 from invalid Prefix src invalid IP",
		"IPv4 wan0 77 via 10.0.0.2 from invalid Prefix src invalid IP",
		"IPv6 wan0 1024 via fe80::2 from invalid Prefix src invalid IP",
		"IPv6 wan0 2000 via fe80::3 from invalid Prefix src invalid IP",
		"IPv6 wan0 2000 via fe80::4 from invalid Prefix src invalid IP",
	}
	if !slices.Equal(routes, wantRoutes) {
		t.Errorf("routes:\n%s\nwant:\n%s", strings.Join(routes, "\n"), strings.Join(wantRoutes, "\n"))
	}
}

func TestCapturedMessagesAreUnderstood(t *testing.T) {
	checkScene(t, parseAll(t, captured(t)))
}

// A message that was cut anywhere is ignored or says less, never something
// else.
func TestCutMessagesSayNothingElse(t *testing.T) {
	whole := parseAll(t, captured(t))
	for _, b := range captured(t) {
		for n := range b.data {
			cut := b.data[:n]
			switch b.kind {
			case unix.RTM_NEWLINK:
				if d, ok := parseLink(cut); ok && d.Name != "lo" && d.Name != "wan0" && d.Name != "isp0" {
					// Other devices that a kernel makes in every namespace.
					if !bytes.Contains(b.data, []byte(d.Name+"\x00")) {
						t.Fatalf("%d of %d bytes are device %q", n, len(b.data), d.Name)
					}
				}
			case unix.RTM_NEWADDR:
				_, a, ok := parseAddr(cut)
				if ok && a.Prefix.Addr() != netip.MustParseAddr("10.0.0.2") && // the peer, before IFA_LOCAL
					!slices.ContainsFunc(whole.Addrs, func(w Addr) bool { return w.Prefix == a.Prefix }) {
					t.Fatalf("%d of %d bytes are address %s", n, len(b.data), a.Prefix)
				}
			case unix.RTM_NEWROUTE:
				for _, h := range parseDefault(cut) {
					if h.Gateway.IsValid() && !slices.ContainsFunc(whole.Routes, func(w Route) bool { return w.Gateway == h.Gateway }) {
						t.Fatalf("%d of %d bytes are a route by %s", n, len(b.data), h.Gateway)
					}
				}
			}
		}
	}
}

// attr is an attribute in this machine's byte order, padded.
func attr(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func u32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

func linkMsg(index, flags uint32, attrs ...[]byte) []byte {
	b := make([]byte, 4, unix.SizeofIfInfomsg)
	b = append(b, u32(index)...)
	b = append(b, u32(flags)...)
	b = append(b, u32(0)...)
	return append(b, bytes.Join(attrs, nil)...)
}

func addrMsg(family, bits, flags, scope uint8, index uint32, attrs ...[]byte) []byte {
	b := append([]byte{family, bits, flags, scope}, u32(index)...)
	return append(b, bytes.Join(attrs, nil)...)
}

// routeMsg is a unicast route of the main table with protocol boot.
func routeMsg(family, dst, src uint8, flags uint32, attrs ...[]byte) []byte {
	b := append([]byte{family, dst, src, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, 0, unix.RTN_UNICAST}, u32(flags)...)
	return append(b, bytes.Join(attrs, nil)...)
}

func nexthop(flags uint8, index uint32, attrs ...[]byte) []byte {
	more := bytes.Join(attrs, nil)
	b := binary.NativeEndian.AppendUint16(nil, uint16(8+len(more)))
	b = append(b, flags, 0)
	b = append(b, u32(index)...)
	return append(b, more...)
}

func set(b []byte, i int, v byte) []byte {
	b = bytes.Clone(b)
	b[i] = v
	return b
}

func TestParseLink(t *testing.T) {
	name := attr(unix.IFLA_IFNAME, []byte("wan0\x00"))
	for _, c := range []struct {
		name string
		msg  []byte
		want string
	}{
		{"up", linkMsg(7, unix.IFF_UP|unix.IFF_LOWER_UP, attr(unix.IFLA_MTU, u32(1500)), name), "{wan0 true true false 7} true"},
		{"no carrier", linkMsg(7, unix.IFF_UP, name), "{wan0 true false false 7} true"},
		{"down", linkMsg(7, 0, name), "{wan0 false false false 7} true"},
		{"no name", linkMsg(7, 0), "{ false false false 7} false"},
		{"an empty name", linkMsg(7, 0, attr(unix.IFLA_IFNAME, []byte{0})), "{ false false false 7} false"},
		{"a name without its end", linkMsg(7, 0, attr(unix.IFLA_IFNAME, []byte("wan0"))), "{wan0 false false false 7} true"},
		{"short", linkMsg(7, 0)[:15], "{ false false false 0} false"},
		{"empty", nil, "{ false false false 0} false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, ok := parseLink(c.msg)
			if got := fmt.Sprint(d, ok); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestParseAddr(t *testing.T) {
	address, local := attr(unix.IFA_ADDRESS, ip("84.0.0.2")), attr(unix.IFA_LOCAL, ip("84.0.0.2"))
	peer := attr(unix.IFA_ADDRESS, ip("84.0.0.9"))
	six := attr(unix.IFA_ADDRESS, ip("2a00::2"))
	life := func(preferred, valid uint32) []byte {
		return attr(unix.IFA_CACHEINFO, slices.Concat(u32(preferred), u32(valid), u32(1), u32(2)))
	}
	for _, c := range []struct {
		name string
		msg  []byte
		want string // prefix, flags, scope, preferred, valid; or nothing
	}{
		{"IPv4", addrMsg(unix.AF_INET, 24, 0x80, 0, 3, address, local), "84.0.0.2/24 80 0 4294967295 4294967295"},
		{"the local end of a point-to-point link", addrMsg(unix.AF_INET, 32, 0x80, 0, 3, peer, local), "84.0.0.2/32 80 0 4294967295 4294967295"},
		{"the local end when it comes first", addrMsg(unix.AF_INET, 32, 0x80, 0, 3, local, peer), "84.0.0.2/32 80 0 4294967295 4294967295"},
		{"IPv6", addrMsg(unix.AF_INET6, 64, 0x80, 0, 3, six), "2a00::2/64 80 0 4294967295 4294967295"},
		{"32 bits of flags", addrMsg(unix.AF_INET6, 64, 0x80, 0, 3, six, attr(unix.IFA_FLAGS, u32(0x340))), "2a00::2/64 340 0 4294967295 4294967295"},
		{"lifetimes", addrMsg(unix.AF_INET6, 64, 0, 0, 3, six, life(1800, 3600)), "2a00::2/64 0 0 1800 3600"},
		{"infinite lifetimes", addrMsg(unix.AF_INET6, 64, 0, 0, 3, life(Forever, Forever), six), "2a00::2/64 0 0 4294967295 4294967295"},
		{"deprecated without the flag", addrMsg(unix.AF_INET6, 64, 0, 0, 3, six, life(0, 3600)), "2a00::2/64 0 0 0 3600"},
		{"short lifetimes", addrMsg(unix.AF_INET6, 64, 0, 0, 3, six, attr(unix.IFA_CACHEINFO, u32(0))), "2a00::2/64 0 0 4294967295 4294967295"},
		{"scope link", addrMsg(unix.AF_INET, 16, 0x80, 253, 3, address, local), "84.0.0.2/16 80 253 4294967295 4294967295"},
		{"no address", addrMsg(unix.AF_INET, 24, 0x80, 0, 3), ""},
		{"an address of 3 bytes", addrMsg(unix.AF_INET, 24, 0x80, 0, 3, attr(unix.IFA_LOCAL, []byte{84, 0, 0})), ""},
		{"33 bits", addrMsg(unix.AF_INET, 33, 0x80, 0, 3, address, local), ""},
		{"129 bits", addrMsg(unix.AF_INET6, 129, 0x80, 0, 3, six), ""},
		{"short", addrMsg(unix.AF_INET, 24, 0x80, 0, 3)[:7], ""},
		{"empty", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, a, ok := parseAddr(c.msg)
			got := ""
			if ok {
				got = fmt.Sprintf("%s %x %d %d %d", a.Prefix, uint32(a.Flags), a.Scope, a.Preferred, a.Valid)
			}
			if got != c.want || ok && index != 3 {
				t.Errorf("%q of device %d, want %q", got, index, c.want)
			}
		})
	}
}

func TestParseDefault(t *testing.T) {
	out, metric := attr(unix.RTA_OIF, u32(3)), attr(unix.RTA_PRIORITY, u32(9))
	via, via6 := attr(unix.RTA_GATEWAY, ip("84.0.0.1")), attr(unix.RTA_GATEWAY, ip("fe80::1"))
	in := func(table uint32) []byte { return attr(unix.RTA_TABLE, u32(table)) }
	const v4, v6 = unix.AF_INET, unix.AF_INET6
	hops := func(list ...[]byte) []byte { return attr(unix.RTA_MULTIPATH, bytes.Join(list, nil)) }

	for _, c := range []struct {
		name string
		msg  []byte
		want string // of each hop: index, family, gateway, metric, source, preferred source, down
	}{
		{"IPv4", routeMsg(v4, 0, 0, 0, in(254), metric, via, out), "3 IPv4 84.0.0.1 9 invalid Prefix invalid IP false"},
		{"without a table attribute", routeMsg(v4, 0, 0, 0, out), "3 IPv4 invalid IP 0 invalid Prefix invalid IP false"},
		{"IPv6", routeMsg(v6, 0, 0, 0, in(254), metric, via6, out), "3 IPv6 fe80::1 9 invalid Prefix invalid IP false"},
		{"a source prefix", routeMsg(v6, 0, 48, 0, attr(unix.RTA_SRC, ip("2a00:1::9")), out), "3 IPv6 invalid IP 0 2a00:1::/48 invalid IP false"},
		{"any source", routeMsg(v6, 0, 0, 0, attr(unix.RTA_SRC, ip("::")), out), "3 IPv6 invalid IP 0 invalid Prefix invalid IP false"},
		{"a preferred source", routeMsg(v4, 0, 0, 0, attr(unix.RTA_PREFSRC, ip("84.0.0.2")), out), "3 IPv4 invalid IP 0 invalid Prefix 84.0.0.2 false"},
		{"dead", routeMsg(v4, 0, 0, unix.RTNH_F_DEAD, out), "3 IPv4 invalid IP 0 invalid Prefix invalid IP true"},
		{"without carrier", routeMsg(v6, 0, 0, unix.RTNH_F_LINKDOWN, out), "3 IPv6 invalid IP 0 invalid Prefix invalid IP true"},
		{"on-link", routeMsg(v4, 0, 0, unix.RTNH_F_ONLINK, out, via), "3 IPv4 84.0.0.1 0 invalid Prefix invalid IP false"},
		{
			"several ways",
			routeMsg(v4, 0, 0, 0, metric, hops(nexthop(0, 3, via), nexthop(unix.RTNH_F_LINKDOWN, 4), nexthop(0, 5, attr(unix.RTA_GATEWAY, ip("85.0.0.1"))))),
			"3 IPv4 84.0.0.1 9 invalid Prefix invalid IP false; 4 IPv4 invalid IP 9 invalid Prefix invalid IP true; 5 IPv4 85.0.0.1 9 invalid Prefix invalid IP false",
		},
		{
			"several ways, the second malformed",
			routeMsg(v4, 0, 0, 0, hops(nexthop(0, 3, via), make([]byte, 8), nexthop(0, 5))),
			"3 IPv4 84.0.0.1 0 invalid Prefix invalid IP false",
		},
		{"no way at all", routeMsg(v4, 0, 0, 0, hops()), ""},
		{"another table", routeMsg(v4, 0, 0, 0, in(100), out), ""},
		{"a table above 255", set(routeMsg(v4, 0, 0, 0, in(1000), out), 4, unix.RT_TABLE_COMPAT), ""},
		{"the main table, as an attribute only", set(routeMsg(v4, 0, 0, 0, in(254), out), 4, unix.RT_TABLE_COMPAT), "3 IPv4 invalid IP 0 invalid Prefix invalid IP false"},
		{"not a default route", routeMsg(v4, 24, 0, 0, attr(unix.RTA_DST, ip("84.0.0.0")), out), ""},
		{"half of the internet", routeMsg(v4, 1, 0, 0, attr(unix.RTA_DST, ip("0.0.0.0")), out), ""},
		{"unreachable", set(routeMsg(v6, 0, 0, 0, out), 7, unix.RTN_UNREACHABLE), ""},
		{"bridge", routeMsg(unix.AF_BRIDGE, 0, 0, 0, out), ""},
		{"short", routeMsg(v4, 0, 0, 0)[:11], ""},
		{"empty", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, h := range parseDefault(c.msg) {
				got = append(got, fmt.Sprint(h.index, h.Family, h.Gateway, h.Metric, h.Source, h.PrefSrc, h.LinkDown))
			}
			want := strings.ReplaceAll(c.want, "; ", "\n")
			// Sprint puts no space between operands that are strings; these are not.
			if strings.Join(got, "\n") != want {
				t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
			for _, kind := range []uint16{unix.RTM_NEWROUTE, unix.RTM_DELROUTE} {
				if matters(kind, c.msg) != (c.want != "") {
					t.Errorf("matters is not %v", c.want != "")
				}
			}
		})
	}
}

func TestMatters(t *testing.T) {
	for kind, want := range map[uint16]bool{
		unix.RTM_NEWLINK: true, unix.RTM_DELLINK: true, unix.RTM_NEWADDR: true, unix.RTM_DELADDR: true,
		unix.RTM_NEWROUTE: false, unix.RTM_DELROUTE: false, unix.RTM_NEWNEIGH: false,
		unix.NLMSG_DONE: false, unix.NLMSG_ERROR: false, unix.NLMSG_NOOP: false,
	} {
		if matters(kind, nil) != want {
			t.Errorf("an empty message of type %d matters: %v", kind, !want)
		}
	}
}

func TestAttributes(t *testing.T) {
	one, two := attr(5, []byte("a")), attr(6|unix.NLA_F_NESTED, []byte("bcde"))
	bad := func(n uint16) []byte { return append(binary.NativeEndian.AppendUint16(nil, n), 0, 0) }
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"none", nil, ""},
		{"two", slices.Concat(one, two), "5=a 6=bcde "},
		{"the last without padding", slices.Concat(two, one)[:13], "6=bcde 5=a "},
		{"empty value", attr(5, nil), "5= "},
		{"length 0", slices.Concat(one, bad(0), two), "5=a "},
		{"length 3", slices.Concat(one, bad(3), two), "5=a "},
		{"longer than the message", slices.Concat(one, bad(5)), "5=a "},
		{"longest length", slices.Concat(one, bad(65535)), "5=a "},
		{"rest of 3 bytes", slices.Concat(one, []byte{4, 0, 0}), "5=a "},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for kind, v := range attributes(c.data) {
				got += fmt.Sprintf("%d=%s ", kind, v)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			for range attributes(c.data) {
				break // leaving early is allowed
			}
		})
	}
}

func seed(f *testing.F, kind uint16) {
	f.Add([]byte{})
	f.Add(linkMsg(7, unix.IFF_UP, attr(unix.IFLA_IFNAME, []byte("wan0\x00"))))
	f.Add(addrMsg(unix.AF_INET, 24, 0x80, 0, 3, attr(unix.IFA_LOCAL, ip("84.0.0.2")), attr(unix.IFA_FLAGS, u32(0x80))))
	f.Add(routeMsg(unix.AF_INET, 0, 0, 0, attr(unix.RTA_MULTIPATH, slices.Concat(nexthop(0, 3), nexthop(1, 4)))))
	f.Add(routeMsg(unix.AF_INET6, 0, 48, 0, attr(unix.RTA_SRC, ip("2a00:1::")), attr(unix.RTA_OIF, u32(3))))
	for _, b := range slices.Concat(captured(f), scenes(f)) {
		if kind == 0 || b.kind == kind {
			f.Add(b.data)
		}
	}
}

// fromMessage fails unless every address was in the message.
func fromMessage(t *testing.T, b []byte, addrs ...netip.Addr) {
	t.Helper()
	for _, a := range addrs {
		if a.IsValid() && !bytes.Contains(b, a.AsSlice()) {
			t.Fatalf("%s is not in %x", a, b)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	seed(f, unix.RTM_NEWLINK)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := parseLink(b)
		if ok != (d.Name != "") || !bytes.Contains(b, []byte(d.Name)) || strings.Contains(d.Name, "\x00") {
			t.Fatalf("device %q (%v) of %x", d.Name, ok, b)
		}
	})
}

func FuzzParseAddr(f *testing.F) {
	seed(f, unix.RTM_NEWADDR)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, a, ok := parseAddr(b)
		if !ok {
			return
		}
		if !a.Prefix.IsValid() || a.Prefix.Bits() != int(b[1]) || a.Device != "" {
			t.Fatalf("%+v of %x", a, b)
		}
		fromMessage(t, b[unix.SizeofIfAddrmsg:], a.Prefix.Addr())
	})
}

func FuzzParseDefault(f *testing.F) {
	seed(f, unix.RTM_NEWROUTE)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range parseDefault(b) {
			if h.Device != "" || h.Source.IsValid() && (h.Source != h.Source.Masked() || h.Source.Bits() == 0) {
				t.Fatalf("%+v of %x", h, b)
			}
			fromMessage(t, b[unix.SizeofRtMsg:], h.Gateway, h.PrefSrc)
		}
	})
}

func FuzzAttributes(f *testing.F) {
	seed(f, 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for kind, v := range attributes(b) {
			n += 4 + len(v)
			if n > len(b) || kind > 0x3fff {
				t.Fatalf("attribute %d of %d bytes in %x", kind, len(v), b)
			}
		}
	})
}

func FuzzMatters(f *testing.F) {
	f.Add(uint16(unix.RTM_NEWROUTE), routeMsg(unix.AF_INET, 0, 0, 0, attr(unix.RTA_OIF, u32(3))))
	f.Add(uint16(unix.RTM_DELROUTE), routeMsg(unix.AF_INET, 24, 0, 0))
	f.Add(uint16(unix.RTM_DELADDR), []byte{})
	f.Fuzz(func(t *testing.T, kind uint16, b []byte) {
		got := matters(kind, b)
		switch kind {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			if got == aside(b) {
				t.Fatalf("type %d matters: %t", kind, got)
			}
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			if !got {
				t.Fatalf("type %d does not matter", kind)
			}
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if got && (len(b) < unix.SizeofRtMsg || b[1] != 0) {
				t.Fatalf("%x matters", b)
			}
		default:
			if got {
				t.Fatalf("type %d matters", kind)
			}
		}
	})
}
