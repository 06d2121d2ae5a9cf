package updater_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
)

// names is a zone that does not change.
type names map[string]updatertest.Record

func (n names) Lookup(host string) (updatertest.Record, bool) { r, ok := n[host]; return r, ok }

// nameServer is one server at an address.
type nameServer struct {
	zone   updatertest.Zone
	habits []updatertest.Habit
}

// wires is a network that has name servers only.
type wires struct {
	servers map[string]nameServer
	void    bool // who is not there is silent; otherwise there is no way to him

	mu    sync.Mutex
	asked []string
}

// log takes what was asked since.
func (w *wires) log() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

func (w *wires) dial(_ context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.asked = append(w.asked, network+" "+address)
	host, port, _ := net.SplitHostPort(address)
	s, ok := w.servers[host]
	w.mu.Unlock()
	switch {
	case ok && port == "53":
		return updatertest.DialDNS(network, s.zone, s.habits...), nil
	case w.void:
		return updatertest.DialDNS(network, names{}, updatertest.Mute), nil
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
}

// client asks two resolvers.
func (w *wires) client(t *testing.T) *updater.Client {
	t.Helper()
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("# Interface wan\nsearch lan\nnameserver 10.0.0.1\nnameserver nobody\nnameserver fd00::1\nnameserver 10.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return updater.NewClient(updater.ClientConfig{Dial: w.dial, Resolv: []string{filepath.Join(t.TempDir(), "none"), resolv}})
}

func addrs(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

const (
	wan4 = "84.0.0.2"
	wan6 = "2a00:1:2:3::1"
)

func record(list ...string) (r updatertest.Record) {
	for _, a := range addrs(list...) {
		switch {
		case a.Is4() && !r.V4.IsValid():
			r.V4 = a
		case a.Is6() && !r.V6.IsValid():
			r.V6 = a
		default:
			r.More = append(r.More, a)
		}
	}
	return r
}

// TestWhatTheDNSSays asks for home.example.com on a first start: the DNS has
// it right, and nothing is sent, or the address is sent within three seconds.
func TestWhatTheDNSSays(t *testing.T) {
	const host = "home.example.com"
	right := names{host: record(wan4, wan6)}
	old := names{host: record("84.0.0.1", "2a00:1:2:3::9")}
	domain := func(zone updatertest.Zone, servers ...string) updatertest.Domain {
		d := updatertest.Domain{Zone: zone, Apex: "example.com", Servers: map[string][]netip.Addr{}}
		for _, s := range servers {
			name, list, _ := strings.Cut(s, "=")
			d.Servers[name] = nil
			if list != "" {
				d.Servers[name] = addrs(strings.Split(list, ",")...)
			}
		}
		return d
	}
	two := []string{"ns1.example.com=192.0.2.1,2001:db8::1", "ns2.example.com=192.0.2.2"}
	six := []string{two[0], "ns2.example.com=192.0.2.2,2001:db8::2"}
	three := append([]string{"ns3.example.com=192.0.2.3"}, two...)
	recursive := []updatertest.Habit{updatertest.Lame} // not an owner
	for _, tt := range []struct {
		name    string
		servers map[string]nameServer
		void    bool
		sent    bool
		within  time.Duration
	}{
		{"the resolver's old address is not believed", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), nil}, "192.0.2.2": {domain(right, two...), nil},
		}, false, false, 0},
		{"nor is its right one", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), recursive}, "192.0.2.1": {domain(old, two...), nil}, "192.0.2.2": {domain(old, two...), nil},
		}, false, true, 0},
		{"even if it claims to be an owner", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), nil},
		}, false, true, 0},
		{"the second resolver", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), []updatertest.Habit{updatertest.Refusing}},
			"fd00::1":  {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), nil}, "192.0.2.2": {domain(right, two...), nil},
		}, false, false, 0},
		{"the first is silent", map[string]nameServer{
			"fd00::1": {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), nil}, "192.0.2.2": {domain(right, two...), nil},
		}, true, false, 2900 * time.Millisecond},
		{"a lame server is passed over", map[string]nameServer{
			"10.0.0.1": {domain(old, three...), recursive}, "192.0.2.1": {domain(old, three...), []updatertest.Habit{updatertest.Lame}}, "192.0.2.2": {domain(right, three...), nil}, "192.0.2.3": {domain(right, three...), nil},
		}, false, false, 0},
		{"one that refuses too", map[string]nameServer{
			"10.0.0.1": {domain(old, three...), recursive}, "192.0.2.1": {domain(old, three...), []updatertest.Habit{updatertest.Refusing}}, "192.0.2.2": {domain(right, three...), nil}, "192.0.2.3": {domain(right, three...), nil},
		}, false, false, 0},
		{"one of three is silent", map[string]nameServer{
			"10.0.0.1": {domain(old, three...), recursive}, "192.0.2.1": {domain(right, three...), nil}, "192.0.2.3": {domain(right, three...), nil},
		}, true, false, 800 * time.Millisecond},
		{"one of two does not answer", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), recursive}, "192.0.2.2": {domain(right, two...), nil},
		}, false, true, 0},
		{"one of two is lame", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), recursive}, "192.0.2.2": {domain(right, two...), nil},
		}, false, true, 0},
		{"one of two is forged", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), nil}, "192.0.2.2": {domain(old, two...), nil},
		}, false, true, 0},
		{"one of two knows no such name", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), nil}, "192.0.2.2": {domain(names{}, two...), nil},
		}, false, true, 0},
		{"two addresses of one server are not two", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), recursive}, "192.0.2.1": {domain(right, two...), nil}, "2001:db8::1": {domain(right, two...), nil},
		}, false, true, 0},
		{"nor are two names of one", map[string]nameServer{
			"10.0.0.1": {domain(old, "ns1.example.com=192.0.2.1", "ns2.example.com=192.0.2.1"), recursive}, "192.0.2.1": {domain(right, two...), nil},
		}, false, true, 0},
		{"a zone with one server", map[string]nameServer{
			"10.0.0.1": {domain(old, "ns1.example.com=192.0.2.1,2001:db8::1"), recursive}, "2001:db8::1": {domain(right, two...), nil},
		}, false, false, 0},
		{"one that is silent too", map[string]nameServer{
			"10.0.0.1": {domain(old, "ns.example.com=192.0.2.1,192.0.2.2"), recursive}, "192.0.2.2": {domain(right, two...), nil},
		}, true, false, time.Second},
		{"all are lame", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), recursive}, "192.0.2.1": {domain(right, two...), recursive}, "192.0.2.2": {domain(right, two...), recursive},
		}, false, true, 0},
		{"a line with IPv6 only", map[string]nameServer{
			"fd00::1": {domain(old, six...), recursive}, "2001:db8::1": {domain(right, six...), nil}, "2001:db8::2": {domain(right, six...), nil},
		}, false, false, 0},
		{"answers that fit into no packet", map[string]nameServer{
			"10.0.0.1": {domain(old, two...), []updatertest.Habit{updatertest.Lame, updatertest.Tiny}}, "192.0.2.1": {domain(right, two...), []updatertest.Habit{updatertest.Tiny}}, "192.0.2.2": {domain(right, two...), []updatertest.Habit{updatertest.Tiny}},
		}, false, false, 0},
		{"servers with names elsewhere", map[string]nameServer{
			"10.0.0.1":  {updatertest.Zones{domain(old, "a.ns.test"), names{"a.ns.test": record("192.0.2.7")}}, recursive},
			"192.0.2.7": {domain(right, "a.ns.test"), nil},
		}, false, false, 0},
		{"no such name", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), recursive}, "192.0.2.1": {domain(names{}, two...), nil}, "192.0.2.2": {domain(names{}, two...), nil},
		}, false, true, 0},
		{"one family is missing", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), recursive}, "192.0.2.1": {domain(names{host: record(wan4)}, two...), nil}, "192.0.2.2": {domain(names{host: record(wan4)}, two...), nil},
		}, false, true, 0},
		{"a second address", map[string]nameServer{
			"10.0.0.1": {domain(right, two...), recursive}, "192.0.2.1": {domain(names{host: record(wan4, wan6, "84.0.0.1")}, two...), nil}, "192.0.2.2": {domain(names{host: record(wan4, wan6, "84.0.0.1")}, two...), nil},
		}, false, true, 0},
		{"an alias within the zone", map[string]nameServer{
			"10.0.0.1":  {domain(old, "ns1.example.com=192.0.2.1"), recursive},
			"192.0.2.1": {domain(names{host: {CNAME: "a.example.com"}, "a.example.com": {CNAME: "b.example.com"}, "b.example.com": record(wan4, wan6)}, two...), nil},
		}, false, false, 0},
		{"an alias of a name elsewhere", map[string]nameServer{
			"10.0.0.1":  {domain(right, "ns1.example.com=192.0.2.1"), recursive},
			"192.0.2.1": {domain(names{host: {CNAME: "a.example.net"}}, two...), nil},
		}, false, true, 0},
		{"an alias of itself", map[string]nameServer{
			"10.0.0.1":  {domain(right, "ns1.example.com=192.0.2.1"), recursive},
			"192.0.2.1": {domain(names{host: {CNAME: host}}, two...), nil},
		}, false, true, 0},
		{"nobody is there", nil, false, true, 0},
		{"nobody answers", nil, true, true, 3 * time.Second},
		{"only the resolver answers", map[string]nameServer{"10.0.0.1": {domain(right, two...), recursive}}, true, true, 3 * time.Second},
	} {
		bubble(t, func(t *testing.T) {
			h, w := newHouse(t, host), &wires{servers: tt.servers, void: tt.void}
			a := by(h.account(host), func(c *updater.Carrier) { c.Client = w.client(t) })
			h.boot(a)
			began := time.Now()
			h.see(wan4, wan6)
			if tt.within >= time.Second {
				if st := h.service(); st.State != updater.Verifying {
					t.Errorf("%s: state %s (%s)", tt.name, st.State, st.Reason)
				}
			}
			for h.service().State == updater.Verifying && time.Since(began) < time.Minute {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(began); took > tt.within {
				t.Errorf("%s: after %s", tt.name, took)
			}
			n := 0
			if tt.sent {
				n = 1
			}
			if st := h.service(); st.State != updater.OK || len(h.sim.Ledger()) != n {
				t.Errorf("%s: state %s (%s) after %v, want %d requests; asked %v", tt.name, st.State, st.Reason, h.sim.Ledger(), n, w.asked)
			}
			asked, found := len(w.asked), strings.Contains(h.service().Reason, "the DNS says")
			time.Sleep(24 * time.Hour)
			h.off()
			h.boot(a)
			h.see(wan4, wan6)
			time.Sleep(24 * time.Hour)
			if st := h.service(); st.State != updater.OK || (len(w.asked) > asked) != found || !found && !tt.sent || len(h.sim.Ledger()) != n {
				t.Errorf("%s: %s (%s), %d requests, asked again: %v", tt.name, st.State, st.Reason, len(h.sim.Ledger()), w.asked[asked:])
			}
			h.off()
		})
	}
}

