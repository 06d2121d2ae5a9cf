package wan

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"wandns/wan/wantest"
)

// story is something that happens to a router, and of what the kernel
// announces then what matters, in this order; more may stand between.
type story struct {
	name string
	act  func(*stage)
	want []string
}

// stage is a WAN, device 3, whose other end is device 2.
type stage struct {
	t     testing.TB
	sub   *subscription
	heard []body // since the story began
}

func (s *stage) do(errs ...error) { s.t.Helper(); must(s.t, errs...) }

// hears waits until the kernel announces this. Of devices it keeps only the
// name and what makes an announcement another one.
func (s *stage) hears(want string) {
	s.t.Helper()
	must(s.t, s.sub.socket.SetReadDeadline(time.Now().Add(patience)))
	for buf := make([]byte, chunk); ; {
		n, err := s.sub.socket.Read(buf)
		if err != nil {
			s.t.Fatalf("%s was not announced: %v", want, err)
		}
		for h, data := range messages(buf[:n]) {
			b := body{kind: h.kind, data: bytes.Clone(data)}
			said := tell(b)
			if h.kind == unix.RTM_NEWLINK || h.kind == unix.RTM_DELLINK {
				b.data = b.data[:unix.SizeofIfInfomsg:unix.SizeofIfInfomsg]
				for kind, v := range attributes(data[unix.SizeofIfInfomsg:]) {
					if kind == unix.IFLA_IFNAME || kind == unix.IFLA_WIRELESS {
						b.data = append(b.data, attr(kind, v)...)
					}
				}
			}
			if !bytes.Contains(data, curtain.AsSlice()) {
				s.heard = append(s.heard, b)
			}
			if said == want {
				return
			}
		}
	}
}

// curtain is an address that comes and goes between the stories.
var curtain = netip.MustParseAddr("127.9.9.9")

// falls returns what was announced since the last time.
func (s *stage) falls() []body {
	s.do(wantest.AddAddr("lo", curtain.String()), wantest.DelAddr("lo", curtain.String()))
	s.hears("deladdr 1 127.9.9.9/32 permanent forever")
	heard := s.heard
	s.heard = nil
	return heard
}

func stories() []story {
	return []story{
		{"a PPP session begins, sets its address twice and ends", func(s *stage) {
			s.do(wantest.AddAddr("wan0", "84.0.0.2", "peer", "84.0.0.1"), wantest.DelAddr("wan0", "84.0.0.2", "peer", "84.0.0.1"),
				wantest.AddAddr("wan0", "84.0.0.2", "peer", "84.0.0.1"), wantest.AddDefault("wan0", "", 0),
				wantest.DelDefault("wan0", "", 0), wantest.DelAddr("wan0", "84.0.0.2", "peer", "84.0.0.1"))
		}, []string{
			"newaddr 3 84.0.0.2/32 permanent forever", "deladdr 3 84.0.0.2/32 permanent forever",
			"newaddr 3 84.0.0.2/32 permanent forever", "newroute 3 IPv4 0 via none",
			"delroute 3 IPv4 0 via none", "deladdr 3 84.0.0.2/32 permanent forever",
		}},
		{"a lease is renewed and runs out", func(s *stage) {
			s.do(wantest.AddAddr("wan0", "84.0.0.2/24", "preferred_lft", "60", "valid_lft", "120"),
				wantest.ReplaceAddr("wan0", "84.0.0.2/24", "preferred_lft", "90", "valid_lft", "180"),
				wantest.ReplaceAddr("wan0", "84.0.0.2/24", "preferred_lft", "0", "valid_lft", "180"),
				wantest.DelAddr("wan0", "84.0.0.2/24"))
		}, []string{
			"newaddr 3 84.0.0.2/24  60/120", "newaddr 3 84.0.0.2/24  90/180",
			"newaddr 3 84.0.0.2/24 deprecated 0/180", "deladdr 3 84.0.0.2/24 deprecated 0/180",
		}},
		{"the default route is replaced, and has two ways", func(s *stage) {
			s.do(wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 5),
				wantest.ReplaceDefault("wan0", "84.0.0.254", 5, "src", "84.0.0.2"),
				multipath(3, 77, "84.0.0.1", "84.0.0.254"), multipath(3, 78, "fe80::1", "fe80::2"),
				wantest.DelDefault("wan0", "84.0.0.254", 5), wantest.DelAddr("wan0", "84.0.0.2/24"))
		}, []string{
			"newroute 3 IPv4 5 via 84.0.0.1", "newroute 3 IPv4 5 via 84.0.0.254 src 84.0.0.2",
			"newroute 3 IPv4 77 via 84.0.0.1 3 IPv4 77 via 84.0.0.254",
			"newroute 3 IPv6 78 via fe80::1 3 IPv6 78 via fe80::2",
			"delroute 3 IPv4 5 via 84.0.0.254 src 84.0.0.2",
		}},
		{"an IPv6 default route serves one prefix, which is delegated and withdrawn", func(s *stage) {
			s.do(wantest.AddDefault("wan0", "fe80::1", 512, "from", "2a00:1::/48"), wantest.Delegate("2a00:1::/48"),
				wantest.Delegate("fd00:1::/48"), wantest.Withdraw("2a00:1::/48"), wantest.Withdraw("fd00:1::/48"),
				wantest.DelDefault("wan0", "fe80::1", 512, "from", "2a00:1::/48"))
		}, []string{
			"newroute 3 IPv6 512 via fe80::1 from 2a00:1::/48", "newroute delegated 2a00:1::/48",
			"delroute delegated 2a00:1::/48", "delroute 3 IPv6 512 via fe80::1 from 2a00:1::/48",
		}},
		{"the cable is pulled and put back", func(s *stage) {
			s.do(wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.Down("isp0"))
			s.hears("newlink 3 wan0 up without carrier")
			s.do(wantest.Up("isp0"))
			s.hears("newlink 3 wan0 up")
			s.do(wantest.DelAddr("wan0", "84.0.0.2/24"))
		}, []string{"newlink 3 wan0 up without carrier", "newlink 3 wan0 up"}},
		{"a prefix is advertised and deprecated", func(s *stage) {
			s.do(wantest.Advertise("isp0", "2a00:2::/64", time.Hour, 2*time.Hour))
			s.hears("newaddr 3 2a00:2::ff:fe00:1/64  3600/7200")
			s.do(wantest.Advertise("isp0", "2a00:2::/64", 0, 2*time.Hour))
			s.hears("newaddr 3 2a00:2::ff:fe00:1/64 deprecated 0/7200")
		}, []string{
			"newaddr 3 2a00:2::ff:fe00:1/64  3600/7200",
			"newaddr 3 2a00:2::ff:fe00:1/64  0/7200", "newaddr 3 2a00:2::ff:fe00:1/64 deprecated 0/7200",
		}},
		{"a routing daemon learns and forgets", func(s *stage) {
			s.do(wantest.AddRoute("wan0", "85.0.0.0/8", "proto", "186"), wantest.AddRoute("wan0", "2a00:5::/48", "proto", "186"))
			b, err := wantest.NewBulk()
			s.do(err)
			b.Route(true, "wan0", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), 3))
			b.Route(false, "wan0", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), 3))
			s.do(b.Close())
		}, nil},
		{"a port joins a bridge", func(s *stage) {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = "br-lan"
			s.do(netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
			port, err := netlink.LinkByName("isp0")
			s.do(err)
			bridge, err := netlink.LinkByName("br-lan")
			s.do(err, netlink.LinkSetMaster(port, bridge), netlink.LinkSetLearning(port, false), wantest.DelLink("br-lan"))
		}, []string{"newlink 4 br-lan down", "newlink 2 isp0 up", "dellink 4 br-lan down"}},
	}
}

