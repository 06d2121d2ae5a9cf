package wan

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"

	"wandns/wan/wantest"
)

var (
	second    = netip.MustParseAddr("fe80::2")
	neighbour = netip.MustParseAddr("fe80::bad")
)

func via(r Route, gateway netip.Addr) Route {
	r.Gateway = gateway.WithZone("")
	return r
}

// words are an advertisement that a router made, so many seconds after noon.
type words struct {
	at   time.Duration
	from netip.Addr
	m    *ndp.RouterAdvertisement
}

// A withdrawal is the word of those to whom the default routes lead.
func TestAWithdrawalCountsOnlyFromTheRoutersOfTheDefaultRoute(t *testing.T) {
	const p = "2a00:1::/64"
	offers := ra(time.Hour, prefix(p, time.Hour, 2*time.Hour))
	withdraws := ra(time.Hour, prefix(p, 0, 2*time.Hour))
	invalidates := ra(time.Hour, prefix(p, 0, 0))
	briefly := ra(time.Hour, prefix(p, time.Second, 2*time.Hour))
	one := []Route{via(by6("wan0", 1), gateway)}
	two := append(one, via(by6("wan0", 1), second))
	both := append(one, via(by6("wan0", 1), neighbour)) // the kernel believed it
	good, over := made("wan0", "2a00:1::9/64"), lasting(made("wan0", "2a00:1::9/64"), 0, 7200)
	over.Flags = Deprecated
	for name, c := range map[string]struct {
		routes []Route
		heard  []words
		addr   Addr
		want   bool // published
	}{
		"its router":                             {one, []words{{0, gateway, offers}, {1, gateway, withdraws}}, good, false},
		"its router, at once invalid":            {one, []words{{0, gateway, invalidates}}, good, false},
		"its router, never offered":              {one, []words{{0, gateway, withdraws}}, good, false},
		"its router, then the neighbour offers":  {one, []words{{0, gateway, withdraws}, {1, neighbour, offers}}, good, false},
		"a neighbour":                            {one, []words{{0, gateway, offers}, {1, neighbour, withdraws}}, good, true},
		"a neighbour, at once invalid":           {one, []words{{0, gateway, offers}, {1, neighbour, invalidates}}, good, true},
		"a neighbour, first of all":              {one, []words{{0, neighbour, withdraws}}, good, true},
		"a neighbour that offered before":        {one, []words{{0, neighbour, offers}, {1, neighbour, withdraws}}, good, true},
		"with a route to it, first of all":       {both, []words{{0, neighbour, withdraws}}, good, true},
		"with a route to it":                     {both, []words{{0, gateway, offers}, {1, neighbour, offers}, {2, neighbour, withdraws}}, good, true},
		"of two routers one":                     {two, []words{{0, gateway, offers}, {0, second, offers}, {1, second, withdraws}}, good, true},
		"of two routers both":                    {two, []words{{0, gateway, withdraws}, {1, second, withdraws}}, good, false},
		"of two routers one, the other is mute":  {two, []words{{0, gateway, withdraws}}, good, true},
		"of two routers one, the other's is old": {two, []words{{0, second, ra(2*time.Hour, prefix(p, time.Minute, 2*time.Hour))}, {120, gateway, withdraws}}, good, false},
		"through a gateway of another kind":      {[]Route{via(by6("wan0", 1), netip.MustParseAddr("2a00:1::1"))}, []words{{0, neighbour, withdraws}}, good, true},
		"the route names no router":              {[]Route{by6("wan0", 1)}, []words{{0, neighbour, withdraws}}, good, false},

		"the kernel believed a neighbour":                          {one, []words{{0, gateway, offers}, {1, neighbour, withdraws}}, over, true},
		"the kernel believed a neighbour with a route":             {both, []words{{0, gateway, offers}, {1, neighbour, withdraws}}, over, true},
		"the kernel believed a neighbour's short life":             {one, []words{{0, gateway, offers}, {1, neighbour, briefly}, {3, second, ra(0)}}, over, true},
		"the kernel knows of an end that nobody said":              {one, []words{{0, gateway, offers}}, over, false},
		"the neighbour spoke before its router":                    {one, []words{{0, neighbour, withdraws}, {1, gateway, offers}}, over, false},
		"the kernel believed a neighbour, its router agrees":       {one, []words{{0, gateway, offers}, {1, neighbour, withdraws}, {2, gateway, withdraws}}, over, false},
		"the kernel believed a neighbour, its router is long mute": {one, []words{{0, gateway, offers}, {1, neighbour, withdraws}, {1900, second, ra(0)}}, over, false},
	} {
		a, now := advertisements{}, noon
		a.line("wan0").gateways = world(c.routes[0], c.routes[len(c.routes)-1]).gateways("wan0")
		for _, h := range c.heard {
			now = noon.Add(h.at * time.Second)
			_, err := a.learn("wan0", h.from, h.m, now)
			must(t, err)
		}
		parts := []any{c.addr}
		for _, r := range c.routes {
			parts = append(parts, r)
		}
		s, until := a.apply(world(parts...), now)
		if got := Choose(s, IPv6, Policy{}).Addr; got.IsValid() != c.want {
			t.Errorf("%s: published %s", name, got)
		}
		if touched := s.Addrs[0] != c.addr; touched != (until > 0) || until > silence {
			t.Errorf("%s: it is looked at again after %s", name, until)
		}
		if len(s.Advertised) > 1 {
			t.Errorf("%s: one prefix is told as %+v", name, s.Advertised)
		}
		coming := Policy{Keep: netip.MustParseAddr("2a00:1::42")}
		if _, ok := Coming(s, coming); strings.HasPrefix(name, "a neighbour") && !ok {
			t.Errorf("%s: nothing is said to come", name)
		}
	}
}

