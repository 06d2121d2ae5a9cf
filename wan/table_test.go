package wan

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"wandns/wan/wantest"
)

// The default routes of a table that a routing daemon filled are all found,
// whatever stands beside them.
func TestKernelDefaultRoutesInAFullTable(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"), wantest.AddAddr("wan0", "84.0.0.2/24"))
	for _, p := range []string{"0.0.0.0/1", "0.0.0.0/8", "128.0.0.0/1", "::/1", "8000::/1"} {
		must(t, wantest.AddRoute("wan1", p, "proto", "186"))
	}
	const many = 700 // more than one answer holds
	var want []string
	for i := range many {
		must(t, wantest.AddDefault("wan0", "84.0.0.1", 10+i))
		want = append(want, fmt.Sprint("IPv4 ", 10+i))
	}
	must(t, wantest.AddDefault("wan1", "", 5, "table", "100"), wantest.AddDefault("wan1", "", 5, "proto", "186"))
	must(t, wantest.AddDefault("wan1", "::", 2000), wantest.AddDefault("wan1", "::", 3000, "from", "2a00::/32"))
	want = append(want, "IPv6 2000", "IPv6 3000")
	b, err := wantest.NewBulk()
	must(t, err)
	for i := range 20_000 {
		b.Route(true, "wan1", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), i))
		b.Route(true, "wan1", wantest.Nth(netip.MustParsePrefix("2a00::/48"), i))
	}
	must(t, b.Close())

	s, err := Read()
	must(t, err)
	var got []string
	for _, r := range s.Routes {
		got = append(got, fmt.Sprint(r.Family, " ", r.Metric))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d routes, want %d: %v", len(got), len(want), got)
	}
}

// The IPv6 table is not looked at for each address, and is never stale.
func TestKernelIPv6TableIsFollowed(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	must(t, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(t, wantest.AddAddr("wan0", "2a00:1::2/64", "nodad"), wantest.AddAddr("wan1", "2a00:2::2/64", "nodad"))
	w := watching(t)
	for _, silent := range []string{"0", "1"} { // the kernel announces routes that end with their device, or not
		must(t, wantest.Sysctl("net/ipv6/route/skip_notify_on_dev_down", silent))
		must(t, wantest.AddDefault("wan0", "fe80::1", 10), wantest.AddDefault("wan1", "fe80::1", 20))
		w.chosen(IPv6, "2a00:1::2 wan0")
		must(t, wantest.DelDefault("wan0", "fe80::1", 10))
		w.chosen(IPv6, "2a00:2::2 wan1")
		must(t, wantest.AddDefault("wan0", "fe80::1", 10), wantest.AddAddr("wan0", "84.0.0.2/24"))
		w.chosen(IPv6, "2a00:1::2 wan0")
		must(t, wantest.Down("isp0"))
		w.chosen(IPv6, "2a00:2::2 wan1")
		must(t, wantest.Up("isp0"), wantest.DelAddr("wan0", "84.0.0.2/24"))
		w.chosen(IPv6, "2a00:1::2 wan0")
		must(t, wantest.Down("wan0"))
		w.until("the end of the routes", func(s State) bool {
			return choice(s, IPv6) == "2a00:2::2 wan1" && len(s.Routes) == 1
		})
		must(t, wantest.Up("wan0"), wantest.AddAddr("wan0", "2a00:1::2/64", "nodad"), wantest.DelDefault("wan1", "fe80::1", 20))
		w.chosen(IPv6, "")
	}
}

// BenchmarkReadFullTable reads a state beside the internet's routes.
func BenchmarkReadFullTable(b *testing.B) {
	if !wantest.InNamespace(b) {
		return
	}
	must(b, wantest.Veth("wan0", "isp0"), wantest.Veth("wan1", "isp1"))
	must(b, wantest.AddAddr("wan0", "84.0.0.2/24"), wantest.AddDefault("wan0", "84.0.0.1", 10))
	bulk, err := wantest.NewBulk()
	must(b, err)
	for i := range 800_000 {
		bulk.Route(true, "wan1", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), i))
	}
	for i := range 200_000 {
		bulk.Route(true, "wan1", wantest.Nth(netip.MustParsePrefix("2600::/48"), i))
	}
	must(b, bulk.Close())
	var r reader
	_, err = r.read(true)
	must(b, err)
	for b.Loop() {
		_, err := r.read(false)
		must(b, err)
	}
}
