package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan/wantest"
)

// dns starts a name server at an address of this machine.
func (r *router) dns(at string, zone updatertest.Zone, habits ...updatertest.Habit) {
	r.t.Helper()
	address := net.JoinHostPort(at, "53")
	packets, err := net.ListenPacket("udp", address)
	r.do(err)
	connections, err := net.Listen("tcp", address)
	r.do(err)
	stop := updatertest.ServeDNS(zone, packets, connections, habits...)
	r.t.Cleanup(func() { _ = stop() })
}

// zone makes the machine's resolvers know the servers of example.com, and
// remember another address.
func (r *router) zone(servers map[string][]netip.Addr) updatertest.Domain {
	stale := held{"home.example.com": {V4: netip.MustParseAddr("84.9.9.9")}}
	for _, a := range wantest.Resolvers() {
		r.dns(a.String(), updatertest.Domain{Zone: stale, Apex: "example.com", Servers: servers}, updatertest.Lame)
	}
	return updatertest.Domain{Zone: r.sim, Apex: "example.com", Servers: servers}
}

type held map[string]updatertest.Record

func (h held) Lookup(host string) (updatertest.Record, bool) { rec, ok := h[host]; return rec, ok }

// looked tells whether the daemon, which it ends, looked up what is published.
func (r *router) looked() bool {
	r.t.Helper()
	r.out.Reset()
	r.term()
	return strings.Contains(r.out.String(), "looking up what is published")
}

// killedInFlight kills the daemon once the provider has its request.
func (r *router) killedInFlight() {
	r.t.Helper()
	changed := r.sim.Changed()
	r.on()
	select {
	case <-changed:
	case <-time.After(patience):
		r.term()
		r.t.Fatalf("no request: %+v\n%s", r.status(), r.out)
	}
	r.kill()
}

// The process is killed after the provider has, or has not, carried out the
// request, before the answer.
func TestE2EKilledBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	servers := map[string][]netip.Addr{"ns1.example.com": {netip.MustParseAddr("127.0.0.71")}, "ns2.example.com": {netip.MustParseAddr("127.0.0.72")}}
	zone := r.zone(servers)
	r.dns("127.0.0.71", zone, updatertest.Tiny)
	r.dns("127.0.0.72", zone)

	for _, tt := range []struct {
		name     string
		addr     string
		fault    updatertest.Fault
		requests int // with that which was cut short
	}{
		{"carried out", "84.0.0.2", updatertest.SlowAfter, 1},
		{"lost", "84.0.0.3", updatertest.Slow, 2},
	} {
		r.do(os.RemoveAll(r.path("state")), os.RemoveAll(r.path("run")), wantest.AddAddr("wan0", tt.addr+"/32"), wantest.AddDefault("wan0", "", 0))
		before := len(r.sim.Ledger())
		r.sim.Next(tt.fault)
		r.killedInFlight()
		r.on()
		st := r.state(updater.OK)
		if !r.looked() || len(r.sim.Ledger()) != before+tt.requests || st.Records[0].Published != tt.addr || st.Sent != tt.requests {
			t.Errorf("%s: %d requests, status %+v\n%s", tt.name, len(r.sim.Ledger()), st, r.out)
		}
		r.do(wantest.DelAddr("wan0", tt.addr+"/32"))
	}

	// The store is gone, and what is published is right.
	r.do(os.RemoveAll(r.path("state")), wantest.AddAddr("wan0", "84.0.0.3/32"), wantest.AddDefault("wan0", "", 0))
	before := len(r.sim.Ledger())
	r.on()
	if st := r.state(updater.OK); st.Sent != 0 || st.Records[0].Published != "84.0.0.3" || len(r.sim.Ledger()) != before {
		t.Errorf("without the store: %+v, %v", st, r.sim.Ledger())
	}
	r.kill()
	r.do(os.WriteFile(r.path("state/state.db"), []byte("not a database"), 0o600), wantest.AddAddr("wan0", "84.0.0.4/32"), wantest.DelAddr("wan0", "84.0.0.3/32"))
	r.on()
	if st := r.state(updater.OK); st.Sent != 1 || st.Records[0].Published != "84.0.0.4" || len(r.sim.Ledger()) != before+1 {
		t.Errorf("without the store, with another address: %+v, %v", st, r.sim.Ledger())
	}
}

// forged is what somebody on the way makes of a zone, as long as he is there.
type forged struct {
	updatertest.Zone
	addr atomic.Pointer[netip.Addr]
}

