package updater_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wandns/updater"
	"wandns/updater/updatertest"
	"wandns/wan"
	"wandns/wan/wantest"
)

// street is a network of outside services, a.test, b.test and so on; nobody
// else is there.
type street struct {
	t      *testing.T
	houses []*updatertest.Outside
	urls   []string
	nets   map[string]*pipes
	family string // "4" or "6": by which everybody has to come
}

func newStreet(t *testing.T, says ...string) *street {
	s := &street{t: t, nets: map[string]*pipes{}, family: "4"}
	for i, text := range says {
		host := string(rune('a'+i)) + ".test"
		o, p := updatertest.NewOutside(text), &pipes{make(chan net.Conn), make(chan struct{})}
		s.houses, s.nets[host+":80"] = append(s.houses, o), p
		s.urls = append(s.urls, "http://"+host+"/ip?for=me")
		server := &http.Server{Handler: o, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go func() { _ = server.Serve(p) }() // ends with Close
		t.Cleanup(func() { server.Close() })
	}
	return s
}

func (s *street) client() *updater.Client {
	return updater.NewClient(updater.ClientConfig{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if network == "udp" {
			return nil, errors.New("network is unreachable")
		}
		if network != "tcp"+s.family {
			s.t.Errorf("%s by %s, want family %s", address, network, s.family)
		}
		p, ok := s.nets[address]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: strings.TrimSuffix(address, ":443"), IsNotFound: true}
		}
		return p.dial(ctx, network, address)
	}})
}

func (s *street) asked() (n int) {
	for _, o := range s.houses {
		n += len(o.Ledger())
		if v := o.Violations(); len(v) > 0 {
			s.t.Errorf("a service was told too much: %v", v)
		}
	}
	return n
}

func (s *street) look() updater.Look {
	return updater.Look{Family: wan.IPv4, URLs: s.urls, Way: updater.Way{Only: updater.OnlyIPv4}}
}