// Whoever was there first, there is room for the word of the router that holds
// the default route.
func TestACrowdLeavesRoomForTheRouterOfTheDefaultRoute(t *testing.T) {
	crowd := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: 1, 15: byte(i)}) }
	many := func(i int) *ndp.RouterAdvertisement {
		m := ra(18 * time.Hour)
		for j := range maxPrefixes / 4 {
			m.Options = append(m.Options, prefix(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, 1, byte(i), byte(j)}), 64).String(), infinite, infinite))
		}
		return m
	}
	for name, trusted := range map[string]bool{"neighbours": false, "neighbours to which routes lead": true} {
		a := advertisements{}
		n := a.line("wan0")
		n.gateways = []netip.Addr{gateway.WithZone("")}
		refused := 0
		for i := range 3 * maxRouters {
			if trusted {
				n.gateways = append(n.gateways, crowd(i))
			}
			if _, err := a.learn("wan0", crowd(i), many(i), noon); err != nil {
				refused++
			}
		}
		if !trusted && refused == 0 || len(n.routers) > maxRouters || len(n.offers) > maxPrefixes {
			t.Errorf("%s: %d routers, %d offers, %d refused", name, len(n.routers), len(n.offers), refused)
		}
		if _, err := a.learn("wan0", gateway, ra(time.Hour, prefix("2a00:1::/64", time.Hour, time.Hour)), noon.Add(time.Second)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s := a.on(world(made("wan0", "2a00:1::9/64"), via(by6("wan0", 1), gateway)), noon.Add(time.Second))
		if !slices.ContainsFunc(s.Advertised, func(a Advertised) bool { return a.Router == gateway.WithZone("") }) || s.Expects() {
			t.Errorf("%s: the router is not known: %+v", name, s.Routers)
		}
		if len(n.routers) > maxRouters || len(n.offers) > maxPrefixes {
			t.Errorf("%s: then %d routers, %d offers", name, len(n.routers), len(n.offers))
		}
	}
}