// tell says what matters of an announcement, or nothing.
func tell(b body) string {
	if !matters(b.kind, b.data) {
		return ""
	}
	said := kindName(b.kind)
	switch b.kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		d, _ := parseLink(b.data)
		said += fmt.Sprintf(" %d %s", d.Index, d.Name)
		switch {
		case !d.Up:
			said += " down"
		case !d.Carrier:
			said += " up without carrier"
		default:
			said += " up"
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		index, a, _ := parseAddr(b.data)
		life := "forever"
		if a.Preferred != Forever {
			round := func(n uint32) uint32 { return (n + 29) / 30 * 30 } // they run down
			life = fmt.Sprintf("%d/%d", round(a.Preferred), round(a.Valid))
		}
		said += fmt.Sprintf(" %d %s %s %s", index, a.Prefix, strings.Join(a.Names(), ","), life)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if p, ok := parseDelegated(b.data); ok {
			said += " delegated " + p.String()
		}
		for _, h := range parseDefault(b.data) {
			via := "none"
			if h.Gateway.IsValid() {
				via = h.Gateway.String()
			}
			said += fmt.Sprintf(" %d %s %d via %s", h.index, h.Family, h.Metric, via)
			if h.PrefSrc.IsValid() {
				said += " src " + h.PrefSrc.String()
			}
			if h.Source.IsValid() {
				said += " from " + h.Source.String()
			}
		}
	}
	return said
}

// check compares one story's announcements with what should be among them.
func (s story) check(t *testing.T, list []body) {
	t.Helper()
	var told []string
	for _, b := range list {
		if said := tell(b); said != "" {
			told = append(told, said)
		}
	}
	rest := told
	for _, want := range s.want {
		i := slices.Index(rest, want)
		if i < 0 {
			t.Fatalf("%s: not told, or not in this order: %s\nof\n%s", s.name, want, strings.Join(told, "\n"))
		}
		rest = rest[i+1:]
	}
	if len(s.want) == 0 && len(told) > 0 {
		t.Errorf("%s: matters:\n%s", s.name, strings.Join(told, "\n"))
	}
}

func TestScenesAreUnderstood(t *testing.T) {
	list := load(t, scenesPath)
	for _, s := range stories() {
		first := slices.IndexFunc(list, func(b body) bool { return b.scene == s.name }) + 1
		if first == 0 {
			t.Errorf("%s has not: %s", scenesPath, s.name)
			continue
		}
		last := first
		for last < len(list) && list[last].scene == "" {
			last++
		}
		s.check(t, list[first:last])
	}
}

// The kernel tells these stories as they were captured. With WANDNS_CAPTURE=1
// it also tells them anew.
func TestKernelScenes(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Sysctl("net/ipv6/conf/isp0/accept_ra", "0"), wantest.AcceptRA("wan0"))
	for i, name := range []string{"wan0", "isp0"} { // addresses that do not differ from capture to capture
		link, err := netlink.LinkByName(name)
		must(t, err, wantest.Down(name), netlink.LinkSetHardwareAddr(link, net.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)}))
	}
	sub, err := subscribe()
	must(t, err, control(sub.socket, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) }))
	defer sub.close()
	for _, name := range []string{"isp0", "wan0"} {
		must(t, wantest.Up(name))
	}
	stage := &stage{t: t, sub: sub}
	stage.hears("newaddr 3 fe80::ff:fe00:1/64 permanent forever")
	stage.falls()
	var all []body
	for _, one := range stories() {
		one.act(stage)
		list := stage.falls()
		one.check(t, list)
		all = append(append(all, body{scene: one.name}), list...)
	}
	if capturing() && !t.Failed() {
		store(t, scenesPath, all)
	}
}
