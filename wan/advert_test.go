package wan

import (
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"wandns/wan/wantest"
)

var (
	gateway = netip.MustParseAddr("fe80::1%wan0")
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// ra is an advertisement with a router lifetime and prefixes for address
// configuration.
func ra(lifetime time.Duration, prefixes ...*ndp.PrefixInformation) *ndp.RouterAdvertisement {
	m := &ndp.RouterAdvertisement{RouterLifetime: lifetime}
	for _, p := range prefixes {
		m.Options = append(m.Options, p)
	}
	return m
}

func prefix(s string, preferred, valid time.Duration) *ndp.PrefixInformation {
	p := netip.MustParsePrefix(s)
	return &ndp.PrefixInformation{
		PrefixLength: uint8(p.Bits()), Prefix: p.Addr(), PreferredLifetime: preferred, ValidLifetime: valid,
		OnLink: true, AutonomousAddressConfiguration: true,
	}
}

// made is an address that was made of an advertised prefix.
func made(device, prefix string) Addr {
	a := lasting(at(device, prefix), 3600, 7200)
	a.Flags = 0
	return a
}

func bytesOf(t testing.TB, m ndp.Message) []byte {
	t.Helper()
	b, err := ndp.MarshalMessage(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseRA(t *testing.T) {
	good := bytesOf(t, ra(time.Hour, prefix("2a00:1::/64", time.Hour, 2*time.Hour)))
	for name, c := range map[string]struct {
		b        []byte
		from     string
		hopLimit int
		ok       bool
	}{
		"good":                        {good, "fe80::1%wan0", 255, true},
		"without options":             {good[:16], "fe80::1", 255, true},
		"forwarded":                   {good, "fe80::1", 254, false},
		"without a hop limit":         {good, "fe80::1", 0, false},
		"from a global address":       {good, "2a00::1", 255, false},
		"code":                        {set(good, 1, 1), "fe80::1", 255, false},
		"another type":                {bytesOf(t, &ndp.RouterSolicitation{}), "fe80::1", 255, false},
		"empty":                       {nil, "fe80::1", 255, false},
		"header cut":                  {good[:15], "fe80::1", 255, false},
		"option cut":                  {good[:len(good)-1], "fe80::1", 255, false},
		"option of length 0":          {set(good, 17, 0), "fe80::1", 255, false},
		"option longer than message":  {set(good, 17, 5), "fe80::1", 255, false},
		"prefix length beyond 128":    {set(good, 18, 129), "fe80::1", 255, false},
		"multicast prefix":            {set(set(good, 32, 0xff), 33, 2), "fe80::1", 255, false},
		"valid for very long":         {set(good, 20, 0xff), "fe80::1", 255, true},
		"preferred longer than valid": {set(good, 24, 0xff), "fe80::1", 255, false},
	} {
		if _, err := parseRA(c.b, netip.MustParseAddr(c.from), c.hopLimit); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An option that is no good is ignored, and nothing else: not a withdrawal
// beside it (RFC 4861, section 6.1.2, and RFC 4862, section 5.5.3). Only where
// nobody knows where the next option begins, the message says nothing.
func TestBadOptionConcernsItselfOnly(t *testing.T) {
	message := bytesOf(t, ra(time.Hour, prefix("2a00:1::/64", 0, 2*time.Hour)))
	head, withdrawal := message[:16], message[16:]
	other := bytesOf(t, ra(time.Hour, prefix("2a00:2::/64", time.Hour, 2*time.Hour)))[16:]
	option := func(kind, units byte, data ...byte) []byte {
		return append([]byte{kind, units}, append(data, make([]byte, int(units)*8-2-len(data))...)...)
	}
	for name, c := range map[string]struct {
		option  []byte
		counted bool // as malformed
		whole   bool // ignored as a whole
	}{
		"link-layer address of another kind of link": {option: option(1, 3)},
		"MTU of a wrong length":                      {option: option(5, 2)},
		"MTU without its end":                        {option: []byte{5, 1}, counted: true, whole: true},
		"route beyond 128 bits":                      {option: option(24, 3, 200)},
		"route with a reserved preference":           {option: option(24, 1, 0, 0x10)},
		"DNS servers of half a length":               {option: option(25, 2)},
		"no DNS server":                              {option: option(25, 1)},
		"search list without an end":                 {option: option(31, 2, 0, 0, 0, 0, 0, 0, 63, 'a')},
		"captive portal that is no URL":              {option: option(37, 2, 0xff, 0xfe, ':', '%')},
		"NAT64 prefix of no length":                  {option: option(38, 2, 0xff, 0xff)},
		"flags of no length":                         {option: option(26, 2)},
		"nonce":                                      {option: option(14, 1)},
		"unknown":                                    {option: option(200, 1)},
		"prefix of a wrong length":                   {option: option(3, 3), counted: true},
		"prefix that is longer":                      {option: option(3, 5), counted: true},
		"prefix beyond 128 bits":                     {option: set(other, 2, 129), counted: true},
		"multicast prefix":                           {option: set(set(other, 16, 0xff), 17, 2), counted: true},
		"prefix of IPv4":                             {option: option(3, 4, append([]byte{128, 0xc0, 23: 0, 24: 0xff, 25: 0xff}, 84, 0, 0, 2)...), counted: true},
		"prefix preferred for longer than valid":     {option: set(other, 8, 0xff), counted: true},
		"prefix that is good":                        {option: other},
		"nothing":                                    {},
		"half an option":                             {option: option(5, 1)[:1], counted: true, whole: true},
		"length zero":                                {option: set(option(5, 1), 1, 0), counted: true, whole: true},
		"length beyond the end":                      {option: set(option(200, 1), 1, 255), counted: true, whole: true},
	} {
		orders := [][]byte{slices.Concat(head, withdrawal, c.option), slices.Concat(head, c.option, withdrawal)}
		if len(c.option)%8 != 0 {
			orders = orders[:1] // what follows would be its end
		}
		for _, b := range orders {
			a := advertisements{}
			m, err := parseRA(b, gateway, 255)
			if m != nil {
				_, failed := a.line("wan0").learn(gateway, m, noon)
				must(t, failed)
			}
			s := a.on(world(made("wan0", "2a00:1::9/64"), by6("wan0", 1)), noon)
			if (err != nil) != c.counted {
				t.Errorf("%s: %v", name, err)
			}
			if withdrawn := !Choose(s, IPv6, Policy{}).Addr.IsValid(); withdrawn == c.whole || c.whole != (len(s.Routers) == 0) {
				t.Errorf("%s: the prefix is withdrawn: %t; routers: %v", name, withdrawn, s.Routers)
			}
		}
	}
}

// A link with as many prefixes as are believed still takes some away.
func TestFloodOfPrefixesLeavesWithdrawals(t *testing.T) {
	a := advertisements{}
	for i := range maxPrefixes {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, 0, 0, byte(1 + i)}), 64)
		_, err := a.learn("wan0", gateway, ra(time.Hour, prefix(p.String(), time.Hour, time.Hour)), noon)
		must(t, err)
	}
	changed, err := a.learn("wan0", gateway, ra(time.Hour, prefix("2a00:ffff::/64", time.Hour, time.Hour), prefix("2a00:1::/64", 0, time.Hour)), noon)
	s := a.on(world(made("wan0", "2a00:1::9/64"), by6("wan0", 1)), noon)
	if !changed || err == nil || len(s.Advertised) != maxPrefixes || Choose(s, IPv6, Policy{}).Addr.IsValid() {
		t.Errorf("changed: %t, %v; %d prefixes, published %s", changed, err, len(s.Advertised), Choose(s, IPv6, Policy{}).Addr)
	}
}

// line is that of a device, if need be a new one.
func (a advertisements) line(device string) *line {
	if a[device] == nil {
		a[device] = &line{}
	}
	return a[device]
}

func (a advertisements) learn(device string, from netip.Addr, m *ndp.RouterAdvertisement, now time.Time) (changed bool, err error) {
	b, err := ndp.MarshalMessage(m)
	if err != nil {
		return false, err
	}
	msg, err := parseRA(b, from, ndp.HopLimit)
	if err != nil {
		return false, err
	}
	result, err := a.line(device).learn(from, msg, now)
	return result != stale, err
}

func (a advertisements) on(s State, now time.Time) State {
	s, _ = a.apply(s, now)
	return s
}

// heard teaches advertisements, a second apart.
func heard(t *testing.T, list ...*ndp.RouterAdvertisement) advertisements {
	t.Helper()
	a := advertisements{}
	for i, m := range list {
		if _, err := a.learn("wan0", gateway, m, noon.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func TestWithdrawnPrefixIsNotPublished(t *testing.T) {
	const p = "2a00:1::/64"
	announced := ra(time.Hour, prefix(p, time.Hour, 2*time.Hour))
	withdrawn := ra(time.Hour, prefix(p, 0, 2*time.Hour))
	for name, c := range map[string]struct {
		heard []*ndp.RouterAdvertisement
		later time.Duration
		addr  Addr
		want  string
	}{
		"nothing heard":            {nil, 0, made("wan0", "2a00:1::9/64"), "2a00:1::9"},
		"announced":                {[]*ndp.RouterAdvertisement{announced}, 0, made("wan0", "2a00:1::9/64"), "2a00:1::9"},
		"withdrawn":                {[]*ndp.RouterAdvertisement{announced, withdrawn}, 0, made("wan0", "2a00:1::9/64"), ""},
		"not valid any more":       {[]*ndp.RouterAdvertisement{ra(time.Hour, prefix(p, 0, 0))}, 0, made("wan0", "2a00:1::9/64"), ""},
		"announced again":          {[]*ndp.RouterAdvertisement{withdrawn, announced}, 0, made("wan0", "2a00:1::9/64"), "2a00:1::9"},
		"the kernel knows better":  {[]*ndp.RouterAdvertisement{withdrawn}, time.Hour, made("wan0", "2a00:1::9/64"), "2a00:1::9"},
		"lifetime over, unheard":   {[]*ndp.RouterAdvertisement{announced}, 90 * time.Minute, made("wan0", "2a00:1::9/64"), "2a00:1::9"},
		"another prefix":           {[]*ndp.RouterAdvertisement{withdrawn}, 0, made("wan0", "2a00:2::9/64"), "2a00:2::9"},
		"of DHCPv6":                {[]*ndp.RouterAdvertisement{withdrawn}, 0, made("wan0", "2a00:1::9/128"), "2a00:1::9"},
		"by hand":                  {[]*ndp.RouterAdvertisement{withdrawn}, 0, at("wan0", "2a00:1::9/64"), "2a00:1::9"},
		"not for address building": {[]*ndp.RouterAdvertisement{ra(time.Hour, &ndp.PrefixInformation{PrefixLength: 64, Prefix: netip.MustParseAddr("2a00:1::"), OnLink: true})}, 0, made("wan0", "2a00:1::9/64"), "2a00:1::9"},
	} {
		s := heard(t, c.heard...).on(world(c.addr, by6("wan0", 1)), noon.Add(c.later))
		got := Choose(s, IPv6, Policy{}).Addr
		if got.IsValid() != (c.want != "") || got.IsValid() && got.String() != c.want {
			t.Errorf("%s: published %s, want %q", name, got, c.want)
		}
	}
}

func TestWithdrawalConcernsItsDeviceOnly(t *testing.T) {
	a := heard(t, ra(0, prefix("2a00:1::/64", 0, time.Hour)))
	s := a.on(world(made("wan1", "2a00:1::9/64"), by6("wan1", 1)), noon)
	if got := Choose(s, IPv6, Policy{}).Addr; !got.IsValid() {
		t.Error("an advertisement on wan0 withdrew an address of wan1")
	}
}

func TestRouterThatLeavesIsTheLastResort(t *testing.T) {
	one, two := by6("wan0", 1), by6("wan1", 2)
	one.Gateway, two.Gateway = netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::1")
	state := func() State { return world(made("wan0", "2a00:1::9/64"), at("wan1", "2a00:2::9/64"), one, two) }
	for name, c := range map[string]struct {
		heard []*ndp.RouterAdvertisement
		later time.Duration
		want  string
	}{
		"stays":                   {[]*ndp.RouterAdvertisement{ra(time.Hour)}, 0, "wan0"},
		"leaves":                  {[]*ndp.RouterAdvertisement{ra(time.Hour), ra(0)}, 0, "wan1"},
		"comes back":              {[]*ndp.RouterAdvertisement{ra(0), ra(time.Hour)}, 0, "wan0"},
		"the kernel knows better": {[]*ndp.RouterAdvertisement{ra(0)}, time.Hour, "wan0"},
	} {
		s := heard(t, c.heard...).on(state(), noon.Add(c.later))
		if got := Choose(s, IPv6, Policy{}).Device; got != c.want {
			t.Errorf("%s: followed %s, want %s", name, got, c.want)
		}
	}

	alone := heard(t, ra(0)).on(world(made("wan0", "2a00:1::9/64"), one), noon)
	if got := Choose(alone, IPv6, Policy{}).Device; got != "wan0" {
		t.Errorf("without another route %q is followed", got)
	}
}

func TestAdvertisedLifetimesRunDown(t *testing.T) {
	a := heard(t, ra(time.Hour, prefix("2a00:1::/64", 20*time.Minute, time.Hour), prefix("2a00:2::/64", infinite, infinite)))
	s := a.on(world(), noon.Add(15*time.Minute))
	want := []Advertised{
		{"wan0", netip.MustParsePrefix("2a00:1::/64"), gateway.WithZone(""), 5 * 60, 45 * 60},
		{"wan0", netip.MustParsePrefix("2a00:2::/64"), gateway.WithZone(""), Forever, Forever},
	}
	if !slices.Equal(s.Advertised, want) || !slices.Equal(s.Routers, []Router{{"wan0", gateway.WithZone(""), 45 * 60}}) {
		t.Errorf("heard %+v, %+v", s.Routers, s.Advertised)
	}
	if s = a.on(world(), noon.Add(time.Hour)); len(s.Routers) != 0 || len(s.Advertised) != 1 {
		t.Errorf("what is over stays: %+v, %+v", s.Routers, s.Advertised)
	}
}

func TestLearnReportsOnlyWhatMatters(t *testing.T) {
	a := advertisements{}
	for i, c := range []struct {
		m    *ndp.RouterAdvertisement
		want bool
	}{
		{ra(time.Hour, prefix("2a00:1::/64", time.Hour, time.Hour)), true},
		{ra(time.Hour, prefix("2a00:1::/64", time.Hour, time.Hour)), false},
		{ra(time.Minute, prefix("2a00:1::/64", time.Minute, time.Hour)), false},
		{ra(time.Hour, prefix("2a00:1::/64", 0, time.Hour)), true},
		{ra(time.Hour, prefix("2a00:1::/64", 0, time.Hour)), false},
		{ra(0), true},
		{ra(0), false},
	} {
		if got, err := a.learn("wan0", gateway, c.m, noon); err != nil || got != c.want {
			t.Errorf("number %d: %t, %v", i, got, err)
		}
	}
}

func TestFloodOfRoutersAndPrefixesIsBounded(t *testing.T) {
	a := advertisements{}
	refused := 0
	for i := range 300 {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, byte(i >> 8), byte(i)}), 64)
		from := netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(i % 100)})
		if _, err := a.learn("wan0", from, ra(time.Hour, prefix(p.String(), time.Hour, time.Hour)), noon); err != nil {
			refused++
		}
	}
	n := a["wan0"]
	if len(n.routers) > maxRouters || len(n.offers) > maxPrefixes || refused == 0 {
		t.Errorf("%d routers and %d prefixes are remembered, %d refused", len(n.routers), len(n.offers), refused)
	}
	if _, err := a.learn("wan0", netip.MustParseAddr("fe80::"), ra(0, prefix("2a00::/64", 0, 0)), noon); err != nil {
		t.Errorf("a flood shuts out the router that was there before: %v", err)
	}
}