// speakers are the router that holds the default route of wan0, and another on
// that link, which like those of OpenWrt does not act on advertisements itself.
func speakers(t *testing.T, acceptRA bool) (router, other *wantest.Speaker) {
	t.Helper()
	must(t, wantest.Veth("wan0", "isp0"), wantest.Sysctl("net/ipv6/conf/isp0/accept_ra", "0"))
	router, err := wantest.Speak("isp0", "fe80::1")
	must(t, err)
	other, err = wantest.Speak("isp0", neighbour.String())
	must(t, err)
	if acceptRA {
		must(t, wantest.AcceptRA("wan0"), wantest.AddDefault("wan0", "84.0.0.1", 10, "onlink"))
	} else {
		must(t, wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"), wantest.AddDefault("wan0", "fe80::1", 10),
			wantest.AddAddr("wan0", "2a00:1::9/64", "nodad", "preferred_lft", "3600", "valid_lft", "7200"))
	}
	return router, other
}

func advertisementOf(t *testing.T, p string, preferred time.Duration) []byte {
	t.Helper()
	b, err := wantest.Advertisement(p, preferred, 2*time.Hour)
	must(t, err)
	return b
}

// knows waits until an address of a router's advertisement was learned.
func (w *watch) knows(router string) {
	w.t.Helper()
	w.until("the router "+router, func(s State) bool {
		return slices.ContainsFunc(s.Routers, func(r Router) bool { return r.Addr.String() == router })
	})
}

func TestKernelANeighboursWithdrawalChangesNothing(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	router, other := speakers(t, false)
	w := watching(t)
	linkLocalOf(t, w, "wan0")
	must(t, other.Say(advertisementOf(t, "2a00:1::/64", 0))) // before the router is heard
	w.knows(neighbour.String())
	if got := choice(w.last, IPv6); got != "2a00:1::9 wan0" {
		t.Errorf("a neighbour alone made it %q", got)
	}
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", time.Hour)))
	w.knows("fe80::1")
	must(t, other.Say(advertisementOf(t, "2a00:1::/64", 0)), other.Say(advertisementOf(t, "2a00:bad::/64", time.Hour)))
	s := w.until("the neighbour's prefix", func(s State) bool {
		return slices.ContainsFunc(s.Advertised, func(a Advertised) bool { return a.Prefix.String() == "2a00:bad::/64" })
	})
	if got := choice(s, IPv6); got != "2a00:1::9 wan0" {
		t.Errorf("a neighbour made it %q", got)
	}
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", 0)))
	w.chosen(IPv6, "")
}

// This kernel acts on what anybody says: it takes the address for deprecated
// and makes a route to the neighbour.
func TestKernelThatBelievesANeighbourIsSetRight(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	router, other := speakers(t, true)
	w := watching(t)
	linkLocalOf(t, w, "wan0")
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", time.Hour)))
	own := w.until("the address", func(s State) bool { return strings.HasPrefix(choice(s, IPv6), "2a00:1:") })
	keep := Choose(own, IPv6, Policy{}).Addr
	must(t, other.Say(advertisementOf(t, "2a00:1::/64", 0)), other.Say(advertisementOf(t, "2a00:bad::/64", 2*time.Hour)))
	believed := func(now State) bool {
		return slices.ContainsFunc(now.Addrs, func(a Addr) bool { return a.Prefix.Addr() == keep && a.Flags&Deprecated != 0 })
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		now, err := Read()
		must(t, err)
		if believed(now) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the kernel is not as believing as it was: %+v", now)
		}
	}
	s := w.until("what the kernel was told", func(s State) bool {
		v := slices.IndexFunc(s.Addrs, func(a Addr) bool { return strings.HasPrefix(a.Prefix.String(), "2a00:bad:") && a.Flags&Tentative == 0 })
		return v >= 0 && len(s.gateways("wan0")) == 2
	})
	if got := Choose(s, IPv6, Policy{Keep: keep}).Addr; got != keep {
		t.Errorf("%s is published, %s was", got, keep)
	}
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", 0)))
	w.until("the router's own word", func(s State) bool { return Choose(s, IPv6, Policy{Keep: keep}).Addr != keep })
}