// Somebody on the way forges all that the DNS says, and goes: the name is right
// after ten minutes, an hour or a day.
func TestAForgedDNSIsBelievedForAWhile(t *testing.T) {
	for _, forging := range []time.Duration{time.Second, 11 * time.Minute, 2 * time.Hour} {
		for _, then := range []string{"the truth", "no answer"} {
			bubble(t, func(t *testing.T) {
				h := newHouse(t, "home.example.com")
				servers := map[string][]netip.Addr{"ns1.example.com": addrs("192.0.2.1"), "ns2.example.com": addrs("192.0.2.2")}
				network := func(zone updatertest.Zone) map[string]nameServer {
					d := updatertest.Domain{Zone: zone, Apex: "example.com", Servers: servers}
					return map[string]nameServer{"10.0.0.1": {d, nil}, "192.0.2.1": {d, nil}, "192.0.2.2": {d, nil}}
				}
				w := &wires{servers: network(names{"home.example.com": record(wan4)})}
				h.boot(by(h.account("home.example.com"), func(c *updater.Carrier) { c.Client = w.client(t) }))
				began := time.Now()
				h.see(wan4)
				time.Sleep(forging)
				h.expect(updater.OK, 0)
				w.mu.Lock()
				if w.servers = nil; then == "the truth" {
					w.servers = network(h.sim)
				}
				w.mu.Unlock()
				look := 10 * time.Minute
				if forging > look {
					look = 24 * time.Hour
					if forging < time.Hour {
						look = time.Hour
					}
				}
				if then != "the truth" {
					look = 24 * time.Hour // until then it may be an outage
				}
				time.Sleep(look - time.Since(began) - time.Second)
				h.expect(updater.OK, 0)
				time.Sleep(2 * time.Second)
				h.expect(updater.OK, 1)
				asked := len(w.log())
				time.Sleep(30 * day)
				if h.expect(updater.OK, 1); h.service().Reason != "" || len(w.log()) > 0 {
					t.Errorf("%+v, asked %d times, then %v", h.service(), asked, w.asked)
				}
				h.off()
			})
		}
	}
}