// FuzzRA looks for a message that does more than it may: an ill-formed one
// changes nothing, and a good one takes addresses of the prefixes in it from
// its device, and nothing else.
func FuzzRA(f *testing.F) {
	for _, m := range []ndp.Message{
		ra(time.Hour, prefix("2a00:1::/64", time.Hour, 2*time.Hour)),
		ra(0, prefix("2a00:1::/64", 0, 0), prefix("2a00:2::/48", 0, infinite)),
		&ndp.RouterSolicitation{},
	} {
		f.Add(bytesOf(f, m))
	}
	full, err := hex.DecodeString("86000000400807080000000000000000" + "01010242ac110002" + "05010000000005dc" +
		"030440c000000e1000000e10000000002a000001000000000000000000000000" + "1903000000000e102a000001000000000000000000000053")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add(slices.Concat(full, []byte{3, 3, 23: 0}, set(full[32:64], 8, 0xff), []byte{24, 3, 200, 23: 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := advertisements{}
		m, err := parseRA(b, gateway, 255)
		if m != nil {
			_, _ = a.line("wan0").learn(gateway, m, noon)
		}
		if whole, wrong := ndp.ParseMessage(b); err == nil && wrong == nil {
			agree(t, m, whole)
		}
		before := world(made("wan0", "2a00:1::9/64"), made("wan1", "2a00:1::9/64"), by6("wan0", 1), by6("wan1", 2))
		after := a.on(before.clone(), noon)
		if m == nil && !after.Equal(before) {
			t.Fatalf("%x is refused (%v) and changes the state to %+v", b, err, after)
		}
		if after.Addrs[1] != before.Addrs[1] || !slices.Equal(after.Routes, before.Routes) {
			t.Fatalf("%x changes what it is not about: %+v", b, after)
		}
		if withdrawn := after.Addrs[0] != before.Addrs[0]; withdrawn && !slices.ContainsFunc(after.Advertised, func(p Advertised) bool {
			return p.Preferred == 0 && p.Prefix == netip.MustParsePrefix("2a00:1::/64")
		}) {
			t.Fatalf("%x withdraws another prefix: %+v", b, after)
		}
	})
}

// agree wants an advertisement to say what ndp reads in it.
func agree(t *testing.T, got *message, whole ndp.Message) {
	t.Helper()
	ra, ok := whole.(*ndp.RouterAdvertisement)
	if !ok {
		t.Fatalf("%T was read as an advertisement", whole)
	}
	want := message{lifetime: ra.RouterLifetime}
	for _, o := range ra.Options {
		if p, ok := o.(*ndp.PrefixInformation); ok && p.AutonomousAddressConfiguration && !p.Prefix.IsLinkLocalUnicast() {
			want.offers = append(want.offers, offer{
				prefix:    netip.PrefixFrom(p.Prefix, int(p.PrefixLength)),
				preferred: term{lasts: p.PreferredLifetime}, valid: term{lasts: p.ValidLifetime},
			})
		}
	}
	if !reflect.DeepEqual(*got, want) {
		t.Fatalf("read %+v, want %+v", *got, want)
	}
}

func TestKernelWithdrawnPrefixIsHeardBeforeTheKernelActs(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	// As on OpenWrt, this kernel does not act on advertisements.
	must(t, wantest.Veth("wan0", "isp0"), wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"),
		wantest.AddAddr("wan0", "2a00:1::9/64", "nodad", "preferred_lft", "3600", "valid_lft", "7200"),
		wantest.AddDefault("wan0", "84.0.0.1", 10, "onlink"))
	w := watching(t)
	gw := linkLocalOf(t, w, "isp0")
	must(t, wantest.AddDefault("wan0", gw.String(), 10))
	w.chosen(IPv6, "2a00:1::9 wan0")
	linkLocalOf(t, w, "wan0") // it is listening now

	must(t, wantest.Advertise("isp0", "2a00:1::/64", time.Hour, 2*time.Hour))
	s := w.until("the router", func(s State) bool { return len(s.Routers) == 1 && len(s.Advertised) == 1 })
	if s.Routers[0].Addr != gw || s.Routers[0].Lifetime == 0 || choice(s, IPv6) != "2a00:1::9 wan0" {
		t.Errorf("heard %+v", s)
	}

	must(t, wantest.Advertise("isp0", "2a00:1::/64", 0, 2*time.Hour))
	s = w.chosen(IPv6, "")
	if i := slices.IndexFunc(s.Addrs, func(a Addr) bool { return has(State{Addrs: []Addr{a}}, "wan0", "2a00:1::9") }); s.Addrs[i].Flags&Deprecated != 0 {
		t.Error("the kernel acted too, so nothing is proven")
	}
	must(t, wantest.Advertise("isp0", "2a00:1::/64", time.Hour, 2*time.Hour))
	w.chosen(IPv6, "2a00:1::9 wan0")
	must(t, wantest.Leave("isp0"))
	w.until("the router's end", func(s State) bool {
		return slices.ContainsFunc(s.Routes, func(r Route) bool { return r.Gateway == gw && r.Leaving })
	})
}

func TestKernelMalformedAdvertisementsChangeNothingAndAreCounted(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"),
		wantest.AddAddr("wan0", "2a00:1::9/64", "nodad", "preferred_lft", "3600", "valid_lft", "7200"),
		wantest.AddDefault("wan0", "::", 10))
	w := &watch{t: t, states: Watch(t.Context(), complaints(t, 1), NewNetifd(), nil)}
	linkLocalOf(t, w, "wan0") // it is listening now
	good, err := wantest.Advertisement("2a00:1::/64", time.Hour, 2*time.Hour)
	must(t, err, wantest.Send("isp0", 255, good))
	w.until("the router", func(s State) bool { return len(s.Routers) == 1 })

	withdrawal, err := wantest.Advertisement("2a00:1::/64", 0, 2*time.Hour)
	must(t, err,
		wantest.Send("isp0", 254, withdrawal),
		wantest.Send("isp0", 255, withdrawal[:len(withdrawal)-3]),
		wantest.Send("isp0", 255, set(withdrawal, 17, 0)),
		wantest.Send("isp0", 255, set(withdrawal, 24, 0xff)), // preferred for longer than valid
	)
	s := w.until("the count", func(s State) bool { return s.Ignored == 4 })
	if choice(s, IPv6) != "2a00:1::9 wan0" || len(s.Advertised) != 1 {
		t.Errorf("malformed advertisements changed the state: %+v", s)
	}
}