// One socket is opened before Watch returns, and never another.
func TestKernelTheEarIsOpenedOnceAndAtOnce(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	sockets := func(when string) {
		t.Helper()
		b, err := os.ReadFile("/proc/net/raw6")
		must(t, err)
		if n := strings.Count(string(b), "\n") - 1; n != 1 {
			t.Errorf("%s there are %d sockets", when, n)
		}
	}
	w := watching(t)
	sockets("when Watch returns")
	for _, isp := range []string{"isp0", "isp1"} {
		must(t, wantest.Veth("wan0", isp), wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"), wantest.AddDefault("wan0", "::", 10))
		linkLocalOf(t, w, "wan0")
		must(t, wantest.Advertise(isp, "2a00:1::/64", time.Hour, time.Hour))
		w.until("an advertisement", func(s State) bool { return len(s.Advertised) == 1 })
		sockets("when it hears " + isp)
		must(t, wantest.DelLink("wan0"))
		w.until("the device's end", func(s State) bool { return len(s.Advertised) == 0 && !s.linkLocal("wan0").IsValid() })
		sockets("without a device")
	}
}

// Advertisements on other devices, such as our own on the LAN, do not get as far
// as the program.
func TestKernelOnlyTheWANsAdvertisementsWakeUs(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	router, other := speakers(t, false)
	must(t, wantest.Veth("lan0", "host0"))
	lan, err := wantest.Speak("lan0", "fe80::3")
	must(t, err)
	own, err := wantest.Speak("wan0", "fe80::4")
	must(t, err)
	e, err := newEar()
	must(t, err)
	defer e.close()
	s, err := Read()
	must(t, err)
	at := func(name string) int {
		return s.Devices[slices.IndexFunc(s.Devices, func(d Device) bool { return d.Name == name })].Index
	}
	n := &line{index: at("wan0"), gateways: []netip.Addr{second, gateway.WithZone("")}}
	say := func(speakers ...*wantest.Speaker) {
		t.Helper()
		for _, s := range speakers {
			must(t, s.Say(advertisementOf(t, "2a00:1::/64", time.Hour)))
		}
	}
	hears := func(want ...string) {
		t.Helper()
		must(t, e.socket.SetReadDeadline(time.Now().Add(patience)))
		for _, from := range want {
			m, err := e.read()
			must(t, err)
			if m.from.String() != from || m.index != n.index || m.hopLimit != ndp.HopLimit || m.data[0] != advertisement {
				t.Errorf("heard %s at %d with %d hops, want %s", m.from, m.index, m.hopLimit, from)
			}
		}
		must(t, control(e.socket, func(fd int) error {
			if _, _, err := unix.Recvfrom(fd, make([]byte, 1), 0); err != unix.EAGAIN {
				t.Errorf("there was more: %v", err)
			}
			return nil
		}))
	}
	say(router, lan) // to nobody yet
	must(t, e.admit(advertisements{"wan0": n}))
	say(lan, other, lan, router)
	hears("fe80::bad", "fe80::1")
	say(own) // its copy comes back: the kernel heard it there
	hears("fe80::4")
	n.shut = true
	must(t, e.admit(advertisements{"wan0": n}))
	twin, err := wantest.Speak("isp0", "fe80::bad:0:1") // its last word is the router's
	must(t, err)
	say(twin, other, router, lan)
	hears("fe80::1")
	for range perSecond + 1 {
		n.spend(gateway)
	}
	must(t, e.admit(advertisements{"wan0": n}))
	say(other, router, lan)
	hears()
	crowd := *n
	for i := range maxRouters - len(n.gateways) {
		crowd.gateways = append(crowd.gateways, netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: 0x80, 10: 0x80, 12: 0x80, 14: 0x80, 15: byte(i)}))
	}
	crowds := advertisements{"a": &crowd, "b": &crowd, "c": &crowd, "d": &crowd}
	must(t, e.admit(crowds), e.admit(crowds)) // beside the one before
	if size := 3 * 8 / 2 * len(admission(crowds)); size > 20480/2 {
		t.Errorf("two filters of %d bytes are more than many kernels take", size)
	}
	n.renew(noon)
	must(t, e.admit(advertisements{"wan0": n, "lan0": {index: at("lan0")}}), wantest.Down("host0"), wantest.Up("host0"))
	say(other)
	hears("fe80::bad")
}