// The answer to a request is lost, and the DNS has what the provider has.
func TestALostAnswerIsLookedUp(t *testing.T) {
	for _, tt := range []struct {
		fault    updatertest.Fault
		requests int
	}{{updatertest.CutAfter, 1}, {updatertest.Cut, 2}, {updatertest.HTML, 2}} {
		bubble(t, func(t *testing.T) {
			h := newHouse(t, "home.example.com")
			zone := updatertest.Domain{Zone: h.sim, Apex: "example.com", Servers: map[string][]netip.Addr{"ns.example.com": addrs("192.0.2.1")}}
			w := &wires{servers: map[string]nameServer{"10.0.0.1": {zone, []updatertest.Habit{updatertest.Lame}}, "192.0.2.1": {zone, nil}}}
			h.boot(by(h.account("home.example.com"), func(c *updater.Carrier) { c.Client = w.client(t) }))
			h.sim.Next(tt.fault)
			h.see("84.0.0.2")
			h.expect(updater.Waiting, 1)
			time.Sleep(7 * time.Minute)
			h.expect(updater.OK, tt.requests)
			if st := h.service(); st.LastError != "" || st.Records[0].Published != "84.0.0.2" {
				t.Errorf("%s: %+v", tt.fault, st)
			}
			time.Sleep(time.Hour)
			h.see("84.0.0.3")
			h.expect(updater.OK, tt.requests+1)
			h.off()
		})
	}
}

