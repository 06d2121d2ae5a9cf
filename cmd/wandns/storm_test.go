package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"wandns/updater"
	"wandns/wan/wantest"
)

// crowd is a router with more than anyone has: addresses on four devices, half
// of them IPv6, and the routes that a routing daemon learned.
type crowd struct{ addrs, routes4, routes6 int }

// settle adds all of it; the daemon's own address stays the preferred one.
func (c crowd) settle(r *router) {
	r.t.Helper()
	r.do(wantest.Veth("lan0", "host0"), wantest.Veth("lan1", "host1"))
	// First of all: the kernel looks at every IPv6 route for each address that ends.
	r.t.Cleanup(func() { _ = wantest.DelLink("lan0") })
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddAddr("wan0", "84.0.0.3/32"),
		wantest.AddDefault("wan0", "", 0, "src", "84.0.0.2"), wantest.AddDefault("wan0", "::", 1024))
	b, err := wantest.NewBulk()
	r.do(err)
	began := time.Now()
	for i := range c.addrs / 2 {
		dev := []string{"wan0", "wan1", "lan0", "lan1"}[i%4]
		b.Addr(true, dev, host("85.0.0.0/32", i))
		b.Addr(true, dev, host("2a01::1/48", i))
	}
	b.Flush()
	addrs := time.Since(began)
	for i := range c.routes4 {
		b.Route(true, "lan0", wantest.Nth(netip.MustParsePrefix("1.0.0.0/24"), i))
	}
	for i := range c.routes6 {
		b.Route(true, "lan0", wantest.Nth(netip.MustParsePrefix("2600::/48"), i))
	}
	r.do(b.Close())
	r.t.Logf("%d addresses in %v, %d routes in %v", c.addrs, addrs, c.routes4+c.routes6, time.Since(began)-addrs)
}

// host is the i-th of the addresses that are a subnet of p's length apart.
func host(p string, i int) netip.Prefix {
	a := wantest.Nth(netip.MustParsePrefix(p), i).Addr()
	return netip.PrefixFrom(a, a.BitLen())
}

// storm changes something a hundred times a second: mostly a routing daemon's
// routes, then addresses, then a cable. Amid it the preferred address changes
// now and then, and the daemon wants the new one; storm returns how long that
// took.
func (r *router) storm(length time.Duration) (took []time.Duration) {
	r.t.Helper()
	b, err := wantest.NewBulk()
	r.do(err)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			<-tick.C
			select {
			case <-stop:
				if i%100 == 0 { // all is as before
					return
				}
			default:
			}
			add, n := i/10%2 == 0, i%10
			switch {
			case n < 4:
				b.Route(add, "lan0", wantest.Nth(netip.MustParsePrefix("100.0.0.0/24"), n))
			case n < 7:
				b.Route(add, "lan0", wantest.Nth(netip.MustParsePrefix("2800::/48"), n))
			default:
				b.Addr(add, "wan0", host([]string{"86.0.0.0/32", "2a02::1/48"}[n%2], n))
			}
			switch i % 100 {
			case 50:
				r.do(wantest.Down("host1"))
			case 99:
				r.do(wantest.Up("host1"))
			}
			b.Flush()
		}
	}()
	every := time.NewTicker(length / 6)
	defer every.Stop()
	for i := range 5 {
		<-every.C
		want := fmt.Sprintf("84.0.0.%d", 3-i%2)
		r.do(wantest.ReplaceDefault("wan0", "", 0, "src", want))
		began := time.Now() // the kernel's own time, in a storm, is not ours
		r.until("the change is seen", func(st updater.Status) bool {
			return st.Services[0].Records[0].Wanted == want
		})
		took = append(took, time.Since(began))
	}
	<-every.C
	close(stop)
	<-ended
	r.do(b.Close())
	return took
}

// cpu is the time that the daemon and the kernel on its behalf have computed.
func (r *router) cpu() time.Duration {
	r.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.daemon.Process.Pid))
	r.do(err)
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, system int
	_, err = fmt.Sscan(f[11]+" "+f[12], &user, &system)
	r.do(err)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}

// memory is what the daemon occupies, and the part that is its alone, in KiB.
func (r *router) memory() (rss, own int) {
	r.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", r.daemon.Process.Pid))
	r.do(err)
	for line := range strings.Lines(string(b)) {
		_, _ = fmt.Sscanf(line, "Rss: %d kB", &rss)
		_, _ = fmt.Sscanf(line, "Anonymous: %d kB", &own)
	}
	return rss, own
}

// weather is what a storm did to the daemon.
type weather struct {
	took     time.Duration // the longest, from a change to the status that tells it
	share    float64       // of one core
	rss, own int           // KiB
}

func (c crowd) weather(t testing.TB, length time.Duration) (w weather) {
	r := newRouter(t)
	c.settle(r)
	r.on()
	r.requests(1)
	before, began := r.cpu(), time.Now()
	w.took = slices.Max(r.storm(length))
	w.share = float64(r.cpu()-before) / float64(time.Since(began))
	w.rss, w.own = r.memory()
	t.Logf("%+v", w)
	// The collector lets it have 16 MiB; nothing may grow beyond them.
	if w.own > 20<<10 {
		t.Errorf("the daemon has %d KiB of its own", w.own)
	}
	if info, err := os.Stat(r.path("run/status.json")); err != nil || info.Size() > 16<<10 {
		t.Errorf("the status is too long: %v, %v", info, err)
	}
	return w
}

func TestE2EStorm(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	crowd{addrs: 10_000, routes4: 20_000, routes6: 5_000}.weather(t, 3*time.Second)
}

// BenchmarkStorm lasts a minute on a router with the internet's routes.
func BenchmarkStorm(b *testing.B) {
	if !wantest.InNamespace(b) {
		return
	}
	w := crowd{addrs: 10_000, routes4: 800_000, routes6: 200_000}.weather(b, time.Minute)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(w.share*100, "%core")
	b.ReportMetric(float64(w.took.Milliseconds()), "ms-to-see")
	b.ReportMetric(float64(w.rss), "KiB-RSS")
	b.ReportMetric(float64(w.own), "KiB-own")
}