func TestQuota(t *testing.T) {
	n := &line{}
	n.follow([]netip.Addr{gateway.WithZone(""), neighbour})
	count := func(from netip.Addr, times, want, told int) {
		t.Helper()
		for range times {
			ok, news := n.spend(from)
			if ok {
				want--
			}
			if news {
				told--
			}
		}
		if want != 0 || told != 0 {
			t.Errorf("of %s %d more are looked at than was meant; it is told %d times more", from, -want, -told)
		}
	}
	count(neighbour, 100, perSecond, 1)
	if !n.shut || !n.missed(noon) || n.turn(neighbour).times <= perSecond || n.turn(gateway.WithZone("")).times > 0 {
		t.Errorf("when one has said enough: %+v", n.quota)
	}
	count(second, perSecond, perSecond, 0)
	count(netip.MustParseAddr("fe80::3"), 100, 0, 1)
	var crowd []netip.Addr
	for i := range 3 * maxRouters {
		crowd = append(crowd, netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: 1, 15: byte(i)}))
	}
	if !n.follow(append(crowd, neighbour, neighbour, gateway.WithZone(""))) || len(n.gateways) != maxRouters {
		t.Errorf("there are %d gateways", len(n.gateways))
	}
	count(gateway, perSecond, perSecond, 0)
	count(neighbour, 1, 0, 0)
	n.renew(noon)
	count(neighbour, perSecond, perSecond, 0)
	if n.shut || !n.missed(noon) || n.missed(noon.Add(1)) {
		t.Errorf("in the next second %+v", n.quota)
	}
	n.follow([]netip.Addr{{}}) // a route that names no router makes nobody's share
	count(gateway, perSecond, perSecond, 0)
	count(neighbour, 1, 0, 1)
}

// A router that another contradicts is asked whether it is still there.
func TestWhoContradictsHasToBeThere(t *testing.T) {
	const p = "2a00:1::/64"
	offers, withdraws := ra(time.Hour, prefix(p, time.Hour, 2*time.Hour)), ra(time.Hour, prefix(p, 0, 2*time.Hour))
	good, over := made("wan0", "2a00:1::9/64"), lasting(made("wan0", "2a00:1::9/64"), 0, 7200) // by the kernel
	over.Flags = Deprecated
	both := func(a Addr) State { return world(a, via(by6("wan0", 1), gateway), via(by6("wan0", 1), second)) }
	a := advertisements{}
	n := a.line("wan0")
	n.follow(both(good).gateways("wan0"))
	at := func(seconds time.Duration) time.Time { return noon.Add(seconds * time.Second) }
	says := func(seconds time.Duration, from netip.Addr, m *ndp.RouterAdvertisement, matters bool) {
		t.Helper()
		if changed, err := a.learn("wan0", from, m, at(seconds)); err != nil || changed != matters {
			t.Errorf("at %d what %s says matters: %t, %v", seconds, from, changed, err)
		}
	}
	published := func(seconds time.Duration, addr Addr, want bool, doubt time.Duration) {
		t.Helper()
		if got := Choose(a.on(both(addr), at(seconds)), IPv6, Policy{}).Addr; got.IsValid() != want || doubt > 0 && !n.doubt.Equal(at(doubt)) {
			t.Errorf("at %d %s is published, in doubt since %s", seconds, got, n.doubt)
		}
	}
	says(0, gateway, offers, true)
	says(1, second, withdraws, true)
	published(1, over, true, 1)
	n.asked = at(1)
	says(2, gateway, offers, true)
	published(12, good, true, 1) // it was there
	says(13, second, withdraws, false)
	published(13, over, true, 13)
	n.asked = at(13)
	published(22, over, true, 13)
	published(23, over, false, 13) // it is gone
	published(23, good, false, 13)
	says(24, second, withdraws, false)
	published(24, over, false, 13) // and stays so
	says(30, gateway, offers, true)
	published(30, good, true, 13) // it is back
}

