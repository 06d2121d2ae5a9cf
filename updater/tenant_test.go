package updater_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wandns/persist"
	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan"
)

// subject is a provider on its simulator, and what the suite has to know of it.
type subject struct {
	simulator func() updatertest.Service
	hosts     []string // two that the account has
	unknown   string   // one that it has not
	login     string   // the field whose wrong value is refused
	throttle  updatertest.Fault
	pause     time.Duration // that throttle asks for
	// believed are answers that the documents make a success of, though the
	// simulator did nothing.
	believed []updatertest.Fault
}

// subjects are the providers that the suite knows, by Spec.Name.
func subjects() map[string]subject {
	const zone = "example.com"
	hosts := []string{"home." + zone, "nas." + zone}
	return map[string]subject{
		"noip": {
			simulator: func() updatertest.Service { return updatertest.NewNoIP("user@example.com", canary, hosts...) },
			hosts:     hosts, unknown: "other." + zone, login: "password", throttle: "911", pause: 30 * time.Minute,
			believed: []updatertest.Fault{"good"},
		},
		"freedns.io": {
			simulator: func() updatertest.Service { return updatertest.NewFreeDNS("user", canary, "home", "nas") },
			hosts:     []string{"home.freedns.io", "nas.freedns.io"}, unknown: "other.freedns.io", login: "password",
			throttle: updatertest.Status(401, "You can send up to 60 requests per hour."), pause: time.Hour,
			believed: append([]updatertest.Fault{updatertest.Empty}, texts()...), // 200 is success, whatever is said
		},
		"hostway": {
			simulator: func() updatertest.Service { return updatertest.NewHostway("user", canary, hosts...) },
			hosts:     hosts, unknown: "other." + zone, login: "password", throttle: updatertest.Error429, pause: 2 * time.Minute,
		},
		"hostup": {
			simulator: func() updatertest.Service { return updatertest.NewHostUp(canary, zone) },
			hosts:     hosts, unknown: "home.example.net", login: "api_key", throttle: updatertest.Error429, pause: 2 * time.Minute,
			believed: []updatertest.Fault{"good"},
		},
		"sonic": {
			simulator: func() updatertest.Service { return updatertest.NewSonic("user", canary, zone) },
			hosts:     hosts, unknown: "home.example.net", login: "apikey", throttle: updatertest.Error429, pause: 2 * time.Minute,
			believed: []updatertest.Fault{`{"result":200}`},
		},
	}
}

// texts are answers with status 200 that nobody asked for.
func texts() []updatertest.Fault {
	return []updatertest.Fault{"good", "some words", "\x00\x1b[31m", "{}", "[]", "null", `{"result":200}`}
}

// tenant is a house with a service at any provider, in which everything is
// watched that must hold whatever happens.
type tenant struct {
	*house
	subject
	spec    *updater.Spec
	values  map[string]string
	on      bool
	dead    atomic.Bool // after a power cut
	mu      sync.Mutex
	addrs   []netip.Addr              // of the WAN
	conn    net.Conn                  // the latest
	records map[string]persist.Record // as they are stored
}

func newTenant(t *testing.T, spec *updater.Spec) *tenant {
	t.Helper()
	s := subjects()[spec.Name]
	n := &tenant{house: houseOf(t, s.simulator()), subject: s, spec: spec}
	if dir, err := os.MkdirTemp("/dev/shm", "wandns"); err == nil { //nolint:usetesting // in memory: fsync would be most of the time
		t.Cleanup(func() { os.RemoveAll(dir) })
		n.dir = dir
	}
	n.values = n.sim.Fields()
	n.journal = func(j updater.Journal) updater.Journal { return witness{j, n} }
	t.Cleanup(func() {
		if n.on { // a failure must not leave it running
			n.kill()
		}
	})
	return n
}

// account is a service with these names as the daemon would make it.
func (n *tenant) account(hosts ...string) updater.Account {
	spec := n.spec
	families, limits := [2]bool{true, !spec.IPv4Only}, spec.Limits
	if spec.FamiliesOf != nil {
		families = spec.FamiliesOf(n.values)
	}
	if spec.LimitsOf != nil {
		limits = spec.LimitsOf(n.values)
	}
	for _, h := range hosts {
		if why := spec.CheckHost(h); why != "" {
			n.t.Errorf("%s %s", h, why)
		}
	}
	client := updater.NewClient(updater.ClientConfig{Dial: n.dial, Secrets: n.secrets()})
	return carried(updater.Service{
		Self:  updater.Self{Name: "home", Hosts: hosts, Account: "a", Login: digest(n.values), Config: digest(n.values, hosts)},
		Terms: updater.Terms{Provider: spec.Name, Title: spec.Title, Families: families, Limits: limits, Enabled: true, FromSource: spec.FromSource},
	}, updater.Carrier{
		Client: client,
		Provider: spec.New(updater.Settings{
			Values: n.values, Server: "http://api.test", Client: client,
			Agent: updater.Agent{Version: "1.0.0", Model: "test", Contact: "packager@wandns.invalid"},
		}),
	})
}