func (f *forged) Lookup(host string) (updatertest.Record, bool) {
	if a := f.addr.Load(); a != nil {
		return updatertest.Record{V4: *a}, true
	}
	return f.Zone.Lookup(host)
}

// At the first start somebody on the way answers for the DNS: nothing is sent
// while he does, and the name is right as soon as anybody looks after that.
func TestE2EForgedDNSAtTheFirstStart(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	one, two := netip.MustParseAddr("127.0.0.71"), netip.MustParseAddr("127.0.0.72")
	zone := r.zone(map[string][]netip.Addr{"ns1.example.com": {one}, "ns2.example.com": {two}})
	lies := []*forged{{Zone: r.sim}, {Zone: r.sim}}
	for i, a := range []netip.Addr{one, two} {
		zone.Zone = lies[i]
		r.dns(a.String(), zone)
	}
	starts := func(addr string, forgers ...*forged) {
		t.Helper()
		a := netip.MustParseAddr(addr)
		for _, f := range forgers {
			f.addr.Store(&a)
		}
		r.do(os.RemoveAll(r.path("state")), os.RemoveAll(r.path("run")), wantest.AddAddr("wan0", addr+"/32"), wantest.AddDefault("wan0", "", 0))
		r.on()
	}
	heals := func(addr string, sent int) {
		t.Helper()
		r.until("the provider has said it", func(st updater.Status) bool {
			return len(r.sim.Ledger()) == sent && st.Services[0].State == updater.OK && st.Services[0].Reason == ""
		})
		if got, _ := r.sim.Lookup("home.example.com"); got.V4.String() != addr {
			t.Errorf("%s is published, want %s", got.V4, addr)
		}
		r.kill()
		r.do(wantest.DelAddr("wan0", addr+"/32"))
	}
	verb := func(args ...string) func() {
		return func() {
			if code, out := r.say(args...); code != exitDone || !strings.Contains(out, "home: looking up what is published for home.example.com") {
				t.Errorf("%v: exit code %d, %s", args, code, out)
			}
		}
	}
	for i, ask := range []func(){
		verb("update"), verb("update", "home"), verb("resume", "home"),
		func() { r.term(); r.on() },
		func() { r.kill(); r.on() },
	} {
		addr, before := fmt.Sprint("84.0.1.", i+1), len(r.sim.Ledger())
		starts(addr, lies...)
		since := r.found(addr)
		ask()
		if again := r.found(addr); again != since || len(r.sim.Ledger()) != before {
			t.Errorf("%d: found %s, then %s; %v", i, since, again, r.sim.Ledger()[before:])
		}
		for _, f := range lies {
			f.addr.Store(nil)
		}
		ask()
		heals(addr, before+1)
	}
	starts("84.0.2.1", lies[0]) // who can forge one server only is not believed at all
	heals("84.0.2.1", len(lies)+4)
}

// found waits until an address is published by the DNS alone, and returns since
// when.
func (r *router) found(addr string) string {
	r.t.Helper()
	st := r.until("the DNS has it", func(st updater.Status) bool {
		return len(st.Services) > 0 && st.Services[0].State == updater.OK && strings.Contains(st.Services[0].Reason, "the DNS says that home.example.com is "+addr)
	}).Services[0]
	next, err := time.Parse(time.RFC3339, st.Next)
	if in := time.Until(next); err != nil || in > 10*time.Minute || in < 8*time.Minute || st.Records[0].Published != addr {
		r.t.Errorf("status %+v", st)
	}
	return st.Records[0].Since
}

// Nobody says what is published: one request is all that the doubt costs.
func TestE2EKilledWithoutADNS(t *testing.T) {
	t.Parallel()
	if !wantest.InNamespace(t) {
		return
	}
	r := newRouter(t)
	for _, a := range wantest.Resolvers() {
		r.dns(a.String(), held{}, updatertest.Mute)
	}
	r.do(wantest.AddAddr("wan0", "84.0.0.2/32"), wantest.AddDefault("wan0", "", 0))
	r.sim.Next(updatertest.SlowAfter)
	r.killedInFlight()
	r.on()
	if st := r.state(updater.OK); !r.looked() || st.Sent != 2 {
		t.Errorf("%+v\n%s", st, r.out)
	}
	if l := r.only(2); !strings.HasPrefix(l[1].Answer, "nochg") {
		t.Errorf("requests %v", l)
	}
}