// reading is a provider that says what it publishes, if err is nil.
type reading struct {
	updater.Provider
	zone  updatertest.Zone
	err   error
	asked int
}

func (r *reading) Published(_ context.Context, hosts []string) (list []updater.Published, err error) {
	r.asked++
	for _, h := range hosts {
		if found, ok := r.zone.Lookup(h); ok {
			list = append(list, updater.Published{Host: strings.ToUpper(h), V4: found.V4, V6: found.V6})
		}
	}
	return list, r.err
}

func TestTheProviderSaysWhatItPublishes(t *testing.T) {
	const host = "home.example.com"
	right, old := names{host: record(wan4)}, names{host: record("84.0.0.1")}
	for _, tt := range []struct {
		name     string
		provider updatertest.Zone
		err      error
		dns      updatertest.Zone
		state    updater.State
		sent     int
	}{
		{"it has the address", right, nil, old, updater.OK, 0},
		{"it has another", old, nil, right, updater.OK, 1},
		{"it does not know the name", names{}, nil, right, updater.OK, 1},
		{"it does not say", nil, &updater.Fault{Kind: updater.Refused, Detail: "not without a key", Next: "set api_key"}, right, updater.OK, 0},
		{"it is not there", nil, &updater.Fault{Kind: updater.Unreachable, Detail: "away"}, right, updater.OK, 0},
		{"neither is", nil, errors.New("given up"), nil, updater.OK, 1},
		{"it wants to be left alone", nil, &updater.Fault{Kind: updater.Throttled, Detail: "later", RetryAfter: time.Hour}, right, updater.Waiting, 0},
		{"it wants nothing to do with us", nil, &updater.Fault{Kind: updater.Blocked, Detail: "what it says"}, right, updater.NeedsUser, 0},
	} {
		bubble(t, func(t *testing.T) {
			h, w := newHouse(t, host), &wires{servers: map[string]nameServer{}}
			if tt.dns != nil {
				zone := updatertest.Domain{Zone: tt.dns, Apex: "example.com", Servers: map[string][]netip.Addr{"ns.example.com": addrs("192.0.2.1")}}
				w.servers = map[string]nameServer{"10.0.0.1": {zone, nil}, "192.0.2.1": {zone, nil}}
			}
			provider := &reading{zone: tt.provider, err: tt.err}
			if provider.zone == nil {
				provider.zone = names{}
			}
			h.boot(by(h.account(host), func(c *updater.Carrier) {
				provider.Provider = c.Provider
				c.Client, c.Provider = w.client(t), provider
			}))
			h.see(wan4)
			time.Sleep(time.Minute)
			h.expect(tt.state, tt.sent)
			if provider.asked != 1 || (len(w.asked) > 0) != (tt.err != nil && tt.state == updater.OK) {
				t.Errorf("%s: asked the provider %d times, the DNS %v", tt.name, provider.asked, w.asked)
			}
			h.off()
		})
	}
}