func TestKernelSolicitsOnceWhenALinkComesUp(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.AddDefault("wan0", "::", 10), wantest.Sysctl("net/ipv6/conf/wan0/accept_ra", "0"))
	w := watching(t)
	from := linkLocalOf(t, w, "wan0")
	isp := linkLocalOf(t, w, "isp0")
	solicited := solicitations(t, "isp0", isp)
	for range 2 {
		must(t, wantest.Down("wan0"))
		w.until("the end of the link", func(s State) bool { return !s.linkLocal("wan0").IsValid() })
		must(t, wantest.Up("wan0"), wantest.AddDefault("wan0", "::", 10))
		select {
		case got := <-solicited:
			if got != from {
				t.Errorf("%s solicited, not %s", got, from)
			}
		case <-time.After(patience):
			t.Fatal("no solicitation came")
		}
	}
	must(t, wantest.AddAddr("wan0", "84.0.0.2/24"))
	w.until("another change", func(s State) bool { return has(s, "wan0", "84.0.0.2") })
	if len(solicited) > 0 {
		t.Error("it solicited more than once for a link")
	}
}

// linkLocalOf waits until a device has passed duplicate address detection.
func linkLocalOf(t *testing.T, w *watch, device string) netip.Addr {
	t.Helper()
	if addr := w.last.linkLocal(device); addr.IsValid() {
		return addr
	}
	return w.until("a link-local address of "+device, func(s State) bool { return s.linkLocal(device).IsValid() }).linkLocal(device)
}

// solicitations reports from whom router solicitations arrive at a device.
func solicitations(t *testing.T, device string, addr netip.Addr) <-chan netip.Addr {
	t.Helper()
	ifi, err := net.InterfaceByName(device)
	must(t, err)
	conn, _, err := ndp.Listen(ifi, ndp.Addr(addr.String()))
	must(t, err, conn.JoinGroup(netip.IPv6LinkLocalAllRouters()))
	t.Cleanup(func() { conn.Close() })
	heard := make(chan netip.Addr, 10)
	go func() {
		for {
			m, _, from, err := conn.ReadFrom()
			if err != nil {
				return
			}
			if _, ok := m.(*ndp.RouterSolicitation); ok {
				heard <- from.WithZone("")
			}
		}
	}()
	return heard
}

// complaints is a log in which the watcher may complain so often.
func complaints(t *testing.T, allowed int) *slog.Logger {
	return slog.New(slog.NewTextHandler(counted{t, &allowed}, nil))
}

type counted struct {
	testing.TB
	left *int
}

func (c counted) Write(b []byte) (int, error) {
	if *c.left--; *c.left < 0 {
		c.Errorf("the watcher complains too much: %s", b)
	}
	return len(b), nil
}