func TestTwoMustAgree(t *testing.T) {
	const bad = "192.168.1.1"
	faults := func(n int, f updatertest.Fault) (list []updatertest.Fault) {
		for range n {
			list = append(list, f)
		}
		return list
	}
	for _, tt := range []struct {
		name     string
		says     []string
		faults   []updatertest.Fault // by house
		want     string
		kind     updater.Kind
		words    string
		min, max int
	}{
		{name: "one of the user's", says: []string{"84.0.0.9"}, want: "84.0.0.9", min: 1, max: 1},
		{name: "all agree", says: []string{"84.0.0.9", `{"ip":"84.0.0.9"}`, "84.0.0.9\n", "84.0.0.9", "84.0.0.9"}, want: "84.0.0.9", min: 2, max: 2},
		{name: "one lies", says: []string{"84.0.0.9", "84.0.0.9", "84.0.0.9", "9.9.9.9"}, want: "84.0.0.9", min: 2, max: 3},
		{name: "two of two differ", says: []string{"84.0.0.9", "84.0.0.8"}, kind: updater.Transient, words: "the services differ: [84.0.0.8 84.0.0.9]", min: 2, max: 2},
		{name: "all differ", says: []string{"84.0.0.1", "84.0.0.2", "84.0.0.3", "84.0.0.4", "84.0.0.5"}, kind: updater.Transient, words: "differ", min: 4, max: 4},
		{name: "only one knows", says: []string{"84.0.0.9", bad, bad}, kind: updater.Transient, words: "one service says 84.0.0.9 and no other confirms it", min: 3, max: 3},
		{name: "nobody knows", says: []string{bad, bad, bad, bad, bad}, kind: updater.Transient, words: "without a public IPv4 address; check whether the network has a login page", min: 4, max: 4},
		{name: "login pages", says: []string{"84.0.0.9"}, faults: faults(1, updatertest.HTML), kind: updater.Transient, words: "login page", min: 1, max: 1},
		{name: "a redirect", says: []string{"84.0.0.9"}, faults: faults(1, updatertest.Redirect), kind: updater.Transient, words: "login page", min: 1, max: 1},
		{name: "an error that names the address", says: []string{"84.0.0.9"}, faults: faults(1, updatertest.Error500), kind: updater.Transient, words: "HTTP status 500", min: 1, max: 1},
		{name: "too much", says: []string{"84.0.0.9"}, faults: faults(1, updatertest.Huge), kind: updater.Transient, words: "no complete answer", min: 1, max: 1},
		{name: "cut off", says: []string{"84.0.0.9"}, faults: faults(1, updatertest.Cut), kind: updater.Transient, words: "no complete answer", min: 1, max: 2},
		{name: "slow", says: []string{"84.0.0.9"}, faults: faults(1, updatertest.Slow), kind: updater.Unreachable, words: "a.test did not answer within 10 seconds", min: 1, max: 1},
		{name: "one slow, one empty", says: []string{"84.0.0.9", "84.0.0.9", "84.0.0.9", "84.0.0.9"}, faults: []updatertest.Fault{updatertest.Slow, updatertest.Empty}, want: "84.0.0.9", min: 2, max: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStreet(t, tt.says...)
				for i, f := range tt.faults {
					s.houses[i].Next(f)
				}
				began := time.Now()
				a, err := s.client().Ask(t.Context(), s.look())
				got := ""
				if fault, ok := err.(*updater.Fault); ok { //nolint:errorlint // the contract is a *Fault itself
					if fault.Kind != tt.kind || !strings.Contains(fault.Error(), tt.words) || strings.Contains(fault.Error(), "for=me") {
						t.Errorf("fault = %v %q, want %v with %q", fault.Kind, fault, tt.kind, tt.words)
					}
				} else {
					got = a.String()
				}
				if n := s.asked(); got != tt.want || n < tt.min || n > tt.max {
					t.Errorf("%s %v after %d requests, want %s after %d to %d", got, err, n, tt.want, tt.min, tt.max)
				}
				if d := time.Since(began); d > 20*time.Second {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

func TestNobodyOutsideIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStreet(t)
		l := updater.Look{Family: wan.IPv6, Way: updater.Way{Only: updater.OnlyIPv6}}
		s.family = "6"
		_, err := s.client().Ask(t.Context(), l)
		if fault, ok := err.(*updater.Fault); !ok || fault.Kind != updater.Unreachable || !strings.Contains(fault.Detail, "was not found in the DNS") { //nolint:errorlint // as above
			t.Errorf("err = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.client().Ask(ctx, l); err != context.Canceled { //nolint:errorlint // as above
			t.Errorf("given up: %v", err)
		}
	})
}

// On the real kernel: by the device and over the family that are asked about.
func TestALookLeavesByItsWay(t *testing.T) {
	if !wantest.InNamespace(t) {
		return
	}
	twoWANs(t)
	defaults(t, 0, 10)
	defaults(t, 1, 20)
	for _, c := range []struct {
		family    wan.Family
		way       updater.Way
		url, want string
	}{
		{wan.IPv4, updater.Way{Only: updater.OnlyIPv4}, server4, "84.0.0.2"},
		{wan.IPv4, updater.Way{Only: updater.OnlyIPv4, Device: "wan1"}, server4, "84.1.0.2"},
		{wan.IPv6, updater.Way{Only: updater.OnlyIPv6, Device: "wan1"}, server6, "2a00:1::2"},
		{wan.IPv6, updater.Way{Only: updater.OnlyIPv6}, server4, ""},
	} {
		got, err := updater.NewClient(updater.ClientConfig{}).Ask(t.Context(), updater.Look{Family: c.family, URLs: []string{c.url}, Way: c.way})
		if c.want != "" && (err != nil || got.String() != c.want) || c.want == "" && err == nil {
			t.Errorf("%s by %+v: %s %v, want %q", c.url, c.way, got, err, c.want)
		}
	}
}

// A day behind CGNAT with the real runner, provider and store.
func TestADayBehindCGNAT(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, s := newHouse(t, "home.example.com"), newStreet(t, "84.0.0.9", "84.0.0.9")
		a := by(h.account("home.example.com"), func(c *updater.Carrier) { c.Client = s.client() })
		a.URLs = [2][]string{s.urls}
		a.Families = [2]bool{true, false}
		h.boot(a)
		h.see("100.64.0.2")
		h.expect(updater.OK, 1)
		if e := h.sim.Ledger()[0]; e.Value != "84.0.0.9" || s.asked() != 2 {
			t.Errorf("request %v after %d questions", e, s.asked())
		}
		if r := h.service().Reason; !strings.Contains(r, "nothing can connect in") {
			t.Errorf("reason = %q", r)
		}
		writes := h.writes.Load()
		time.Sleep(24 * time.Hour)
		if n := s.asked(); n < 2*115 || n > 2*145 {
			t.Errorf("%d questions in a day", n)
		}
		if h.expect(updater.OK, 1); h.writes.Load() != writes {
			t.Errorf("the status was written %d times", h.writes.Load()-writes)
		}

		for _, o := range s.houses {
			o.Says("84.0.0.10")
		}
		time.Sleep(13 * time.Minute)
		h.expect(updater.OK, 2)
		before := s.asked()
		for i := range 100 { // the router before this one reboots again and again
			h.see()
			time.Sleep(100 * time.Millisecond)
			h.see(fmt.Sprintf("100.64.0.%d", i+3))
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.asked() - before; n > 2*5 {
			t.Errorf("%d questions in 20 s of flapping", n)
		}
		time.Sleep(time.Hour)
		h.expect(updater.OK, 2)
		h.off()

		h.boot(a)
		h.see("100.64.0.102")
		h.expect(updater.OK, 2)
		h.see("84.0.0.11")
		h.expect(updater.OK, 3)
		before = s.asked()
		time.Sleep(24 * time.Hour)
		if n := s.asked() - before; n > 0 {
			t.Errorf("%d questions with a public address", n)
		}
		h.off()
	})
}

func TestNoIPTakesTheAddressOfTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHouse(t, "home.example.com")
		h.sim.SetSource(func(*http.Request) netip.Addr { return netip.MustParseAddr("84.0.0.9") })
		a := h.account("home.example.com")
		a.Source, a.Families = updater.ProviderSource, [2]bool{true, false}
		for range 2 {
			h.boot(a)
			h.see("100.64.0.2")
			time.Sleep(24 * time.Hour)
			h.expect(updater.OK, 1)
			h.off()
		}
		if e := h.sim.Ledger()[0]; e.Value != "" || e.Answer != "good 84.0.0.9\r\n" {
			t.Errorf("request = %v", e)
		}
		h.boot(a)
		h.sim.Next("good 192.168.1.1", "good", "badauth 84.0.0.9", "good 127.0.0.1")
		h.see("100.64.0.3")
		h.expect(updater.Waiting, 2)
		time.Sleep(7 * time.Minute)
		h.expect(updater.Waiting, 3)
		if r, _ := h.sim.Lookup("home.example.com"); r.V4.String() != "84.0.0.9" || h.service().Records[0].Published != "84.0.0.9" {
			t.Errorf("published = %v", h.service().Records)
		}
		time.Sleep(13 * time.Minute)
		h.expect(updater.NeedsUser, 4)
		h.off()
		synctest.Wait()
	})
}