func digest(settings ...any) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, settings...)))[:16]
}

// secrets are those of the configuration, as the daemon lists them.
func (n *tenant) secrets() (list []string) {
	for _, f := range n.spec.Fields {
		if v := n.values[f.Name]; f.Secret && v != "" {
			list = append(list, v, url.QueryEscape(v))
			for _, user := range n.spec.Fields {
				if user.Identity {
					list = append(list, base64.StdEncoding.EncodeToString([]byte(n.values[user.Name]+":"+v)))
				}
			}
		}
	}
	return list
}

// from is a connection's end that sees where the other is.
type from struct {
	net.Conn
	addr netip.Addr
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(f.addr, 40000))
}

// dial connects from the address that the way names, or as the kernel would.
func (n *tenant) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	way, source := updater.WayOf(ctx), netip.Addr{}
	for _, a := range n.addrs {
		wanted := way.V4
		if a.Is6() {
			wanted = way.V6
		}
		if (!wanted.IsValid() || wanted == a) && (a.Is4() || network != "tcp4") && (a.Is6() || network != "tcp6") && !source.IsValid() {
			source = a
		}
	}
	if !source.IsValid() || n.dead.Load() {
		return nil, errors.New("network is unreachable")
	}
	client, server := net.Pipe()
	n.conn = client
	select {
	case n.net.conns <- from{server, source}:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lives gives the WAN these addresses.
func (n *tenant) lives(addrs ...string) {
	n.mu.Lock()
	n.addrs = nil
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
	n.mu.Unlock()
	if n.on {
		n.see(addrs...)
	}
}

// start boots the daemon with the WAN as it is.
func (n *tenant) start(accounts ...updater.Account) {
	n.t.Helper()
	n.dead.Store(false)
	n.boot(accounts...)
	n.on = true
	n.mu.Lock()
	var addrs []string
	for _, a := range n.addrs {
		addrs = append(addrs, a.String())
	}
	n.mu.Unlock()
	time.Sleep(time.Nanosecond) // time passes between a start and the first request
	n.see(addrs...)
}

// off is an orderly end.
func (n *tenant) off() {
	n.t.Helper()
	n.on = false
	n.house.off()
}

// kill is a power cut: from now on nothing leaves, arrives or is stored.
func (n *tenant) kill() {
	n.t.Helper()
	n.dead.Store(true)
	n.mu.Lock()
	if n.conn != nil {
		n.conn.Close()
	}
	n.mu.Unlock()
	n.off()
}

// witness stands between the runner and the store, and sees each intent before
// the request leaves.
type witness struct {
	updater.Journal
	n *tenant
}

func (w witness) Save(now persist.Moment, records iter.Seq2[string, persist.Record]) error {
	if w.n.dead.Load() {
		return nil
	}
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	if w.n.records == nil {
		w.n.records = map[string]persist.Record{}
	}
	for name, r := range records {
		r.Hosts = slices.Clone(r.Hosts)
		w.n.told(w.n.records[name], r)
		w.n.records[name] = r
		r.Tokens = nil
		b, err := json.Marshal(r)
		if err != nil {
			w.n.t.Error(err)
		}
		w.n.discreet("the record", string(b))
	}
	return w.Journal.Save(now, records)
}

// told finds a request that repeats what is confirmed, and a confirmation that
// is lost.
func (n *tenant) told(was, is persist.Record) {
	for name, h := range is.Hosts.All() {
		if b := was.Hosts.Of(name); b.V4.IsValid() && !h.V4.IsValid() || b.V6.IsValid() && !h.V6.IsValid() {
			n.t.Errorf("what was confirmed of %s is forgotten: %+v", name, h)
		}
	}
	if is.Intent == nil {
		return
	}
	for _, name := range is.Intent.Hosts {
		h := is.Hosts.Of(name)
		if a := is.Intent.V4; a.IsValid() && a == h.V4 && h.From4 == "" {
			n.t.Errorf("%s is told again that it is %s", name, a)
		}
		if a := is.Intent.V6; a.IsValid() && a == h.V6 && h.From6 == "" {
			n.t.Errorf("%s is told again that it is %s", name, a)
		}
	}
}

// discreet finds secrets in what should have none.
func (n *tenant) discreet(where, text string) {
	secrets := n.secrets()
	for _, r := range n.records {
		secrets = slices.AppendSeq(secrets, maps.Values(r.Tokens))
	}
	for _, s := range secrets {
		if strings.Contains(text, s) {
			n.t.Errorf("%s holds the secret %s: %s", where, s, text)
		}
	}
}

// lawful checks what the provider and the person would complain of.
func (n *tenant) lawful() {
	n.t.Helper()
	synctest.Wait()
	l := n.sim.Ledger()
	for i, e := range l {
		if e.Violation != "" {
			n.t.Fatalf("a rule was broken: %v\nafter %v", e, l[max(i-8, 0):i])
		}
		if i > 0 && l[i-1].Status == 429 && e.At.Sub(l[i-1].At) < 2*time.Minute {
			n.t.Fatalf("%v came %s after %v", e, e.At.Sub(l[i-1].At), l[i-1])
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	status, err := json.Marshal(n.service())
	if err != nil {
		n.t.Error(err)
	}
	n.discreet("the status", string(status))
	n.house.mu.Lock()
	defer n.house.mu.Unlock()
	n.discreet("the log", n.log.String())
}

// end stops the daemon and has a last look.
func (n *tenant) end() {
	n.t.Helper()
	n.lawful()
	n.off()
	n.lawful()
}

// wrong tells where the simulator's DNS is not at the WAN's addresses.
func (n *tenant) wrong(hosts ...string) string {
	n.mu.Lock()
	addrs := n.addrs
	n.mu.Unlock()
	for _, name := range hosts {
		r, _ := n.sim.Lookup(name)
		for _, a := range addrs {
			has := r.V4
			if a.Is6() {
				has = r.V6
			}
			if has != a && (a.Is4() || !n.spec.IPv4Only) {
				return fmt.Sprintf("%s is %s, want %s", name, has, a)
			}
		}
	}
	return ""
}

// settle lets time pass until nothing more is to come, at most a fortnight.
func (n *tenant) settle() updater.State {
	n.t.Helper()
	began := time.Now()
	for time.Since(began) < 14*24*time.Hour {
		st := n.service()
		if st.State != updater.Waiting && st.State != updater.Sending && st.State != updater.Verifying {
			return st.State
		}
		next, err := time.Parse(time.RFC3339, st.Next)
		wait := time.Minute
		if err == nil {
			wait = max(time.Until(next), 0) + time.Second
		}
		time.Sleep(wait)
	}
	n.t.Fatalf("it does not come to rest: %+v\n%v", n.service(), n.sim.Ledger())
	return ""
}

// settled wants the names right, and the user left alone.
func (n *tenant) settled(hosts ...string) {
	n.t.Helper()
	if state := n.settle(); state != updater.OK {
		n.t.Fatalf("it ends %s: %+v\n%v", state, n.service(), n.sim.Ledger())
	}
	if why := n.wrong(hosts...); why != "" {
		n.t.Fatalf("%s\n%+v\n%v", why, n.service(), n.sim.Ledger())
	}
	n.lawful()
}

// silent lets days pass in which nothing may be sent, but for what happens in
// between.
func (n *tenant) silent(d time.Duration, between ...func()) {
	n.t.Helper()
	synctest.Wait()
	before := len(n.sim.Ledger())
	for _, f := range append(between, func() {}) {
		time.Sleep(d)
		f()
		synctest.Wait()
	}
	if l := n.sim.Ledger(); len(l) != before {
		n.t.Fatalf("it was not silent: %+v\n%v", n.service(), l[max(before-2, 0):])
	}
}

// resume is the user who has acted.
func (n *tenant) resume() {
	n.sim.Forgive()
	n.commands <- updater.Command{Event: updater.Resume{Service: "home"}}
	synctest.Wait()
}

// families are those that the provider publishes.
func (n *tenant) families() []wan.Family {
	if n.spec.IPv4Only {
		return []wan.Family{wan.IPv4}
	}
	return []wan.Family{wan.IPv4, wan.IPv6}
}