// A flood is counted, wakes nobody, and takes nothing from others: not from
// other devices, and not from the router that holds the default route.
func TestKernelAFloodDeafensNobody(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	var vain atomic.Int64 // readings and advertisements, but of those not beyond the quota
	router, other := speakers(t, false)
	must(t, wantest.Veth("wan1", "isp1"), wantest.Sysctl("net/ipv6/conf/wan1/accept_ra", "0"), wantest.AddDefault("wan1", "fe80::1", 20))
	second, err := wantest.Speak("isp1", "fe80::1")
	must(t, err)
	w := &watch{t: t, states: Watch(t.Context(), complaints(t, 1), NewNetifd(), func() { vain.Add(1) })}
	linkLocalOf(t, w, "wan0")
	linkLocalOf(t, w, "wan1")
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", time.Hour)), second.Say(advertisementOf(t, "2a00:2::/64", time.Hour)))
	w.until("both routers", func(s State) bool { return len(s.Advertised) == 2 })

	began, before := time.Now(), vain.Load()
	stop, ended := make(chan struct{}), make(chan int)
	message := advertisementOf(t, "2a00:bad::/64", time.Hour)
	go func() {
		sent := 0
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				ended <- sent
				return
			case <-tick.C:
			}
			for range 10 {
				if other.Say(message) == nil {
					sent++
				}
			}
		}
	}()
	w.until("the count", func(s State) bool { return s.Ignored > 500 })
	must(t, second.Say(advertisementOf(t, "2a00:2::/64", 0)))
	w.until("what another device's router says", func(s State) bool {
		return slices.ContainsFunc(s.Advertised, func(a Advertised) bool { return a.Device == "wan1" && a.Preferred == 0 })
	})
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", 0)))
	w.chosen(IPv6, "")
	close(stop)
	sent := <-ended
	if n, most := vain.Load()-before, int64(2*perSecond*(2+time.Since(began)/time.Second)); n > most {
		t.Errorf("%d advertisements were looked at, want at most %d", n, most)
	}
	if w.last.Ignored <= sent/2 {
		w.until("the end", func(s State) bool { return s.Ignored > sent/2 })
	}
	if n := w.last.Ignored; n > sent+100 { // neighbour discovery among them
		t.Errorf("of %d %d are ignored", sent, n)
	}
}

// A neighbour to whom the kernel made a default route takes nothing from the
// router either, whose withdrawal is heard although it comes once.
func TestKernelAGatewaysFloodDeafensNobody(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	router, other := speakers(t, true)
	w := &watch{t: t, states: Watch(t.Context(), complaints(t, 1), NewNetifd(), nil)}
	linkLocalOf(t, w, "wan0")
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", time.Hour)))
	own := w.until("the address", func(s State) bool { return strings.HasPrefix(choice(s, IPv6), "2a00:1:") })
	keep := Choose(own, IPv6, Policy{}).Addr
	must(t, other.Say(advertisementOf(t, "2a00:bad::/64", time.Hour)))
	w.until("the route to the neighbour", func(s State) bool { return len(s.gateways("wan0")) == 2 })
	message := advertisementOf(t, "2a00:bad::/64", time.Hour)
	for range 20 * perSecond { // in no more than two of the seconds that are counted
		must(t, other.Say(message))
	}
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", 0)))
	w.until("the router's own word", func(s State) bool { return Choose(s, IPv6, Policy{Keep: keep}).Addr != keep })
}

// The router is gone without a word; the one in its place has another link-local
// address and withdraws the prefix of before.
func TestKernelAReplacedRouterIsNotGoneBy(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	router, other := speakers(t, true)
	w := watching(t)
	linkLocalOf(t, w, "wan0")
	must(t, router.Say(advertisementOf(t, "2a00:1::/64", time.Hour)))
	own := w.until("the address", func(s State) bool { return strings.HasPrefix(choice(s, IPv6), "2a00:1:") })
	keep := Choose(own, IPv6, Policy{}).Addr
	must(t, other.Say(advertisementOf(t, "2a00:1::/64", 0)), other.Say(advertisementOf(t, "2a00:2::/64", time.Hour)))
	w.until("the address of its successor", func(s State) bool {
		return strings.HasPrefix(Choose(s, IPv6, Policy{Keep: keep}).Addr.String(), "2a00:2:")
	})
}
