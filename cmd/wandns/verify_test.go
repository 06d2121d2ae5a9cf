package main

import (
	"net"
	"net/netip"
	"os"
	"strings"
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
	r.dns("127.0.0.72", zone, updatertest.Lame)

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