func TestNamesThatAreNotInTheDNS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := newHouse(t, "home.example.com"), &wires{void: true}
		sim := h.sim.(*updatertest.NoIP)
		sim.Groups = map[string][]string{"group1": {"home.example.com"}}
		sim.Add("all.test")
		h.boot(by(h.account("group1", "all.test"), func(c *updater.Carrier) {
			c.Client, c.NotInDNS = w.client(t), func(host string) bool { return host == "all.test" }
		}))
		h.see(wan4)
		h.expect(updater.OK, 1)
		if len(w.asked) > 0 {
			t.Errorf("asked %v", w.asked)
		}
		h.off()
	})
}

func TestTheDNSIsAskedByTheWay(t *testing.T) {
	var ways []string
	bubble(t, func(t *testing.T) {
		h, w := newHouse(t, "home.example.com"), &wires{}
		zone := updatertest.Domain{Zone: names{}, Apex: "example.com", Servers: map[string][]netip.Addr{"ns.example.com": addrs("192.0.2.1")}}
		w.servers = map[string]nameServer{"10.0.0.1": {zone, nil}, "192.0.2.1": {zone, nil}}
		a := by(h.account("home.example.com"), func(c *updater.Carrier) {
			c.Client = updater.NewClient(updater.ClientConfig{Resolv: []string{"testdata/resolv.conf"}, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				ways = append(ways, network+" "+address+" "+updater.WayOf(ctx).Device)
				return w.dial(ctx, network, address)
			}})
		})
		a.Policy.Device, a.FromSource = "wan0", true
		h.boot(a)
		h.see(wan4)
		synctest.Wait()
		h.off()
	})
	slices.Sort(ways)
	if got := strings.Join(slices.Compact(ways), ","); got != "udp 10.0.0.1:53 ,udp 192.0.2.1:53 wan0" {
		t.Errorf("asked %s", got)
	}
}
